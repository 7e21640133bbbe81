"""The types of a BTF and its bases as one row of words, which the printer reads without making values of them."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import compress

from kheaders.btf.kinds import FLAG_SHIFT, KIND_MASK, KIND_SHIFT, LAST_KIND, RECORDS, VLEN_MASK, WRAPPERS, Kind
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

_NOTHING = (0, 0, 0)


class Columns:
    """``words[starts[id]]`` is the first word of the type *id*; id 0 reads as a type of kind 0.

    ``kinds[id]`` is its kind, where any that is not known here has the number of OTHER.
    """

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        chain = [btf]
        while chain[-1].base is not None:
            chain.append(chain[-1].base)
        words = array("I")
        starts = array("I", (sum(len(part.words) for part in chain),))
        kinds = bytearray(1)
        for part in reversed(chain):
            shift = len(words)
            words += part.words
            starts.extend([start + shift for start in part.starts] if shift else part.starts)
            kinds += part.kinds
        words.extend(_NOTHING)
        self.words = words
        self.starts = starts
        self.end = len(starts)
        numbers = bytes(number if number <= LAST_KIND else int(Kind.OTHER) for number in range(256))
        self.kinds = bytes(kinds.translate(numbers))

    def check(self, type_id: int, user: int) -> None:
        """Raise BtfError if *type_id*, which the type *user* refers to, does not exist or is of an unknown kind."""
        if type_id >= self.end:
            raise self.btf.damage(user, f"refers to type {type_id}; the last one is {self.end - 1}")
        if self.kinds[type_id] == Kind.OTHER:
            number = self.words[self.starts[type_id] + 1] >> KIND_SHIFT & KIND_MASK
            raise BtfError(
                f"{self.btf.name}: type {user} at byte {self.btf.offset_of(user)} refers to type {type_id} of unknown "
                f"kind {number}",
                "use a newer kheaders",
            )

    def checked(self, type_id: int, user: int) -> bool:
        """True; or the BtfError of :meth:`check`."""
        if type_id >= self.end or self.kinds[type_id] == Kind.OTHER:
            self.check(type_id, user)
        return True

    def kind(self, type_id: int, user: int) -> int:
        """The number of the kind of *type_id*, checked as by :meth:`check`."""
        if type_id >= self.end or self.kinds[type_id] == Kind.OTHER:
            self.check(type_id, user)
        return self.kinds[type_id]

    def starts_of(self, kinds: Collection[int]) -> Iterator[int]:
        """Where in ``words`` each type of one of *kinds* begins, ascending."""
        return compress(self.starts, self.kinds.translate(bytes(number in kinds for number in range(256))))

    def all(self, kind: int) -> Iterator[int]:
        """The types of one kind, ascending."""
        at = -1
        while (at := self.kinds.find(kind, at + 1)) >= 0:
            yield at

    def target(self, type_id: int) -> int:
        """What a pointer, qualifier, typedef, tag or function refers to; the size of what has one."""
        return self.words[self.starts[type_id] + 2]

    def flag(self, type_id: int) -> int:
        """Bit 31 of ``info``."""
        return self.words[self.starts[type_id] + 1] >> FLAG_SHIFT

    def count(self, type_id: int) -> int:
        """``vlen``."""
        return self.words[self.starts[type_id] + 1] & VLEN_MASK

    def enum_definition(self, type_id: int) -> int:
        """The enum that an enum without values declares, which may stand in another place; itself if there is none."""
        if self.count(type_id) or not self.name_offset(type_id):
            return type_id
        return self._enums.get(self.btf.type_name(type_id), type_id)

    def is_embedded_enum(self, type_id: int) -> bool:
        """Whether a record has a member of the enum without values *type_id*, which is declared nowhere else."""
        return type_id in self._embedded_enums and self.enum_definition(type_id) == type_id

    @cached_property
    def _embedded_enums(self) -> frozenset[int]:
        """Enums without values that are members, or elements of members."""
        empty = {one for kind in (Kind.ENUM, Kind.ENUM64) for one in self.all(kind) if not self.count(one)}
        if not empty:
            return frozenset()
        users: dict[int, list[int]] = {}
        for kind in WRAPPERS:
            for one in self.all(kind):
                users.setdefault(self.target(one), []).append(one)
        for one in self.all(Kind.ARRAY):
            users.setdefault(self.array(one)[0], []).append(one)
        members = {target for kind in RECORDS for one in self.all(kind) for target in self.targets(one, kind)}
        return frozenset(one for one in empty if not members.isdisjoint(_reached(one, users)))

    @cached_property
    def _enums(self) -> dict[str, int]:
        """Name → the first enum of that name that has values."""
        found: dict[str, int] = {}
        for kind in (Kind.ENUM, Kind.ENUM64):
            for type_id in self.all(kind):
                if self.count(type_id):
                    found.setdefault(self.btf.type_name(type_id), type_id)
        return found

    def name_offset(self, type_id: int) -> int:
        """Where its name lies; 0 if it has none."""
        return self.words[self.starts[type_id]]

    def rows(self, type_id: int, width: int) -> Iterator[tuple[int, ...]]:
        """The elements that follow the head, as tuples of *width* words."""
        first = self.starts[type_id] + 3
        end = first + width * self.count(type_id)
        return zip(*(self.words[first + i : end : width] for i in range(width)), strict=True)

    def targets(self, type_id: int, kind: int) -> array[int]:
        """The types of the members of a record, or of the parameters of a function's type."""
        width = 2 if kind == Kind.FUNC_PROTO else 3
        first = self.starts[type_id] + 3
        return self.words[first + 1 : first + width * self.count(type_id) : width]

    def array(self, type_id: int) -> tuple[int, int]:
        """(type, number) of the elements of an array."""
        at = self.starts[type_id]
        return self.words[at + 3], self.words[at + 5]


def _reached(start: int, edges: Mapping[int, Collection[int]]) -> set[int]:
    """*start*, and what can be reached from it."""
    found = {start}
    todo = [start]
    while todo:
        more = set(edges.get(todo.pop(), ())) - found
        found |= more
        todo += more
    return found
