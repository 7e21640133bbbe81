"""A kernel's trees as a build leaves them: source and build directory, apart or in one, whole or damaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builders.root import header_files

RELEASE = "6.1.9"
SOURCE_ONLY = {
    "Makefile": b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 9\n",
    "Kconfig": b"",
    "include/linux/commented.h": b"/* SPDX-License-Identifier: GPL-2.0 */\nint a; /* gone */\nint b; // stays\n",
    "include/linux/notes.txt": b"no header",
    "drivers/a/b.h": b"int elsewhere;\n",
    "arch/arm64/include/asm/page.h": b"#define PAGE_SHIFT 16\n",
}
MADE = {
    "include/generated/bounds.h": b"#define NR_PAGEFLAGS 23\n",
    "include/generated/asm-offsets.h": b"#define TASK 8\n",
    "include/generated/utsversion.h": b'#define UTS_VERSION "#1"\n',
    "arch/x86/include/generated/asm/made.h": b"#include <asm-generic/made.h>\n",
}


def write(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write *files* below *directory*."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


def source_files(release: str = RELEASE) -> dict[str, bytes]:
    """What a source tree holds before anything is built."""
    plain = {name: data for name, data in header_files(release).items() if "/generated/" not in name}
    return {**plain, **SOURCE_ONLY}


def made_files(release: str = RELEASE, options: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """What ``make prepare`` adds."""
    wanted = {"CONFIG_X86": "y", "CONFIG_SMP": "y"} if options is None else options
    made = {n: data for n, data in header_files(release, options=wanted).items() if "/generated/" in n}
    return {**made, **MADE}


def split(directory: Path, release: str = RELEASE) -> tuple[Path, Path]:
    """A source tree, and the directory that it is built in (``make O=``) with its link to the source."""
    source = write(directory / "source", source_files(release))
    build = write(directory / "build", made_files(release))
    (build / "source").symlink_to(source)
    return source, build


def whole(directory: Path, release: str = RELEASE) -> Path:
    """A source tree that is built in itself."""
    return write(directory / "linux", {**source_files(release), **made_files(release)})
