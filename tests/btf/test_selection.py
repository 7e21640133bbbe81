"""Which types a program needs of BTF."""

from __future__ import annotations

from builders import btf as build
from kheaders.btf.selection import Used, select
from kheaders.btf.table import Btf


def kernel() -> Btf:
    """``task`` points to ``mm`` and to ``quiet``, embeds ``list``; an enum; a typedef; two functions, one callable."""
    b = build.Btf()
    number = b.integer("int", 4)
    inside = b.struct("inner", 4, [("deep", number, 0)])
    mm = b.struct("mm", 8, [("start", number, 0), ("", inside, 32)])
    quiet = b.struct("quiet", 4, [("sleep", number, 0)])
    listed = b.struct("list", 4, [("next", number, 0)])
    b.struct("task", 24, [("list", listed, 0), ("mm", b.pointer(mm), 64), ("quiet", b.pointer(quiet), 128)])
    b.enum("colour", {"RED": 1, "GREEN": 2})
    b.typedef("size", number)
    b.typedef("other", number)
    return Btf.parse(b.write())


def names(used: Used) -> set[str]:
    btf = kernel()
    return {btf.type_name(number) for number in select(btf, used)}


def used(words: str = "", tags: str = "", pointed: str = "", touched: str = "") -> Used:
    return Used(words.split(), tags.split(), pointed.split(), (), touched.split())


def test_what_is_named() -> None:
    assert names(used(words="size RED nothing", tags="task")) == {"size", "colour", "task"}


def test_what_is_reached_through_pointers() -> None:
    """A struct that is pointed to is taken if one of its members may be reached, those of unnamed ones included."""
    assert names(used(tags="task", touched="start")) == {"task", "mm"}
    assert names(used(tags="task", touched="deep")) == {"task", "mm"}
    assert names(used(tags="task", touched="next")) == {"task"}
    assert names(used(pointed="quiet", touched="sleep")) == {"quiet"}
    assert names(used(pointed="quiet")) == set()
