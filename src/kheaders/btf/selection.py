"""The types that one program uses: those that it names, and those whose members it reaches through pointers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from kheaders.btf.kinds import ENUMS, RECORDS, Kind
from kheaders.btf.model import (
    Array,
    Const,
    DeclTag,
    Enum,
    Enum64,
    Func,
    FuncProto,
    Fwd,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Volatile,
)
from kheaders.btf.table import Btf

_NAMED = (*RECORDS, *ENUMS, Kind.TYPEDEF)
_CALLABLE = "bpf_kfunc"
"""The declaration tag of functions that BPF programs may call (pahole's, from the kernel's BTF_KFUNCS lists)."""


class Used(NamedTuple):
    """Names in a program, as its text tells them."""

    words: Collection[str]
    """Ordinary names: typedefs, enumeration constants."""
    tags: Collection[str]
    """Tags of which the definition is needed."""
    pointed: Collection[str]
    """Tags of structs that are only pointed to."""
    calls: Collection[str]
    """Names before parentheses: perhaps functions of the kernel."""
    touched: Collection[str]
    """Names that can be those of members."""


def select(btf: Btf, used: Used) -> list[int]:
    """The types and functions that a program needs of *btf*; what they embed is not among them. Raises BtfError.

    Of several types with one name the first is taken.
    """
    return _Selection(btf, used).run()


class _Selection:
    def __init__(self, btf: Btf, used: Used) -> None:
        self._btf = btf
        self._used = used
        self._touched = frozenset(used.touched)
        self._known: dict[tuple[bool, str], int] = {}
        """(whether it is a tag, name) → type."""
        owner: Btf | None = btf
        while owner is not None:
            for number in owner.ids(*_NAMED):
                if name := owner.type_name(number):
                    self._known.setdefault((owner.kind(number) is not Kind.TYPEDEF, name), number)
            owner = owner.base
        self._roots: dict[int, None] = {}
        self._seen: set[int] = set()
        self._todo: list[tuple[int, bool]] = []
        """Types to look at, and whether they are pointed to."""

    def run(self) -> list[int]:
        used = self._used
        for tag in sorted(used.tags):
            self._root(self._known.get((True, tag)))
        for word in sorted(used.words):
            self._root(self._known.get((False, word)))
        for number in self._enums(frozenset(used.words)):
            self._root(number)
        for tag in sorted(used.pointed):
            self._tag(tag)
        for number in self._functions(frozenset(used.calls)):
            self._root(number)
        while self._todo:
            number, pointed = self._todo.pop()
            self._look(number, pointed)
        return list(self._roots)

    def _root(self, number: int | None) -> None:
        if number is not None:
            self._roots[number] = None
            self._todo.append((number, False))

    def _tag(self, tag: str) -> None:
        """Take the record *tag* if the program may reach a member of it."""
        number = self._known.get((True, tag))
        if number is not None and number not in self._roots and not self._touched.isdisjoint(self._members(number)):
            self._root(number)

    def _look(self, number: int, pointed: bool) -> None:
        if number in self._seen and not pointed:
            return
        kind = self._btf.type(number)
        if pointed and isinstance(kind, (Struct, Union, Fwd)):
            if kind.name:
                self._tag(kind.name)
            return
        if number in self._seen:
            return
        self._seen.add(number)
        if isinstance(kind, (Struct, Union)):
            self._todo += [(member.type, False) for member in kind.members]
        elif isinstance(kind, Ptr):
            self._todo.append((kind.target, True))
        elif isinstance(kind, Array):
            self._todo.append((kind.element, pointed))
        elif isinstance(kind, (Const, Volatile, Restrict, Typedef, TypeTag)):
            self._todo.append((kind.target, pointed))
        elif isinstance(kind, Func):
            self._todo.append((kind.proto, False))
        elif isinstance(kind, FuncProto):
            self._todo += [(type_id, False) for type_id in (kind.result, *(param.type for param in kind.params))]

    def _members(self, number: int) -> Iterator[str]:
        """Names of the members of a record, those of unnamed ones within it included."""
        record = self._btf.type(number)
        for member in record.members if isinstance(record, (Struct, Union)) else ():
            if member.name:
                yield member.name
            else:
                yield from self._members(member.type)

    def _enums(self, words: frozenset[str]) -> Iterator[int]:
        """The enums that define one of *words*."""
        left = set(words)
        owner: Btf | None = self._btf
        while owner is not None:
            for number in owner.ids(*ENUMS):
                kind = owner.type(number)
                if isinstance(kind, (Enum, Enum64)):
                    hit = left.intersection(value.name for value in kind.values)
                    if hit:
                        left -= hit
                        yield number
            owner = owner.base

    def _functions(self, calls: frozenset[str]) -> Iterator[int]:
        """The functions among *calls* that BPF programs may call."""
        owner: Btf | None = self._btf
        while owner is not None:
            for number in owner.ids(Kind.DECL_TAG):
                if owner.type_name(number) == _CALLABLE:
                    tag = owner.type(number)
                    function = owner.type(tag.target) if isinstance(tag, DeclTag) else tag
                    if isinstance(function, Func) and function.name in calls:
                        yield function.id
            owner = owner.base
