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

from kheaders.patterns import pattern

_DIRECTIVE = pattern(rb"(^[ \t]*#.*(?:\n|\Z))", re.M)
SENTINEL = b"@;"
"""Put between headers: whatever a header leaves open ends there."""
_BRACE = pattern(rb'[{}@]|"(?:[^"\\\n]|\\.)*+"?|\'(?:[^\'\\\n]|\\.)*+\'?', re.S)
_ATTRIBUTE_END = pattern(
    rb"(?:\b__attribute(?:__)?\s*\(\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)\)|\b(?:__)?asm(?:__)?\s*\([^()]*\))\s*\Z"
)
_TAG_HEAD = pattern(rb"\b(?:struct|union|enum)\s*(?:\w+\s*)?\Z")
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
    start = at = 0
    depth = 0
    size = len(code)
    find = code.find
    body = False
    for match in _BRACE.finditer(code):
        here = match.start()
        token = code[here]
        if token == 0x7B:
            if not depth:
                end = find(b";", at, here)
                while end >= 0:
                    yield start, end + 1, False
                    start = at = end + 1
                    end = find(b";", at, here)
                body = is_function_head(code, start, here)
            depth += 1
        elif token == 0x7D:
            if depth:
                depth -= 1
                at = here + 1
                if not depth and body:
                    yield start, at, True
                    start = at
                    body = False
        elif token == 0x40 or not depth:
            end = find(b";", at, here) if not depth else -1
            while end >= 0:
                yield start, end + 1, False
                start = at = end + 1
                end = find(b";", at, here)
            at = match.end()
            if token == 0x40 and code.startswith(SENTINEL, here):
                if here > start:
                    yield start, here, False
                yield here, here + 2, False
                start = at = here + 2
                depth = 0
                body = False
    while not depth and (end := find(b";", at)) >= 0:
        yield start, end + 1, False
        start = at = end + 1
    if start < size:
        yield start, size, False


def is_function_head(code: bytes, start: int, brace: int) -> bool:
    """Whether the brace opens a function's body and not that of a struct, union, enum or initialiser."""
    head = code[max(start, brace - 4096) : brace].rstrip()
    if not head.endswith(b")"):
        return False  # nor does an attribute end there
    while match := _ATTRIBUTE_END.search(head):
        head = head[: match.start()].rstrip()
    if not head.endswith(b")"):
        return False
    return not _TAG_HEAD.search(head) and head.count(b"(") == head.count(b")") and not _top_level_equals(head)


def _top_level_equals(head: bytes) -> bool:
    """Whether an ``=`` stands outside of parentheses: then what follows is an initialiser."""
    if b"=" not in head:
        return False
    depth = 0
    for char in head:
        if char == 0x28:
            depth += 1
        elif char == 0x29:
            depth -= 1
        elif char == 0x3D and not depth:
            return True
    return False
