"""The module's name and files, and what a file of it says about itself."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from kheaders import compression
from kheaders.errors import ArchiveError, ModuleError
from kheaders.kernel import Kernel
from kheaders.places import MODULES
from kheaders.sources.explicit import open_regular
from kheaders.sources.module import MAX_MODULE, SUFFIXES
from kheaders.sysroot import resolve

NAME = "kheaders_archive"
"""Not ``kheaders``: that is the kernel's own module, which this one never replaces."""
ARCHIVE = "kheaders.tar.xz"
"""The file that the module's source includes."""
SHOWN = "/sys/kernel/kheaders.tar.xz"
PLACES = ("updates/dkms", "updates", "extra")
"""Where the module may lie below ``/lib/modules/R``; ``kheaders module install`` uses the second."""

_VERMAGIC = re.compile(rb"\0vermagic=([^ \0]{1,64})[ \0]")
_NAME = re.compile(rb"\0name=([^\0]{1,64})\0")


class ModuleFile(NamedTuple):
    """A file of the module: its bytes, unpacked, and the release of the kernel that it was built for."""

    path: Path
    data: bytes
    release: str


def source() -> dict[str, str]:
    """Name → text of the files that the module is built from, in which ``@NAME@`` stands for what is not known yet."""
    directory = files("kheaders.kmodule").joinpath("source")
    return {entry.name: entry.read_text("utf-8") for entry in directory.iterdir() if entry.is_file()}


def examine(path: Path) -> ModuleFile:
    """The module file at *path*, compressed or not. Raises ModuleError where it is no file of this module."""
    try:
        with open_regular(path) as stream:
            packed = stream.read(MAX_MODULE + 1)
        data = compression.decompress(packed, compression.sniff(packed[:16]), limit=MAX_MODULE, name=str(path))
    except (OSError, ValueError, ArchiveError) as error:
        what = error.what if isinstance(error, ArchiveError) else f"{path}: cannot be read ({error})"
        raise ModuleError(what, "build it with 'kheaders module build'") from error
    return read(path, data)


def read(path: Path, data: bytes) -> ModuleFile:
    """As :func:`examine`, of bytes that were read already."""
    vermagic, name = _VERMAGIC.search(data), _NAME.search(data)
    if not data.startswith(b"\x7fELF") or vermagic is None or name is None or name[1] != NAME.encode():
        raise ModuleError(f"{path}: is no module {NAME}", "name a file that 'kheaders module build' made")
    return ModuleFile(path, data, vermagic[1].decode("utf-8", "replace"))


def modules_directory(kernel: Kernel) -> Path:
    """The real ``/lib/modules/R``, which on some systems is only at ``/usr/lib/modules/R``; the first where none is."""
    places = [resolve(kernel.sysroot, f"{base}/{kernel.release}") for base in MODULES]
    return next((place for place in places if place.is_dir()), places[0])


def installed(modules: Path) -> Path | None:
    """The file of the module below *modules*, the real ``/lib/modules/R``, or None."""
    names = [f"{place}/{NAME}.ko{suffix}" for place in PLACES for suffix in SUFFIXES]
    return next((modules / name for name in names if (modules / name).is_file()), None)
