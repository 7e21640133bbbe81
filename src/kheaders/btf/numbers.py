"""Numbers as BTF has them: two's complement, and the bit-fields of before 2018."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kheaders.btf.kinds import KIND_MASK, KIND_SHIFT, WRAPPERS, Kind

if TYPE_CHECKING:
    from kheaders.btf.table import Btf

_MAX_WRAPPERS = 64


def signed_value(value: int, bits: int) -> int:
    """*value*, of so many bits, read as two's complement."""
    return value - (1 << bits) if value >> (bits - 1) else value


def old_bit_field(btf: Btf, type_id: int) -> tuple[int, int]:
    """(bit offset within the storage unit, bits) of a member whose type is an INT narrower than its bytes, else (0, 0).

    Before the flag of records meant that members carry their width (2018), bit-fields had such types of their own.
    """
    for _ in range(_MAX_WRAPPERS):
        if type_id == 0:
            break
        owner, at = btf.locate(type_id)
        kind = owner.words[at + 1] >> KIND_SHIFT & KIND_MASK
        if kind == Kind.INT:
            data = owner.words[at + 3]
            shift, bits = data >> 16 & 0xFF, data & 0xFF
            return (shift, bits) if shift or bits != 8 * owner.words[at + 2] else (0, 0)
        if kind not in WRAPPERS:
            break
        type_id = owner.words[at + 2]
    return 0, 0
