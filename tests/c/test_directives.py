"""The directives of a text: every one, in whatever spelling, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kheaders.c import directives, lexer
from kheaders.c.directives import Header, scan

SOUP = b'# # # %: %:%: include define X <a//b> <a> "b" \' " /* */ // \\ R"( )" if 1 ( )'.split()
SPACE = (b"\n", b"\n", b"\r\n", b"\\\n", b"\\ \n", b" ", b"\t", b"\0")
C_LIKE = st.lists(st.sampled_from([*SOUP, *SPACE]), max_size=60).map(b"".join)
NAMING = (b"#include ", b"__has_include(", b"<a.h>", b'"b.h"', b")", b"/*", b"*/", b"\n", b"\\\n", b"#import ")


def told(text: bytes) -> list[tuple[int, str, str]]:
    """(line, name, rest) of each directive."""
    return [(one.line, one.name.decode(), one.rest.decode()) for one in scan(text).directives]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"#define A 5\n", [(1, "define", "A 5")]),
        (b"  #  define\tA 5", [(1, "define", "A 5")]),
        (b"%:define A 5\n", [(1, "define", "A 5")]),
        (b"/* x */ #define A 5\n", [(1, "define", "A 5")]),
        (b"/* x\n y */ # /* z */ define/**/A 5 // end\n", [(2, "define", "A 5")]),
        (b"#def\\\nine A 5\n#undef A\n", [(1, "define", "A 5"), (3, "undef", "A")]),
        (b"\\\n#define A\\\n 5", [(2, "define", "A 5")]),
        (b"#define A /* goes\non */ 5\n#endif\n", [(1, "define", "A   5"), (3, "endif", "")]),
        (b"#define A // goes \\\non\n#endif", [(1, "define", "A"), (3, "endif", "")]),
        (b"#error don't /* this\n*/\n#endif\n", [(1, "error", "don't /* this"), (3, "endif", "")]),
        (b"#include <a//b.h> // c\n", [(1, "include", "<a//b.h>")]),
        (b"#include <a/*b.h>\n#include <c*/d.h>\n", [(1, "include", "<a/*b.h>"), (2, "include", "<c*/d.h>")]),
        (b'#\n# 1 "a"\n#!sh\n', [(1, "", ""), (2, "1", '"a"'), (3, "", "!sh")]),
        (b"\xef\xbb\xbf#if 1\r\n#endif\r\n", [(1, "if", "1"), (2, "endif", "")]),
        (b"#if 1\r#endif\r", [(1, "if", "1"), (2, "endif", "")]),
        (b"a # define B\n", []),
        (b"/* */ a /* */ # define B\n", []),
        (b"a /*\n*/ #define B\n", []),
        (b"// #define B \\\n#define C\n", []),
        (b'"/*"\n#define A\n"*/"\n', [(2, "define", "A")]),
        (b"'\"'\n#define A\n'\"'\n", [(2, "define", "A")]),
        (b"/*\n#define A\n", []),
        (b'R"(\n#define A\n)"\n#define B\n', [(4, "define", "B")]),
        (b"??=define A\n", []),
        (b"", []),
    ],
)
def test_directives(text: bytes, wanted: list[tuple[int, str, str]]) -> None:
    assert told(text) == wanted


@given(st.binary(max_size=300) | C_LIKE)
@example(b"#")
@example(b"#include <a/*b>\n*/#define A")
def test_every_line_that_begins_with_a_hash_is_one(text: bytes) -> None:
    """The scanner, which skips code, finds what the tokens of all of the text tell."""
    wanted, begins = [], True
    for piece in lexer.pieces(text):
        if piece.kind == "newline":
            begins = True
        elif piece.kind not in ("space", "comment"):
            if begins and piece.spelling == b"#":
                wanted.append((piece.line, piece.offset))
            begins = False
    found = scan(text)
    assert [(one.line, found.logical.offset(one.start)) for one in found.directives] == wanted


@given(st.binary(max_size=300) | C_LIKE)
def test_code_and_directives_are_the_text(text: bytes) -> None:
    found = scan(text)
    parts = list(found.code())
    assert len(parts) == len(found.directives) + 1
    again = b"".join(code + found.text[one.start : one.end] for code, one in zip(parts, found.directives, strict=False))
    assert again + parts[-1] == found.text


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"#include <a.h>", Header("a.h", False)),
        (b'#include "a.h" // b', Header("a.h", True)),
        (b"#include<a.h>", Header("a.h", False)),
        (b"#include /* c */ <a b.h>", Header("a b.h", False)),
        (b"#include_next <a.h>", Header("a.h", False, True)),
        (b"#import <a.h>", Header("a.h", False)),
        (b"#inc\\\nlude <a\\\n.h>", Header("a.h", False)),
        (b"%:include <a.h>", Header("a.h", False)),
        (b"#include <\xff>", Header("\udcff", False)),
        (b"#include A", None),
        (b"#include A(<b.h>)", None),
        (b"#include <>", None),
        (b"#include <open", None),
    ],
)
def test_what_include_lines_name(line: bytes, wanted: Header | None) -> None:
    assert directives.included(scan(line).directives[0]) == wanted


def test_a_name_that_is_not_utf_8_can_be_shown() -> None:
    assert Header("a\udcff", False).shown == "a�"


@pytest.mark.parametrize(
    ("text", "asked", "questions"),
    [
        (b"#if __has_include(<a.h>)", ["a.h"], []),
        (b'#if defined(__has_include) && __has_include_next ( "a.h" )', ["a.h"], []),
        (b"#elif !__has_include(<a.h>) && __has_include(<b.h>)", ["a.h", "b.h"], []),
        (b"#if __has_include(A)", [], [b"A"]),
        (b"#if __has_include(A(b))", [], [b""]),
        (b"#ifdef __has_include", [], []),
        (b"#ifndef __has_include", [], []),
        (b"#if defined __has_include", [], []),
        (b"#define __has_include(x) 0", [], []),
        (b"#define HAS(x) __has_include(x)", [], [b""]),
        (b"#define HAS __has_include", [], [b""]),
        (b"#define HAS_A __has_include(<a.h>)", ["a.h"], []),
        (b"// __has_include(<a.h>)\n", [], []),
    ],
)
def test_what_has_include_asks_for(text: bytes, asked: list[str], questions: list[bytes]) -> None:
    found = directives.named(scan(text).directives)
    assert [header.name for header in found.asked] == asked
    assert found.questions == questions


def test_what_include_lines_that_macros_make_may_name() -> None:
    text = b'#define A <a.h>\n#define B "b.h"\n#define C(x) <c.h>\n#define D <d.h> x\n#define A 1\n#define E <e.h>\n'
    names, macros = directives.nameable(scan(text).directives)
    assert [header.name for header in names] == ["a.h", "b.h", "e.h"]
    assert [name for name, whole in macros.items() if whole] == [b"B", b"E"]


@given(
    st.lists(
        st.sampled_from(
            [b"#include ", b"__has_include(", b"<a.h>", b'"b.h"', b")", b"/*", b"*/", b"\n", b"\\\n", b"#import "]
        )
    ).map(b"".join)
)
def test_mentioned_names_are_never_too_few(text: bytes) -> None:
    found = directives.named(scan(text).directives)
    every = {header._replace(following=False) for header in (*found.included, *found.asked)}
    assert every <= directives.mentioned(text)


@given(st.lists(st.sampled_from([*NAMING, b"#", b" ", b"%:"])).map(b"".join) | C_LIKE)
@example(b"/*/\n#include <a.h>\n*/")
@example(b"/* include */ #include <a.h>")
def test_include_lines_are_those_of_a_scan(text: bytes) -> None:
    exact = directives.named(one for one in scan(text).directives if one.name in directives.INCLUDES)
    assert directives.include_lines(text) == exact


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"#define A", (b"A", b"")),
        (b"#define A 1  2", (b"A", b" 1  2")),
        (b"#define A(x) x", (b"A", b"(x) x")),
        (b"#define A (x)", (b"A", b" (x)")),
        (b"#define A/**/(x)", (b"A", b" (x)")),
        (b"#undef A", (b"A", b"")),
        (b"#define 1", (b"", b"")),
    ],
)
def test_macros(line: bytes, wanted: tuple[bytes, bytes]) -> None:
    assert directives.macro(scan(line).directives[0]) == wanted


def test_without_some() -> None:
    text = scan(b"#include <a.h>\nint a;\n#define B \\\n 1\n#import <c.h>\n")
    assert directives.without(text, directives.INCLUDES) == b"\nint a;\n#define B  1\n\n"
    assert directives.defined(text.directives) == {b"B"}
