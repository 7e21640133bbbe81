"""Macros that headers leave behind: whose come last, and whose are taken back."""

from __future__ import annotations

from kheaders.interface.leftovers import restored, spread

EDGES = {"leaf.h": {"shared.h"}, "other.h": {"shared.h", "base.h"}, "shared.h": {"base.h"}}


def test_a_header_is_as_harmful_as_the_worst_that_it_includes() -> None:
    assert spread({"base.h": 2, "leaf.h": 5}, EDGES) == {"leaf.h": 5, "base.h": 2, "shared.h": 2, "other.h": 2}
    assert not spread({}, EDGES)


def test_macros_of_a_header_that_nobody_includes_are_taken_back() -> None:
    texts = {"leaf.h": b"#define DATA 1\n# define  other_name(x) x\n#undef GONE\n#define GUARD\n"}
    assert restored(texts, {}) == {"leaf.h": [b"DATA", b"GONE", b"GUARD", b"other_name"]}


def test_macros_of_headers_that_others_include_stay() -> None:
    texts = {"leaf.h": b"#define OWN 1\n#define KEPT 2\n", "shared.h": b"#define KEPT 2\n#define MORE 1\n"}
    assert restored(texts, {"shared.h": 2}) == {"leaf.h": [b"OWN"]}


def test_names_that_others_define_for_a_while_are_taken_back() -> None:
    texts = {"leaf.h": b"#undef EM\n#define EM 1\n", "shared.h": b"#undef EM\n#define EM 2\n"}
    assert restored(texts, {"shared.h": 1}) == {"leaf.h": [b"EM"]}
