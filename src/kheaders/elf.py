"""The bytes between two symbols of an ELF file: where a kernel or module carries its header archive.

kernel/kheaders.c puts the archive into ``.rodata`` with ``.incbin``, between the symbols ``kernel_headers_data`` and
``kernel_headers_data_end``. pyelftools reads the file and section headers; symbol tables are searched here, since one
of a kernel holds 200,000 entries. The format: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from kheaders.errors import ArchiveError

MAGIC = b"\x7fELF"

HEADER_SYMBOLS = ("kernel_headers_data", "kernel_headers_data_end")
"""Where a header archive begins and ends, in a module and in a kernel (kernel/kheaders.c)."""

MAX_SECTIONS = 10_000
MAX_SYMBOLS = 4_000_000
"""Headers and symbols beyond these numbers are refused: a kernel with debug information has 100 and 300,000."""

_MAX_NAMES = 64
_RELOCATABLE = "ET_REL"
_LINKED = ("ET_EXEC", "ET_DYN")
_NO_BITS = "SHT_NOBITS"


class _Range(NamedTuple):
    """A section or segment: what it is, where its bytes lie in the file, and from which address on in memory."""

    kind: str
    address: int
    offset: int
    size: int
    link: int = 0


class _Symbol(NamedTuple):
    section: int
    value: int


def section_of_symbols(data: bytes, start: str, end: str, name: str = "module") -> bytes | None:
    """The bytes from the symbol *start* to the symbol *end*, or None if one of them is not there.

    Relocatable files (modules) are read by section, linked ones (vmlinux) by address. Anything may follow the ELF file
    itself, such as a module's signature. Raises ArchiveError, which names *name*, for what is no ELF file, is damaged,
    or if pyelftools is missing.
    """
    if not data.startswith(MAGIC):
        raise ArchiveError(f"{name}: is not an ELF file", "name a kernel module or an uncompressed kernel")
    try:
        import elftools.elf.elffile  # noqa: F401
    except ImportError as error:
        raise ArchiveError(
            f"{name}: reading ELF files needs the Python package pyelftools", "pip install kheaders[formats]"
        ) from error
    try:
        return _between(data, start, end, name)
    except ArchiveError:
        raise
    except Exception as error:  # pyelftools meets damage with exceptions of many kinds, RecursionError among them
        raise _damaged(name, f"{type(error).__name__}: {error}") from error


def _damaged(name: str, why: str) -> ArchiveError:
    return ArchiveError(f"{name}: is a damaged ELF file ({why})", "install it again")


def _between(data: bytes, start: str, end: str, name: str) -> bytes | None:
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    stream = io.BytesIO(data)
    elf = ELFFile(stream)
    header = elf.header
    kind = header["e_type"]
    if kind != _RELOCATABLE and kind not in _LINKED:
        raise _damaged(name, f"of type {kind}")

    def table(layout: Any, offset: int, size: int, number: int) -> list[Any]:
        if number > MAX_SECTIONS:
            raise _damaged(name, f"{number} headers in one table")
        return [struct_parse(layout, stream, offset + size * i) for i in range(number)]

    sections: list[_Range] = []
    if header["e_shoff"]:
        layout = elf.structs.Elf_Shdr
        number = header["e_shnum"] or struct_parse(layout, stream, header["e_shoff"])["sh_size"]
        sections = [
            _Range(str(s["sh_type"]), s["sh_addr"], s["sh_offset"], s["sh_size"], s["sh_link"])
            for s in table(layout, header["e_shoff"], header["e_shentsize"], number)
        ]
    symbols = _symbols(data, sections, (start, end), elf.little_endian, elf.elfclass == 64, name)
    if start not in symbols or end not in symbols:
        return None
    first, last = symbols[start], symbols[end]
    if kind == _RELOCATABLE:
        if first.section != last.section or first.section >= len(sections):
            raise _damaged(name, f"{start} and {end} are in different sections")
        ranges = [sections[first.section]._replace(address=0)]
    else:
        ranges = [section for section in sections if section.address]
        ranges += [
            _Range("PT_LOAD", s["p_vaddr"], s["p_offset"], s["p_filesz"])
            for s in table(elf.structs.Elf_Phdr, header["e_phoff"], header["e_phentsize"], header["e_phnum"])
            if s["p_type"] == "PT_LOAD"
        ]
    return _cut(data, ranges, first.value, last.value, f"{start} … {end}", name)


def _cut(data: bytes, ranges: list[_Range], first: int, last: int, what: str, name: str) -> bytes:
    for place in ranges:
        if place.kind != _NO_BITS and place.address <= first <= last <= place.address + place.size:
            begin = place.offset + first - place.address
            if begin + (last - first) > len(data):
                raise _damaged(name, f"{what} reaches beyond its end")
            return data[begin : begin + (last - first)]
    raise _damaged(name, f"{what} is not in a section with data")


def _symbols(
    data: bytes, sections: list[_Range], names: tuple[str, ...], little: bool, wide: bool, name: str
) -> dict[str, _Symbol]:
    """Those of *names* that the symbol table defines; a file has one table at most (gABI, Section Types)."""
    table = next((section for section in sections if section.kind == "SHT_SYMTAB"), None)
    if table is None:
        return {}
    if table.link >= len(sections):
        raise _damaged(name, "its symbols have no names")
    strings = _bytes(data, sections[table.link], name)
    wanted = {offset: text for text in names for offset in _offsets(strings, text.encode("ascii") + b"\0")}
    if not wanted:
        return {}
    order = "<" if little else ">"
    entry = struct.Struct(order + ("IBBHQQ" if wide else "IIIBBH"))
    entries = _bytes(data, table, name)
    if len(entries) % entry.size or len(entries) // entry.size > MAX_SYMBOLS:
        raise _damaged(name, "its symbol table has an impossible size")
    found: dict[str, _Symbol] = {}
    for fields in entry.iter_unpack(entries):
        text = wanted.get(fields[0])
        if text is None or text in found:
            continue
        section, value = (fields[3], fields[4]) if wide else (fields[5], fields[1])
        if section:
            found[text] = _Symbol(section, value)
    return found


def _bytes(data: bytes, section: _Range, name: str) -> bytes:
    if section.kind == _NO_BITS or section.offset + section.size > len(data):
        raise _damaged(name, "a section reaches beyond its end")
    return data[section.offset : section.offset + section.size]


def _offsets(strings: bytes, text: bytes) -> Iterator[int]:
    """Where *text* occurs; a linker may share the end of one string with another, so any occurrence may be the one."""
    at = strings.find(text)
    for _ in range(_MAX_NAMES):
        if at < 0:
            return
        yield at
        at = strings.find(text, at + 1)
