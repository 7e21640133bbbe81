"""Members without a name whose type has a tag are written out, with the same layout for every compiler."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.compilers import Clang
from kheaders.c.anonymous_members import written_out
from kheaders.c.declaration import read
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute

INNER = {
    "plain": b"struct in { char c; long l; };",
    "a union": b"union in { char c; long l; };",
    "packed": b"struct in { char c; long l; } __attribute__((packed));",
    "aligned before its tag": b"struct __attribute__((aligned(64))) in { char c; long l; };",
    "packed by a pragma": b"#pragma pack(push, 1)\nstruct in { char c; long l; };\n#pragma pack(pop)",
    "a record within": b"struct in { struct deep { char d; } x; long l; char c; };",
    "an enum within": b"struct in { enum { A, B } e; long l; char c; };",
    "a record without a name within": b"struct in { union { char c; int i; }; long l; };",
    "within another": b"struct out_of { struct in { char c; long l; } first; int second; };",
}


@pytest.mark.parametrize("pack", [b"", b"1"], ids=["", "packed around"])
@pytest.mark.parametrize("inner", INNER.values(), ids=INNER.keys())
def test_the_layout_is_that_of_the_extension(clang: Clang, inner: bytes, pack: bytes) -> None:
    keyword = b"union in" if b"union in" in inner else b"struct in"
    text = b"struct %%s { short s; %s; int last; };" % keyword
    before, after = (b"#pragma pack(push, %s)\n" % pack, b"\n#pragma pack(pop)") if pack else (b"", b"")
    outer = before + text % b"o" + after
    found = written_out(outer, {b"in": inner}.get)
    assert found != outer and keyword + b";" not in found
    checks = b"".join(
        b'_Static_assert(__builtin_offsetof(struct o, %s) == __builtin_offsetof(struct q, %s), "");' % (name, name)
        for name in (b"l", b"c", b"last")
        if re.search(rb"\b%s;" % name, inner + text)
    )
    whole = [inner, before + text % b"q" + after, found, b'_Static_assert(sizeof(struct o) == sizeof(struct q), "");']
    result = execute(
        examine(clang.argv), Job(b"\n".join([*whole, checks, b""])), ["-target", "bpf", "-fms-extensions", "-w"]
    )
    assert result.ok, result.diagnostics
    without = execute(examine(clang.argv), Job(b"\n".join([inner, found, b""])), ["-target", "bpf", "-w"])
    assert without.ok, without.diagnostics


def test_a_chain_of_them() -> None:
    texts = {b"a": b"struct a { int x; };"}
    texts[b"b"] = written_out(b"struct b { struct a; int y; };", texts.get)
    found = read(written_out(b"struct c { struct b; int z; };", texts.get), False)
    assert found is not None
    assert found.members == {b"x", b"y", b"z"} and not found.embedded and not found.strong


@pytest.mark.parametrize(
    "text",
    [
        b"struct a { struct in x; };",
        b"struct a { struct in *p; };",
        b"struct in;",
        b"struct a { struct unknown; };",
        b"extern struct in x;",
        b"struct a { struct { int y; }; };",
    ],
)
def test_nothing_else_changes(text: bytes) -> None:
    assert written_out(text, {b"in": INNER["plain"]}.get) == text


@given(st.lists(st.sampled_from([b"struct", b"in", b"{", b"}", b";", b"(", b")", b"__attribute__", b"enum", b"x"])))
def test_anything_can_be_written_out(words: list[bytes]) -> None:
    text = b" ".join(words)
    written_out(text, {b"in": text, b"x": INNER["plain"]}.get)
