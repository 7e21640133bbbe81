"""Where the members of a struct or union lie: offsets, bit-fields, holes, padding, cache lines, alignment.

What BTF does not say is computed: holes from the gaps between members, alignment and packing from the ABI's rule that a
member lies at a multiple of its type's alignment (System V ABI, "Aggregates and Unions"; "Bit-Fields").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from kheaders.btf import model
from kheaders.btf.declaration import MAX_DEPTH, declaration
from kheaders.btf.kinds import Kind
from kheaders.btf.table import Btf
from kheaders.errors import BtfError, UsageError

CACHELINE = 64
"""Bytes of a cache line, unless the caller says otherwise."""

MAX_FIELDS = 100_000
"""Members that a record may have with those of anonymous records in it; the kernel's largest has some thousands."""

Record: TypeAlias = model.Struct | model.Union


class Hole(NamedTuple):
    """Space that no member takes: *offset* and *size* are bytes, in a bit hole bits; *after* is the member before it.

    ``after`` counts members from 0; -1 is the start of the record.
    """

    offset: int
    size: int
    after: int


class Field(NamedTuple):
    """A member. Offsets count from the start of the outermost record; in big-endian BTF, bits from the highest.

    ``path`` is how C reaches it from there (``a.b``; ``a[].b`` for each element of an array), empty for an anonymous
    record. ``text`` declares it in C, where an anonymous record or enum is ``struct {...}``. ``bits`` is 0 unless it is
    a bit-field, ``size`` the bytes of its type. ``aligned`` is an alignment that only an attribute explains, or 0.
    ``inner`` is the layout of an anonymous record; in an array of such, that of the first.
    """

    name: str
    path: str
    type_id: int
    text: str
    bit_offset: int
    bits: int
    size: int
    aligned: int = 0
    inner: RecordLayout | None = None

    @property
    def bit_size(self) -> int:
        """The bits that it takes."""
        return self.bits or 8 * self.size

    @property
    def offset(self) -> int:
        """The byte at which it lies; for a bit-field, that of its storage unit, which is aligned to its size."""
        unit = 8 * self.size
        return self.bit_offset // unit * self.size if self.bits and unit else self.bit_offset // 8


