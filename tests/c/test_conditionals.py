"""What is noted of headers' conditions on macros, and of headers that are lists."""

from __future__ import annotations

import json

import pytest

from kheaders.c import conditionals
from kheaders.c.conditionals import GUARDS, INCLUDES, LINES, Group
from kheaders.c.directives import scan

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
    assert conditionals.groups(scan(GUARDED)) == [
        Group(frozenset({b"LIMIT"}), b"LIMIT", 3, 5, LINES, b"LIMIT 5", 4, gives=b"LIMIT"),
        Group(frozenset({b"CONFIG_A"}), b"", 6, 12, INCLUDES),
        Group(frozenset({b"DEBUG", b"LEVEL"}), b"", 8, 12, INCLUDES),
        Group(frozenset({b"BOTH"}), b"", 13, 16, LINES, gives=b"BOTH"),
        Group(frozenset({b"_A_H"}), b"", 1, 17, GUARDS),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"#ifndef A\n#define A 1\n#endif\nint a;\n",
        b"int a;\n#ifndef A\n#define A 1\nint b;\n#endif\n",
        b"#ifndef A\n#define A 1\nint a;\n#else\nint b;\n#endif\n",
        b"#ifndef A\n#define B\n#if B\n#define A 1\n#endif\n#endif\n",
    ],
)
def test_what_does_not_enclose_all_of_a_header_is_no_guard(text: bytes) -> None:
    """The macro has a default then: a definition before the header is in force in the rest of it."""
    found = conditionals.groups(scan(text))
    assert [group.gives for group in found if b"A" in group.names] == [b"A"]
    assert all(group.effect == LINES for group in found)


def test_a_later_condition_does_not_matter_to_the_lines_before_it() -> None:
    found = conditionals.groups(scan(b"#if A\n#include <a.h>\n#elif B\nint b;\n#endif\n"))
    assert [group[0] for group in found] == [{b"A"}, {b"B"}]
    assert [group[2:5] for group in found] == [(1, 5, INCLUDES), (3, 5, LINES)]


@pytest.mark.parametrize(
    ("definition", "printed"),
    [
        (b"A", b"A "),
        (b"A  1 /* one */ +\\\n\t2 // three", b"A 1 + 2"),
        (b"A( x,  y ) x  ##y", b"A(x,y) x ##y"),
        (b"A (x)", b"A (x)"),
        (b"A \"two  blanks\"  ' '", b"A \"two  blanks\" ' '"),
        (b"A 'it", b"A 'it"),
    ],
)
def test_defaults_are_as_the_preprocessor_prints_them(definition: bytes, printed: bytes) -> None:
    """Definitions of the pass itself look like this; the same one twice would be told twice."""
    _, defaults = conditionals.survey(
        [("a.h", b"#ifndef G\n#define G\n#ifndef A\n# define " + definition + b"\n#endif\n#endif\n")]
    )
    assert defaults == [conditionals.Default("a.h", 4, b"A", printed)]


@pytest.mark.parametrize(
    "text",
    [
        b"#ifdef CONFIG_A\n#ifndef A\n#define A 1\n#endif\n#endif\n",
        b"#ifndef A\n#ifdef CONFIG_A\n#define A 1\n#else\n#define A 2\n#endif\n#endif\n",
        b"#ifndef A\n#define A 1\n#else\n#define A 2\n#endif\n",
        b"#ifndef A\n#define A 1\nint a;\n#endif\n",
    ],
)
def test_what_depends_on_more_is_no_default_for_all(text: bytes) -> None:
    assert not conditionals.survey([("a.h", b"#ifndef G\n#define G\n" + text + b"#endif\n")]).defaults


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
    assert conditionals.is_list(scan(text)) == expected


def test_notes_can_be_asked() -> None:
    notes, defaults = conditionals.survey([("include/a.h", GUARDED), ("include/list.h", b"HOOK(a)\n")])
    assert defaults == [conditionals.Default("include/a.h", 4, b"LIMIT", b"LIMIT 5")]
    assert notes["defaults"] == "BOTH include/a.h\nLIMIT include/a.h"
    assert json.loads(notes["bare"]) == {"include/list.h": "HOOK(a)\n"}
    assert conditionals.places(notes["tested"], ("DEBUG", "LEVE", "LIMIT")) == {
        "DEBUG": [("include/a.h", 8, 12, INCLUDES)]
    }
    assert set(conditionals.macros(notes)) == {"CONFIG_A", "DEBUG", "LEVEL", "BOTH", "_A_H"}
