"""Unnamed bit-fields that fill the gaps which BTF's offsets leave, and what a C compiler makes of them.

The widest of ``long``, ``int``, ``short`` and ``char`` that fits is used, as ``long: 64`` says "padding" more plainly
than eight ``char: 8``; what the compiler leaves free by itself is not spelled out. The form is that of the kernel's
self-tests (tools/testing/selftests/bpf/progs/btf_dump_test_case_padding.c).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

BYTE = 8
MAX_LINES = 1024
"""A gap that would take more unnamed bit-fields than this becomes an array of bytes."""
PIECE = 64


class Item(NamedTuple):
    """A member or padding as it stands in the text.

    ``text`` is empty for a member of the BTF, which then is the next one. ``width`` is the bits of a bit-field, -1 for
    what is none; ``bits`` and ``align`` are those of its type, in bits.
    """

    bits: int
    align: int
    width: int = -1
    text: str = ""


class Field(NamedTuple):
    """A member as BTF has it, all in bits; *width* is 0 if it is no bit-field."""

    offset: int
    bits: int
    align: int
    width: int


def round_up(value: int, unit: int) -> int:
    """*value*, or the next multiple of *unit*."""
    return (value + unit - 1) // unit * unit


def fill(here: int, there: int, align: int, in_bit_field: bool, long_bits: int) -> Iterator[Item]:
    """Padding from bit *here* to bit *there*, where something begins that is aligned to *align* bits."""
    if here >= there:
        return
    if there - here > MAX_LINES * long_bits:
        yield from _bytes(here, there)
        return
    units = (("long", long_bits), ("int", 32), ("short", 16), ("char", BYTE))
    name, unit = next((u for u in units if round_up(here, u[1]) <= there), units[-1])
    start = round_up(here, unit)
    if here < start <= there:
        exact = start == there
        if (
            in_bit_field
            or (exact and round_up(here, align) != start)
            or (not exact and there - start <= start - here)  # all that follows would fit in before the boundary
        ):
            yield _unnamed(name, unit, start - here if in_bit_field else 0)
        here = start
    while there - here >= unit:
        yield _unnamed(name, unit, unit)
        here += unit
    if here < there:
        name, unit = next(u for u in reversed(units) if u[1] >= there - here)
        yield _unnamed(name, unit, there - here)


def fill_packed(here: int, there: int) -> Iterator[Item]:
    """Padding in a packed struct, where each bit-field follows the one before it without a gap."""
    if there - here > MAX_LINES * PIECE:
        yield from _bytes(here, there)
        return
    while here < there:
        width = min(PIECE, there - here)
        yield _unnamed("long long", PIECE, width)
        here += width


def _bytes(here: int, there: int) -> Iterator[Item]:
    start = round_up(here, BYTE)
    if start > here:
        yield _unnamed("char", BYTE, start - here)
    count = (there - start) // BYTE
    yield Item(count * BYTE, BYTE, text=f"char __pad_{start // BYTE}[{count}]")
    if there % BYTE:
        yield _unnamed("char", BYTE, there % BYTE)


def _unnamed(name: str, unit: int, width: int) -> Item:
    return Item(unit, unit, width, f"{name}: {width}")


def arrange(fields: Iterable[Field], end: int, align: int, long_bits: int, *, packed: bool) -> list[Item]:
    """The members of a struct with the padding between them and up to bit *end*; *align* is the struct's, in bits."""
    items: list[Item] = []
    here = 0
    after_bit_field = False
    for field in fields:
        if field.offset > here:
            unit = BYTE if packed else field.align
            items += fill(here, field.offset, unit, after_bit_field and field.width > 0, long_bits)
        items.append(Item(field.bits, field.align, field.width or -1))
        here = field.offset + (field.width or field.bits)
        after_bit_field = field.width > 0
    items += fill(here, end, align, False, long_bits)
    return items


def arrange_packed(fields: Iterable[Field], end: int) -> list[Item]:
    """The members of a packed struct, each gap filled to the bit."""
    items: list[Item] = []
    here = 0
    for field in fields:
        items += fill_packed(here, field.offset)
        items.append(Item(field.bits, field.align, field.width or -1))
        here = max(here, field.offset) + (field.width or field.bits)
    items += fill_packed(here, end)
    return items


def place(items: Iterable[Item], align: int, *, packed: bool) -> tuple[list[int], int]:
    """(the offsets of the members, the struct's end) that a C compiler gives to *items*, in bits.

    The rules are those of the System V ABI, which clang follows for BPF: a bit-field does not straddle a boundary of
    its type unless the struct is packed, one of width 0 goes on to the next boundary, unnamed ones do not align the
    struct.
    """
    offsets = []
    here = 0
    for item in items:
        if item.width < 0:
            here = round_up(here, BYTE if packed else item.align)
        elif item.width == 0 or (not packed and here // item.bits != (here + item.width - 1) // item.bits):
            here = round_up(here, item.bits)
        if not item.text:
            offsets.append(here)
        here += item.bits if item.width < 0 else item.width
    return offsets, round_up(here, BYTE if packed else max(align, BYTE))
