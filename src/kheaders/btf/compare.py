"""Whether two BTFs agree on the layout of the types that both know by name, and where they do not.

Types without a name are compared as parts of those that contain them, or by the name that a typedef gives them. A
declaration without members says nothing. A name may stand for several types in one BTF (each source file of the kernel
may have its own); it agrees if one of ours is one of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import NamedTuple, TypeAlias

from kheaders.btf import model
from kheaders.btf.declaration import MAX_DEPTH
from kheaders.btf.kinds import FLAG_SHIFT, RECORDS, VLEN_MASK, Kind
from kheaders.btf.layout import MAX_FIELDS, inline
from kheaders.btf.numbers import old_bit_field
from kheaders.btf.table import Btf

MAX_MEMBERS = 20_000_000
"""Members that are looked at in one BTF in all; a kernel's has 100,000."""

NOTHING = "no such"
"""With what :class:`Difference` begins a side that lacks the member or constant."""

_CLOSEST = 16
_FEW = 64
_WORDS = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum", Kind.ENUM64: "enum"}
_UNNAMED = (model.Struct, model.Union, model.Enum, model.Enum64)

Place: TypeAlias = tuple[int, int, int]
"""Bit offset, bits of a bit-field or 0, bytes of the type or, for a bit-field, 0."""


class Difference(NamedTuple):
    """One thing in which two BTFs differ; *member* is empty where it is the type itself.

    *ours* and *theirs* are parts of a sentence: ``56 bytes``, ``at byte 8``, ``value 3``, ``no such member``.
    """

    record: str
    member: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        what = f"{self.record}, {self.member}" if self.member else self.record
        return f"{what}: {self.ours} in the headers, {self.theirs} in the kernel"


class Shape(NamedTuple):
    """What counts of a type: its size, and where its members are or which values its constants have."""

    size: int
    members: frozenset[tuple[str, Place]]
    values: frozenset[tuple[str, int]]


def compare(ours: Btf, kernel: Btf, names: Iterable[str] | None = None) -> Iterator[Difference]:
    """What differs between *ours*, the BTF of compiled headers, and the *kernel*'s, in the order of ours.

    With *names* (``sk_buff`` or ``struct sk_buff``) only these types. Raises BtfError if one of them is damaged.
    """
    wanted = None if names is None else frozenset(names)
    yield from differences(Known(ours, wanted), Known(kernel, wanted))


class Known:
    """The named types of one BTF, or those of *wanted*, ready to be compared more than once."""

    def __init__(self, btf: Btf, wanted: frozenset[str] | None = None) -> None:
        self.btf = btf
        self.titles = _index(btf, wanted)
        """``struct foo`` → the ids of its definitions; for typedefs of types without a name, ``foo``."""
        self._shapes = Shapes(btf)
        self._seen: dict[str, dict[Shape, None]] = {}

    def shapes(self, title: str) -> dict[Shape, None]:
        """The different layouts of the types called *title*. Raises BtfError."""
        found = self._seen.get(title)
        if found is None:
            found = self._seen[title] = dict.fromkeys(map(self._shapes.shape, self.titles[title]))
        return found


def differences(ours: Known, kernel: Known) -> Iterator[Difference]:
    """As :func:`compare`, of what is known already."""
    for title in ours.titles:
        if title in kernel.titles:
            here, there = ours.shapes(title), kernel.shapes(title)
            if not here.keys() & there.keys():
                pairs = islice(product(here, there), _CLOSEST)
                yield from min((list(_differences(title, a, b)) for a, b in pairs), key=len)


def _index(btf: Btf, wanted: frozenset[str] | None) -> dict[str, list[int]]:
    """``struct foo`` → the ids of its definitions; for typedefs of types without a name, ``foo``."""
    kinds = (*_WORDS, Kind.TYPEDEF)
    if wanted is not None and len(wanted) <= _FEW:
        names = {title.rpartition(" ")[2] for title in wanted}
        ids: Iterable[int] = sorted(i for name in names for i in btf.find(name, *kinds))
    else:
        ids = (i for owner in _bases(btf) for i in owner.ids(*kinds))
    found: dict[str, list[int]] = {}
    for type_id in ids:
        name = btf.type_name(type_id)
        word = _WORDS.get(btf.kind(type_id))
        title = f"{word} {name}" if word else name
        if not name or (wanted is not None and name not in wanted and title not in wanted):
            continue
        if word == "enum" and not _constants(btf, type_id):
            continue  # a declaration, or one whose values BTF could not hold
        if not word:
            typedef = btf.type(type_id)
            type_id = typedef.target if isinstance(typedef, model.Typedef) else 0
            unnamed = btf.type(type_id)
            if not isinstance(unnamed, _UNNAMED) or unnamed.name:
                continue
        found.setdefault(title, []).append(type_id)
    return found


