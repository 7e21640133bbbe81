"""The kinds of types in BTF, and how many 32-bit words each takes.

include/uapi/linux/btf.h: every type begins with ``name_off``, ``info`` and ``size`` or ``type``; what follows depends
on the kind. ``info`` has held the number of elements in bits 0–15, the kind in bits 24–28 and a flag in bit 31, with
the other bits zero; since April 2026 the number has bits 0–23 and the kind bits 24–30. As writers of the older form
leave the bits that it does not use zero, reading the wider fields reads both forms.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Kind(enum.IntEnum):
    """``BTF_KIND_*``; VOID is the type with the id 0, OTHER any kind that is not known here."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19
    OTHER = 128


LAST_KIND = int(Kind.ENUM64)
"""The highest kind whose size is known without a layout section."""

VLEN_MASK = 0xFFFFFF
KIND_SHIFT = 24
KIND_MASK = 0x7F
FLAG_SHIFT = 31
HEAD_WORDS = 3
"""``struct btf_type``: name_off, info, size or type."""

FIXED_WORDS: Mapping[int, int] = {Kind.INT: 1, Kind.ARRAY: 3, Kind.VAR: 1, Kind.DECL_TAG: 1}
"""Words that follow the head once."""

ELEMENT_WORDS: Mapping[int, int] = {
    Kind.STRUCT: 3,
    Kind.UNION: 3,
    Kind.ENUM: 2,
    Kind.FUNC_PROTO: 2,
    Kind.DATASEC: 3,
    Kind.ENUM64: 3,
}
"""Words that follow the head as often as ``vlen`` says. The vlen of a FUNC is its linkage and counts nothing."""

ENUM_BYTES = 4
"""Bytes of each value of an ENUM. A pahole without ENUM64 (before 1.24) cut off those of larger ones."""
RECORDS = frozenset({Kind.STRUCT, Kind.UNION})
ENUMS = frozenset({Kind.ENUM, Kind.ENUM64})
QUALIFIERS = frozenset({Kind.VOLATILE, Kind.CONST, Kind.RESTRICT})
WRAPPERS = frozenset({Kind.TYPEDEF, Kind.TYPE_TAG, *QUALIFIERS})
"""Kinds that stand for the very type that they refer to, as far as size and layout go."""


def words_of(info: int, layout: Mapping[int, tuple[int, int]]) -> int:
    """Words that a type with this second word takes, its head included; 0 if its kind is of unknown size.

    *layout* maps kinds that are not known here to (words once, words for each element), from a layout section.
    """
    kind = info >> KIND_SHIFT & KIND_MASK
    if 0 < kind <= LAST_KIND:
        once, each = FIXED_WORDS.get(kind, 0), ELEMENT_WORDS.get(kind, 0)
    elif kind in layout:
        once, each = layout[kind]
    else:
        return 0
    return HEAD_WORDS + once + each * (info & VLEN_MASK)
