"""What an object leaves to its loader, and whether its BTF says what that is.

clang's own output is read: ELF64, little or big endian. It has no BTF for an extern variable or function that only a
precompiled header declares, and libbpf then refuses the object.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator


def _sections(data: bytes) -> tuple[str, list[tuple[bytes, int, bytes]]]:
    """Byte order as :mod:`struct` has it, and (name, link, content) of each section."""
    order = ">" if data[5] == 2 else "<"
    (offset,) = struct.unpack_from(f"{order}Q", data, 40)
    size, number, names = struct.unpack_from(f"{order}3H", data, 58)
    rows = [struct.unpack_from(f"{order}2I4Q2I", data, offset + size * i) for i in range(number)]
    table = rows[names]
    found = []
    for name, kind, _, _, start, length, link, _ in rows:
        at = table[4] + name
        content = b"" if kind == 8 else data[start : start + length]  # SHT_NOBITS has none in the file
        found.append((data[at : data.index(b"\0", at)], link, content))
    return order, found


def undefined(data: bytes) -> set[str]:
    """Names of the symbols that an object leaves to its loader."""
    order, sections = _sections(data)
    for name, link, content in sections:
        if name == b".symtab":
            strings = sections[link][2]
            symbols = struct.iter_unpack(f"{order}IBBHQQ", content)
            return {_string(strings, symbol[0]) for symbol in symbols if symbol[0] and not symbol[3]}
    return set()


_MORE = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0),
         19: (0, 12)}  # fmt: skip
"""Kind of a BTF type → bytes after its head, and for each of its members (Documentation/bpf/btf.rst)."""


def described(data: bytes) -> set[str]:
    """Names of the variables and functions in an object's BTF."""
    order, sections = _sections(data)
    for name, _, content in sections:
        if name == b".BTF":
            return set(_btf_names(order, content))
    return set()


def _btf_names(order: str, btf: bytes) -> Iterator[str]:
    head, types, size, strings = struct.unpack_from(f"{order}4I", btf, 4)
    at, end = head + types, head + types + size
    while at < end:
        name, info = struct.unpack_from(f"{order}2I", btf, at)
        kind = info >> 24 & 0x1F
        fixed, each = _MORE.get(kind, (0, 0))
        if kind in (12, 14):  # BTF_KIND_FUNC, BTF_KIND_VAR
            yield _string(btf, head + strings + name)
        at += 12 + fixed + each * (info & 0xFFFF)


def _string(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode("ascii", "replace")
