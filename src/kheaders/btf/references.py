"""Where types refer to names and to other types (Documentation/bpf/btf.rst, "Type Encoding"), and whose they are.

A module's BTF is *split*: offsets of its names and ids of its types go on behind those of a base, its kernel's BTF, and
smaller ones mean the base's. On another base they mean something else, and nothing in the format tells.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from kheaders.btf.kinds import VLEN_MASK, Kind
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

_REFERRING = frozenset(
    {
        Kind.PTR,
        Kind.TYPEDEF,
        Kind.VOLATILE,
        Kind.CONST,
        Kind.RESTRICT,
        Kind.FUNC,
        Kind.FUNC_PROTO,
        Kind.VAR,
        Kind.DECL_TAG,
        Kind.TYPE_TAG,
    }
)
"""Kinds whose third word is the id of a type."""


def references(btf: Btf, type_id: int, start: int) -> Iterator[tuple[int, bool]]:
    """Where in the words of a type names (True) and ids of types (False) are."""
    yield start, True
    kind = btf.kind(type_id)
    if kind in _REFERRING:
        yield start + 2, False
    first = start + 3
    count = btf.words[start + 1] & VLEN_MASK
    match kind:
        case Kind.ARRAY:
            yield from ((first, False), (first + 1, False))
        case Kind.STRUCT | Kind.UNION | Kind.ENUM64:
            for at in range(first, first + 3 * count, 3):
                yield at, True
                if kind is not Kind.ENUM64:
                    yield at + 1, False
        case Kind.FUNC_PROTO | Kind.ENUM:
            for at in range(first, first + 2 * count, 2):
                yield at, True
                if kind is Kind.FUNC_PROTO:
                    yield at + 1, False
        case Kind.DATASEC:
            yield from ((at, False) for at in range(first, first + 3 * count, 3))
        case Kind.OTHER:
            raise btf.damage(type_id, "is of a kind whose references to other types are not known")


def prove_base(split: Btf) -> None:
    """Raise BtfError unless *split* was made on its base.

    What is asked: each of its names that the base holds begins where one of the base's strings begins, each type that
    it refers to is there, and its functions refer to prototypes. Each name of a module that is read on another
    kernel's base begins somewhere, and few modules have so few names that none begins within a string.
    """
    base = split.base
    if base is None:
        return
    names, targets = _used(split)
    wrong = sum(1 for offset in set(names) if 0 < offset < split.first_string and not _begins(base, offset))
    beyond = sum(1 for target in set(targets) if target >= split.end_id)
    odd = sum(1 for one in split.ids(Kind.FUNC) if not _is_prototype(split, split.words[split.locate(one)[1] + 2]))
    if wrong or beyond or odd:
        why = f"{wrong} of its names begin within one" if wrong else f"{beyond + odd} of its types are not there"
        raise BtfError(
            f"{split.name}: does not go on from {base.name}: {why}",
            "name the BTF of the kernel that it was built for as its base (--btf-base)",
        )


def _used(btf: Btf) -> tuple[array[int], array[int]]:
    """(offsets of all names, ids of all types) that the own types of *btf* refer to."""
    words = btf.words
    names, targets = array("I", btf.name_offsets), array("I")
    for start, number in zip(btf.starts, btf.kinds, strict=True):
        if number in _REFERRING:
            targets.append(words[start + 2])
        first = start + 3
        step = _STEPS.get(number, 0)
        if step:
            end = first + step * (words[start + 1] & VLEN_MASK)
            if number != Kind.DATASEC:
                names += words[first:end:step]
            if number not in (Kind.ENUM, Kind.ENUM64):
                targets += words[first + (number != Kind.DATASEC) : end : step]
        elif number == Kind.ARRAY:
            targets += words[first : first + 2]
    return names, targets


_STEPS: dict[int, int] = {
    Kind.STRUCT: 3,
    Kind.UNION: 3,
    Kind.ENUM64: 3,
    Kind.ENUM: 2,
    Kind.FUNC_PROTO: 2,
    Kind.DATASEC: 3,
}
"""Kind → words of each of its members, values, parameters or variables."""


def _begins(base: Btf, offset: int) -> bool:
    """Whether a string of *base*, or of what that goes on from, begins at *offset*."""
    owner: Btf | None = base
    while owner is not None and offset < owner.first_string:
        owner = owner.base
    if owner is None:
        return False
    at = offset - owner.first_string
    return not at or not owner.strings[at - 1]


def _is_prototype(btf: Btf, type_id: int) -> bool:
    return type_id < btf.end_id and btf.kind(type_id) is Kind.FUNC_PROTO
