"""The types of one BTF by number and by name: scanned once, decoded when asked for."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from kheaders.btf import header
from kheaders.btf.kinds import KIND_MASK, KIND_SHIFT, LAST_KIND, Kind, words_of
from kheaders.errors import BtfError

if TYPE_CHECKING:
    import mmap

    from kheaders.btf.model import Type

MAX_SIZE = 0xFFFFFFFF
"""The size in bytes that no type may pass."""
MAX_DEPTH = 64
"""How many typedefs, qualifiers and arrays may stand between a type and what has a size."""

_VOID = "void"
_SIZED = frozenset({Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FLOAT, Kind.DATASEC})
_TRANSPARENT = frozenset({Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG, Kind.VAR})
_LONGS = ("long unsigned int", "unsigned long", "long int", "long")


class Btf:
    """The types of a kernel, a module or a BPF object.

    ``first_id`` and ``end_id`` bound the ids of its own types; those of ``base`` lie below, and are answered too.
    """

    def __init__(
        self, name: str, head: header.Header, words: array[int], strings: bytes, starts: array[int], base: Btf | None
    ) -> None:
        self.name = name
        self.base = base
        self.big_endian = head.big_endian
        self.first_id = base.end_id if base else 1
        self.end_id: int = self.first_id + len(starts)
        self.words = words
        """The type section, in this machine's byte order."""
        self.starts = starts
        """Where each own type begins in ``words``; the first is that of ``first_id``."""
        self.strings = strings
        """The own string section."""
        self.first_string = base.end_string if base else 0
        self.end_string: int = self.first_string + len(strings)
        self._type_start = head.type_start
        self._cache: dict[int, Type] = {}

    @classmethod
    def parse(cls, data: bytes | memoryview | mmap.mmap, *, base: Btf | None = None, name: str = "BTF") -> Btf:
        """Read raw BTF; *base* is what split BTF (a module's) stands on, *name* is what errors call it.

        Nothing of *data* is kept. Raises BtfError, which names the offset, if it is damaged or its kinds are unknown.
        """
        with memoryview(data) as whole, whole.cast("B") as view:
            head = header.read(view, name)
            words = array("I")
            words.frombytes(view[head.type_start : head.type_end])
            strings = bytes(view[head.string_start : head.string_end])
        if head.big_endian != (sys.byteorder == "big"):
            words.byteswap()
        if base is None and (not strings or strings[0]):
            raise header.damaged(name, head.string_start, "the first string is not empty")
        return cls(name, head, words, strings, _scan(words, head, name), base)

    # ---- one type ---------------------------------------------------------------------------------------------------

    def locate(self, type_id: int) -> tuple[Btf, int]:
        """The Btf (this one or a base) that holds *type_id*, and where it begins in that one's ``words``.

        Raises BtfError for an id that is in neither, and for 0.
        """
        owner: Btf | None = self
        while owner is not None and type_id < owner.first_id:
            owner = owner.base
        if owner is None or type_id >= owner.end_id:
            raise BtfError(f"{self.name}: has no type {type_id}; its types are 1 to {self.end_id - 1}", header.HINT)
        return owner, owner.starts[type_id - owner.first_id]

    def offset_of(self, type_id: int) -> int:
        """The byte offset of a type within the BTF that holds it."""
        owner, at = self.locate(type_id)
        return owner._type_start + header.WORD * at

    def kind(self, type_id: int) -> Kind:
        """The kind of a type; BtfError if there is none of that number."""
        return Kind.VOID if type_id == 0 else kind_of(self._info(type_id))

    def _info(self, type_id: int) -> int:
        owner, at = self.locate(type_id)
        return owner.words[at + 1]

    def type_name(self, type_id: int) -> str:
        """The name of a type; empty for one that has none."""
        if type_id == 0:
            return _VOID
        owner, at = self.locate(type_id)
        return owner.string(owner.words[at], type_id)

    def type(self, type_id: int) -> Type:
        """The type, decoded; BtfError if it is damaged or there is none of that number."""
        found = self._cache.get(type_id)
        if found is None:
            found = self._cache[type_id] = self._decoded(type_id)
        return found

    def _decoded(self, type_id: int) -> Type:
        from kheaders.btf.decode import decode
        from kheaders.btf.model import Void

        if type_id == 0:
            return Void()
        owner, _ = self.locate(type_id)
        return decode(owner, type_id) if owner is self else owner.type(type_id)

    def string(self, offset: int, type_id: int) -> str:
        """The string at *offset*, which type *type_id* names; bytes that are not UTF-8 become U+FFFD."""
        owner: Btf | None = self
        while owner is not None and offset < owner.first_string:
            owner = owner.base
        if owner is None or offset >= owner.end_string:
            if not offset:
                return ""
            raise self.damage(type_id, f"its name at {offset} lies beyond the strings ({self.end_string} bytes)")
        start = offset - owner.first_string
        return owner.strings[start : owner.strings.index(0, start)].decode("utf-8", "replace")

    def damage(self, type_id: int, why: str) -> BtfError:
        """The error that says what is wrong with a type, with its number and offset."""
        return header.damaged(
            self.name, self.offset_of(type_id) if type_id else self._type_start, f"type {type_id}: {why}"
        )

    # ---- sizes ------------------------------------------------------------------------------------------------------

    @cached_property
    def pointer_size(self) -> int:
        """Bytes of a pointer: those of ``long``, where the BTF knows it; else 8."""
        if self.base is not None:
            return self.base.pointer_size
        for name in _LONGS:
            for type_id in self.find(name, Kind.INT):
                owner, at = self.locate(type_id)
                if owner.words[at + 2] in (4, 8):
                    return owner.words[at + 2]
        return 8

    def size_of(self, type_id: int) -> int:
        """Bytes that a value of the type takes, through typedefs, qualifiers and arrays.

        Raises BtfError for what has no size (void, functions, declarations), for cycles, and beyond MAX_SIZE.
        """
        count = 1
        at_id = type_id
        for _ in range(MAX_DEPTH):
            if at_id == 0:
                raise BtfError(f"{self.name}: type {type_id} is void, which has no size", "name a type with a size")
            owner, at = self.locate(at_id)
            kind = kind_of(owner.words[at + 1])
            if kind in _SIZED or kind == Kind.PTR:
                size = count * (self.pointer_size if kind == Kind.PTR else owner.words[at + 2])
                if size > MAX_SIZE:
                    raise self.damage(type_id, f"{size} bytes are more than a type can have")
                return size
            if kind == Kind.ARRAY:
                at_id = owner.words[at + 3]
                count *= owner.words[at + 5]
            elif kind in _TRANSPARENT:
                at_id = owner.words[at + 2]
            else:
                raise BtfError(
                    f"{self.name}: type {at_id} at byte {self.offset_of(at_id)} ({kind.name}) has no size",
                    "name a type with a size",
                )
        raise self.damage(type_id, f"refers to itself, or through more than {MAX_DEPTH} types")

    # ---- all types --------------------------------------------------------------------------------------------------

    @cached_property
    def kinds(self) -> bytes:
        """The number of the kind of each own type; the first is that of ``first_id``."""
        if len(self.starts) < _FEW:
            return bytes([self.words[start + 1] >> KIND_SHIFT & KIND_MASK for start in self.starts])
        # The upper byte of each word that may be ``info``, then those of real ones: twice as fast as word by word.
        upper = self.words.tobytes()[header.WORD + (header.WORD - 1) * (sys.byteorder == "little") :: header.WORD]
        return bytes(itemgetter(*self.starts)(upper)).translate(_WITHOUT_FLAG)

    @cached_property
    def name_offsets(self) -> array[int]:
        """The offset of the name of each own type; the first is that of ``first_id``."""
        return array("I", map(self.words.__getitem__, self.starts))

    @cached_property
    def _names_used(self) -> tuple[bytes, frozenset[int]]:
        """``name_offsets`` as bytes, to be searched, and which there are."""
        return self.name_offsets.tobytes(), frozenset(self.name_offsets)

    def ids(self, *kinds: Kind) -> Iterator[int]:
        """The ids of all own types, or of those of *kinds*, ascending."""
        if not kinds:
            return iter(range(self.first_id, self.end_id))
        wanted = bytes(_matches(number, kinds) for number in range(256))
        marks = self.kinds.translate(wanted)
        return _positions(marks, b"\1", self.first_id)

    def find(self, name: str, *kinds: Kind) -> list[int]:
        """The ids of all types of that name (and of one of *kinds*, if any are given): own first, then the base's."""
        if name in ("", _VOID):
            found = [i for i in self.ids() if self.type_name(i) == name]
        else:
            found = self._named(self._offsets(name))
        if kinds:
            found = [i for i in found if self.kind(i) in kinds]
        return found + self.base.find(name, *kinds) if self.base is not None else found

    def _offsets(self, name: str) -> list[int]:
        """Every offset at which *name* can be read, the base's too: a name may be the end of a longer string."""
        try:
            wanted = name.encode() + b"\0"
        except UnicodeEncodeError:  # a lone surrogate, which no string holds
            return []
        offsets = [] if self.base is None else self.base._offsets(name)
        return offsets + list(_positions(self.strings, wanted, self.first_string))

    def _named(self, offsets: list[int]) -> list[int]:
        """The own types whose name lies at one of *offsets*, ascending."""
        column, used = self._names_used
        size = self.name_offsets.itemsize
        found: list[int] = []
        for offset in used.intersection(offsets):
            hits = _positions(column, offset.to_bytes(size, sys.byteorder), 0)
            found += [hit // size + self.first_id for hit in hits if not hit % size]
        return sorted(found)


def kind_of(info: int) -> Kind:
    """The kind that the second word of a type says."""
    number = info >> KIND_SHIFT & KIND_MASK
    return _KINDS[number]


_FEW = 2
_WITHOUT_FLAG = bytes(number & KIND_MASK for number in range(256))
_KINDS = tuple(Kind(number) if 0 < number <= LAST_KIND else Kind.OTHER for number in range(KIND_MASK + 1))


def _matches(number: int, kinds: tuple[Kind, ...]) -> bool:
    return (number if 0 < number <= LAST_KIND else Kind.OTHER) in kinds


def _positions(data: bytes, wanted: bytes, shift: int) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at + shift
        at = data.find(wanted, at + 1)


def _scan(words: array[int], head: header.Header, name: str) -> array[int]:
    """Where each type begins; raises BtfError for one of unknown size, and for one that is cut off."""
    end = len(words)
    starts = array("I", _walk(words, head.layout))
    if not starts:
        return starts
    number, last = len(starts), starts[-1]
    offset = head.type_start + header.WORD * last
    if last + 1 >= end:
        raise header.damaged(name, offset, f"type {number} is cut off")
    info = words[last + 1]
    step = words_of(info, head.layout)
    if not step:
        kind = info >> KIND_SHIFT & KIND_MASK
        raise BtfError(f"{name}: type {number} at byte {offset} is of unknown kind {kind}", "use a newer kheaders")
    if last + step != end:
        raise header.damaged(name, offset, f"type {number} reaches beyond the type section")
    return starts


def _walk(words: array[int], layout: Mapping[int, tuple[int, int]]) -> Iterator[int]:
    """Where each type begins, as far as that can be known.

    This loop is most of what opening costs, so it does nothing else.
    """
    known: dict[int, int] = {}
    at = 0
    end = len(words)
    while at < end:
        yield at
        try:
            info = words[at + 1]
        except IndexError:
            return
        try:
            at += known[info]
        except KeyError:
            step = words_of(info, layout)
            if not step:
                return
            known[info] = step
            at += step
