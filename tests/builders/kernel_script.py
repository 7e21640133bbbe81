"""The kernel's own script, kernel/gen_kheaders.sh, run as the kernel's build runs it, on Debian's source of 6.1.

Debian's packages save the build: the source has the script and the headers, the header package of the same version has
what ``make prepare`` would have made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from builders.debian import Debian
from builders.kernel_archive import Unobtainable

SUITE, SERIES = "bookworm", "6.1"
TOOLS = ("cpio", "perl", "tar", "xz")
"""What the script runs, besides a shell and the usual small programs."""
_PARTS = ("include", "arch/x86/include", "kernel/gen_kheaders.sh", "Makefile")


@dataclass(frozen=True)
class Trees:
    """A source tree (the part of it that matters) and a build tree of the same kernel."""

    source: Path
    build: Path


def trees() -> Trees:
    """The trees, downloaded and unpacked once. Not to be changed. Raises Unobtainable."""
    debian = Debian(SUITE)
    name = f"linux-source-{SERIES}"
    source = debian.unpacked(name, then=_unpack_source) / name
    headers = debian.needed("linux-headers-cloud-amd64")
    common = debian.needed(headers, r"linux-headers-[^ ]*-common")
    build = debian.unpacked(headers, common) / "usr/src" / headers
    return Trees(source, build)


def run(trees: Trees, work: Path) -> Path:
    """Run the script on *trees* in a copy of the build tree below the empty directory *work*; the archive it makes.

    The variables are those that kernel/Makefile of 6.1 exports.
    """
    build = work / "build"
    shutil.copytree(trees.build, build, symlinks=True)
    (build / "kernel").mkdir()
    environ = {**os.environ, "srctree": str(trees.source), "SRCARCH": "x86", "building_out_of_srctree": "1", "XZ": "xz"}
    environ.pop("KBUILD_BUILD_TIMESTAMP", None)
    script = trees.source / "kernel/gen_kheaders.sh"
    subprocess.run(
        ["sh", script, "kernel/kheaders_data.tar.xz"], cwd=build, env=environ, check=True, stdout=subprocess.DEVNULL
    )
    return build / "kernel/kheaders_data.tar.xz"


def _unpack_source(root: Path) -> None:
    name = f"linux-source-{SERIES}"
    archive = root / "usr/src" / f"{name}.tar.xz"
    if not archive.exists():
        raise Unobtainable(f"{name} holds no {archive.name}")
    subprocess.run(["tar", "-xf", archive, "-C", root, *(f"{name}/{part}" for part in _PARTS)], check=True)
    archive.unlink()


def buildable(place: Path) -> tuple[Path, str]:
    """A header directory below *place* that modules can be built against, and its release; nothing is installed.

    Debian's packages name each other by absolute paths below /usr; in a copy these are put right.
    """
    debian = Debian(SUITE)
    headers = debian.needed("linux-headers-cloud-amd64")
    needs = [debian.needed(headers, pattern) for pattern in (r"linux-headers-[^ ]*-common", r"linux-kbuild-[^ ]*")]
    packages = debian.unpacked(headers, *needs)
    root = place / "buildable"
    shutil.copytree(packages / "usr", root / "usr", symlinks=True)
    directory = root / "usr/src" / headers
    makefile = directory / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{root}/usr/src/"))
    return directory, headers.removeprefix("linux-headers-")
