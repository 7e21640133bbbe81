r"""Tokens of C source text: translation phases 1 to 3 (C11 5.1.1.2, 6.4), as clang performs them in its GNU modes.

A text is first freed of what no token has (:func:`logical`): the byte order mark, carriage returns of line ends, and
line splices, a backslash before a line end, with white space between them where clang accepts it. Then one pattern cuts
it into tokens. All is linear in the length of the text, whatever the text is: an unterminated comment ends with the
text, an unterminated literal with its line, a NUL byte is white space, a byte that begins no token is one of its own.

Trigraphs are none in GNU modes. Raw string literals (``R"x(…)x"``), which clang has from version 20, are literals.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Literal, NamedTuple

from kheaders.patterns import pattern

Kind = Literal[
    "identifier", "number", "string", "character", "header", "punctuator", "other", "space", "comment", "newline"
]
"""``number`` is a pp-number, ``header`` a header name in angle brackets, ``other`` a byte that is no token of C."""

BLANKS = b" \t\f\v\0"
"""White space other than a line end, in a logical text."""
COMMENT = rb"/\*(?:[^*]++|\*(?!/))*+(?:\*/)?+|//[^\n]*+"
STRING = rb'"(?:[^"\\\n]++|\\[^\n]?+)*+"?+'
CHARACTER = rb"'(?:[^'\\\n]++|\\[^\n]?+)*+'?+"
_LITERALS = STRING + b"|" + CHARACTER
_INCLUDE = rb"(?:#|%:)[ \t\f\v\0]*+(?:include|include_next|import)[ \t\f\v\0]*+<[^>\n]*+>"
"""An include line is one piece: what looks like a comment in its header name is none."""
_NAME = rb"[\w$\x80-\xff]++|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}"
_TOKEN = b"|".join(
    (
        rb"(?:[LU]|u8?+)" + STRING,
        rb"[LUu]" + CHARACTER,
        rb"(?:[A-Za-z_$\x80-\xff]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})(?:" + _NAME + b")*+",
        rb"\.?+[0-9](?:[eEpP][+-]|[\w.\x80-\xff]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*+",
        _LITERALS,
        rb"%:%:|\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||##|[-*/%+&^|]=|<[:%]|[:%]>|%:",
        rb"[^ \t\f\v\0\n]",
    )
)
_SPACE = rb"[ \t\f\v\0\n]*+"
_USUAL = rb"[A-Za-z_]\w*+(?![\"'$\\\x80-\xff])|[(){};,\[\]]|\*(?!=)|=(?!=)|->|\.(?![.0-9])"
"""Most tokens of C: the same as by _TOKEN, found in half the time."""
_TOKENS = pattern(_SPACE + b"(?:(?:" + COMMENT + b")" + _SPACE + b")*+(" + _USUAL + b"|" + _TOKEN + rb"|\Z)")
_PIECES = pattern(rb"\n|[ \t\f\v\0]++|" + COMMENT + b"|" + _INCLUDE + b"|" + _TOKEN)
_PARTS = pattern(rb"%:|#|\w+|<[^>]*>|[ \t\f\v\0]+")
_RUNS = pattern(rb"(?:[ \t\f\v\0\n]++|" + COMMENT + b")++|" + _TOKEN)
_SPACE = BLANKS + b"\n"
_NOISE = pattern(COMMENT + b"|" + _LITERALS + b"|" + _INCLUDE)

_MARK = b"\xef\xbb\xbf"
_REMOVED = pattern(rb"\\[ \t\f\v]*+(?:\r\n|\n\r?|\r)|\r(?=\n)")
_BLANK_SPLICE = pattern(rb"\\[ \t\f\v]++\n")
_RAW = pattern(rb'(?<![\w$])(?:[LU]|u8?)?R"([^ ()\\\t\v\f\n"]{0,16})\(')
DIGRAPHS = {b"<%": b"{", b"%>": b"}", b"<:": b"[", b":>": b"]", b"%:": b"#", b"%:%:": b"##"}
_DIGRAPH = pattern(rb"<[%:]|%[>:]|:>")


class Logical(NamedTuple):
    """A text after translation phase 2: logical lines, each ended by a line feed. Raw strings are made plain ones."""

    raw: bytes
    text: bytes
    at: list[int]
    """Offsets in *text* where something of *raw* is left out, in order."""
    lost: list[int]
    """For each of them the bytes that are left out up to there."""
    lines: list[int]
    """For each of them the line ends that are left out up to there."""

    def offset(self, at: int) -> int:
        """The offset in *raw* of what is at the offset *at* in *text*."""
        number = bisect_right(self.at, at)
        return at + self.lost[number - 1] if number else at

    def line(self, at: int) -> int:
        """The line in *raw*, from 1, of what is at the offset *at* in *text*."""
        return self.text.count(b"\n", 0, at) + self.left_out(at) + 1

    def left_out(self, at: int) -> int:
        """How many line ends of *raw* are left out before the offset *at* in *text*."""
        number = bisect_right(self.at, at)
        return self.lines[number - 1] if number else 0


class Token(NamedTuple):
    """A token, or the white space or comment between two."""

    kind: Kind
    spelling: bytes
    """Without line splices; a digraph as what it stands for. Of white space and comments as in the logical text."""
    offset: int
    """Where it begins, in bytes of the text."""
    line: int
    """The line where it begins, from 1."""


def logical(raw: bytes) -> Logical:
    """*raw* without a byte order mark and line splices, its lines ended by line feeds alone."""
    if b"\\" not in raw and b"\r" not in raw and not raw.startswith(_MARK):
        plain = Logical(raw, raw, [], [], [])
        return _without_raw_strings(plain) if b'R"' in raw else plain
    if b"\r" not in raw and not raw.startswith(_MARK) and _BLANK_SPLICE.search(raw) is None:
        return _plainly_spliced(raw)  # as nearly all are
    at: list[int] = []
    lost: list[int] = []
    lines: list[int] = []
    parts: list[bytes] = []
    done = removed = splices = 0
    if raw.startswith(_MARK):
        done = removed = len(_MARK)
        at, lost, lines = [0], [removed], [0]
    for match in _REMOVED.finditer(raw, done):
        start, end = match.span()
        parts.append(raw[done:start])
        done = end
        at.append(start - removed)
        removed += end - start
        if raw[start] == 0x5C:
            # clang takes "\n\r" away as one, and counts it as two, unless another line feed follows
            splices += 2 if raw[end - 2 : end] == b"\n\r" and raw[end : end + 1] != b"\n" else 1
        lost.append(removed)
        lines.append(splices)
    parts.append(raw[done:])
    text = b"".join(parts)
    found = Logical(raw, text.replace(b"\r", b"\n") if b"\r" in text else text, at, lost, lines)
    return _without_raw_strings(found) if b'R"' in text else found


def _plainly_spliced(raw: bytes) -> Logical:
    """*raw*, all of whose splices are a backslash and a line feed, without them."""
    parts = raw.split(b"\\\n")
    count = len(parts) - 1
    at = [*accumulate(map(len, parts))][:-1]
    found = Logical(raw, b"".join(parts), at, [*range(2, 2 * count + 1, 2)], [*range(1, count + 1)])
    return _without_raw_strings(found) if b'R"' in raw else found


def _without_raw_strings(found: Logical) -> Logical:
    """*found* with a plain string of the same length for each raw string; what does not end is none."""
    text = found.text
    if _RAW.search(text) is None:
        return found
    parts: list[bytes] = []
    done = 0
    more: list[tuple[int, int]] = []
    for match in _PIECES.finditer(text):
        start = match.start()
        if start < done or b'R"' not in text[start : start + 4] or (opening := _RAW.match(text, start)) is None:
            continue
        closing = b")" + opening[1] + b'"'
        end = text.find(closing, opening.end())
        if end < 0:
            break  # to clang 20 it is an error, and to those before it nothing was a raw string
        end += len(closing)
        parts += (text[done:start], b'"', b"_" * (end - start - 2), b'"')
        done = end
        more.append((end, text.count(b"\n", start, end)))
    if not parts:
        return found
    at, lost, lines = list(found.at), list(found.lost), list(found.lines)
    for end, count in more:
        number = bisect_right(at, end)
        at.insert(number, end)
        lost.insert(number, lost[number - 1] if number else 0)
        lines.insert(number, lines[number - 1] if number else 0)
        lines[number:] = [line + count for line in lines[number:]]
    return Logical(found.raw, b"".join((*parts, text[done:])), at, lost, lines)


def tokens(text: bytes) -> list[bytes]:
    """The spellings of the tokens of a logical *text*, digraphs as what they stand for; no white space, no comments."""
    found: list[bytes] = _TOKENS.findall(text)
    while found and not found[-1]:
        found.pop()
    if _DIGRAPH.search(text):
        spelled = DIGRAPHS.get
        return [spelled(token, token) for token in found]
    return found


def has_tokens(text: bytes, start: int, end: int) -> bool:
    """Whether there are tokens between two offsets of a logical *text*, neither of which lies in a comment."""
    found = _TOKENS.match(text, start, end)
    return found is not None and bool(found[1])


def pieces(raw: bytes) -> Iterator[Token]:
    """All of *raw*, in order: tokens, white space, comments, line ends.

    What lies between the offsets of one and the next is how it is spelled in *raw*, with its splices.
    """
    found = logical(raw)
    text, at = found.text, found.at
    line, done = 1, 0
    number, skipped, spliced = 0, 0, 0
    last = len(at)
    for match in _PIECES.finditer(text):
        start = match.start()
        line += text.count(b"\n", done, start)
        done = start
        while number < last and at[number] <= start:
            skipped, spliced = found.lost[number], found.lines[number]
            number += 1
        spelling = match[0]
        if spelling[-1] == 0x3E and spelling[0] in b"#%" and len(spelling) > 2:
            for part in _PARTS.finditer(spelling):
                while number < last and at[number] <= start + part.start():
                    skipped, spliced = found.lost[number], found.lines[number]
                    number += 1
                of = part[0]
                what: Kind = "header" if of[0] == 0x3C else kind(of)
                yield Token(what, DIGRAPHS.get(of, of), start + part.start() + skipped, line + spliced)
            continue
        yield Token(kind(spelling), DIGRAPHS.get(spelling, spelling), start + skipped, line + spliced)


def kind(spelling: bytes) -> Kind:
    """What kind of token *spelling* is."""
    first = spelling[0]
    found = _KINDS[first]
    if first in b"LUu" and (b'"' in spelling or b"'" in spelling):
        return "character" if spelling.lstrip(b"LUu8")[:1] == b"'" else "string"
    if first == 0x2E:
        return "number" if spelling[1:2].isdigit() else "punctuator"
    if first == 0x2F:
        return "comment" if spelling[1:2] in (b"/", b"*") else "punctuator"
    if first == 0x5C:
        return "identifier" if len(spelling) > 1 else "other"
    return found


def kinds(text: bytes) -> Iterator[Kind]:
    """The kinds of all that a logical *text* consists of, in order, white space and comments too."""
    return (kind(match[0]) for match in _PIECES.finditer(text))


def _kinds() -> list[Kind]:
    found: list[Kind] = []
    for byte in range(256):
        one = bytes((byte,))
        if one.isalpha() or one in b"_$" or byte >= 0x80:
            found.append("identifier")
        elif one.isdigit():
            found.append("number")
        elif one == b"\n":
            found.append("newline")
        elif one in BLANKS:
            found.append("space")
        elif one == b'"':
            found.append("string")
        elif one == b"'":
            found.append("character")
        elif one in b"[](){}.->+&*~!/%<>=^|?:;,#":
            found.append("punctuator")
        else:
            found.append("other")
    return found


_KINDS = _kinds()


def uncommented(text: bytes) -> bytes:
    """A logical *text* with a space for each comment."""
    return _NOISE.sub(_uncomment, text) if b"/*" in text or b"//" in text else text


def code(text: bytes) -> bytes:
    """A logical *text* with a space for each comment, and nothing between the quotes of literals."""
    return _NOISE.sub(_emptied, text)


def _uncomment(match: re.Match[bytes]) -> bytes:
    token = match[0]
    return b" " if token[0] == 0x2F else token


def _emptied(match: re.Match[bytes]) -> bytes:
    token = match[0]
    return b" " if token[0] == 0x2F else token if token[0] in b"#%" else token[:1] * 2


def undigraphed(text: bytes) -> bytes:
    """A logical *text* whose digraphs, outside of literals and comments, are replaced by what they stand for."""
    if not _DIGRAPH.search(text):
        return text
    parts: list[bytes] = []
    for match in _PIECES.finditer(text):
        piece = DIGRAPHS.get(match[0], match[0])
        if piece[:1] == b"#" and parts and parts[-1][-1:] == b"#":
            parts.append(b" ")  # two tokens do not become one
        parts.append(piece)
    return b"".join(parts)


def spaced(text: bytes) -> bytes:
    """A logical *text*, in one line, with one space for what white space and comments lie between tokens, none around.

    This is how a preprocessor prints a macro's body (C11 6.10.3p7 makes no difference between them).
    """
    return _RUNS.sub(_one_space, text).strip(b" ")


def _one_space(match: re.Match[bytes]) -> bytes:
    token = match[0]
    return b" " if token[0] in _SPACE or token.startswith((b"/*", b"//")) else token
