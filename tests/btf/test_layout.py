"""Layouts: offsets, holes, padding, cache lines, alignment, as bytes and as pahole writes them."""

from __future__ import annotations

import json

import pytest

from builders import btf as build
from kheaders.btf.kinds import Kind
from kheaders.btf.layout import RecordLayout, record_layout
from kheaders.btf.pahole import as_dict, as_text
from kheaders.btf.table import Btf
from kheaders.errors import BtfError, UsageError


def laid_out(b: build.Btf, name: str, **options: int) -> RecordLayout:
    btf = Btf.parse(b.write())
    return record_layout(btf, btf.find(name)[0], **options)


def sample() -> build.Btf:
    """A struct with a hole, bit-fields, an anonymous union and padding at its end."""
    b = build.Btf()
    number = b.integer("int", 4, signed=True)
    char = b.integer("char", 1, char=True)
    long = b.integer("long unsigned int", 8)
    union = b.union("", 8, [("whole", long, 0), ("half", number, 0)])
    b.struct(
        "sample",
        96,
        [
            ("flag", char, 0, 0),
            ("first", long, 64, 0),
            ("low", number, 128, 3),
            ("high", number, 131, 5),
            ("", union, 192, 0),
            ("text", b.array(char, 60, number), 256, 0),
        ],
    )
    return b


def test_offsets_and_sizes() -> None:
    """Each member with byte, bit and path, those of anonymous records among them."""
    layout = laid_out(sample(), "sample")
    assert (layout.kind, layout.size, layout.alignment, layout.packed) == (Kind.STRUCT, 96, 8, False)
    assert [(f.path, f.bit_offset, f.bit_size) for f in layout.flat()] == [
        ("flag", 0, 8),
        ("first", 64, 64),
        ("low", 128, 3),
        ("high", 131, 5),
        ("whole", 192, 64),
        ("half", 192, 32),
        ("text", 256, 480),
    ]


def test_holes_and_padding() -> None:
    """7 bytes behind the flag; behind 8 of 32 bits, 24 bits and 4 bytes; 4 bytes at the end."""
    layout = laid_out(sample(), "sample")
    assert [tuple(hole) for hole in layout.holes] == [(1, 7, 0), (20, 4, 3)]
    assert [tuple(hole) for hole in layout.bit_holes] == [(136, 24, 3)]
    assert (layout.padding, layout.bit_padding) == (4, 0)
    assert (layout.cachelines, layout.last_cacheline) == (2, 32)
    # every byte is a member's, a hole's or padding
    assert layout.sum_members + layout.sum_holes + (layout.sum_bits + layout.sum_bit_holes) // 8 + 4 == 96


def test_cache_lines_of_another_size() -> None:
    """As some processors have them."""
    assert laid_out(sample(), "sample", cacheline=128).cachelines == 1
    with pytest.raises(UsageError):
        laid_out(sample(), "sample", cacheline=0)


def test_packed() -> None:
    """A member at an odd place shows that the record is packed."""
    b = build.Btf()
    number, char = b.integer("int", 4), b.integer("char", 1)
    b.struct("p", 5, [("a", char, 0), ("b", number, 8)])
    layout = laid_out(b, "p")
    assert (layout.packed, layout.alignment) == (True, 1)


def test_through_a_typedef() -> None:
    """The name of a typedef will do."""
    b = build.Btf()
    number = b.integer("int", 4)
    b.typedef("t", b.struct("", 4, [("a", number, 0)]))
    assert laid_out(b, "t").size == 4


def test_other_kinds_have_none() -> None:
    """The error says what it is."""
    b = build.Btf()
    b.integer("int", 4)
    with pytest.raises(BtfError, match=r"type 1 \(INT int\) is no struct or union"):
        laid_out(b, "int")


def test_text() -> None:
    """The form that pahole made customary."""
    b = sample()
    btf = Btf.parse(b.write())
    text = as_text(btf, record_layout(btf, btf.find("sample")[0]))
    lines = text.splitlines()
    assert lines[0] == "struct sample {"
    assert lines[1].split("/*")[1].split() == ["0", "1", "*/"]
    assert "\t/* XXX 7 bytes hole, try to pack */" in lines
    assert "\t/* XXX 24 bits hole, try to pack */" in lines
    assert "\t/* size: 96, cachelines: 2, members: 6 */" in lines
    assert "\t/* padding: 4 */" in lines
    assert "\t/* last cacheline: 32 bytes */" in lines
    assert lines[-1] == "};"
    bits = next(line for line in lines if "high:5" in line)
    assert bits.split("/*")[1].split() == ["16:", "3", "4", "*/"]


@pytest.mark.parametrize(("size", "since"), [(64, ""), (68, " was 4 bytes ago")])
def test_boundaries_of_cache_lines(size: int, since: str) -> None:
    """They stand before the first member that lies beyond."""
    b = build.Btf()
    number, char = b.integer("int", 4), b.integer("char", 1)
    b.struct("s", size + 4, [("text", b.array(char, size), 0), ("after", number, 8 * size)])
    btf = Btf.parse(b.write())
    lines = as_text(btf, record_layout(btf, btf.find("s")[0])).splitlines()
    assert lines[2] == f"\t/* --- cacheline 1 boundary (64 bytes){since} --- */"
    assert "after;" in lines[3]


def test_values_for_json() -> None:
    """The same facts under names."""
    values = json.loads(json.dumps(as_dict(laid_out(sample(), "sample"))))
    assert values["size"] == 96
    assert values["holes"] == [{"offset": 1, "size": 7, "after": 0}, {"offset": 20, "size": 4, "after": 3}]
    low = values["members"][2]
    assert (low["name"], low["offset"], low["bit_offset"], low["bits"]) == ("low", 16, 128, 3)
    assert [m["name"] for m in values["members"][4]["record"]["members"]] == ["whole", "half"]


def test_a_member_without_a_name_of_a_named_record() -> None:
    """With -fms-extensions its members are those of the outer one."""
    b = build.Btf()
    number = b.integer("int", 4)
    inner = b.struct("inner", 4, [("x", number, 0)])
    b.struct("outer", 8, [("", inner, 0), ("y", number, 32)])
    assert [f.path for f in laid_out(b, "outer").flat()] == ["x", "y"]


# ---- damage ----


def test_a_record_within_itself() -> None:
    """Anonymous ones are followed, so a cycle must end."""
    b = build.Btf()
    b.struct("", 4, [("", 1, 0)])
    b.typedef("t", 1)
    with pytest.raises(BtfError, match="byte"):
        laid_out(b, "t")


def test_members_that_multiply() -> None:
    """Each level doubles the number of members."""
    b = build.Btf()
    b.integer("int", 4)
    for level in range(1, 40):
        b.struct("" if level < 39 else "bomb", 4, [("", level, 0), ("", level, 0)])
    with pytest.raises(BtfError, match="members"):
        laid_out(b, "bomb")


def test_functions_within_functions() -> None:
    """A function that takes itself."""
    b = build.Btf()
    b.prototype(0, [("again", 2)])
    b.pointer(1)
    b.struct("s", 8, [("call", 2, 0)])
    with pytest.raises(BtfError, match=r"byte \d+: .*(functions within each other|refers to itself)"):
        laid_out(b, "s")