def _constants(btf: Btf, type_id: int) -> bool:
    found = btf.type(type_id)
    return isinstance(found, model.Enum | model.Enum64) and bool(found.values)


def _bases(btf: Btf) -> list[Btf]:
    chain = [btf]
    while (base := chain[-1].base) is not None:
        chain.append(base)
    return chain[::-1]


class _Part(NamedTuple):
    """What a type means for a member that has it."""

    record: int
    """The record without a name that it is or is an array of, or 0; ``rows`` are its dimensions."""
    rows: int
    size: int
    shift: int
    bits: int


class Shapes:
    """The shapes of the types of one BTF; bounds the work in all. Members are read in place, as there are so many."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.left = MAX_MEMBERS
        self.parts: dict[int, _Part] = {}

    def shape(self, type_id: int) -> Shape:
        """That of one record or enum; it equals that of another type that lies alike."""
        if self.btf.kind(type_id) in RECORDS:
            members: dict[str, Place] = {}
            size = self._collect(type_id, 0, "", members, 0, max(self.left - MAX_FIELDS, 0))
            return Shape(size, frozenset(members.items()), frozenset())
        found = self.btf.type(type_id)
        assert isinstance(found, model.Enum | model.Enum64)
        mask = (1 << 8 * min(found.size, 8)) - 1  # whether an encoder calls them signed is a matter of taste
        return Shape(found.size, frozenset(), frozenset((v.name, v.value & mask) for v in found.values))

    def _collect(self, type_id: int, base: int, outer: str, into: dict[str, Place], depth: int, floor: int) -> int:
        """Put each member of a record, those of unnamed records in it too, *into* path → place; gives its size."""
        owner, at = self.btf.locate(type_id)
        words, parts = owner.words, self.parts
        info = words[at + 1]
        count, flag = info & VLEN_MASK, info >> FLAG_SHIFT
        self.left -= count
        if depth > MAX_DEPTH or self.left < floor:
            raise self.btf.damage(type_id, f"is nested more than {MAX_DEPTH} deep, or has too many members")
        for i in range(at + 3, at + 3 + 3 * count, 3):
            name, target, offset = owner.string(words[i], type_id), words[i + 1], words[i + 2]
            part = parts.get(target if name else -target) or self._part(target, nameless=not name)
            if flag:
                offset, bits = base + (offset & 0xFFFFFF), offset >> 24
            else:
                offset, bits = base + offset + part.shift, part.bits
            path = f"{outer}.{name}" if outer and name else name or outer
            if name or not part.record:
                into[path] = (offset, bits, 0 if bits else part.size)
            if part.record:
                self._collect(part.record, offset, path + "[]" * part.rows, into, depth + 1, floor)
        return words[at + 2]

    def _part(self, type_id: int, *, nameless: bool) -> _Part:
        record, rows = inline(self.btf, type_id, nameless=nameless)
        size = self.btf.size_of(type_id)
        part = _Part(record.id if record else 0, rows, size, *old_bit_field(self.btf, type_id))
        self.parts[-type_id if nameless else type_id] = part
        return part


# ---- telling it ----


def _differences(title: str, ours: Shape, theirs: Shape) -> Iterator[Difference]:
    if ours.size != theirs.size:
        yield Difference(title, "", _count(ours.size), _count(theirs.size))
    members, others = dict(ours.members), dict(theirs.members)
    for path in sorted(members.keys() | others.keys(), key=lambda path: (members.get(path) or others[path], path)):
        mine, other = members.get(path), others.get(path)
        if mine is None or other is None:
            told = f"{NOTHING} member"
            yield Difference(
                title, f"member {path}", told if mine is None else _at(mine), _at(other) if other else told
            )
        elif mine != other:
            same_place = mine[0] == other[0]
            tell = _extent if same_place else _at if mine[1:] == other[1:] else _both
            yield Difference(title, f"member {path}", tell(mine), tell(other))
    values, theirs_too = dict(ours.values), dict(theirs.values)
    for name in sorted(values.keys() | theirs_too.keys()):
        both = [f"value {v[name]}" if name in v else f"{NOTHING} constant" for v in (values, theirs_too)]
        if both[0] != both[1]:
            yield Difference(title, f"constant {name}", *both)


def _count(size: int) -> str:
    return f"{size} byte{'s' * (size != 1)}"


def _at(place: Place) -> str:
    byte, bit = divmod(place[0], 8)
    return f"at byte {byte} bit {bit}" if bit or place[1] else f"at byte {byte}"


def _extent(place: Place) -> str:
    return f"{place[1]} bit{'s' * (place[1] != 1)}" if place[1] else _count(place[2])


def _both(place: Place) -> str:
    return f"{_at(place)} with {_extent(place)}"
