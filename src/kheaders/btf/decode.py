"""One type of BTF, from its words to the value of :mod:`kheaders.btf.model`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kheaders.btf import model
from kheaders.btf.kinds import ENUM_BYTES, FLAG_SHIFT, KIND_MASK, KIND_SHIFT, VLEN_MASK, Kind
from kheaders.btf.numbers import old_bit_field, signed_value

if TYPE_CHECKING:
    from kheaders.btf.table import Btf

_SIGNED, _CHAR, _BOOL = 1, 2, 4
_VARIADIC = (0, 0)


def decode(btf: Btf, type_id: int) -> model.Type:
    """The type *type_id*, which is one of *btf*'s own; raises BtfError if its name lies outside the strings."""
    words, at = btf.words, btf.starts[type_id - btf.first_id]
    name = btf.string(words[at], type_id)
    info = words[at + 1]
    kind = info >> KIND_SHIFT & KIND_MASK
    reader = _READERS.get(kind)
    if reader is None:
        return model.Other(type_id, name, kind)
    return reader(btf, type_id, name, at)


def _int(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    size, data = btf.words[at + 2], btf.words[at + 3]
    encoding = data >> 24 & 0xF
    return model.Int(
        type_id,
        name,
        size,
        bits=data & 0xFF,
        bit_offset=data >> 16 & 0xFF,
        signed=bool(encoding & _SIGNED),
        char=bool(encoding & _CHAR),
        boolean=bool(encoding & _BOOL),
    )


def _float(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.Float(type_id, name, btf.words[at + 2])


def _ptr(btf: Btf, type_id: int, _name: str, at: int) -> model.Type:
    return model.Ptr(type_id, btf.words[at + 2])


def _array(btf: Btf, type_id: int, _name: str, at: int) -> model.Type:
    element, index, count = btf.words[at + 3 : at + 6]
    return model.Array(type_id, element, index, count)


def _members(btf: Btf, type_id: int, at: int) -> tuple[model.Member, ...]:
    words = btf.words
    info = words[at + 1]
    first, end = at + 3, at + 3 + 3 * (info & VLEN_MASK)
    if info >> FLAG_SHIFT:
        return tuple(
            model.Member(btf.string(words[i], type_id), words[i + 1], words[i + 2] & 0xFFFFFF, words[i + 2] >> 24)
            for i in range(first, end, 3)
        )
    members = []
    for i in range(first, end, 3):
        shift, bits = old_bit_field(btf, words[i + 1])
        members.append(model.Member(btf.string(words[i], type_id), words[i + 1], words[i + 2] + shift, bits))
    return tuple(members)


def _struct(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.Struct(type_id, name, btf.words[at + 2], _members(btf, type_id, at))


def _union(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.Union(type_id, name, btf.words[at + 2], _members(btf, type_id, at))


def _enum(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    words = btf.words
    info = words[at + 1]
    signed = bool(info >> FLAG_SHIFT)
    values = tuple(
        model.EnumValue(btf.string(words[i], type_id), signed_value(words[i + 1], 32) if signed else words[i + 1])
        for i in range(at + 3, at + 3 + 2 * (info & VLEN_MASK), 2)
    )
    return model.Enum(type_id, name, words[at + 2], signed, values if words[at + 2] <= ENUM_BYTES else ())


def _enum64(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    words = btf.words
    info = words[at + 1]
    signed = bool(info >> FLAG_SHIFT)
    values = []
    for i in range(at + 3, at + 3 + 3 * (info & VLEN_MASK), 3):
        value = words[i + 1] | words[i + 2] << 32
        values.append(model.EnumValue(btf.string(words[i], type_id), signed_value(value, 64) if signed else value))
    return model.Enum64(type_id, name, words[at + 2], signed, tuple(values))


def _fwd(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.Fwd(type_id, name, bool(btf.words[at + 1] >> FLAG_SHIFT))


def _typedef(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.Typedef(type_id, name, btf.words[at + 2])


def _volatile(btf: Btf, type_id: int, _name: str, at: int) -> model.Type:
    return model.Volatile(type_id, btf.words[at + 2])


def _const(btf: Btf, type_id: int, _name: str, at: int) -> model.Type:
    return model.Const(type_id, btf.words[at + 2])


def _restrict(btf: Btf, type_id: int, _name: str, at: int) -> model.Type:
    return model.Restrict(type_id, btf.words[at + 2])


def _func(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.Func(type_id, name, btf.words[at + 2], btf.words[at + 1] & VLEN_MASK)


def _func_proto(btf: Btf, type_id: int, _name: str, at: int) -> model.Type:
    words = btf.words
    pairs = [(words[i], words[i + 1]) for i in range(at + 3, at + 3 + 2 * (words[at + 1] & VLEN_MASK), 2)]
    variadic = bool(pairs) and pairs[-1] == _VARIADIC
    named = pairs[:-1] if variadic else pairs
    params = tuple(model.Param(btf.string(name, type_id), target) for name, target in named)
    return model.FuncProto(type_id, words[at + 2], params, variadic)


def _var(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.Var(type_id, name, btf.words[at + 2], btf.words[at + 3])


def _datasec(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    words = btf.words
    end = at + 3 + 3 * (words[at + 1] & VLEN_MASK)
    entries = tuple(model.SecEntry(*words[i : i + 3]) for i in range(at + 3, end, 3))
    return model.DataSec(type_id, name, words[at + 2], entries)


def _decl_tag(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    words = btf.words
    return model.DeclTag(
        type_id, name, words[at + 2], signed_value(words[at + 3], 32), bool(words[at + 1] >> FLAG_SHIFT)
    )


def _type_tag(btf: Btf, type_id: int, name: str, at: int) -> model.Type:
    return model.TypeTag(type_id, name, btf.words[at + 2], bool(btf.words[at + 1] >> FLAG_SHIFT))


_READERS: dict[int, Callable[[Btf, int, str, int], model.Type]] = {
    Kind.INT: _int,
    Kind.PTR: _ptr,
    Kind.ARRAY: _array,
    Kind.STRUCT: _struct,
    Kind.UNION: _union,
    Kind.ENUM: _enum,
    Kind.FWD: _fwd,
    Kind.TYPEDEF: _typedef,
    Kind.VOLATILE: _volatile,
    Kind.CONST: _const,
    Kind.RESTRICT: _restrict,
    Kind.FUNC: _func,
    Kind.FUNC_PROTO: _func_proto,
    Kind.VAR: _var,
    Kind.DATASEC: _datasec,
    Kind.FLOAT: _float,
    Kind.DECL_TAG: _decl_tag,
    Kind.TYPE_TAG: _type_tag,
    Kind.ENUM64: _enum64,
}
