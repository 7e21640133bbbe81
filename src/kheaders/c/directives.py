"""The preprocessing directives of a text, in order (C11 6.10), found without cutting all of its code into tokens.

Clang's own scanner for dependencies works the same way (clang/lib/Lex/DependencyDirectivesScanner.cpp).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kheaders.c import lexer
from kheaders.patterns import pattern

_LITERALS = lexer.COMMENT + b"|/|" + lexer.STRING + b"|" + lexer.CHARACTER
_NEXT = pattern(
    rb"(?:[^#%/\"']++|(?!%:)%|"
    + _LITERALS
    + rb")*+(?:(#|%:)[ \t\f\v\0]*+(\w*+)((?:[ \t\f\v\0]*+<[^>\n]*+>)?+(?:[^\n/\"']++|"
    + _LITERALS
    + rb")*+)|\Z)"
)
INCLUDES = frozenset((b"include", b"include_next", b"import"))
"""Directives that include a file."""
_HEADER = pattern(rb"[ \t\f\v\0]*+<[^>\n]*+>")
_NAME = pattern(rb"(?:[ \t\f\v\0]++|" + lexer.COMMENT + rb")*+(\w*+)")
"""The name of a directive where comments lie before it."""


class Directive(NamedTuple):
    """One directive."""

    name: bytes
    """``include``, ``define``, …; empty for a null directive, and for what begins with no identifier."""
    spelled: bytes
    """What follows the name in the logical text, with its comments."""
    line: int
    """The line where it begins, from 1."""
    start: int
    """Offset of its ``#`` in the logical text."""
    end: int
    """Offset of the line feed that ends it, or the end of the text."""

    @property
    def rest(self) -> bytes:
        """What follows the name, a space for each comment, without white space around it."""
        if b"/" not in self.spelled:
            return self.spelled.strip(lexer.BLANKS)
        header = _HEADER.match(self.spelled) if self.name in INCLUDES else None
        end = header.end() if header else 0  # what looks like a comment in a header name is none
        return (self.spelled[:end] + lexer.uncommented(self.spelled[end:])).strip(lexer.BLANKS)

    @property
    def tokens(self) -> list[bytes]:
        """The tokens after the name."""
        return lexer.tokens(self.rest)


class Scan(NamedTuple):
    """A text and its directives."""

    logical: lexer.Logical
    directives: list[Directive]

    @property
    def text(self) -> bytes:
        """The logical text, in which the directives have their offsets."""
        return self.logical.text

    def code(self) -> Iterator[bytes]:
        """The text before each directive, and after the last, with its comments."""
        done = 0
        for directive in self.directives:
            yield self.text[done : directive.start]
            done = directive.end
        yield self.text[done:]


def scan(raw: bytes) -> Scan:
    """The directives of *raw*, in order."""
    logical = lexer.logical(raw)
    text = logical.text
    found: list[Directive] = []
    if b"#" not in text and b"%:" not in text:
        return Scan(logical, found)
    at, lines = logical.at, logical.lines
    line, done, spliced, number, last = 1, 0, 0, 0, len(at)
    count = text.count
    for match in _NEXT.finditer(text):
        start = match.start(1)
        if start < 0:
            break
        before = text[start - 1] if start else 0x0A
        if before != 0x0A and not _begins_line(text, match.start(), start):
            continue
        line += count(b"\n", done, start)
        done = start
        while number < last and at[number] <= start:
            spliced = lines[number]
            number += 1
        _, name, rest = match.groups()
        if not name and b"/" in rest and (named := _NAME.match(rest)) is not None:
            name, rest = named[1], rest[named.end() :]
        found.append(Directive(name, rest, line + spliced, start, match.end()))
    return Scan(logical, found)


def _begins_line(text: bytes, known: int, at: int) -> bool:
    """Whether nothing but white space and comments lies before the offset *at* in its line.

    At the offset *known*, before it, a line begins or ends.
    """
    if not text[text.rfind(b"\n", known, at) + 1 : at].strip(lexer.BLANKS):
        return True
    begins = True
    for kind in lexer.kinds(text[known:at]):
        begins = kind == "newline" or (begins and kind in ("space", "comment"))
    return begins
