"""An encoder of BTF: types in code to the bytes of a ``.BTF`` section, whole or damaged on purpose.

    b = Btf()
    number = b.integer("int", 4, signed=True)
    b.struct("point", 8, [("x", number, 0), ("y", number, 32)])
    data = b.write()

    split = Btf(base=b)                              # a module's BTF: ids and strings go on where those of b end
    Btf(big_endian=True).write(layouts=LAYOUTS)      # a header of 32 bytes with a layout section

Each method that makes a type gives its id. Nothing is checked: what cannot be can be written too. The format:
Documentation/bpf/btf.rst and include/uapi/linux/btf.h.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAGIC = 0xEB9F

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)

SIGNED, CHAR, BOOL = 1, 2, 4
"""How an INT is to be shown (BTF_INT_SIGNED and its neighbours)."""

LAYOUTS: dict[int, tuple[int, int]] = {
    INT: (4, 0),
    ARRAY: (12, 0),
    STRUCT: (0, 12),
    UNION: (0, 12),
    ENUM: (0, 8),
    FUNC_PROTO: (0, 8),
    VAR: (4, 0),
    DATASEC: (0, 12),
    DECL_TAG: (4, 0),
    ENUM64: (0, 12),
}
"""Kind → bytes once after the type, bytes for each of vlen elements; kinds that are not named have nothing."""

Member = tuple[str, int, int] | tuple[str, int, int, int]
"""Name, type, bit offset and, for a bit-field, its size in bits."""


@dataclass
class Btf:
    """One BTF that grows type by type."""

    big_endian: bool = False
    base: Btf | None = None
    types: list[bytes] = field(default_factory=list)
    strings: bytearray = field(default_factory=bytearray)
    _names: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.base is None:
            self.strings += b"\0"

    @property
    def next_id(self) -> int:
        """The id that the next type gets."""
        return len(self.types) + (self.base.next_id if self.base else 1)

    @property
    def strings_end(self) -> int:
        """The offset behind the last string, those of the bases counted."""
        return len(self.strings) + (self.base.strings_end if self.base else 0)

    def string(self, text: str) -> int:
        """The offset of *text*, which is written once."""
        if not text:
            return 0
        if (known := self._known(text)) is not None:
            return known
        self._names[text] = self.strings_end
        self.strings += text.encode("utf-8", "surrogateescape") + b"\0"
        return self._names[text]

    def _known(self, text: str) -> int | None:
        found = self._names.get(text)
        return found if found is not None or self.base is None else self.base._known(text)

    def words(self, *values: int) -> bytes:
        """32-bit words in this BTF's byte order; negative ones as two's complement."""
        return struct.pack(f"{'>' if self.big_endian else '<'}{len(values)}I", *(v & 0xFFFFFFFF for v in values))

    def raw(self, kind: int, name: str, vlen: int, flag: bool, size_or_type: int, tail: bytes = b"") -> int:
        """A type of any *kind* with *tail* behind it."""
        info = (vlen & 0xFFFFFF) | (kind & 0x7F) << 24 | int(flag) << 31
        return self.raw_at(self.string(name), info, size_or_type, tail)

    def raw_at(self, name_offset: int, info: int, size_or_type: int, tail: bytes = b"") -> int:
        """A type of which every word is given."""
        self.types.append(self.words(name_offset, info, size_or_type) + tail)
        return self.next_id - 1

    # ---- kinds ----

    def integer(
        self,
        name: str,
        size: int,
        *,
        signed: bool = False,
        char: bool = False,
        boolean: bool = False,
        bits: int = 0,
        offset: int = 0,
    ) -> int:
        """INT of *size* bytes; *bits* (all, unless given) from bit *offset* on."""
        encoding = SIGNED * signed | CHAR * char | BOOL * boolean
        return self.raw(INT, name, 0, False, size, self.words(encoding << 24 | offset << 16 | (bits or size * 8)))

    def floating(self, name: str, size: int) -> int:
        """FLOAT of *size* bytes."""
        return self.raw(FLOAT, name, 0, False, size)

    def pointer(self, to: int = 0) -> int:
        """PTR."""
        return self.raw(PTR, "", 0, False, to)

    def array(self, of: int, count: int, index: int | None = None) -> int:
        """ARRAY; the type of its index is its element's unless given."""
        return self.raw(ARRAY, "", 0, False, 0, self.words(of, of if index is None else index, count))

    def struct(self, name: str, size: int, members: Sequence[Member] = (), *, kind: int = STRUCT) -> int:
        """STRUCT; with a bit-field among its *members* it has the kind flag, as clang and pahole write it."""
        flag = any(len(member) == 4 for member in members)
        tail = b""
        for title, type_id, offset, *bits in members:
            tail += self.words(self.string(title), type_id, offset | (bits[0] << 24 if bits else 0))
        return self.raw(kind, name, len(members), flag, size, tail)

    def union(self, name: str, size: int, members: Sequence[Member] = ()) -> int:
        """UNION."""
        return self.struct(name, size, members, kind=UNION)

    def enum(self, name: str, values: Mapping[str, int], *, size: int = 4, signed: bool = False) -> int:
        """ENUM."""
        tail = b"".join(self.words(self.string(title), value) for title, value in values.items())
        return self.raw(ENUM, name, len(values), signed, size, tail)

    def enum64(self, name: str, values: Mapping[str, int], *, size: int = 8, signed: bool = False) -> int:
        """ENUM64."""
        tail = b"".join(self.words(self.string(title), value, value >> 32) for title, value in values.items())
        return self.raw(ENUM64, name, len(values), signed, size, tail)

    def forward(self, name: str, *, union: bool = False) -> int:
        """FWD of a struct, or of a union."""
        return self.raw(FWD, name, 0, union, 0)

    def typedef(self, name: str, of: int) -> int:
        """TYPEDEF."""
        return self.raw(TYPEDEF, name, 0, False, of)

    def volatile(self, of: int) -> int:
        """VOLATILE."""
        return self.raw(VOLATILE, "", 0, False, of)

    def const(self, of: int) -> int:
        """CONST."""
        return self.raw(CONST, "", 0, False, of)

    def restrict(self, of: int) -> int:
        """RESTRICT."""
        return self.raw(RESTRICT, "", 0, False, of)

    def prototype(self, returns: int, parameters: Sequence[tuple[str, int]] = ()) -> int:
        """FUNC_PROTO; a last parameter ``("", 0)`` says that more may follow."""
        tail = b"".join(self.words(self.string(title), type_id) for title, type_id in parameters)
        return self.raw(FUNC_PROTO, "", len(parameters), False, returns, tail)

    def function(self, name: str, prototype: int, *, linkage: int = 1) -> int:
        """FUNC; linkage 0 is static, 1 global, 2 extern."""
        return self.raw(FUNC, name, linkage, False, prototype)

    def variable(self, name: str, of: int, *, linkage: int = 1) -> int:
        """VAR; linkage as for a function."""
        return self.raw(VAR, name, 0, False, of, self.words(linkage))

    def section(self, name: str, size: int, variables: Sequence[tuple[int, int, int]] = ()) -> int:
        """DATASEC of variables: type, offset, size."""
        tail = b"".join(self.words(*variable) for variable in variables)
        return self.raw(DATASEC, name, len(variables), False, size, tail)

    def decl_tag(self, text: str, of: int, *, component: int = -1, attribute: bool = False) -> int:
        """DECL_TAG of a whole type, or of its member or parameter *component*."""
        return self.raw(DECL_TAG, text, 0, attribute, of, self.words(component))

    def type_tag(self, text: str, of: int, *, attribute: bool = False) -> int:
        """TYPE_TAG."""
        return self.raw(TYPE_TAG, text, 0, attribute, of)

    # ---- bytes ----

    def write(
        self,
        *,
        layouts: Mapping[int, tuple[int, int]] | None = None,
        gap: int = 0,
        strings_first: bool = False,
        version: int = 1,
        flags: int = 0,
    ) -> bytes:
        """The bytes; *layouts* make a header of 32 bytes and a layout section up to the highest kind that they name.

        *gap* zero bytes lie between the sections, and *strings_first* turns their order round.
        """
        order = ">" if self.big_endian else "<"
        types, strings = b"".join(self.types), bytes(self.strings)
        pieces = {"types": types, "strings": strings}
        if layouts is not None:
            rows = [layouts.get(kind, (0, 0)) for kind in range(max(layouts) + 1)]
            pieces["layout"] = b"".join(struct.pack(order + "BBH", once, each, 0) for once, each in rows)
        where, body = {}, b""
        for name in reversed(pieces) if strings_first else pieces:
            body += bytes(-len(body) % 4)
            where[name] = len(body)
            body += pieces[name] + bytes(gap)
        fields = [where["types"], len(types), where["strings"], len(strings)]
        if layouts is not None:
            fields += [where["layout"], len(pieces["layout"])]
        head = struct.pack(order + "HBBI", MAGIC, version, flags, 8 + 4 * len(fields))
        return head + struct.pack(f"{order}{len(fields)}I", *fields) + body


