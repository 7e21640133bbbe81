"""Which headers say nothing when they are included again: those that a guard encloses."""

from __future__ import annotations

import re
from collections.abc import Container

_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*", re.S)
_SPLICE = re.compile(rb"\\\r?\n")
_ONCE = re.compile(rb"^[ \t]*#[ \t]*pragma[ \t]+once\b", re.M)
_OPENS = re.compile(
    rb"#[ \t]*(?:ifndef[ \t]+(\w+)|if[ \t]+![ \t]*defined[ \t]*(?:\([ \t]*(\w+)[ \t]*\)|[ \t](\w+)))[ \t]*\Z"
)
_WORD = re.compile(rb"#[ \t]*(\w+)")


def guarded(text: bytes, defined: Container[bytes]) -> bool:
    """Whether the header *text* is empty to a compiler to which the macros *defined* are defined.

    That is so if all of it stands between ``#ifndef X`` and its ``#endif``, without an ``#else``, and X is among them
    (GNU cpp's multiple-include optimisation: https://gcc.gnu.org/onlinedocs/cppinternals/Guard-Macros.html), or if it
    says ``#pragma once``. A header that is meant to be included more than once is not.
    """
    if b"#" not in text:
        return not text.strip()
    if b"once" in text and _ONCE.search(text):
        return True
    depth = 0
    closed = False
    if b"/*" in text or b"//" in text:
        text = _COMMENT.sub(b" ", text)
    for line in (_SPLICE.sub(b" ", text) if b"\\" in text else text).split(b"\n"):
        line = line.strip()
        if not line or (depth and line[0] != 35):  # what is no directive counts only outside
            continue
        if closed or line[0] != 35:
            return False
        found = _WORD.match(line)
        word = found[1] if found else b""
        if not depth:
            opening = _OPENS.match(line)
            if opening is None or (opening[1] or opening[2] or opening[3]) not in defined:
                return False
            depth = 1
        elif word in (b"if", b"ifdef", b"ifndef"):
            depth += 1
        elif word == b"endif":
            depth -= 1
            closed = not depth
        elif depth == 1 and word in (b"else", b"elif", b"elifdef", b"elifndef"):
            return False
    return closed