class RecordLayout(NamedTuple):
    """The layout of a struct or union; sizes and offsets in bytes unless a name says bits.

    ``offset`` is where it lies in the outermost record. ``alignment`` is what its members ask for, or 1 where their
    places show that it is ``packed``; ``aligned`` is what only an attribute explains, as the size shows it, or 0.
    """

    name: str
    kind: Kind
    type_id: int
    offset: int
    size: int
    alignment: int
    packed: bool
    aligned: int
    fields: tuple[Field, ...]
    holes: tuple[Hole, ...]
    bit_holes: tuple[Hole, ...]
    padding: int
    bit_padding: int
    cacheline: int

    @property
    def cachelines(self) -> int:
        """How many cache lines it touches, if it begins on one."""
        return -(-self.size // self.cacheline)

    @property
    def last_cacheline(self) -> int:
        """Bytes in its last cache line if that is not full, else 0."""
        return self.size % self.cacheline

    @property
    def sum_members(self) -> int:
        """Bytes of members that are no bit-fields."""
        return sum(field.size for field in self.fields if not field.bits)

    @property
    def sum_bits(self) -> int:
        """Bits of bit-fields."""
        return sum(field.bits for field in self.fields)

    @property
    def sum_holes(self) -> int:
        """Bytes of holes between members."""
        return sum(hole.size for hole in self.holes)

    @property
    def sum_bit_holes(self) -> int:
        """Bits of holes within storage units of bit-fields."""
        return sum(hole.size for hole in self.bit_holes)

    def flat(self) -> Iterator[Field]:
        """All members that are no anonymous records themselves, in order, those of anonymous records among them."""
        for field in self.fields:
            if field.inner is None:
                yield field
            else:
                yield from field.inner.flat()


def record_layout(btf: Btf, type_id: int, *, cacheline: int = CACHELINE) -> RecordLayout:
    """The layout of the struct or union *type_id*, or that a typedef of that number stands for.

    *cacheline* is in bytes. Raises BtfError for other kinds, for damage, and for records beyond MAX_DEPTH and
    MAX_FIELDS; UsageError for a cache line that is no positive number of bytes.
    """
    if cacheline <= 0:
        raise UsageError(f"a cache line of {cacheline} bytes is none", "64 is usual")
    record = strip(btf, type_id)
    if not isinstance(record, model.Struct | model.Union):
        what = f"{record.kind.name} {btf.type_name(type_id)}".rstrip()
        raise BtfError(f"{btf.name}: type {type_id} ({what}) is no struct or union", "name one")
    return _Walk(btf, cacheline).layout(record, 0, "", 0)


def strip(btf: Btf, type_id: int) -> model.Type:
    """The type *type_id* without typedefs, qualifiers and type tags around it. Raises BtfError for a cycle."""
    at = type_id
    for _ in range(MAX_DEPTH):
        found = btf.type(at)
        match found:
            case model.Typedef() | model.Const() | model.Volatile() | model.Restrict() | model.TypeTag():
                at = found.target
            case _:
                return found
    raise btf.damage(type_id, f"refers to itself, or through more than {MAX_DEPTH} types")


def inline(btf: Btf, type_id: int, *, nameless: bool = False) -> tuple[Record | None, int]:
    """The anonymous record that a member of the type is or, with its dimensions counted, is an array of.

    A *nameless* member may be a record that has a name (-fms-extensions): its members too are those of the outer one.
    """
    rows = 0
    at = type_id
    for _ in range(MAX_DEPTH):
        match found := btf.type(at):
            case model.Struct() | model.Union():
                return (None, 0) if found.name and not nameless else (found, rows)
            case model.Array():
                at, rows = found.element, rows + 1
            case model.Const() | model.Volatile() | model.TypeTag():
                at = found.target
            case model.Typedef() if nameless:
                at = found.target
            case _:
                return None, 0
    raise btf.damage(type_id, f"refers to itself, or through more than {MAX_DEPTH} types")


class _Walk:
    """One record and what is nested in it; keeps what bounds the work."""

    def __init__(self, btf: Btf, cacheline: int) -> None:
        self.btf = btf
        self.cacheline = cacheline
        self.fields = 0
        self.alignments: dict[int, tuple[int, bool]] = {}

    def layout(self, record: Record, bit_base: int, path: str, depth: int) -> RecordLayout:
        self.fields += len(record.members)
        if depth > MAX_DEPTH or self.fields > MAX_FIELDS:
            raise self.btf.damage(
                record.id, f"nested more than {MAX_DEPTH} deep, or has more than {MAX_FIELDS} members"
            )
        fields = tuple(self._field(member, bit_base, path, depth) for member in record.members)
        holes: list[Hole] = []
        bit_holes: list[Hole] = []
        if record.kind is Kind.STRUCT:
            padding, bit_padding = _gaps(fields, bit_base, record.size, holes, bit_holes)
        else:
            used = max((field.bit_offset + field.bit_size - bit_base for field in fields), default=0)
            padding, bit_padding = max(record.size - -(-used // 8), 0), 0
        alignment, packed = self._record_alignment(record, depth)
        fields, aligned = self._forced(record, fields, bit_base // 8, alignment, depth)
        return RecordLayout(
            name=record.name,
            kind=record.kind,
            type_id=record.id,
            offset=bit_base // 8,
            size=record.size,
            alignment=alignment,
            packed=packed,
            aligned=aligned,
            fields=fields,
            holes=tuple(holes),
            bit_holes=tuple(bit_holes),
            padding=padding,
            bit_padding=bit_padding,
            cacheline=self.cacheline,
        )

    def _field(self, member: model.Member, bit_base: int, outer: str, depth: int) -> Field:
        path = f"{outer}.{member.name}" if outer and member.name else member.name or outer
        offset = bit_base + member.bit_offset
        target, rows = inline(self.btf, member.type, nameless=not member.name)
        inner = self.layout(target, offset, path + "[]" * rows, depth + 1) if target else None
        text = declaration(self.btf, member.type, member.name)
        size = self.btf.size_of(member.type)
        return Field(
            name=member.name,
            path=path if member.name or inner is None else "",
            type_id=member.type,
            text=f"{text}:{member.bit_size}" if member.bit_size else text,
            bit_offset=offset,
            bits=member.bit_size,
            size=size,
            inner=inner,
        )

    def _forced(
        self, record: Record, fields: tuple[Field, ...], base: int, alignment: int, depth: int
    ) -> tuple[tuple[Field, ...], int]:
        """*fields* with the alignments that only attributes explain, and that of the whole."""
        if record.kind is not Kind.STRUCT:
            return fields, 0
        done = []
        end = base
        for field in fields:
            if field.size and not field.bits:
                natural = self._alignment(field.type_id, depth + 1)
                aligned = _explained(field.offset - base, field.offset - end, natural, self.cacheline)
                field = field._replace(aligned=aligned) if aligned else field
            done.append(field)
            end = max(end, -(-(field.bit_offset + field.bit_size) // 8))
        return tuple(done), _explained(record.size, base + record.size - end, alignment, self.cacheline)

    def _record_alignment(self, record: Record, depth: int) -> tuple[int, bool]:
        """What the members ask for, and whether one of them, or the size, shows that it was not granted."""
        known = self.alignments.get(record.id)
        if known is None:
            alignment, packed = 1, False
            for member in record.members:
                asked = self._alignment(member.type, depth + 1)
                if member.bit_size:
                    unit = 8 * self.btf.size_of(member.type)
                    packed |= bool(unit) and member.bit_offset % unit + member.bit_size > unit
                else:
                    packed |= member.bit_offset % (8 * asked) != 0
                alignment = max(alignment, asked)
            packed |= record.size % alignment != 0
            known = self.alignments[record.id] = (1 if packed else alignment, packed)
        return known

    def _alignment(self, type_id: int, depth: int) -> int:
        for _ in range(MAX_DEPTH):
            found = strip(self.btf, type_id)
            match found:
                case model.Array():
                    type_id = found.element
                case model.Ptr():
                    return self.btf.pointer_size
                case model.Int() | model.Float() | model.Enum() | model.Enum64():
                    return _power_of_two(found.size)
                case model.Struct() | model.Union() if depth <= MAX_DEPTH:
                    return self._record_alignment(found, depth)[0]
                case _:
                    break
        raise self.btf.damage(type_id, "has no alignment, as a member must, or is nested too deep")


def _power_of_two(size: int) -> int:
    """The alignment of a scalar: its size; where that is none (12 bytes of i386's long double), its largest factor."""
    return min(size & -size, 16) or 1


def _explained(place: int, gap: int, natural: int, cacheline: int) -> int:
    """The least alignment that leaves *gap* bytes before *place* unused, if *natural* leaves fewer; else 0.

    Where a cache line would do as well, it is the likelier one.
    """
    if gap < natural or place % (least := 1 << gap.bit_length()):
        return 0
    return cacheline if least < cacheline and not cacheline % least and not place % cacheline else least


def _gaps(
    fields: tuple[Field, ...], bit_base: int, size: int, holes: list[Hole], bit_holes: list[Hole]
) -> tuple[int, int]:
    """Find the holes between *fields* of a struct; gives its padding in bytes and in bits.

    A gap behind a bit-field counts in bits up to the end of its storage unit, then in bytes; before a bit-field in
    bytes up to its storage unit, then in bits.
    """
    at = unit_end = bit_base
    for number, field in enumerate(fields):
        start = field.bit_offset
        rest = max(min(start, unit_end), at)  # what is left of the storage unit of the bit-field before
        _hole(bit_holes, at, rest, number - 1)
        if field.bits:
            unit, width = 8 * field.offset, 8 * field.size
            first = unit if rest < unit <= start else rest
            _hole(holes, rest // 8, first // 8, number - 1)
            _hole(bit_holes, first, start, number - 1)
            at = start + field.bits
            if at > unit_end or unit + width > unit_end:
                unit_end = unit + max(width, -(-(at - unit) // max(width, 1)) * width)
        else:
            _hole(holes, rest // 8, start // 8, number - 1)
            at = unit_end = start + 8 * field.size
    total = bit_base + 8 * size
    bits = max(min(unit_end, total) - at, 0)
    return max((total - at - bits) // 8, 0), bits


def _hole(holes: list[Hole], start: int, end: int, after: int) -> None:
    if end <= start:
        return
    if holes and holes[-1].after == after and holes[-1].offset + holes[-1].size == start:
        start = holes.pop().offset
    holes.append(Hole(start, end - start, after))
