"""A whole fake root: what ``/proc``, ``/sys``, ``/boot`` and ``/lib/modules`` of one machine look like to kheaders.

    root = FakeRoot(tmp_path)                      # proc and sys of a running kernel, nothing else
    root.build_tree()                              # /lib/modules/R/build, a small but whole header tree
    root.config({"CONFIG_SMP": "y"})               # /boot/config-R
    kernel = kheaders.kernel.running(root.path)

Each method returns the real path that it made. Paths that are given are those of the fake system: ``/boot/x`` or
``boot/x``, below ``root.path``. Absolute link targets are the fake system's, too.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

RELEASE = "6.1.0-99-amd64"
VERSION = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.999-1 (2030-01-01)"
BUILD_ID = "0123456789abcdef0123456789abcdef01234567"
BOOT_ID = "11111111-2222-4333-8444-555555555555"
BTF = b"\x9f\xeb\x01\x00" + b"only its digest matters"
CONFIG = {"CONFIG_SMP": "y", "CONFIG_HZ": "250", "CONFIG_NET_SCHED": "y", "CONFIG_TUN": "m"}


@contextlib.contextmanager
def unprivileged() -> Iterator[Path]:
    """A private temporary directory, and no power over anything else: root acts as uid 65534 within the block."""
    with tempfile.TemporaryDirectory(prefix="test-") as made:
        if os.geteuid() != 0:
            yield Path(made)
            return
        os.chown(made, 65534, -1)
        os.seteuid(65534)
        try:
            yield Path(made)
        finally:
            os.seteuid(0)


def note(name: bytes, kind: int, description: bytes, order: str = "<") -> bytes:
    """One ELF note, name and description padded to four bytes; *order* is that of :mod:`struct`."""
    padded = [part + bytes(-len(part) % 4) for part in (name, description)]
    return struct.pack(f"{order}3I", len(name), len(description), kind) + b"".join(padded)


def config_text(options: Mapping[str, str]) -> str:
    """A ``.config``; an option whose value is ``n`` is written as the comment that Kconfig writes."""
    lines = [f"# {name} is not set" if value == "n" else f"{name}={value}" for name, value in options.items()]
    return "\n".join(["#", "# Automatically generated file; DO NOT EDIT.", "#", *lines, ""])


def autoconf_text(options: Mapping[str, str]) -> str:
    """The ``include/generated/autoconf.h`` that Kconfig makes of *options*."""
    lines = []
    for name, value in options.items():
        if value == "m":
            lines.append(f"#define {name}_MODULE 1")
        elif value != "n":
            lines.append(f"#define {name} {'1' if value == 'y' else value}")
    return "\n".join(["/* Automatically generated file; DO NOT EDIT. */", *lines, ""])


def header_files(
    release: str = RELEASE, srcarch: str = "x86", options: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """Relative path → bytes of a small header tree that holds together and that clang can compile against."""
    major, minor = (int(part) for part in release.split(".")[:2])
    texts = {
        "include/generated/autoconf.h": autoconf_text(CONFIG if options is None else options),
        "include/generated/utsrelease.h": f'#define UTS_RELEASE "{release}"\n',
        "include/generated/uapi/linux/version.h": (
            f"#define LINUX_VERSION_CODE {major << 16 | minor << 8}\n"
            "#define KERNEL_VERSION(a,b,c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))\n"
        ),
        "include/linux/kconfig.h": "#ifndef _K\n#define _K\n#include <generated/autoconf.h>\n#endif\n",
        "include/linux/types.h": "#ifndef _T\n#define _T\n#include <uapi/linux/types.h>\ntypedef __u32 u32;\n#endif\n",
        "include/linux/sched.h": (
            "#ifndef _S\n#define _S\n#include <linux/types.h>\n#include <asm/page.h>\n"
            "struct task_struct { int pid; int tgid; char comm[16]; };\n#endif\n"
        ),
        "include/uapi/linux/types.h": "#ifndef _UT\n#define _UT\ntypedef unsigned int __u32;\n#endif\n",
        f"arch/{srcarch}/include/asm/page.h": "#define PAGE_SHIFT 12\n",
    }
    return {path: text.encode() for path, text in texts.items()}


class FakeRoot:
    """A directory that stands for ``/`` of a machine that runs *release*.

    With ``proc=False`` or ``sys=False`` the directory stays without ``/proc`` or ``/sys``, as an unpacked image is.
    """

    def __init__(
        self,
        directory: Path,
        *,
        release: str = RELEASE,
        version: str = VERSION,
        machine: str = "x86_64",
        srcarch: str = "x86",
        build_id: str = BUILD_ID,
        boot_id: str = BOOT_ID,
        proc: bool = True,
        sys: bool = True,
    ) -> None:
        self.path = directory / "root"
        self.path.mkdir(parents=True, exist_ok=True)
        self.release = release
        self.srcarch = srcarch
        self.modules = f"/lib/modules/{release}"
        if proc:
            self.write("/proc/sys/kernel/osrelease", f"{release}\n")
            self.write("/proc/sys/kernel/version", f"{version}\n")
            self.write("/proc/sys/kernel/arch", f"{machine}\n")
            self.write("/proc/sys/kernel/random/boot_id", f"{boot_id}\n")
            self.write("/proc/version", f"Linux version {release} (builder@host) (gcc 12.2.0) {version}\n")
        if sys:
            self.notes(build_id)
            self.write("/sys/kernel/btf/vmlinux", BTF)

    def at(self, path: str) -> Path:
        """The real path of *path*, a path of the fake system; links are not followed."""
        return self.path / path.lstrip("/")

    def write(self, path: str, content: bytes | str, mode: int = 0o644) -> Path:
        """Make a file, and its directories."""
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        return file

    def link(self, path: str, target: str) -> Path:
        """Make a symbolic link that holds *target* as it is."""
        link = self.at(path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
        return link

    def remove(self, path: str) -> None:
        """Remove one file or link."""
        os.unlink(self.at(path))

    def notes(self, build_id: str, order: str = "<") -> Path:
        """``/sys/kernel/notes``: the GNU build id among other notes, as kernels have them, in byte order *order*."""
        parts = (
            note(b"Linux\0", 0x101, bytes(4), order),
            note(b"GNU\0", 3, bytes.fromhex(build_id), order),
            note(b"Linux\0", 0x100, b"salt\0", order),
        )
        return self.write("/sys/kernel/notes", b"".join(parts))

    def config(self, options: Mapping[str, str] | None = None, path: str = "") -> Path:
        """A configuration at *path* (``/boot/config-R`` by default), compressed where the name ends in ``.gz``."""
        path = path or f"/boot/config-{self.release}"
        data = config_text(CONFIG if options is None else options).encode()
        return self.write(path, gzip.compress(data) if path.endswith(".gz") else data)

    def files(self, directory: str, files: Mapping[str, bytes]) -> Path:
        """Write *files* (relative path → bytes) below *directory*."""
        for relative, data in files.items():
            self.write(f"{directory}/{relative}", data)
        return self.at(directory)

    def headers(self, directory: str, *, release: str = "", options: Mapping[str, str] | None = None) -> Path:
        """A whole small header tree at *directory*, of this kernel unless *release* says otherwise."""
        return self.files(directory, header_files(release or self.release, self.srcarch, options))

    def build_tree(self, target: str = "", *, release: str = "", options: Mapping[str, str] | None = None) -> Path:
        """``/lib/modules/R/build`` with headers and ``.config``: a directory, or with *target* a link to it there."""
        directory = target or f"{self.modules}/build"
        real = self.headers(directory, release=release, options=options)
        self.config(options, f"{directory}/.config")
        if target:
            self.link(f"{self.modules}/build", target)
        return real

    def split_tree(self, source: str, build: str) -> tuple[Path, Path]:
        """A split tree: generated headers at *build*, all others at *source*, and the two links of the modules."""
        files = header_files(self.release, self.srcarch)
        made = {path for path in files if "/generated/" in path}
        self.files(source, {path: data for path, data in files.items() if path not in made})
        self.files(build, {path: files[path] for path in made})
        self.config(None, f"{build}/.config")
        self.link(f"{self.modules}/source", source)
        self.link(f"{self.modules}/build", build)
        return self.at(source), self.at(build)

    def module(self, name: str, data: bytes, directory: str = "kernel/kernel") -> Path:
        """A module file, for example ``kheaders.ko.xz``, below ``/lib/modules/R/<directory>``."""
        return self.write(f"{self.modules}/{directory}/{name}", data)
