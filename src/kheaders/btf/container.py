"""BTF out of what holds it: sysfs, raw files, ELF files (kernels, modules, BPF objects), kernel images; unpacked too.

Of an ELF file only the headers and the sections that count are read, since a kernel with debug information has 500 MB.
The sections: Documentation/bpf/btf.rst; ELF: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import mmap
import os
import re
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

from kheaders.btf import header
from kheaders.btf.references import prove_base
from kheaders.btf.table import Btf
from kheaders.errors import ArchiveError, BtfError

MAX_BTF = 512 * 1024**2
"""Bytes that a section or a raw file of BTF may have; that of a kernel has 5 to 10 MB."""

MAX_IMAGE = 1024**3
"""Bytes that a compressed file may have and may unpack to."""

MAX_SECTIONS = 100_000
"""Sections that an ELF file may have; modules built with a section for each function have thousands."""

Unpack: TypeAlias = Callable[[bytes, str], bytes]
"""Takes a boot image and its name, gives the kernel in it: an ELF file or a raw image."""

SYSFS = "/sys/kernel/btf"
_MAX_NAMES = 16 * 1024**2
_MAX_HITS = 1000
_ELF = b"\x7fELF"
_MAGICS = (b"\x9f\xeb\x01", b"\xeb\x9f\x01")
_EMBEDDED = re.compile(rb"\x9f\xeb\x01\0[\x18\x20]\0\0\0|\xeb\x9f\x01\0\0\0\0[\x18\x20]")
_NO_BITS = 8
_COMPRESSED = 1 << 11
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_WHOLE = "get it again"

Bytes: TypeAlias = bytes | mmap.mmap


class Sections(NamedTuple):
    """The BTF in a file: ``.BTF`` and, in a module that was built apart from its kernel, ``.BTF.base``."""

    btf: Bytes
    base: bytes | None = None


class _Source(NamedTuple):
    """Bytes to read from: a file or memory."""

    name: str
    size: int
    read: Callable[[int, int], bytes]

    def exactly(self, offset: int, size: int, what: str) -> bytes:
        if offset + size <= self.size:
            data = self.read(offset, size)
            if len(data) == size:
                return data
        raise BtfError(f"{self.name}: ends at byte {self.size}, before the end of {what} ({offset + size})", _WHOLE)


def read_btf(
    path: Path, *, base: Btf | None = None, unpack: Unpack | None = None, kernel: Callable[[], Btf] | None = None
) -> Btf:
    """The BTF in the file *path*, whatever the file is.

    A module's BTF goes on from its kernel's, which is *base*; for ``/sys/kernel/btf/MODULE`` (below any sysroot) the
    ``vmlinux`` beside it is taken if none is given. BTF with a distilled base is relocated onto *base*, or, without
    one, stands on the distilled base itself: names and sizes then, but no members, of the kernel's own types.
    *unpack* is needed for boot images of which the kernel is only a part; *kernel* is asked for the base where one is
    needed and none was given. Raises BtfError.
    """
    sections = btf_of_file(path, unpack=unpack)
    try:
        if base is None and sections.base is None and _is_split(sections.btf, os.fspath(path)):
            if path.parts[-3:-1] == ("kernel", "btf") and path.name != "vmlinux":
                base = read_btf(path.with_name("vmlinux"))
            elif kernel is not None:
                base = kernel()
        return parse_sections(sections, base=base, name=os.fspath(path))
    finally:
        if isinstance(sections.btf, mmap.mmap):
            with suppress(BufferError):  # an error on its way up may still hold a view
                sections.btf.close()


def parse_sections(sections: Sections, *, base: Btf | None = None, name: str = "BTF") -> Btf:
    """The types in *sections*, on *base* as :func:`read_btf` says. Raises BtfError."""
    if sections.base is None:
        goes_on = _is_split(sections.btf, name)
        if goes_on and base is None:
            what = f"{name}: goes on from another BTF, as a module's does from its kernel's"
            raise BtfError(what, f"name that as its base, such as {SYSFS}/vmlinux")
        if base is not None and not goes_on:
            raise BtfError(f"{name}: stands alone, and goes on from no other BTF", "leave the base out")
        found = Btf.parse(sections.btf, base=base, name=name)
        prove_base(found)
        return found
    from kheaders.btf.distilled import relocate

    distilled = Btf.parse(sections.base, name=f"{name} (.BTF.base)")
    split = Btf.parse(sections.btf, base=distilled, name=name)
    prove_base(split)
    return split if base is None else relocate(split, base)


def _is_split(data: Bytes, name: str) -> bool:
    """Whether the strings lack the empty one, with which those of BTF that stands alone begin."""
    with memoryview(data) as view:
        head = header.read(view, name)
        return head.string_start == head.string_end or view[head.string_start] != 0


def btf_of_file(path: Path, *, unpack: Unpack | None = None) -> Sections:
    """The bytes of BTF in the file *path*. Raises BtfError if it cannot be read, has none, or is damaged."""
    name = os.fspath(path)
    try:
        fd = os.open(path, _OPEN)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise BtfError(f"{name}: is not a regular file", "name a file that holds BTF")
        head = os.pread(fd, 16, 0)
        if head.startswith(_MAGICS):
            return Sections(_mapped(fd, name) or _all(fd, MAX_BTF, name))
        if head.startswith(_ELF):
            return _of_elf(_Source(name, status.st_size, lambda offset, size: os.pread(fd, size, offset)))
        return btf_bytes(_all(fd, MAX_IMAGE, name), name, unpack=unpack)
    except OSError as error:
        raise _unreadable(name, error) from error
    finally:
        os.close(fd)


def btf_bytes(data: bytes, name: str, *, unpack: Unpack | None = None, limit: int = MAX_IMAGE) -> Sections:
    """The bytes of BTF in *data*: raw BTF, an ELF file, a kernel image, or one of them compressed.

    *unpack* takes the kernel out of a boot image; *limit* bounds what a compressed one may unpack to, in bytes.
    Raises BtfError, which names *name*.
    """
    from kheaders import compression

    kind = compression.sniff(data[:16])
    if kind:
        try:
            data = compression.decompress(data, kind, limit=limit, name=name)
        except ArchiveError as error:
            raise BtfError(error.what, error.hint) from error
    if data.startswith(_MAGICS):
        return Sections(data)
    if not data.startswith(_ELF):
        if unpack is not None:
            try:
                data = unpack(data, name)
            except ArchiveError as error:
                raise BtfError(error.what, error.hint) from error
        if not data.startswith(_ELF):
            return Sections(_of_image(data, name))
    return _of_elf(_Source(name, len(data), lambda offset, size: data[offset : offset + size]))


# ---- files ----


def _unreadable(name: str, error: OSError | ValueError) -> BtfError:
    why = getattr(error, "strerror", None) or str(error)
    hint = "check the path and its permissions"
    if isinstance(error, FileNotFoundError) and name.endswith(f"{SYSFS}/vmlinux"):
        hint = "the kernel has BTF if it was built with CONFIG_DEBUG_INFO_BTF"
    return BtfError(f"{name}: cannot be read ({why})", hint)


def _mapped(fd: int, name: str) -> mmap.mmap | None:
    """A file of sysfs as a mapping, where the kernel can do that (since 6.16, kernel/bpf/sysfs_btf.c).

    Only there: another file could be cut short by somebody else, which kills a process that has mapped it.
    """
    if not os.path.realpath(name).startswith(f"{SYSFS}/"):
        return None
    try:
        return mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return None


def _all(fd: int, limit: int, name: str) -> bytes:
    with open(fd, "rb", closefd=False) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise BtfError(f"{name}: is larger than {limit} bytes", "this is not what its name says")
    return data


# ---- ELF ----


def _of_elf(source: _Source) -> Sections:
    wanted = {b".BTF": b"", b".BTF.base": b""}
    found = {name: source.exactly(*place, name.decode()) for name, place in _sections(source, tuple(wanted))}
    if not found.get(b".BTF"):
        raise BtfError(f"{source.name}: has no section .BTF", "it was built without BTF, or stripped of it")
    return Sections(found[b".BTF"], found.get(b".BTF.base") or None)


def _sections(source: _Source, names: tuple[bytes, ...]) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Those of *names* that are sections of an ELF file of any class and order, with offset and size."""
    ident = source.exactly(0, 16, "the ELF header")
    if ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise BtfError(f"{source.name}: damaged ELF file at byte 4: class {ident[4]}, byte order {ident[5]}", _WHOLE)
    wide, order = ident[4] == 2, "<>"[ident[5] - 1]
    layout = struct.Struct(f"{order}16x2HI{'3Q' if wide else '3I'}I6H")
    fields = layout.unpack(source.exactly(0, layout.size, "the ELF header"))
    table, entry_size, count, title_index = fields[5], fields[10], fields[11], fields[12]
    entry = struct.Struct(f"{order}2I{'4Q' if wide else '4I'}2I{'2Q' if wide else '2I'}")
    if not table:
        return
    if entry_size != entry.size:
        raise BtfError(f"{source.name}: damaged ELF file: section headers of {entry_size} bytes", _WHOLE)
    first = entry.unpack(source.exactly(table, entry.size, "the section headers"))
    count = count or first[5]  # the gABI's way round 16 bits: section 0 holds the real numbers
    title_index = first[6] if title_index == 0xFFFF else title_index
    if count > MAX_SECTIONS or title_index >= count:
        raise BtfError(f"{source.name}: damaged ELF file: {count} sections, names in number {title_index}", _WHOLE)
    entries = list(entry.iter_unpack(source.exactly(table, count * entry.size, "the section headers")))
    _, kind, _, _, offset, size, *_ = entries[title_index]
    if kind == _NO_BITS or size > _MAX_NAMES:
        raise BtfError(f"{source.name}: damaged ELF file: names of sections of {size} bytes", _WHOLE)
    titles = source.exactly(offset, size, "the names of sections")
    for title, kind, flags, _, offset, size, *_ in entries:
        end = titles.find(b"\0", title)
        name = titles[title : end if end >= 0 else len(titles)]
        if name not in names or kind == _NO_BITS:
            continue
        if flags & _COMPRESSED or size > MAX_BTF:
            what = "is compressed" if flags & _COMPRESSED else f"has {size} bytes"
            raise BtfError(f"{source.name}: its section {name.decode()} {what}", "unpack it with objcopy")
        yield name, (offset, size)


# ---- images ----


def _of_image(data: bytes, name: str) -> bytes:
    """The largest BTF in a raw kernel image, which has no sections: others in it belong to BPF programs."""
    best = (0, 0)
    for hit in islice(_EMBEDDED.finditer(data), _MAX_HITS):
        start = hit.start()
        order = "<" if hit[0][0] == 0x9F else ">"
        if len(data) - start < 24:
            break
        length, types, types_size, strings, strings_size = struct.unpack_from(f"{order}5I", data, start + 4)
        end = start + length + max(types + types_size, strings + strings_size)
        if length == 32 and len(data) - start >= 32:
            end = max(end, start + length + sum(struct.unpack_from(f"{order}2I", data, start + 24)))
        texts = start + length + strings
        whole = end <= len(data) and types_size % 4 == 0 and strings_size and data[texts] == 0
        if whole and data[texts + strings_size - 1] == 0 and end - start > best[1] - best[0]:
            best = (start, end)
    if best == (0, 0):
        raise BtfError(f"{name}: there is no BTF in it", "name BTF, an ELF file with BTF, or a kernel image")
    return data[best[0] : best[1]]
