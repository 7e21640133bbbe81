"""What is noted of headers' conditions on macros, and of headers that are lists."""

from __future__ import annotations

import json

import pytest

from kheaders.interface import conditions
from kheaders.interface.conditions import Group, groups

GUARDED = b"""\
#ifndef _A_H
#define _A_H
#ifndef LIMIT
#define LIMIT 5 /* the usual */
#endif
#ifdef CONFIG_A
int a;
#elif defined(DEBUG) && LEVEL > 2
#include <linux/b.h>
#else
int b;
#endif
#if !defined(BOTH)
#define BOTH 1
int c;
#endif
#endif /* _A_H */
"""


def test_groups_of_a_header() -> None:
    guard, found = groups(GUARDED)
    assert guard == b"_A_H"
    assert found == [
        Group(frozenset({b"LIMIT"}), b"LIMIT", 3, 5, False),
        Group(frozenset({b"CONFIG_A"}), b"", 6, 12, True),
        Group(frozenset({b"DEBUG", b"LEVEL"}), b"", 8, 12, True),
        Group(frozenset({b"BOTH"}), b"", 13, 16, False),
    ]


def test_a_later_condition_does_not_matter_to_the_lines_before_it() -> None:
    _, found = groups(b"#if A\n#include <a.h>\n#elif B\nint b;\n#endif\n")
    assert [group[0] for group in found] == [{b"A"}, {b"B"}]
    assert [group[2:] for group in found] == [(1, 5, True), (3, 5, False)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"/* hooks */\nHOOK(int, open)\nHOOK(int, close)\n", True),
        (b"#ifdef CONFIG_A\n__NR_open,\n#endif\n", True),
        (b"#ifndef A\n#define A\nHOOK(int, open)\n#endif\n", False),
        (b"#pragma once\nHOOK(int, open)\n", False),
        (b"int f(void);\n", False),
        (b"#include <linux/a.h>\n", False),
        (b"struct a { int b; };\n", False),
        (b"#if !defined(_T) || defined(TRACE_HEADER_MULTI_READ)\nEVENT(a)\n#endif\n", False),
        (b"", False),
    ],
)
def test_lists(text: bytes, expected: bool) -> None:
    assert conditions.is_list(text) == expected


def test_notes_can_be_asked() -> None:
    notes = conditions.survey([("include/a.h", GUARDED), ("include/list.h", b"HOOK(a)\n")])
    assert notes["defaults"] == "LIMIT include/a.h"
    assert json.loads(notes["bare"]) == {"include/list.h": "HOOK(a)\n"}
    assert conditions.places(notes["tested"], ("DEBUG", "LEVE", "LIMIT")) == {"DEBUG": [("include/a.h", 8, 12, True)]}
    assert set(conditions.macros(notes)) == {"CONFIG_A", "DEBUG", "LEVEL", "BOTH"}