def everything(*, big_endian: bool = False, base: Btf | None = None) -> Btf:
    """A BTF with each of the kinds 1 to 19."""
    b = Btf(big_endian, base)
    number = b.integer("int", 4, signed=True)
    long = b.integer("long unsigned int", 8)
    char = b.integer("char", 1, char=True)
    b.integer("_Bool", 1, boolean=True)
    b.floating("double", 8)
    hidden = b.forward("hidden")
    text = b.array(char, 16, number)
    color = b.enum("color", {"RED": 0, "GREEN": 1, "OTHER": -1}, signed=True)
    b.enum64("wide", {"LOW": 1, "HIGH": 1 << 40})
    node = b.next_id + 1
    to_node = b.pointer(node)
    b.struct("node", 48, [("next", to_node, 0), ("name", text, 64), ("color", color, 192), ("a", number, 224, 3),
                          ("b", number, 227, 29), ("hidden", b.next_id + 1, 256), ("count", long, 320)])  # fmt: skip
    b.pointer(hidden)
    b.union("value", 8, [("number", number, 0), ("count", long, 0)])
    size = b.typedef("size_t", long)
    b.const(number)
    b.volatile(number)
    b.restrict(to_node)
    prototype = b.prototype(number, [("node", to_node), ("size", size), ("", 0)])
    call = b.function("call", prototype)
    current = b.variable("current_node", to_node)
    b.section(".data", 8, [(current, 0, 8)])
    b.decl_tag("bpf_kfunc", call)
    b.decl_tag("second", call, component=1)
    b.pointer(b.type_tag("rcu", node))
    return b
