"""The header of BTF: byte order, and where types, strings and layouts lie; every bound is checked here.

include/uapi/linux/btf.h, ``struct btf_header``: 24 bytes of version 1; since March 2026 32 bytes, with the place of the
layout section, whose entry number k is ``struct btf_layout`` (info_sz, elem_sz, flags) of kind k. A longer header is
taken for a later one, of which these parts are understood.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from kheaders.btf.kinds import LAST_KIND
from kheaders.errors import BtfError

MAGIC = 0xEB9F
VERSION = 1
OLD_SIZE = 24
NEW_SIZE = 32
WORD = 4
_LAYOUT_ENTRY = 4
HINT = "get it from the kernel again"


class Header(NamedTuple):
    """Where the sections lie, as byte offsets from the start of the BTF, and the layout of kinds that have one."""

    big_endian: bool
    type_start: int
    type_end: int
    string_start: int
    string_end: int
    layout: dict[int, tuple[int, int]]


def damaged(name: str, offset: int, why: str) -> BtfError:
    """The error for bytes at *offset* of the BTF *name* that cannot be right."""
    return BtfError(f"{name}: damaged BTF at byte {offset}: {why}", HINT)


def read(view: memoryview, name: str) -> Header:
    """The header at the start of *view*; raises BtfError, which names *name* and the offset, if it does not hold."""
    size = len(view)
    if size < OLD_SIZE:
        raise damaged(name, size, f"the header ends here, it takes {OLD_SIZE} bytes")
    for order in "<", ">":
        (magic,) = struct.unpack_from(f"{order}H", view)
        if magic == MAGIC:
            break
    else:
        raise BtfError(
            f"{name}: is not BTF (no magic number at byte 0)", "name BTF, or a file that holds a .BTF section"
        )
    version, _flags, length = struct.unpack_from(f"{order}BBI", view, 2)
    if version != VERSION:
        raise BtfError(f"{name}: BTF of version {version} at byte 2, not {VERSION}", "use a newer kheaders")
    if not OLD_SIZE <= length <= size:
        raise damaged(name, 4, f"a header of {length} bytes in {size}")
    type_off, type_len, str_off, str_len = struct.unpack_from(f"{order}4I", view, 8)

    def section(at: int, offset: int, extent: int, what: str) -> tuple[int, int]:
        if offset + extent > size - length:
            raise damaged(name, at, f"{what} go to byte {length + offset + extent} of {size}")
        return length + offset, length + offset + extent

    types = section(8, type_off, type_len, "types")
    strings = section(16, str_off, str_len, "strings")
    if type_off % WORD or type_len % WORD:
        raise damaged(name, 8, f"types at {type_off}, {type_len} bytes: not whole words")
    if str_len and view[strings[1] - 1]:
        raise damaged(name, strings[1] - 1, "the last string has no end")
    layout = {}
    if length >= NEW_SIZE:
        layout_off, layout_len = struct.unpack_from(f"{order}2I", view, 24)
        start, end = section(24, layout_off, layout_len, "layouts")
        layout = _layout(view[start:end])
    return Header(order == ">", *types, *strings, layout)


def _layout(view: memoryview) -> dict[int, tuple[int, int]]:
    """Words once and words an element of each kind beyond the known; one that is not in whole words is left out."""
    entries = range(LAST_KIND + 1, len(view) // _LAYOUT_ENTRY)
    sizes = {kind: (view[kind * _LAYOUT_ENTRY], view[kind * _LAYOUT_ENTRY + 1]) for kind in entries[:128]}
    return {k: (once // WORD, each // WORD) for k, (once, each) in sizes.items() if not once % WORD and not each % WORD}
