"""How each record must be written so that a C compiler gives it the size and the offsets that BTF says.

BTF knows no alignments and no attributes, so they are inferred. A struct is written as it stands if the compiler's own
rules lead to its layout; else with padding; else packed, with padding; a packed struct whose every gap is filled to the
bit has any layout. What is packed is aligned to one byte from then on, wherever it is used. The rules for a struct that
only needs ``packed`` or padding are those of the kernel's self-tests (btf_dump_test_case_packing.c).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from kheaders.btf.cprint.columns import Columns
from kheaders.btf.cprint.padding import BYTE, Field, Item, arrange, arrange_packed, place, round_up
from kheaders.btf.kinds import VLEN_MASK, Kind
from kheaders.btf.numbers import old_bit_field
from kheaders.btf.table import MAX_DEPTH, MAX_SIZE

_RECORDS = (Kind.STRUCT, Kind.UNION)
_WORD = 8
"""Bytes of ``long`` when compiled for BPF."""
_ALIGNED: dict[int, frozenset[int]] = {
    Kind.INT: frozenset((1, 2, 4, 8, 16)),
    Kind.FLOAT: frozenset((4, 8)),
    **dict.fromkeys((Kind.ENUM, Kind.ENUM64), frozenset((1, 2, 4, 8))),
}
"""The sizes in bytes that numbers of each kind have when compiled for BPF; their alignments are the same."""
MAX_ALIGN = 4096
"""The largest alignment, in bytes, that is inferred from a size."""


class Form(NamedTuple):
    """How one record is written: its alignment in bits, whether packed, and what else.

    ``items`` is None if the members stand as BTF has them; ``widths`` says whether some are bit-fields.
    """

    align: int
    packed: bool = False
    aligned: int = 0
    """Bytes of an ``aligned`` attribute, or 0."""
    widths: bool = False
    items: list[Item] | None = None
    order: list[int] | None = None
    """Numbers of the members as they lie, where BTF has them in another order; empty where C cannot have them at all,
    as they overlap, or go beyond the size: *items* are bytes then."""


def _opaque(size: int) -> Form:
    return Form(BYTE, items=[Item(size, BYTE, text=f"unsigned char __opaque[{size // BYTE}]")], order=[])


@cache
def _natural_form(align: int) -> Form:
    return Form(align)


class Layouts:
    """The form of every record and the extent of every type of one BTF; each is worked out once."""

    def __init__(self, columns: Columns, pointer_size: int) -> None:
        self.columns = columns
        self.pointer = pointer_size * BYTE
        words, starts = columns.words, columns.starts
        self.old = any(words[starts[i] + 3] & 0xFFFFFF != words[starts[i] + 2] * BYTE for i in columns.all(Kind.INT))
        """Whether some bit-fields may be told by the types of members, as they were before 2018."""
        self.forms: dict[int, Form] = {}
        self.extents: dict[int, tuple[int, int]] = {0: (0, BYTE)}
        """Type → (bits, alignment in bits); for what has no size (void, functions) there are 0 bits."""

    def load(self) -> None:
        """Work out all types that contain no other at once, which is faster if most of them will be wanted."""
        columns, extents = self.columns, self.extents
        for kind in (Kind.PTR, Kind.INT, Kind.ENUM, Kind.ENUM64, Kind.FLOAT):
            for type_id in columns.all(kind):
                extents[type_id] = self._scalar(type_id, kind)

    def form(self, type_id: int) -> Form:
        """How the record *type_id* is written."""
        found = self.forms.get(type_id)
        if found is None:
            columns = self.columns
            size = columns.target(type_id) * BYTE
            try:
                align = self._natural(type_id, columns.kinds[type_id], size)
            except KeyError:  # a member of which nothing is known yet
                align = 0
            if align:
                self.extents[type_id] = size, align
                found = self.forms[type_id] = _natural_form(align)
            else:
                self.extent(type_id, type_id)
                found = self.forms[type_id]
        return found

    def extent(self, type_id: int, user: int) -> tuple[int, int]:
        """(bits, alignment in bits) of *type_id*, which *user* refers to.

        Records within records are worked through on a stack of its own, since nothing bounds how deep they nest.
        """
        found = self.extents.get(type_id)
        if found is not None:
            return found
        stack = [(type_id, user)]
        open_records: set[int] = set()
        while stack:
            at, by = stack[-1]
            result = self._try(at, by, stack, open_records)
            if result is not None:
                self.extents[at] = result
                stack.pop()
        return self.extents[type_id]

    def _try(
        self, type_id: int, user: int, stack: list[tuple[int, int]], open_records: set[int]
    ) -> tuple[int, int] | None:
        """The extent, or None after what it needs first was put on *stack*."""
        if type_id in self.extents:
            return self.extents[type_id]
        columns = self.columns
        factor = 1
        at = type_id
        for _ in range(MAX_DEPTH):
            if at in self.extents:
                bits, align = self.extents[at]
                return self._times(bits, factor, user), align
            kind = columns.kind(at, user)
            if kind in _RECORDS:
                if not self._members_known(at, stack, open_records):
                    return None
                form = self.forms[at] = self._decide(at, kind)
                self.extents[at] = (columns.target(at) * BYTE, form.align)
            elif kind == Kind.ARRAY:
                at, count = columns.array(at)
                factor *= count
            elif kind in _THROUGH:
                at = columns.target(at)
            else:
                self.extents[at] = self._scalar(at, kind)
        raise columns.btf.damage(user, f"refers to itself, or through more than {MAX_DEPTH} types")

    def _times(self, bits: int, factor: int, user: int) -> int:
        if bits * factor > MAX_SIZE * BYTE:
            raise self.columns.btf.damage(user, f"{bits * factor // BYTE} bytes are more than a type can have")
        return bits * factor

    def _members_known(self, record: int, stack: list[tuple[int, int]], open_records: set[int]) -> bool:
        extents = self.extents
        missing = [t for t in self.columns.targets(record, Kind.STRUCT) if t not in extents]
        if not missing:
            return True
        if record in open_records:
            raise self.columns.btf.damage(record, "contains itself")
        open_records.add(record)
        stack += ((t, record) for t in dict.fromkeys(missing))
        return False

    def _scalar(self, type_id: int, kind: int) -> tuple[int, int]:
        """The extent of what holds no other type."""
        if kind == Kind.PTR:
            return self.pointer, self.pointer
        if kind not in _SIZED:
            return 0, BYTE
        size = self.columns.target(type_id)
        if size not in _ALIGNED.get(kind, ()):
            return size * BYTE, BYTE  # written as bytes
        return size * BYTE, size * BYTE

    # ---- records ----------------------------------------------------------------------------------------------------

    def _decide(self, type_id: int, kind: int) -> Form:
        """The form of a record all of whose members' types are known."""
        size = self.columns.target(type_id) * BYTE
        align = self._natural(type_id, kind, size)
        if align:
            return _natural_form(align)
        fields = self.fields(type_id)
        align = max((field.align for field in fields), default=BYTE)
        widths = any(field.width for field in fields)
        if any(field.offset + (field.width or field.bits) > size for field in fields):
            return _opaque(size)
        if kind == Kind.UNION:
            if any(field.offset for field in fields):
                return _opaque(size)
            return self._union(fields, size, align)._replace(widths=widths)
        order = sorted(range(len(fields)), key=lambda number: fields[number].offset)
        if order != [*range(len(fields))]:
            fields = [fields[number] for number in order]
            return self._struct(fields, size, align, widths)._replace(order=order)
        return self._struct(fields, size, align, widths)

    def _struct(self, fields: list[Field], size: int, align: int, widths: bool) -> Form:
        """The form of a struct whose members lie in order."""
        expected = ([field.offset for field in fields], size)
        loose = size % align == 0 and all(field.width or field.offset % field.align == 0 for field in fields)
        for packed in (False, True) if loose else (True,):
            items = arrange(fields, size, BYTE if packed else align, _WORD * BYTE, packed=packed)
            if place(items, align, packed=packed) == expected:
                return Form(BYTE if packed else align, packed, 0, widths, items)
        items = arrange_packed(fields, size)
        return Form(BYTE, True, 0, widths, items) if place(items, BYTE, packed=True) == expected else _opaque(size)

    def _natural(self, type_id: int, kind: int, size: int) -> int:
        """The alignment of a record without bit-fields that lies as a compiler would lay it out; 0 for any other."""
        if self.old and not self.columns.flag(type_id):
            return 0
        extents = self.extents
        align = BYTE
        here = 0
        if kind == Kind.UNION:
            for _, target, offset in self.columns.rows(type_id, 3):
                if offset:
                    return 0
                bits, unit = extents[target]
                here = max(here, bits)
                align = max(align, unit)
        else:
            words, start = self.columns.words, self.columns.starts[type_id]
            end = start + 3 + 3 * (words[start + 1] & VLEN_MASK)
            for offset, (bits, unit) in zip(
                words[start + 5 : end : 3], map(extents.__getitem__, words[start + 4 : end : 3]), strict=True
            ):
                if (offset != here and offset != (here + unit - 1) // unit * unit) or offset % unit:
                    return 0  # a bit-field's width, in the upper bits of offset, makes it differ too
                here = offset + bits
                if unit > align:
                    align = unit
        if round_up(here, align) != size:
            return 0
        return align

    def fields(self, type_id: int) -> list[Field]:
        """The members of a record, with the widths of bit-fields as BTF of either age tells them."""
        columns, extents = self.columns, self.extents
        fields = []
        flag = columns.flag(type_id)
        for _, target, offset in columns.rows(type_id, 3):
            if flag:
                shift, width, offset = 0, offset >> 24, offset & 0xFFFFFF
            else:
                shift, width = old_bit_field(columns.btf, target)
            bits, align = extents[target]
            if width > bits:  # C would refuse such a bit-field
                raise columns.btf.damage(type_id, f"a bit-field of {width} bits in a type of {bits}")
            fields.append(Field(offset + shift, bits, align, width))
        return fields

    def _union(self, fields: list[Field], size: int, align: int) -> Form:
        """A union: packed if it is too small for its alignment, with an attribute or filler if it is too large."""
        largest = max((field.width or field.bits for field in fields), default=0)
        filled = round_up(largest, BYTE)
        if round_up(largest, align) == size:
            return Form(align)
        if filled >= size:
            return Form(BYTE, packed=True)
        unit = size & -size
        if unit > align and unit <= MAX_ALIGN * BYTE and round_up(filled, unit) == size:
            return Form(unit, aligned=unit // BYTE)
        items = [Item(field.bits, field.align, field.width or -1) for field in fields]
        packed = size % align != 0
        filler = Item(size, BYTE, text=f"char __pad[{size // BYTE}]")
        return Form(BYTE if packed else align, packed, items=[*items, filler])


_THROUGH = frozenset({Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG, Kind.VAR})
_SIZED = frozenset({Kind.INT, Kind.ENUM, Kind.ENUM64, Kind.FLOAT, Kind.DATASEC})
