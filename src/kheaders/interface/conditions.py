"""What the preprocessor's output no longer shows of headers: conditions on macros, and text that includers give a meaning.

A program may define a macro before it includes a header that tests, or gives a default to, that very macro; and it may
include a header that has no guard, as it is meant to be read more than once, each time with other macros (a list of
calls of a macro that the includer defines).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_LINE = re.compile(
    rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif|define|undef|pragma)\b((?:[^\n\\]|\\.|\\\n)*)", re.M
)
_WORD = re.compile(rb"[A-Za-z_]\w*")
_COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*", re.S)
_DIRECTIVE = re.compile(rb"^[ \t]*#(?:[^\n\\]|\\.)*", re.M | re.S)
_CODE = re.compile(rb"[^\s;]")
BARE_LIMIT = 256 << 10
"""Bytes of a header without a guard that are kept; none that is meant for inclusion in code is longer."""


class Conditions(NamedTuple):
    """What is noted of all headers. As JSON in a blob's ``listing``."""

    defaults: list[str]
    """Macros that some header defines only if they are not defined yet."""
    tested: dict[str, list[tuple[str, int, int]]]
    """Macro → (header, first line, last line) of each group of lines that depends on it."""
    bare: dict[str, str]
    """Path → text of each header without a guard that holds more than directives."""


def survey(files: Mapping[str, bytes]) -> Conditions:
    """Read *files*: path → text."""
    defaults: set[str] = set()
    tested: dict[str, list[tuple[str, int, int]]] = {}
    bare = {}
    for path, text in files.items():
        guarded, found = _read(text)
        for names, start, end, default in found:
            if default:
                defaults.add(default.decode())
            for name in names:
                if name != default:
                    tested.setdefault(name.decode(), []).append((path, start, end))
        if not guarded and len(text) < BARE_LIMIT and b"\r" not in text:
            code = _DIRECTIVE.sub(b"", _COMMENT.sub(b" ", text))
            if _CODE.search(code):
                bare[path] = text.decode("utf-8", "replace")
    return Conditions(sorted(defaults), tested, bare)


_Group = tuple[set[bytes], int, int, bytes]


def _read(text: bytes) -> tuple[bool, list[_Group]]:
    """Whether a header guards itself; its groups: the macros tested, first and last line, the macro that is defaulted."""
    found: list[_Group] = []
    stack: list[tuple[set[bytes], int, bytes, bool]] = []
    guarded = b"#pragma once" in text
    line, done = 1, 0
    first = before = b""
    for match in _LINE.finditer(text):
        line += text.count(b"\n", done, match.start())
        done = match.start()
        word, rest = match[1], match[2]
        if word in (b"if", b"ifdef", b"ifndef"):
            names = set(_WORD.findall(_COMMENT.sub(b" ", rest))) - {b"defined"}
            only = next(iter(names)) if len(names) == 1 and (word == b"ifndef" or b"!" in rest) else b""
            stack.append((names, line, only, not first and bool(only)))
        elif word in (b"elif", b"else") and stack:
            stack[-1][0].update(_WORD.findall(_COMMENT.sub(b" ", rest)) if word == b"elif" else ())
            stack[-1] = (stack[-1][0], stack[-1][1], b"", False)
        elif word == b"endif" and stack:
            names, start, only, outer = stack.pop()
            if outer and not stack and only == before:
                guarded = True
            else:
                found.append((names - {b"defined"}, start, line, only if _defaults(found, only) else b""))
        elif word == b"define" and stack and stack[-1][2]:
            name = _WORD.search(rest)
            if len(stack) == 1 and stack[0][3] and not before and name and name[0] == stack[0][2]:
                before = name[0]
        first = first or word
    return guarded, found


def _defaults(found: list[_Group], only: bytes) -> bool:
    return bool(only)
