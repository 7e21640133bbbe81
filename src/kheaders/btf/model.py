"""The types of BTF as immutable values, named as in Documentation/bpf/btf.rst.

``id`` is the number of the type; ``target``, ``element``, ``type`` and the like are ids of other types, 0 being void.
Sizes are in bytes, offsets of members in bits. The classes are tuples, since dataclasses would take a fifth of the time
that it takes to start and answer one question.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, TypeAlias

from kheaders.btf.kinds import Kind


class _Void(NamedTuple):
    id: int = 0
    name: str = "void"


class Void(_Void):
    """The type with the id 0."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.VOID


class _Int(NamedTuple):
    id: int
    name: str
    size: int
    bits: int
    bit_offset: int
    signed: bool
    char: bool
    boolean: bool


class Int(_Int):
    """An integer of *size* bytes, of which *bits* from *bit_offset* on count."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.INT


class _Float(NamedTuple):
    id: int
    name: str
    size: int


class Float(_Float):
    """A floating-point number."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.FLOAT


class _Reference(NamedTuple):
    id: int
    target: int


class Ptr(_Reference):
    """A pointer."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.PTR


class Volatile(_Reference):
    """``volatile`` *target*."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.VOLATILE


class Const(_Reference):
    """``const`` *target*."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.CONST


class Restrict(_Reference):
    """``restrict`` *target*, which is a pointer."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.RESTRICT


class _Array(NamedTuple):
    id: int
    element: int
    index_type: int
    nelems: int


class Array(_Array):
    """*nelems* elements in a row; 0 also for a flexible array. *index_type* has no meaning in C."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.ARRAY


class Member(NamedTuple):
    """A member of a record; *bit_size* is 0 if it is no bit-field, *name* is empty if it is anonymous."""

    name: str
    type: int
    bit_offset: int
    bit_size: int


class Record(NamedTuple):
    """What a struct and a union have; *name* is empty for an anonymous one."""

    id: int
    name: str
    size: int
    members: tuple[Member, ...]


class Struct(Record):
    """A struct."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.STRUCT


class Union(Record):
    """A union."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.UNION


class EnumValue(NamedTuple):
    """One name of an enum."""

    name: str
    value: int


class _Enum(NamedTuple):
    id: int
    name: str
    size: int
    signed: bool
    values: tuple[EnumValue, ...]


class Enum(_Enum):
    """An enum whose values have 32 bits; those of one of 8 bytes are not told, since they may have had more."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.ENUM


class Enum64(_Enum):
    """An enum whose values have 64 bits."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.ENUM64


class _Fwd(NamedTuple):
    id: int
    name: str
    union: bool


class Fwd(_Fwd):
    """A struct or union that is declared and not defined."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.FWD


class _Typedef(NamedTuple):
    id: int
    name: str
    target: int


class Typedef(_Typedef):
    """Another name of *target*."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.TYPEDEF


class _TypeTag(NamedTuple):
    id: int
    name: str
    target: int
    attribute: bool


class TypeTag(_TypeTag):
    """``btf_type_tag(name)`` on *target*; with *attribute*, *name* is any attribute (since 2025)."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.TYPE_TAG


class _DeclTag(NamedTuple):
    id: int
    name: str
    target: int
    component: int
    attribute: bool


class DeclTag(_DeclTag):
    """``btf_decl_tag(name)`` on *target*: on its member or parameter number *component*, or on itself if that is -1."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.DECL_TAG


class _Func(NamedTuple):
    id: int
    name: str
    proto: int
    linkage: int


class Func(_Func):
    """A function; *linkage* is 0 static, 1 global, 2 extern (``enum btf_func_linkage``)."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.FUNC


class Param(NamedTuple):
    """A parameter."""

    name: str
    type: int


class _FuncProto(NamedTuple):
    id: int
    result: int
    params: tuple[Param, ...]
    variadic: bool


class FuncProto(_FuncProto):
    """What a function takes and returns; *variadic* if it ends with an ellipsis, which is not among *params*."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.FUNC_PROTO


class _Var(NamedTuple):
    id: int
    name: str
    type: int
    linkage: int


class Var(_Var):
    """A variable; *linkage* is 0 static, 1 global, 2 extern."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.VAR


class SecEntry(NamedTuple):
    """A variable within a section: *offset* and *size* in bytes."""

    type: int
    offset: int
    size: int


class _DataSec(NamedTuple):
    id: int
    name: str
    size: int
    entries: tuple[SecEntry, ...]


class DataSec(_DataSec):
    """A section and its variables."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.DATASEC


class _Other(NamedTuple):
    id: int
    name: str
    number: int


class Other(_Other):
    """A type of a kind that is not known here; *number* is its kind."""

    __slots__ = ()
    kind: ClassVar[Kind] = Kind.OTHER


Type: TypeAlias = (
    Void
    | Int
    | Float
    | Ptr
    | Array
    | Struct
    | Union
    | Enum
    | Enum64
    | Fwd
    | Typedef
    | Volatile
    | Const
    | Restrict
    | TypeTag
    | DeclTag
    | Func
    | FuncProto
    | Var
    | DataSec
    | Other
)
