"""Two object files compared: do they hold the same program?"""

from __future__ import annotations

import io
from typing import NamedTuple

from kheaders.errors import KheadersError

_DEBUG = (".debug", ".rel.debug", ".rela.debug")
_DISCARDED = (".discard", ".modinfo")
"""What the kernel's linker script throws away (DISCARDS, include/asm-generic/vmlinux.lds.h), and a module's metadata
(MODULE_INFO, include/linux/moduleparam.h), which a header makes for its includer. No loader of BPF reads them."""
_TABLES = (".symtab", ".strtab", ".shstrtab", ".llvm_addrsig", ".rel.BTF", ".relBTF")


class Difference(NamedTuple):
    """A section that is not the same in both objects."""

    section: str
    kind: str
    """``code``, ``data``, ``maps``, ``BTF``."""
    detail: str


def compare(left: bytes, right: bytes) -> list[Difference]:
    """Every section, but for debug information and tables of names, in which the objects differ.

    Relocations belong to the section that they change; they are compared by offset, type and the symbol's name.
    Raises KheadersError for a file that is no ELF object.
    """
    ours, theirs = _sections(left), _sections(right)
    found = []
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name), theirs.get(name)
        if a == b:
            continue
        found.append(Difference(name, _kind(name, a or b), _detail(a, b)))
    return found


class _Section(NamedTuple):
    flags: int
    data: bytes
    relocations: tuple[tuple[int, int, str], ...]


def _sections(data: bytes) -> dict[str, _Section]:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile
    from elftools.elf.relocation import RelocationSection
    from elftools.elf.sections import SymbolTableSection

    try:
        elf = ELFFile(io.BytesIO(data))
        relocations: dict[int, list[tuple[int, int, str]]] = {}
        for section in elf.iter_sections():
            if isinstance(section, RelocationSection):
                symbols = elf.get_section(section["sh_link"])
                if not isinstance(symbols, SymbolTableSection):
                    raise ValueError("relocations without symbols")
                rows = relocations.setdefault(section["sh_info"], [])
                for entry in section.iter_relocations():
                    symbol = symbols.get_symbol(entry["r_info_sym"])
                    name = symbol.name or elf.get_section(symbol["st_shndx"]).name
                    rows.append((entry["r_offset"], entry["r_info_type"], name))
        found = {}
        for number, section in enumerate(elf.iter_sections()):
            name = section.name
            if (
                isinstance(section, RelocationSection)
                or not name
                or name in _TABLES
                or name.startswith(_DEBUG + _DISCARDED)
            ):
                continue
            content = section.data() if section["sh_type"] != "SHT_NOBITS" else bytes(section["sh_size"])
            rows = [] if name.startswith(".BTF") else relocations.get(number, [])
            found[name] = _Section(section["sh_flags"], content, tuple(sorted(rows)))
        return found
    except (ELFError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise KheadersError(f"an object file cannot be read ({error})", "compile it again") from error


def _kind(name: str, section: _Section | None) -> str:
    if name.startswith(".BTF"):
        return "BTF"
    if name in ("maps", ".maps"):
        return "maps"
    return "code" if section is not None and section.flags & 0x4 else "data"


def _detail(a: _Section | None, b: _Section | None) -> str:
    if a is None or b is None:
        return "is only in one of them"
    if a.data != b.data:
        if len(a.data) != len(b.data):
            return f"{len(a.data)} bytes against {len(b.data)}"
        first = next(i for i, (x, y) in enumerate(zip(a.data, b.data, strict=True)) if x != y)
        return f"differs first at offset {first:#x}"
    return "has other relocations"
