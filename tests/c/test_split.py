"""The splitter: nothing is lost, whatever the input, and it ends soon."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kheaders.c.split import SENTINEL, linemarker, separate, split

SOUP = b"{ } ( ) ; \" ' \\ @; @ = # struct int typedef f s __attribute__(( )) asm( , /* */ //".split()
LINES = (b"\n", b"\\\n", b" ", b"\0", b"\xff", b'\n# 1 "x"\n', b"\n#define A {\n")
C_LIKE = st.lists(st.sampled_from([*SOUP, *LINES]), max_size=60).map(b"".join)


def pieces(code: bytes) -> list[bytes]:
    """The texts of the pieces."""
    return [code[start:end] for start, end, _ in split(code)]


def declared(code: bytes) -> list[tuple[bytes, bool]]:
    """Pieces without the white space around them, and whether each is a function."""
    return [(code[start:end].strip(), function) for start, end, function in split(code) if code[start:end].strip()]


@given(st.binary(max_size=400) | C_LIKE)
@example(b"")
@example(b"#")
@example(b"\n#define X \\\n")
@example(b"int a;\n#define B\nint c")
def test_what_was_separated_joins_to_the_input(text: bytes) -> None:
    assert separate(text).joined() == text


@given(st.binary(max_size=400) | C_LIKE)
@example(b"}}}{{{;")
@example(b"@;@;")
@example(b'int a = {"};";')
@example(b"int f(void) { return '\\''; } int b;")
def test_the_pieces_are_the_input(code: bytes) -> None:
    spans = list(split(code))
    assert b"".join(code[start:end] for start, end, _ in spans) == code
    assert all(start < end for start, end, _ in spans)


@given(st.binary(max_size=300) | C_LIKE)
def test_no_directive_is_left_in_the_code_and_each_knows_its_place(text: bytes) -> None:
    separated = separate(text)
    before = 0
    for directive, place in zip(separated.directives, separated.places, strict=True):
        assert text[before + place : before + place + len(directive)] == directive
        assert directive.lstrip(b" \t").startswith(b"#")
        assert 0 <= place <= len(separated.code)
        before += len(directive)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"{" * 200_000, id="open braces"),
        pytest.param(b"}" * 200_000, id="closed braces"),
        pytest.param(b"int f(" + b"(" * 100_000 + b"{", id="open parentheses"),
        pytest.param(b"__attribute__((" * 20_000 + b"{", id="attributes that never end"),
        pytest.param(b"int f(void) " + b"__attribute__((a)) " * 20_000 + b"{}", id="attributes"),
        pytest.param(b'"' * 200_001, id="quotes"),
        pytest.param(b"'\\" * 100_000, id="escapes"),
        pytest.param(b'"\\' * 100_000, id="escapes in strings"),
        pytest.param(b"asm(" * 50_000 + b"{", id="assembly"),
        pytest.param(b";" * 200_000, id="semicolons"),
        pytest.param(b"@;" * 100_000, id="sentinels"),
        pytest.param(b"@" * 200_000, id="at signs"),
        pytest.param(b"# " * 100_000, id="hash signs"),
        pytest.param(b"\n#" * 100_000, id="directives"),
        pytest.param(b"struct s " * 30_000 + b"{};", id="tags"),
        pytest.param(b"int x;" * 30_000, id="declarations"),
        pytest.param(b"int f(void) {}" * 20_000, id="functions"),
        pytest.param(b"x={" * 50_000, id="initialisers"),
    ],
)
@pytest.mark.timeout(20)
def test_it_ends(text: bytes) -> None:
    assert b"".join(pieces(separate(text).code)) == separate(text).code


FORMS = {
    "variables": (b"int a; int b;", [(b"int a;", False), (b"int b;", False)]),
    "a function": (b"int f(void) { if (1) { } } int b;", [(b"int f(void) { if (1) { } }", True), (b"int b;", False)]),
    "a struct": (b"struct s { int a; }; int b;", [(b"struct s { int a; };", False), (b"int b;", False)]),
    "a struct with attributes": (
        b"struct s { int a; } __attribute__((packed)) x; int b;",
        [(b"struct s { int a; } __attribute__((packed)) x;", False), (b"int b;", False)],
    ),
    "an attribute before the body": (
        b"struct __attribute__((packed)) s { int a; };int b;",
        [(b"struct __attribute__((packed)) s { int a; };", False), (b"int b;", False)],
    ),
    "an attribute after the parameters": (
        b"int f(void) __attribute__((noinline)) { } int b;",
        [(b"int f(void) __attribute__((noinline)) { }", True), (b"int b;", False)],
    ),
    "an initialiser": (b"int a[] = { 1, 2 }; int b;", [(b"int a[] = { 1, 2 };", False), (b"int b;", False)]),
    "an initialiser after a call": (
        b"struct s a = (struct s) { f(1) }; int b;",
        [(b"struct s a = (struct s) { f(1) };", False), (b"int b;", False)],
    ),
    "an enum of a type": (
        b"enum e : unsigned char { A }; int b;",
        [(b"enum e : unsigned char { A };", False), (b"int b;", False)],
    ),
    "a brace in a string": (b'char a[] = "{"; int b;', [(b'char a[] = "{";', False), (b"int b;", False)]),
    "a brace as a character": (b"char a = '{'; int b;", [(b"char a = '{';", False), (b"int b;", False)]),
    "a semicolon in a string": (b'char a[] = ";;"; int b;', [(b'char a[] = ";;";', False), (b"int b;", False)]),
    "a quoted quote": (
        b"char a = '\"'; int b; char c = '\"';",
        [(b"char a = '\"';", False), (b"int b;", False), (b"char c = '\"';", False)],
    ),
    "a statement expression": (
        b"int a = ({ int c = 1; c; }); int b;",
        [(b"int a = ({ int c = 1; c; });", False), (b"int b;", False)],
    ),
    "a function that returns a struct defined there": (
        b"struct s { int a; } f(void) { } int b;",
        [(b"struct s { int a; } f(void) { }", True), (b"int b;", False)],
    ),
    "top-level assembly": (b'asm("nop; {"); int b;', [(b'asm("nop; {");', False), (b"int b;", False)]),
    "an alignment by a macro's arithmetic": (
        b"struct s { int a; } __attribute__((aligned((1 << (6))))); int b;",
        [(b"struct s { int a; } __attribute__((aligned((1 << (6)))));", False), (b"int b;", False)],
    ),
    "a pointer to a function with a default": (
        b"int (*p)(int) = 0; int b;",
        [(b"int (*p)(int) = 0;", False), (b"int b;", False)],
    ),
}


@pytest.mark.parametrize(("code", "wanted"), FORMS.values(), ids=FORMS.keys())
def test_forms_of_declarations(code: bytes, wanted: list[tuple[bytes, bool]]) -> None:
    assert declared(code) == wanted


def test_a_sentinel_ends_what_a_header_left_open() -> None:
    code = b"int f(void) { {" + SENTINEL + b"int b;"
    assert declared(code) == [(b"int f(void) { {", False), (SENTINEL, False), (b"int b;", False)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b'# 12 "a/b.h" 1\n', (12, b"a/b.h")),
        (b'  # 3 "x" 2 3 4\n', (3, b"x")),
        (b'# 4 "with \\" quote"\n', (4, b'with \\" quote')),
        (b"#define A 1\n", None),
        (b'#line 4 "x"\n', None),
        (b"#\n", None),
    ],
)
def test_linemarkers(text: bytes, wanted: tuple[int, bytes] | None) -> None:
    assert linemarker(text) == wanted
