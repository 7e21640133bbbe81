"""Types by number and by name: every kind, both byte orders, split, unknown kinds, and damage told with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import btf as build
from kheaders.btf import model
from kheaders.btf.kinds import Kind
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

ORDERS = (False, True)
FUTURE = 20
"""A kind that is not known here."""


@pytest.mark.parametrize("big_endian", ORDERS)
def test_every_kind_is_read(big_endian: bool) -> None:
    """Each kind from 1 to 19 is there under its own name, in either byte order."""
    btf = Btf.parse(build.everything(big_endian=big_endian).write())
    assert {btf.kind(i) for i in btf.ids()} == set(Kind) - {Kind.VOID, Kind.OTHER}
    assert {type(btf.type(i)).kind for i in btf.ids()} == set(Kind) - {Kind.VOID, Kind.OTHER}
    assert btf.big_endian is big_endian


@pytest.mark.parametrize("big_endian", ORDERS)
def test_values(big_endian: bool) -> None:
    """What was written is what is read: members and bit-fields, values of enums, parameters, tags."""
    btf = Btf.parse(build.everything(big_endian=big_endian).write())

    def one(name: str, kind: Kind) -> model.Type:
        (found,) = btf.find(name, kind)
        return btf.type(found)

    node = one("node", Kind.STRUCT)
    assert isinstance(node, model.Struct)
    assert node.size == 48
    assert [(m.name, m.bit_offset, m.bit_size) for m in node.members] == [
        ("next", 0, 0),
        ("name", 64, 0),
        ("color", 192, 0),
        ("a", 224, 3),
        ("b", 227, 29),
        ("hidden", 256, 0),
        ("count", 320, 0),
    ]
    color = one("color", Kind.ENUM)
    assert isinstance(color, model.Enum)
    assert color.signed
    assert [tuple(v) for v in color.values] == [("RED", 0), ("GREEN", 1), ("OTHER", -1)]
    wide = one("wide", Kind.ENUM64)
    assert isinstance(wide, model.Enum64)
    assert [tuple(v) for v in wide.values] == [("LOW", 1), ("HIGH", 1 << 40)]
    call = one("call", Kind.FUNC)
    assert isinstance(call, model.Func)
    proto = btf.type(call.proto)
    assert isinstance(proto, model.FuncProto)
    assert [p.name for p in proto.params] == ["node", "size"]
    assert proto.variadic
    tag = one("second", Kind.DECL_TAG)
    assert isinstance(tag, model.DeclTag)
    assert (tag.target, tag.component) == (call.id, 1)
    whole = one("bpf_kfunc", Kind.DECL_TAG)
    assert isinstance(whole, model.DeclTag)
    assert whole.component == -1
    number = one("int", Kind.INT)
    assert isinstance(number, model.Int)
    assert (number.size, number.bits, number.signed, number.char, number.boolean) == (4, 32, True, False, False)


def test_negative_values_of_enum64() -> None:
    """Two words make one signed number."""
    b = build.Btf()
    b.enum64("e", {"LEAST": -(1 << 63), "MINUS": -1}, signed=True)
    found = Btf.parse(b.write()).type(1)
    assert isinstance(found, model.Enum64)
    assert [v.value for v in found.values] == [-(1 << 63), -1]


def test_nothing_is_decoded_before_it_is_asked_for() -> None:
    """To open and to look one name up takes no type but that one."""
    b = build.Btf()
    number = b.integer("int", 4)
    for i in range(100):
        b.struct(f"s{i}", 4, [("x", number, 0)])
    btf = Btf.parse(b.write())
    assert not btf._cache
    (found,) = btf.find("s42")
    btf.type(found)
    assert list(btf._cache) == [found]


def test_split_goes_on_from_its_base() -> None:
    """Ids and strings of a module begin where its kernel's end, and both are answered."""
    kernel = build.Btf()
    number = kernel.integer("int", 4)
    kernel.struct("point", 8, [("x", number, 0), ("y", number, 32)])
    module = build.Btf(base=kernel)
    module.struct("line", 16, [("x", 2, 0), ("end", 2, 64)])
    base = Btf.parse(kernel.write())
    btf = Btf.parse(module.write(), base=base)
    assert (btf.first_id, btf.end_id) == (3, 4)
    line = btf.type(3)
    assert isinstance(line, model.Struct)
    assert [m.name for m in line.members] == ["x", "end"]  # the first name is a string of the base
    assert btf.type(2) is base.type(2)
    assert btf.find("point") == [2]
    assert btf.find("line") == [3]


def test_own_types_come_before_those_of_the_base() -> None:
    """A name that both have is given from both."""
    kernel = build.Btf()
    kernel.integer("int", 4)
    module = build.Btf(base=kernel)
    module.integer("int", 4)
    btf = Btf.parse(module.write(), base=Btf.parse(kernel.write()))
    assert btf.find("int") == [2, 1]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.integers(0, 30))
def test_a_name_is_found_whole_only(name: str, more: int) -> None:
    """A longer name that ends with it, or whose string is shared, is another name."""
    b = build.Btf()
    b.integer(f"x{name}", 4)
    for _ in range(more):
        b.integer(f"{name}{name}", 4)
    wanted = b.integer(name, 4)
    assert Btf.parse(b.write()).find(name) == [wanted]


