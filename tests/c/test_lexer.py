"""The lexer: tokens as clang cuts them, nothing lost, whatever the text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders import need
from builders.compilers import Clang, compilers
from builders.raw_tokens import differences
from kheaders.c import lexer

SOUP = (
    b"{ } ( ) [ ] ; , # ## %: %:%: <: :> <% %> \" ' \\ /* */ // / < > . ... -> -- + ++ = == 1 0x1e+ 1.5e+3 .5 a L u8 "
    b'U R" include define $ @ ` \\u00e9 \xc3\xa9'
).split()
SPACE = (b"\n", b"\r\n", b"\r", b"\n\r", b"\\\n", b"\\ \t\n", b"\\\r\n", b" ", b"\t", b"\0", b"\xef\xbb\xbf", b"\x01")
C_LIKE = st.lists(st.sampled_from([*SOUP, *SPACE]), max_size=60).map(b"".join)


def spelled(text: bytes) -> list[str]:
    """The tokens of *text*."""
    return [token.decode("latin-1") for token in lexer.tokens(lexer.logical(text).text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"a+++b", "a ++ + b"),
        (b"x->y.z...", "x -> y . z ..."),
        (b"0x1e+3 1.5e-7f .5 1..2 0b101", "0x1e+3 1.5e-7f .5 1..2 0b101"),
        (b"a<:1:> <% %> %:define %:%:", "a [ 1 ] { } # define ##"),
        (b"a<<=b>>=c", "a <<= b >>= c"),
        (b"ab\\\ncd \\ \t\n ef\\\r\ngh", "abcd efgh"),
        (b"1\\\n2", "12"),
        (b"/\\\n* gone *\\\n/ here", "here"),
        (b"/\\\n/ gone \\\n gone\nhere", "here"),
        (b"a/* b */c// d\ne", "a c e"),
        (b"a /* never ends", "a"),
        (b"$x \\u00e9t\xc3\xa9", "$x \\u00e9t\xc3\xa9"),
        (b"a\0b\fc\vd", "a b c d"),
        (b"a\rb\r\nc\n", "a b c"),
        (b"\xef\xbb\xbfa", "a"),
        (b"??=define", "? ? = define"),
        (b"", ""),
        (b" \n ", ""),
    ],
)
def test_tokens(text: bytes, wanted: str) -> None:
    assert spelled(text) == wanted.split()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (rb'"a\"b" c', [rb'"a\"b"', b"c"]),
        (b"'\\'' '\"' '/*' x", [b"'\\''", b"'\"'", b"'/*'", b"x"]),
        (b'L"w" u8"t" U\'c\' u"v" LL"x"', [b'L"w"', b'u8"t"', b"U'c'", b'u"v"', b"LL", b'"x"']),
        (b"u8'c'", [b"u8", b"'c'"]),
        (b'"open\nnext', [b'"open', b"next"]),
        (b"don't\nnext", [b"don", b"'t", b"next"]),
        (b'"// no comment" /* "no string */ a', [b'"// no comment"', b"a"]),
    ],
)
def test_literals(text: bytes, wanted: list[bytes]) -> None:
    assert lexer.tokens(text) == wanted


def test_raw_strings_hide_what_is_in_them() -> None:
    text = b'a R"x(\n#define B /* " \n)x" c\nd'
    assert spelled(text)[0] == "a"
    assert spelled(text)[2:] == ["c", "d"]
    lines = {token.spelling: token.line for token in lexer.pieces(text) if token.kind == "identifier"}
    assert lines == {b"a": 1, b"c": 3, b"d": 4}
    assert spelled(b'R"x(never ends') == ["R", '"x(never ends']


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"#include <a//b.h> // c", ["punctuator", "identifier", "header", "comment"]),
        (b"# include_next\t<a/*b.h>", ["punctuator", "identifier", "header"]),
        (b"%:import<a.h>", ["punctuator", "identifier", "header"]),
        (b"a <b> c", ["identifier", "punctuator", "identifier", "punctuator", "identifier"]),
    ],
)
def test_header_names(text: bytes, wanted: list[str]) -> None:
    assert [token.kind for token in lexer.pieces(text) if token.kind != "space"] == wanted


def test_where_tokens_are() -> None:
    text = b"\xef\xbb\xbfone\r\ntw\\\no /*\n*/ three\\ \n\nfour"
    found = {token.spelling: (token.line, token.offset) for token in lexer.pieces(text) if token.kind == "identifier"}
    assert found == {b"one": (1, 3), b"two": (2, 8), b"three": (4, 20), b"four": (6, 29)}
    for spelling, (_, offset) in found.items():
        assert text[offset : offset + 1] == spelling[:1]


@given(st.binary(max_size=300) | C_LIKE)
@example(b"\\")
@example(b"\\\n")
@example(b"\\\n\r\n")
@example(b'R"(\\\n)"')
@example(b"\xef\xbb\xbf\\\n")
def test_nothing_is_lost(text: bytes) -> None:
    """The spellings are the logical text, and each begins where its offset says."""
    logical = lexer.logical(text)
    pieces = list(lexer.pieces(text))
    plain = {digraph: token for token, digraph in lexer.DIGRAPHS.items()}
    again = b"".join(piece.spelling for piece in pieces)
    assert lexer.undigraphed(logical.text).replace(b" ", b"") == again.replace(b" ", b"")
    offsets = [piece.offset for piece in pieces]
    assert offsets == sorted(offsets)
    assert all(0 <= offset <= len(text) for offset in offsets)
    assert [piece.line for piece in pieces] == sorted(piece.line for piece in pieces)
    at = 0
    for piece in pieces:
        # the spelling of a digraph has other bytes, as many as it has in the logical text
        assert (logical.offset(at), logical.line(at)) == (piece.offset, piece.line)
        at += len(piece.spelling if logical.text.startswith(piece.spelling, at) else plain[piece.spelling])
    assert at == len(logical.text)


@example(b"#%:")
@example(b"%:#%:%:#")
@given(st.binary(max_size=200) | C_LIKE)
def test_all_readings_agree(text: bytes) -> None:
    logical = lexer.logical(text).text
    pieces = [piece for piece in lexer.pieces(text) if piece.kind not in ("space", "newline", "comment")]
    if all(piece.kind != "header" for piece in pieces):
        assert lexer.tokens(logical) == [piece.spelling for piece in pieces]
        assert lexer.tokens(lexer.uncommented(logical)) == lexer.tokens(logical)
        for line in logical.split(b"\n") if b"/*" not in logical else []:
            assert lexer.tokens(lexer.spaced(line)) == lexer.tokens(line)
    assert lexer.tokens(lexer.undigraphed(logical)) == lexer.tokens(logical)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b' a /* x */ "b  c" \n d', b'a "b  c" d'),
        (b"a/**/b", b"a b"),
        (b"  ", b""),
        (b"' ' /", b"' ' /"),
    ],
)
def test_one_space_for_white_space(text: bytes, wanted: bytes) -> None:
    assert lexer.spaced(text) == wanted


def test_code_has_no_words_of_comments_and_literals() -> None:
    assert lexer.code(b"a /* b */ \"c\" L'd' // e") == b"a   \"\" L''  "
    assert lexer.code(b"#include <a/*b>\nc") == b"#include <a/*b>\nc"


def _plain(text: bytes) -> bool:
    """Whether no splice lies before a character beyond ASCII, where old compilers end an identifier."""
    return re.search(rb"\\[ \t]*\r?\n[\x80-\xff]", text) is None


@pytest.mark.parametrize("compiler", compilers(), ids=lambda compiler: compiler.name)
def test_clang_cuts_the_same(compiler: Clang, tmp_path: Path) -> None:
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    place = tmp_path / "text.c"

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(C_LIKE.filter(lambda text: b'R"' not in text and b"::" not in text and b"\x01" not in text and _plain(text)))
    def cut(text: bytes) -> None:
        place.write_bytes(text)
        assert differences(compiler.argv, place) == []

    cut()
