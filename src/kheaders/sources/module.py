"""The archive inside ``kheaders.ko`` on disk, read without loading the module: no root, no modprobe, no race."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from kheaders import compression, elf
from kheaders.errors import ArchiveError
from kheaders.places import modules
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.files import Found, Unusable, look

MAX_MODULE = 256 * 1024**2
"""Bytes that a module may have, on disk and unpacked; real ones have 4 to 8 MB."""

DIRECTORIES = ("updates/dkms", "updates", "extra", "kernel/kernel")
"""Below the directory of a kernel's modules; depmod prefers ``updates`` to what came with it (depmod.d(5))."""

SUFFIXES = ("", ".zst", ".xz", ".gz")

_MAX_DEP = 64 * 1024**2
_VERMAGIC = re.compile(rb"vermagic=([^ \0]{1,64})[ \0]")
NAMES = ("kheaders", "kheaders_archive")
"""The kernel's own module, and the one of :mod:`kheaders.kmodule`, which carries an archive in the same way."""
_DEP = re.compile(rb"^([^\s:]*/(kheaders|kheaders_archive)\.ko(?:\.\w+)?):", re.MULTILINE)


class ModuleSource:
    """``kheaders.ko``, ``.ko.gz``, ``.ko.xz`` or ``.ko.zst`` of the kernel that is asked for."""

    name = "module"

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """Each module file that holds an archive for the kernel, depmod's preference first."""
        nothing = True
        for found in module_files(request):
            nothing = False
            yield self._offer(request, found)
        if nothing:
            where = f"/lib/modules/{request.kernel.release}"
            yield Rejection(self.name, where, "there is no module kheaders", "kernels with CONFIG_IKHEADERS=m have it")

    def _offer(self, request: Request, found: Found | Unusable) -> Candidate | Rejection:
        if isinstance(found, Unusable):
            return Rejection(self.name, found.shown, found.reason, found.hint)
        try:
            data = _read(found)
            if any(symbol.encode() + b"\0" not in data for symbol in elf.HEADER_SYMBOLS):
                return Rejection(self.name, found.shown, "is a module without a header archive", "install it again")
            if reason := _foreign(data, request.kernel.release):
                return Rejection(self.name, found.shown, reason, "install the module of this kernel")
        except ArchiveError as error:
            return Rejection(self.name, found.shown, error.what.removeprefix(f"{found.shown}: "), error.hint)
        return Candidate(self.name, found.shown, ArchiveContent(lambda: _open(found, data)), found.identity)


def module_files(request: Request, names: tuple[str, ...] = NAMES) -> Iterator[Found | Unusable]:
    """Each file that is a module of one of the *names*: in the usual directories, then where modules.dep has it.

    What is there but cannot be used comes as Unusable; what is not there is left out.
    """
    seen: set[tuple[int, int] | str] = set()
    for base in modules(request.kernel.release):
        usual = [f"{place}/{name}.ko{end}" for name in names for place in DIRECTORIES for end in SUFFIXES]
        for relative in [*usual, *_from_dep(request, base, names)]:
            found = look(request, relative if relative.startswith("/") else f"{base}/{relative}")
            if isinstance(found, Unusable):
                key: tuple[int, int] | str = found.reason  # one locked directory hides dozens of paths
            else:
                key = (found.status.st_dev, found.status.st_ino)
            if key not in seen and not (isinstance(found, Unusable) and found.absent):
                seen.add(key)
                yield found


def _from_dep(request: Request, base: str, names: tuple[str, ...]) -> list[str]:
    """The paths of the modules in modules.dep: ``path/kheaders.ko.xz:``, relative to its directory (modules.dep(5))."""
    found = look(request, f"{base}/modules.dep")
    if isinstance(found, Unusable):
        return []
    try:
        lines = found.read(_MAX_DEP)
    except ArchiveError:
        return []
    listed = [path.decode("utf-8", "surrogateescape") for path, name in _DEP.findall(lines) if name.decode() in names]
    return listed[:8]


def _read(found: Found) -> bytes:
    data = found.read(MAX_MODULE)
    kind = compression.sniff(data[:16])
    return compression.decompress(data, kind, limit=MAX_MODULE, name=found.shown)


def _foreign(data: bytes, release: str) -> str:
    """Why a module does not belong to *release*, or ``""``; ``vermagic`` starts with it (include/linux/vermagic.h)."""
    vermagic = _VERMAGIC.search(data)
    if vermagic is None:
        return "does not say which kernel it belongs to (no vermagic)"
    theirs = vermagic[1].decode("utf-8", "replace")
    return f"belongs to kernel {theirs}, not to {release}" if theirs != release else ""


def _open(found: Found, data: bytes) -> BinaryIO:
    archive = elf.section_of_symbols(data, *elf.HEADER_SYMBOLS, found.shown)
    if not archive:
        raise ArchiveError(f"{found.shown}: is a module without a header archive", "install it again")
    return io.BytesIO(archive)
