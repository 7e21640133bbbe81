"""A small ELF writer: kernel modules (ET_REL) and kernels (ET_EXEC) with a header archive in ``.rodata``.

    module(archive)                                  # what kheaders.ko is
    vmlinux(archive, symbols=False)                  # a kernel whose symbols were stripped
    Elf(bits=32, order=">").write({".rodata": b"…"}, {"a": (".rodata", 0)})

Both widths and both byte orders, after the gABI: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from builders.root import RELEASE, VERSION

ET_REL, ET_EXEC = 1, 2
PROGBITS, SYMTAB, STRTAB, NOBITS = 1, 2, 3, 8

SIGNATURE = b"\x30\x82 a PKCS#7 signature" + b"\0\0\x02\0\0\0\0\0\0\0\0\x14" + b"~Module signature appended~\n"
"""What scripts/sign-file appends to a module (its text; nothing here verifies it)."""


@dataclass(frozen=True)
class Elf:
    """The kind of file to write: 32 or 64 bits, byte order as for :mod:`struct`, type, and address of its sections."""

    bits: int = 64
    order: str = "<"
    type: int = ET_REL
    base: int = 0
    """Address of the first section, 0 in relocatable files; each starts at a multiple of 16."""
    headers: bool = True
    """Whether there are section headers; without them only program headers tell addresses."""

    def write(self, sections: Mapping[str, bytes], symbols: Mapping[str, tuple[str, int]] | None = None) -> bytes:
        """An ELF file of *sections* and, unless None, a table of *symbols*: name → section and offset in it."""
        wide = self.bits == 64
        names = ["", *sections, *([".symtab", ".strtab"] if symbols is not None else []), ".shstrtab"]
        contents = dict(sections)
        strings = b"\0"
        place = (64, 56, 64) if wide else (52, 32, 40)  # sizes of file, program and section header
        offset = place[0] + place[1]
        where = {}
        for name, data in sections.items():
            offset += -offset % 16
            where[name] = offset
            offset += len(data)
        if symbols is not None:
            entry = struct.Struct(self.order + ("IBBHQQ" if wide else "IIIBBH"))
            table = entry.pack(0, 0, 0, 0, 0, 0)
            for name, (section, value) in symbols.items():
                if self.base:
                    value += self.base + where[section]
                index = names.index(section) if section else 0
                title = len(strings)
                fields = (title, 0x10, 0, index, value, 0) if wide else (title, value, 0, 0x10, 0, index)
                table += entry.pack(*fields)
                strings += name.encode() + b"\0"
            contents[".symtab"], contents[".strtab"] = table, strings
        contents[".shstrtab"] = b"\0".join(name.encode() for name in names) + b"\0"

        body = bytearray(place[0] + place[1])
        table = bytes(place[2])
        for name, data in contents.items():
            body += bytes(-len(body) % 16)
            kind = {".symtab": SYMTAB, ".strtab": STRTAB, ".shstrtab": STRTAB}.get(name, PROGBITS)
            address = self.base + len(body) if self.base and kind == PROGBITS else 0
            link = names.index(".strtab") if kind == SYMTAB else 0
            size = (24 if wide else 16) if kind == SYMTAB else 0
            title = contents[".shstrtab"].index(b"\0" + name.encode() + b"\0") + 1
            flags = 2 if kind == PROGBITS else 0
            layout = self.order + ("IIQQQQIIQQ" if wide else "10I")
            table += struct.pack(layout, title, kind, flags, address, len(body), len(data), link, 0, 16, size)
            body += data
        body += bytes(-len(body) % 16)
        at = len(body) if self.headers else 0
        count = len(names) if self.headers else 0
        loaded = self.type == ET_EXEC
        body[: place[0]] = struct.pack(
            f"{self.order}16sHHI{'QQQ' if wide else 'III'}I6H",
            b"\x7fELF" + bytes((2 if wide else 1, 1 if self.order == "<" else 2, 1)),
            *(self.type, 62 if wide else 40, 1, 0, place[0] if loaded else 0, at, 0),
            *(place[0], place[1], int(loaded), place[2], count, count and count - 1),
        )
        if loaded:
            size = len(body)
            body[place[0] : place[0] + place[1]] = (
                struct.pack(f"{self.order}IIQQQQQQ", 1, 5, 0, self.base, self.base, size, size, 4096)
                if wide
                else struct.pack(f"{self.order}8I", 1, 0, self.base, self.base, size, size, 5, 4096)
            )
        return bytes(body) + (table if self.headers else b"")


def modinfo(release: str = RELEASE, name: str = "kheaders") -> bytes:
    """The section ``.modinfo`` of the module *name* that was built for *release*."""
    return f"license=GPL v2\0name={name}\0vermagic={release}".encode() + b" SMP preempt mod_unload modversions \0"


def module(
    archive: bytes | None, *, release: str = RELEASE, name: str = "kheaders", bits: int = 64, order: str = "<"
) -> bytes:
    """``kheaders.ko``, or a module of another *name*, with *archive*; with None, a module that has no archive."""
    before = b"read only data before it"
    symbols = {"init_module": (".text", 0)}
    if archive is not None:
        symbols["kernel_headers_data"] = (".rodata", len(before))
        symbols["kernel_headers_data_end"] = (".rodata", len(before) + len(archive))
    rodata = before + (archive or b"") + b"and after"
    sections = {".text": b"\xc3" * 8, ".rodata": rodata, ".modinfo": modinfo(release, name)}
    return Elf(bits, order).write(sections, symbols)


def vmlinux(
    archive: bytes | None,
    *,
    release: str = RELEASE,
    bits: int = 64,
    order: str = "<",
    symbols: bool = True,
    headers: bool = True,
    text: bytes = b"\x90" * 4096,
) -> bytes:
    """A kernel of *text*, with its banner and *archive* in ``.rodata``; without *symbols* it is stripped."""
    before = f"Linux version {release} (builder@host) (gcc 12.2.0) {VERSION}\n".encode() + b"\0" * 5
    table = {"_text": (".text", 0)}
    if archive is not None:
        table["kernel_headers_data"] = (".rodata", len(before))
        table["kernel_headers_data_end"] = (".rodata", len(before) + len(archive))
    base = 0xFFFFFFFF81000000 if bits == 64 else 0x80000000
    return Elf(bits, order, ET_EXEC, base, headers).write(
        {".text": text, ".rodata": before + (archive or b"") + b"\0and after"}, table if symbols else None
    )
