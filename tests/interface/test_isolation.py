"""Macro isolation: what is foreign to a header, what is hidden from it, given to it, and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from kheaders.c.directives import scan
from kheaders.interface.isolation import Definers, Events, Group, Isolation, Use, grouped, included, private

END = 1 << 31
EVERYWHERE = (0, END)


def definers(texts: Mapping[str, bytes]) -> Definers:
    found = Definers()
    for path, text in texts.items():
        found.add(path, scan(text))
    found.reduce()
    return found


def isolation(texts: Mapping[str, bytes], edges: Mapping[str, Sequence[str]] | None = None) -> Isolation:
    return Isolation(definers(texts), texts, edges or {}, "always.h")


def arranged(
    texts: Mapping[str, bytes],
    edges: Mapping[str, Sequence[str]] | None = None,
    events: Events | None = None,
    order: str = "",
    shared: str = "",
) -> dict[str, Group]:
    """By the first header of each group; all are shared but for what *shared* leaves out."""
    found = isolation(texts, edges)
    groups = found.arranged(
        ([path] for path in order.split() or texts), (shared or " ".join(texts)).split(), events or {}
    )
    return {group.headers[0]: group for group in groups}


def test_a_macro_is_foreign_where_no_include_gives_it() -> None:
    texts = {
        "always.h": b"#define SEEN 1\n",
        "low.h": b"#define GIVEN 1\n#define OTHER 1\n",
        "far.h": b"#define FAR 1\n#undef OTHER\n",
        "user.h": b"int a[GIVEN], b[FAR], c[SEEN];\nint d = OTHER;\n",
    }
    found = isolation(texts, {"user.h": ["mid.h"], "mid.h": ["low.h"]} | {"user.h": ["low.h"]})
    assert found.uses == {"user.h": {b"FAR": Use(((1, *EVERYWHERE),), 0), b"OTHER": Use(((2, *EVERYWHERE),), 0)}}


def test_code_and_conditions_count_and_nothing_else_does() -> None:
    texts = {
        "far.h": b"#define FAR 1\n#define CALLED(x) x\n",
        "user.h": b'/* FAR */ // FAR\nchar *s = "FAR";\n#define OWN FAR\nint CALLED;\n'
        b"#ifdef OWN\nint x = CALLED\n(FAR);\n#elif FAR > 2\n#endif\n",
    }
    # the name of a function-like macro alone is no call of it
    assert isolation(texts).uses["user.h"] == {b"CALLED": Use(((6, 5, 8),), 0), b"FAR": Use(((7, 5, 8),), 8)}


def test_lines_are_those_of_the_file_behind_splices_and_other_line_ends() -> None:
    texts = {"far.h": b"#define FAR 1\n", "user.h": b"#define A \\\r\n 1\r\n\r\nint a = FAR;\r\n"}
    assert isolation(texts).uses["user.h"][b"FAR"].lines == ((4, *EVERYWHERE),)


@pytest.mark.parametrize(
    "text",
    [
        b"struct qp { int r_flags; };",
        b"enum { r_flags = 1, LAST };",
        b"struct r_flags { int a; };",
        b"int r_flags(int);",
        b"static inline int r_flags(int a) { return a; }",
        b"extern int r_flags;",
        b"typedef int r_flags;",
        b"#if defined(r_flags)\n#endif",
    ],
)
def test_what_a_header_declares_or_tests_is_hidden_from_it(text: bytes) -> None:
    groups = arranged({"far.h": b"#define r_flags t.flags\n", "user.h": text})
    assert groups["user.h"] == Group(("user.h",), (b"r_flags",), (b"r_flags",))


def test_what_an_included_header_declares_is_hidden_too() -> None:
    texts = {
        "far.h": b"#define r_flags t.flags\n",
        "low.h": b"struct qp { int r_flags; };\n",
        "user.h": b"static inline int get(struct qp *qp) { return qp->r_flags; }\n",
    }
    assert arranged(texts, {"user.h": ["low.h"]}, order="far.h user.h")["user.h"].hidden == (b"r_flags",)


@pytest.mark.parametrize(
    ("define", "text"),
    [
        (b"#define __iomem\n", b"int *read(void __iomem *address);"),
        (b"#define __packed __attribute__((packed))\n", b"struct a { int b; } __packed;"),
        (b"#define LENGTH 6\n", b"struct a { char b[LENGTH]; };"),
        (b"#define DECLARE(x) int x\n", b"DECLARE(a);"),
    ],
)
def test_what_is_no_c_without_the_macro_is_read_with_it(define: bytes, text: bytes) -> None:
    groups = arranged({"far.h": define, "user.h": text})
    assert groups["user.h"] == Group(("user.h",), ())


def test_what_an_includer_gives_before_is_not_hidden() -> None:
    texts = {
        "arch.h": b"#define fls fls\n#include <generic.h>\n",
        "generic.h": b"#ifndef fls\nint fls(int);\n#endif\n",
        "late.h": b"",
        "tail.h": b"#define late late\n",
        "early.h": b"#ifndef late\nint late(int);\n#endif\n",
    }
    edges = {"arch.h": ["generic.h"], "late.h": ["early.h", "tail.h"]}
    assert not arranged(texts, edges)["arch.h"].hidden
    groups = arranged(texts, edges, order="tail.h early.h late.h")
    assert groups["early.h"].hidden == (b"late",)


def test_the_definition_of_what_a_header_includes_is_in_force() -> None:
    texts = {
        "base.h": b"#define SPEED 1\n",
        "other.h": b"#undef SPEED\n#define SPEED 2\n",
        "user.h": b"int a = SPEED;\n",
    }
    events = {"base.h": [(b"SPEED", b"SPEED 1")], "other.h": [(b"SPEED", b""), (b"SPEED", b"SPEED 2")]}
    groups = arranged(texts, {"user.h": ["base.h"]}, events)
    assert groups["user.h"] == Group(("user.h",), (b"SPEED",), (b"SPEED",), (b"SPEED 1",))
    assert groups["other.h"] == Group(("other.h",), ())


def test_what_nobody_includes_leaves_nothing_behind() -> None:
    texts = {
        "base.h": b"#define GONE 1\n",
        "leaf.h": b"#define DATA 1\n#define OWN 2\n#undef GONE\n",
        "user.h": b"int a = DATA, GONE;\n",
    }
    groups = arranged(texts, shared="base.h user.h")
    assert groups["leaf.h"].restored == (b"DATA", b"GONE")  # others name no more of it
    assert groups["user.h"] == Group(("user.h",), ())


def test_headers_that_include_each_other() -> None:
    texts = {"a.h": b"#define A 1\nint x = B;\n", "b.h": b"#define B 1\nint y = A;\n", "c.h": b"int z = A + B;\n"}
    found = isolation(texts, {"a.h": ["b.h"], "b.h": ["a.h"], "c.h": ["b.h"]})
    assert found.uses == {}


def test_what_is_private_to_whom() -> None:
    edges = {"a.h": ["own.h", "both.h"], "own.h": ["inner.h"], "b.h": ["both.h"], "both.h": ["base.h"]}
    order = ["base.h", "inner.h", "b.h", "both.h", "own.h", "a.h", "alone.h"]
    roots = private(order, edges)
    assert roots == {"a.h": "a.h", "own.h": "a.h", "inner.h": "a.h", "b.h": "b.h", "alone.h": "alone.h"}
    assert list(grouped(order, roots)) == [["base.h"], ["b.h"], ["both.h"], ["a.h", "inner.h", "own.h"], ["alone.h"]]
    assert included(edges) == {"own.h", "both.h", "inner.h", "base.h"}


def test_what_becomes_shared_late_shares_all_that_it_includes() -> None:
    edges = {"a.h": ["mid.h"], "mid.h": ["low.h"], "low.h": ["lowest.h"], "b.h": ["mid.h", "low.h"]}
    assert private(["a.h", "b.h", "mid.h", "low.h", "lowest.h"], edges) == {"a.h": "a.h", "b.h": "b.h"}


def test_of_headers_that_include_each_other_one_counts_as_included_by_none() -> None:
    assert private(["x.h", "y.h"], {"x.h": ["y.h"], "y.h": ["x.h"]}) == {"x.h": "x.h", "y.h": "x.h"}


def test_a_private_header_stays_where_it_is_if_its_root_is_left_out() -> None:
    assert list(grouped(["own.h", "b.h"], {"own.h": "a.h", "b.h": "b.h"})) == [["own.h"], ["b.h"]]
