"""The preprocessing directives of a text, in order (C11 6.10), found without cutting all of its code into tokens.

Clang's own scanner for dependencies works the same way (clang/lib/Lex/DependencyDirectivesScanner.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from kheaders.c import lexer
from kheaders.patterns import pattern

_LITERALS = lexer.COMMENT + b"|/|" + lexer.STRING + b"|" + lexer.CHARACTER
_NEXT = pattern(
    rb"(?:[^#%/\"']++|##|%:%:|(?!%:)%|"
    + _LITERALS
    + rb")*+(?:(#|%:)[ \t\f\v\0]*+(\w*+)((?:[ \t\f\v\0]*+<[^>\n]*+>)?+(?:[^\n/\"']++|"
    + _LITERALS
    + rb")*+)|\Z)"
)
INCLUDES = frozenset((b"include", b"include_next", b"import"))
"""Directives that include a file."""
OPENING = frozenset((b"if", b"ifdef", b"ifndef"))
"""Directives that open a conditional group (C11 6.10.1)."""
_NAMED_TEXT = rb"[ \t\f\v\0]*+(?:<([^>\n]++)>|\"([^\"\n]++)\")"
_NAMED = pattern(_NAMED_TEXT)
_MENTIONED = pattern(
    rb"(?:include|import)(?:_next)?+[ \t\f\v\0]*+\(?+[ \t\f\v\0]*+(?:(/\*)|<([^>\n]++)>|\"([^\"\n]++)\")"
)
_INCLUDE_LINE = pattern(rb"(include|include_next|import)(?!\w)([^\n]*+)")
_HAS = pattern(
    rb"(?<![\w$])__has_include(?:_next)?+(?![\w$])(?:[ \t\f\v\0]*+\((?:"
    + _NAMED_TEXT
    + rb"|[ \t\f\v\0]*+([\w$]*+)[ \t\f\v\0]*+(\))?+))?+"
)
_MACRO = pattern(rb"([A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)(.*+)", re.S)
_PRAGMA = pattern(rb"(push_macro|pop_macro)[ \t\f\v\0]*+\([ \t\f\v\0]*+\"([^\"\n]*+)\"")
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


class Header(NamedTuple):
    """A header name (C11 6.4.7), as a directive spells it."""

    name: str
    quoted: bool
    """Whether it stands in quotes, not in angle brackets."""
    following: bool = False
    """Whether the search goes on behind the directory of the including file (``#include_next``)."""

    @property
    def shown(self) -> str:
        """The name as text that can be printed."""
        return self.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Named(NamedTuple):
    """What the directives of a text name that a compiler looks for as a header."""

    included: list[Header]
    """In include lines."""
    asked: list[Header]
    """In ``__has_include`` and ``__has_include_next``."""
    computed: list[bytes]
    """What include lines have instead of a header name (C11 6.10.2p4)."""
    questions: list[bytes]
    """What ``__has_include`` is asked for instead: an identifier, or empty for anything else."""


def header(text: bytes) -> Header | None:
    """The header name that *text* begins with, white space aside."""
    found = _NAMED.match(text)
    return _header(found[1], found[2]) if found else None


def included(directive: Directive) -> Header | None:
    """What an include line names; None where macros make it."""
    one = header(directive.rest)
    return one._replace(following=True) if one is not None and directive.name == b"include_next" else one


def macro(directive: Directive) -> tuple[bytes, bytes]:
    """(name, rest) of ``define`` and ``undef``; the rest of a function-like macro begins with its parenthesis."""
    found = _MACRO.match(directive.rest)
    return (found[1], found[2]) if found else (b"", b"")


def without(text: Scan, names: Container[bytes]) -> bytes:
    """The logical text without the directives that *names* have; their line ends stay."""
    parts = []
    done = 0
    for directive in text.directives:
        if directive.name in names:
            parts.append(text.text[done : directive.start])
            done = directive.end
    return b"".join((*parts, text.text[done:]))


def defined(directives: Iterable[Directive]) -> set[bytes]:
    """The macros that *directives* define."""
    return {macro(one)[0] for one in directives if one.name == b"define"}


def saved_macro(directive: Directive) -> tuple[bytes, bytes] | None:
    """(``push_macro`` or ``pop_macro``, name of the macro) of a pragma that saves or restores one."""
    found = _PRAGMA.match(directive.rest) if directive.name == b"pragma" and b"_macro" in directive.spelled else None
    return (found[1], found[2]) if found else None


def named(directives: Iterable[Directive]) -> Named:
    """The header names in *directives*."""
    found = Named([], [], [], [])
    for directive in directives:
        if directive.name in INCLUDES:
            if (one := included(directive)) is not None:
                found.included.append(one)
            elif rest := directive.rest:
                found.computed.append(rest)
        elif b"__has_include" in directive.spelled:
            defines = directive.name == b"define"
            for match in _HAS.finditer(macro(directive)[1] if defines else directive.rest):
                if match[1] is not None or match[2] is not None:
                    found.asked.append(_header(match[1], match[2]))
                elif defines:
                    found.questions.append(b"")
                elif not directive.name.endswith(b"def") and match[3] is not None:
                    found.questions.append(match[3] if match[4] else b"")
    return found


def mentioned(raw: bytes) -> set[Header]:
    """Every header name in include lines and ``__has_include`` of *raw*, and perhaps more: those in comments.

    This is several times as fast as :func:`scan`.
    """
    text = lexer.logical(raw).text
    found = set()
    for word in (b"include", b"import"):
        at = text.find(word)
        while at >= 0:
            match = _MENTIONED.match(text, at)
            if match and match[1] is not None:  # a comment, if it is not in another one
                exact = named(scan(raw).directives)
                return {*exact.included, *exact.asked}
            if match:
                found.add(_header(match[2], match[3]))
            at = text.find(word, at + len(word))
    return found


def include_lines(raw: bytes) -> Named:
    """What :func:`named` tells of the include lines of *raw*, without a scan where that is not needed.

    A line that begins with ``#include`` is an include line unless a comment is open before it. Whether one may be is
    told by the nearest ``/*`` and ``*/``; then, or where the directive is spelled with a comment, all is scanned.
    """
    text = lexer.logical(raw).text
    found: list[Directive] = []
    for word in (b"include", b"import"):
        at, line_end, seen, outside = text.find(word), -1, 0, 0
        while at >= 0:
            found_end = text.rfind(b"\n", seen, at)
            again = found_end < 0 and seen > 0
            line_end = line_end if found_end < 0 else found_end
            before = text[seen if again else line_end + 1 : at].strip(lexer.BLANKS)
            seen = at
            if again:
                if b"#" in before or b"%:" in before:
                    return _scanned_includes(raw)
            elif before:
                opened = text.rfind(b"/*", outside, at)
                closed = opened < 0 or text.rfind(b"*/", opened, at) > opened + 1
                line = _INCLUDE_LINE.match(text, at) if before in (b"#", b"%:") and closed else None
                if line is not None:
                    found.append(Directive(line[1], line[2], 0, at, line.end()))
                    outside = at
                elif before in (b"#", b"%:") or b"#" in before or b"%:" in before:
                    return _scanned_includes(raw)
            at = text.find(word, at + len(word))
    return named(sorted(found, key=lambda one: one.start))


def _scanned_includes(raw: bytes) -> Named:
    return named(one for one in scan(raw).directives if one.name in INCLUDES)


def nameable(directives: Iterable[Directive]) -> tuple[dict[Header, None], dict[bytes, bool]]:
    """What include lines made by macros may name: header names that are the whole body of an object-like macro.

    With them comes for each macro that *directives* define whether each of its bodies is one.
    """
    names: dict[Header, None] = {}
    macros: dict[bytes, bool] = {}
    for directive in directives:
        if directive.name == b"define":
            name, body = macro(directive)
            one = header(body)
            whole = one is not None and body.rstrip(lexer.BLANKS)[-1:] in b'>"' and body.count(b'"') in (0, 2)
            macros[name] = whole and macros.get(name, True)
            if one is not None and whole:
                names[one] = None
    return names, macros


def _header(angled: bytes | None, quoted: bytes | None) -> Header:
    name = angled if quoted is None else quoted
    return Header((name or b"").decode("utf-8", "surrogateescape"), quoted is not None)