def test_a_name_may_be_the_end_of_another_string() -> None:
    """Encoders may share the tails of strings."""
    b = build.Btf()
    offset = b.string("task_struct")
    b.raw_at(offset + len("task_"), build.STRUCT << 24, 0)
    assert Btf.parse(b.write()).find("struct") == [1]


def test_more_elements_than_16_bits_can_count() -> None:
    """vlen has had 24 bits since 2026."""
    b = build.Btf()
    b.enum("many", {f"v{i}": i for i in range(70_000)})
    b.integer("after", 4)
    btf = Btf.parse(b.write())
    many = btf.type(1)
    assert isinstance(many, model.Enum)
    assert len(many.values) == 70_000
    assert btf.find("after") == [2]


@pytest.mark.parametrize("big_endian", ORDERS)
def test_unknown_kinds_are_skipped_by_the_layout_section(big_endian: bool) -> None:
    """The layout section tells how long a type is whose kind came later."""
    b = build.Btf(big_endian)
    b.integer("before", 4)
    b.raw(FUTURE, "unknown", 2, False, 0, b.words(1, 2, 3, 4, 5))
    b.raw(FUTURE + 1, "empty", 7, False, 0)
    b.integer("after", 4)
    data = b.write(layouts={**build.LAYOUTS, FUTURE: (4, 8), FUTURE + 1: (0, 0)})
    btf = Btf.parse(data)
    assert btf.find("after") == [4]
    unknown = btf.type(2)
    assert isinstance(unknown, model.Other)
    assert (unknown.name, unknown.number) == ("unknown", FUTURE)
    assert btf.kind(3) is Kind.OTHER


def test_unknown_kinds_without_a_layout_are_refused() -> None:
    """Nothing after it could be found."""
    b = build.Btf()
    b.integer("before", 4)
    b.raw(FUTURE, "unknown", 0, False, 0)
    with pytest.raises(BtfError, match=f"type 2 at byte {24 + 16} is of unknown kind {FUTURE}; use a newer"):
        Btf.parse(b.write())


@pytest.mark.parametrize(("gap", "strings_first"), [(0, True), (8, False), (4, True)])
def test_sections_in_any_order(gap: int, strings_first: bool) -> None:
    """The header says where they are."""
    data = build.everything().write(gap=gap, strings_first=strings_first, layouts=build.LAYOUTS)
    assert Btf.parse(data).find("node", Kind.STRUCT)


# ---- damage ----


def refused(data: bytes) -> str:
    with pytest.raises(BtfError) as caught:
        Btf.parse(data)
    return str(caught.value)


def test_every_truncation_is_refused_with_its_place() -> None:
    """No prefix of BTF is BTF."""
    data = build.everything().write()
    for size in range(len(data)):
        assert "byte" in refused(data[:size])


def test_types_that_reach_beyond_their_section() -> None:
    """The last type is cut off within its head, or within its members."""
    b = build.Btf()
    b.raw_at(0, build.STRUCT << 24 | 2, 8, b.words(0, 0, 0))
    assert "type 1 reaches beyond the type section" in refused(b.write())
    b = build.Btf()
    b.types.append(b.words(0))
    assert f"byte {24}: type 1 is cut off" in refused(b.write())


def test_names_beyond_the_strings() -> None:
    """The error names the type and its offset."""
    b = build.Btf()
    b.raw_at(1 << 20, build.FWD << 24, 0)
    btf = Btf.parse(b.write())
    with pytest.raises(BtfError, match=r"byte 24: type 1: its name at 1048576 lies beyond the strings"):
        btf.type_name(1)


def test_there_is_no_such_type() -> None:
    """Numbers beyond the last."""
    btf = Btf.parse(build.everything().write())
    for bad in (btf.end_id, 1 << 31):
        with pytest.raises(BtfError, match=f"has no type {bad}"):
            btf.type(bad)


def test_sizes() -> None:
    """Through typedefs, qualifiers and arrays; a pointer has the size of long."""
    b = build.Btf()
    number = b.integer("int", 4)
    b.integer("long unsigned int", 4)
    rows = b.array(b.array(b.const(number), 3), 2)
    wrapped = b.typedef("t", b.volatile(rows))
    pointer = b.pointer()
    btf = Btf.parse(b.write())
    assert btf.size_of(wrapped) == 24
    assert btf.size_of(pointer) == 4


def test_what_has_no_size() -> None:
    """Void, functions, declarations; a type that is itself; a size beyond all bounds."""
    b = build.Btf()
    const = b.const(0)
    forward = b.forward("hidden")
    itself = b.next_id
    b.typedef("t", itself)
    number = b.integer("int", 4)
    huge = b.array(b.array(number, 1 << 30), 1 << 30)
    btf = Btf.parse(b.write())
    with pytest.raises(BtfError, match="is void"):
        btf.size_of(const)
    with pytest.raises(BtfError, match=r"at byte \d+ \(FWD\) has no size"):
        btf.size_of(forward)
    with pytest.raises(BtfError, match=f"byte .*type {itself}: refers to itself"):
        btf.size_of(itself)
    with pytest.raises(BtfError, match="more than a type can have"):
        btf.size_of(huge)
