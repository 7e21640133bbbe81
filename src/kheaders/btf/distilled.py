"""Split BTF that was made on a distilled base (``.BTF.base``), put onto the BTF of the kernel that runs.

A module that is built apart from its kernel carries, instead of ids of the kernel's types, a small base with just the
named types that it refers to (Documentation/bpf/btf.rst, ".BTF.base section"): INT and FLOAT whole, STRUCT and UNION
with their size but no members, ENUM and ENUM64 as an ENUM with its size, FWD. Each is found again in the kernel by the
rules of the kernel and of libbpf (tools/lib/bpf/btf_relocate.c): name and kind; sizes of scalars; sizes of records
where the module has one as a member, or where the name alone does not tell which is meant. Two points are handled more
exactly: a definition is preferred to a declaration of the same name, and a struct never stands for a union.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator

from kheaders.btf import model
from kheaders.btf.header import HINT, MAGIC, OLD_SIZE, VERSION
from kheaders.btf.kinds import RECORDS, Kind
from kheaders.btf.references import references
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

_MAX_DEPTH = 64
_KINDS = (Kind.INT, Kind.FLOAT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FWD)
_REBUILD = "rebuild the module for this kernel"


def relocate(split: Btf, base: Btf) -> Btf:
    """*split*, whose base is a distilled one, as if it had been made on *base*, the kernel's own BTF.

    Raises BtfError if *split* stands on no distilled base, if the kernel lacks one of its types or has several that it
    may mean, and for kinds whose references are not known.
    """
    distilled = split.base
    if distilled is None or distilled.base is not None:
        raise BtfError(f"{split.name}: has no distilled base of its own", "read it together with its .BTF.base")
    if split.big_endian != base.big_endian:
        raise BtfError(f"{split.name}: its byte order is not that of {base.name}", "name the kernel it was built for")
    found = _matches(split, distilled, base)
    shift = base.end_id - split.first_id

    def new_id(old: int) -> int:
        if old >= split.end_id:
            raise BtfError(f"{split.name}: damaged BTF: refers to type {old} of {split.end_id - 1}", HINT)
        return old + shift if old >= split.first_id else found[old]

    def new_name(old: int, type_id: int) -> int:
        """Own strings keep their order, those of the distilled base follow them."""
        if old >= split.end_string:
            split.string(old, type_id)  # raises the error that tells where
        if old >= split.first_string:
            return old - split.first_string + base.end_string
        return base.end_string + len(split.strings) + old if old else 0

    words = array("I", split.words)
    for type_id, start in enumerate(split.starts, split.first_id):
        for at, is_name in references(split, type_id, start):
            words[at] = new_name(words[at], type_id) if is_name else new_id(words[at])
    return Btf.parse(_bytes(words, split.strings + distilled.strings, split.big_endian), base=base, name=split.name)


def _bytes(words: array[int], strings: bytes, big_endian: bool) -> bytes:
    if big_endian != (sys.byteorder == "big"):
        words.byteswap()
    size = len(words) * words.itemsize
    order = ">" if big_endian else "<"
    head = struct.pack(f"{order}HBB5I", MAGIC, VERSION, 0, OLD_SIZE, 0, size, size, len(strings))
    return head + words.tobytes() + strings


# ---- finding the types again ----


def _matches(split: Btf, distilled: Btf, base: Btf) -> list[int]:
    """The id in *base* for each id in *distilled*; the first is that of void."""
    wanted: dict[str, list[int]] = {}
    for type_id in distilled.ids():
        name = distilled.type_name(type_id)
        if distilled.kind(type_id) not in _KINDS or not name:
            raise distilled.damage(type_id, "is not what a distilled base holds")
        wanted[name] = []
    for type_id in _own_and_base(base):
        candidates = wanted.get(base.type_name(type_id))
        if candidates is not None:
            candidates.append(type_id)
    embedded = _embedded(split, distilled)
    return [0, *(_match(distilled, i, base, wanted, i in embedded) for i in distilled.ids())]


def _own_and_base(btf: Btf) -> Iterator[int]:
    if btf.base is not None:
        yield from _own_and_base(btf.base)
    yield from btf.ids(*_KINDS)


def _match(distilled: Btf, type_id: int, base: Btf, wanted: dict[str, list[int]], embedded: bool) -> int:
    ours = distilled.type(type_id)
    name = distilled.type_name(type_id)
    alike = [i for i in wanted[name] if _alike(ours, base.type(i))]
    exact = [i for i in alike if base.kind(i) is not Kind.FWD]
    if isinstance(ours, model.Struct | model.Union) and (embedded or len(exact) > 1):
        exact = [i for i in exact if base.size_of(i) == ours.size]
        alike = exact
    chosen = exact or alike
    if len(chosen) == 1:
        return chosen[0]
    what = f"{distilled.name}: type {type_id} at byte {distilled.offset_of(type_id)}, {_described(distilled, type_id)}"
    if chosen:
        raise BtfError(f"{what}, may be any of {', '.join(map(str, chosen[:4]))} of {base.name}", _REBUILD)
    others = ", ".join(_described(base, i) for i in wanted[name][:4])
    raise BtfError(f"{what}, is not in {base.name}{f', which has {others}' if others else ''}", _REBUILD)


def _described(btf: Btf, type_id: int) -> str:
    found = btf.type(type_id)
    size = getattr(found, "size", None)
    return f"{found.kind.name} {btf.type_name(type_id)}{'' if size is None else f' of {size} bytes'}"


def _alike(ours: model.Type, theirs: model.Type) -> bool:
    """Whether *theirs* can be what *ours* was distilled from, sizes of records left aside."""
    match ours, theirs:
        case model.Int(), model.Int():
            return ours[2:] == theirs[2:]
        case model.Float(), model.Float():
            return ours.size == theirs.size
        case ((model.Enum() | model.Enum64()), (model.Enum() | model.Enum64())):
            return ours.size == theirs.size
        case model.Fwd(), model.Fwd():
            return ours.union == theirs.union
        case model.Fwd(), (model.Struct() | model.Union()):
            return ours.union == (theirs.kind is Kind.UNION)
        case ((model.Struct() | model.Union()), model.Fwd()):
            return theirs.union == (ours.kind is Kind.UNION)
        case ((model.Struct() | model.Union()), (model.Struct() | model.Union())):
            return ours.kind is theirs.kind
    return False


def _embedded(split: Btf, distilled: Btf) -> set[int]:
    """The records of *distilled* that records of *split* have as members, so that their sizes must be the same."""
    found = set()
    for type_id in split.ids(*RECORDS):
        record = split.type(type_id)
        for member in record.members if isinstance(record, model.Struct | model.Union) else ():
            at = member.type
            for _ in range(_MAX_DEPTH):
                match split.type(at):
                    case model.Array(element=target) | model.Typedef(target=target) | model.TypeTag(target=target):
                        at = target
                    case model.Const(target=target) | model.Volatile(target=target) | model.Restrict(target=target):
                        at = target
                    case _:
                        break
            if at < distilled.end_id:
                found.add(at)
    return found
