"""Preprocessed C, split at top level: lines that are directives, and declarations.

Input is what ``clang -E -dD -dI`` prints: C without comments and macros, and on lines of their own linemarkers
(``# 12 "file" 1``), macro definitions, include lines and pragmas. Nothing is lost: :func:`split` gives pieces whose
concatenation is the code, and :func:`separate` gives directives and code that together are the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from kheaders.c.declaration import ATTRIBUTES, TAG_WORDS, is_name
from kheaders.c.lexer import CHARACTER, STRING, tokens
from kheaders.patterns import pattern

_DIRECTIVE = pattern(rb"(^[ \t]*#.*(?:\n|\Z))", re.M)
SENTINEL = b"@;"
"""Put between headers: whatever a header leaves open ends there."""
_BRACE = pattern(b"[{}@]|" + STRING + b"|" + CHARACTER)
_LINEMARKER = pattern(rb'#\s*(\d+)\s+"((?:[^"\\]|\\.)*)"')


class Separated(NamedTuple):
    """The input as directives and code; the code has no directive lines in it."""

    code: bytes
    directives: list[bytes]
    """Lines that are no C."""
    places: list[int]
    """How much code comes before each."""

    def joined(self) -> bytes:
        """The input again."""
        parts = []
        done = 0
        for directive, place in zip(self.directives, self.places, strict=True):
            parts += [self.code[done:place], directive]
            done = place
        return b"".join([*parts, self.code[done:]])


def separate(text: bytes) -> Separated:
    """Part the lines that are directives from the code between them."""
    parts = _DIRECTIVE.split(text)
    code, directives = parts[::2], parts[1::2]
    return Separated(b"".join(code), directives, list(accumulate(map(len, code[:-1]))))


def linemarker(text: bytes) -> tuple[int, bytes] | None:
    """(line, file) of a linemarker; None for another directive."""
    match = _LINEMARKER.match(text.lstrip())
    return (int(match[1]), match[2]) if match else None


def split(code: bytes) -> Iterator[tuple[int, int, bool]]:
    """(start, end, whether it is a function's definition) of each top-level piece of *code*, without gaps.

    White space belongs to the piece after it. SENTINEL ends whatever is open, balanced or not.
    """
    start = head = at = 0  # of the piece; of what comes before its next brace; of what was not looked at yet
    depth = 0
    body = False
    before = _Before()
    for match in _BRACE.finditer(code):
        here = match.start()
        token = code[here]
        if token == 0x7D:
            if depth:
                depth -= 1
                head = at = here + 1
                if not depth and body:
                    yield start, at, True
                    start = at
                    body = False
                    before = _Before()
            continue
        if token == 0x7B and depth:
            depth += 1
            continue
        if not depth:
            ends = _semicolons(code, at, here)
            if token == 0x7B and ends and not code[ends[-1] : here].strip():
                ends, body = _before_old_style(code, start, ends)
            for end in ends:
                yield start, end, False
                start = head = at = end
                before = _Before()
            if token == 0x7B:
                body = body or before.opens_body(code[head:here])
                depth = 1
            else:
                at = match.end()
        if token == 0x40 and code.startswith(SENTINEL, here):
            if here > start:
                yield start, here, False
            yield here, here + 2, False
            start = head = at = here + 2
            depth = 0
            body = False
            before = _Before()
    for end in () if depth else _semicolons(code, at, len(code)):
        yield start, end, False
        start = end
    if start < len(code):
        yield start, len(code), False


def _semicolons(code: bytes, start: int, end: int) -> list[int]:
    """Where each ``;`` ends."""
    found = []
    at = code.find(b";", start, end)
    while at >= 0:
        found.append(at + 1)
        at = code.find(b";", at + 1, end)
    return found


def _before_old_style(code: bytes, start: int, ends: list[int]) -> tuple[list[int], bool]:
    """Those of *ends* that come before the function whose body follows the last of them; whether there is one.

    Only the definition of a function with a list of identifiers has a ``;`` before its brace (C11 6.9.1).
    """
    for number in range(len(ends) - 1, -1, -1):
        piece = tokens(code[ends[number - 1] if number else start : ends[number]])
        opening = piece.index(b"(") if b"(" in piece else 0
        if opening > 1 and b")" in piece[opening:]:
            closing = piece.index(b")", opening)
            listed = piece[opening + 1 : closing]
            if closing + 3 < len(piece) and all(map(is_name, listed[::2])) and set(listed[1::2]) <= {b","}:
                return ends[:number], True
    return ends, False


class _Before:
    """What comes before a brace in a top-level piece."""

    def __init__(self) -> None:
        self._depth = 0
        self._value = False
        self._parameters = False
        """Whether parentheses came that can hold parameters, and nothing but attributes after them."""

    def opens_body(self, text: bytes) -> bool:
        """Whether a brace after *text* opens a function's body, and not that of a struct, union, enum or initialiser.

        *text* is what comes after the last brace that was closed.
        """
        if not self._depth and b"(" not in text:
            self._value = self._value or b"=" in text
            return False  # as before most braces, and this is found soonest
        self._parameters = attribute = underlying = False
        to_tag = 0
        """2 behind ``struct`` and the like, 1 behind the tag."""
        for token in tokens(text):
            if token == b"(":
                if not self._depth and not attribute:
                    self._parameters = not to_tag and not underlying
                self._depth += 1
            elif token == b")":
                self._depth = max(0, self._depth - 1)
                if not self._depth:
                    attribute = False
                    to_tag = 0
            elif self._depth:
                continue
            elif token in ATTRIBUTES:
                attribute = True
            elif token in TAG_WORDS:
                to_tag, self._parameters = 2, False
            elif token == b"=":
                self._value = True
            elif token == b":":
                underlying = True
            else:
                to_tag = to_tag - 1 if to_tag else 0
        return self._parameters and not self._value and not self._depth
