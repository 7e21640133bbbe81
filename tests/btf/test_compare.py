"""Two BTFs held against each other: what both know by name, and where they differ."""

from __future__ import annotations

import pytest

from builders import btf as build
from kheaders.btf.compare import compare
from kheaders.btf.table import Btf


def told(ours: build.Btf, kernel: build.Btf, names: list[str] | None = None) -> list[str]:
    return [str(d) for d in compare(Btf.parse(ours.write()), Btf.parse(kernel.write()), names)]


def one(size: int = 8, *members: tuple[str, int, int], name: str = "s") -> build.Btf:
    """A struct of ints."""
    b = build.Btf()
    b.integer("int", 4)
    b.integer("long", 8)
    b.struct(name, size, list(members))
    return b


def test_the_same_types_do_not_differ() -> None:
    """In another order, byte order and with other ids."""
    assert told(build.everything(), build.everything(big_endian=True)) == []


def test_a_member_that_moved() -> None:
    """Both places are told."""
    assert told(one(8, ("a", 1, 0), ("b", 1, 32)), one(12, ("x", 1, 0), ("a", 1, 32), ("b", 1, 64))) == [
        "struct s: 8 bytes in the headers, 12 bytes in the kernel",
        "struct s, member a: at byte 0 in the headers, at byte 4 in the kernel",
        "struct s, member x: no such member in the headers, at byte 0 in the kernel",
        "struct s, member b: at byte 4 in the headers, at byte 8 in the kernel",
    ]


def test_a_member_of_another_size() -> None:
    """In the same place."""
    assert told(one(8, ("a", 1, 0)), one(8, ("a", 2, 0))) == [
        "struct s, member a: 4 bytes in the headers, 8 bytes in the kernel"
    ]


def test_constants() -> None:
    """Their values, and whether they are there; how an encoder shows them does not count."""
    ours, kernel = build.Btf(), build.Btf()
    ours.enum("e", {"A": 1, "B": 2, "MINUS": 0xFFFFFFFF})
    kernel.enum("e", {"A": 1, "B": 3, "MINUS": -1, "C": 4}, signed=True)
    assert told(ours, kernel) == [
        "enum e, constant B: value 2 in the headers, value 3 in the kernel",
        "enum e, constant C: no such constant in the headers, value 4 in the kernel",
    ]


def test_what_only_one_knows_is_no_difference() -> None:
    """Nor is a declaration without members."""
    ours, kernel = one(4, ("a", 1, 0)), build.Btf()
    kernel.integer("int", 4)
    kernel.forward("s")
    kernel.struct("other", 4, [("a", 1, 0)])
    assert told(ours, kernel) == []


def test_one_of_several_of_a_name_is_enough() -> None:
    """Two files of the kernel may each have a struct of one name."""
    kernel = one(4, ("x", 1, 0))
    kernel.struct("s", 4, [("a", 1, 0)])
    assert told(one(4, ("a", 1, 0)), kernel) == []


def test_only_the_named() -> None:
    """With a keyword or without."""
    ours, kernel = one(4, ("a", 1, 0)), one(4, ("b", 1, 0))
    ours.struct("t", 4, [("a", 1, 0)])
    kernel.struct("t", 8, [("a", 1, 0)])
    assert {d.split(",")[0].split(":")[0] for d in told(ours, kernel, ["struct s"])} == {"struct s"}
    assert {d.split(",")[0].split(":")[0] for d in told(ours, kernel, ["t"])} == {"struct t"}
    assert told(ours, kernel, ["union s"]) == []


def test_typedefs_of_types_without_a_name() -> None:
    """They go by the name of the typedef."""
    both: list[build.Btf] = []
    for offset in (0, 32):
        b = build.Btf()
        number = b.integer("int", 4)
        b.typedef("pair", b.struct("", 8, [("a", number, offset)]))
        both.append(b)
    assert told(both[0], both[1]) == ["pair, member a: at byte 0 in the headers, at byte 4 in the kernel"]


def test_bit_fields_of_either_age() -> None:
    """Before 2018 the type of the member held the width."""
    new, old = build.Btf(), build.Btf()
    number = new.integer("int", 4)
    new.struct("s", 4, [("a", number, 0, 3), ("b", number, 3, 5)])
    old.struct("s", 4, [("a", old.integer("int", 4, bits=3), 0), ("b", old.integer("int", 4, bits=5), 3)])
    assert told(new, old) == []


def test_members_of_anonymous_records_count() -> None:
    """Whether a member lies in an anonymous union or beside it is the same to C."""
    plain, nested = one(8, ("a", 1, 0), ("b", 1, 32)), build.Btf()
    number = nested.integer("int", 4)
    nested.struct("s", 8, [("a", number, 0), ("", nested.union("", 4, [("b", number, 0)]), 32)])
    assert told(plain, nested) == []


@pytest.mark.parametrize("depth", [3, 100])
def test_deep_nesting_ends(depth: int) -> None:
    """Damage is told as such."""
    b = build.Btf()
    b.integer("int", 4)
    for level in range(1, depth):
        b.struct("", 4, [("", level, 0)])
    b.struct("s", 4, [("", depth, 0)])
    if depth < 64:
        assert told(b, b) == []
    else:
        from kheaders.errors import BtfError

        with pytest.raises(BtfError, match="nested"):
            told(b, one(4, ("a", 1, 0)))
