"""Macros that a program defines before it includes a kernel header, which may then read otherwise."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

_LINE = re.compile(
    rb"^[ \t]*#[ \t]*(?:(?:define|(undef))[ \t]+([A-Za-z_]\w*)((?:[^\n\\]|\\.|\\\n)*)"
    rb'|include(?:_next)?\b[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")?)',
    re.M,
)
_SPACE = re.compile(rb"(?:\s|\\\n)+")
_LIMIT = 16 << 20


class OwnMacros(NamedTuple):
    """The macros that a program defines or removes itself."""

    before_headers: list[str]
    """Those before the last of the kernel's headers is included."""
    marks: dict[str, set[int]]
    """Each of its macros → the marks of its definitions; 0 for a removal."""


def mark(definition: bytes) -> int:
    """A digest of a macro's parameters and body, the same however they are spaced; never 0."""
    return crc32(_SPACE.sub(b"", definition)) or 1


def own_macros(
    text: bytes,
    directory: str,
    user_directories: Sequence[str],
    last: Callable[[str], bytes | None] = lambda name: None,
) -> OwnMacros:
    """The macros of *text*, which lies in *directory*, and of the user's own headers; every branch counts.

    *last* gives the texts of headers that are found where none of the user's is.
    """
    defined: list[str] = []
    marks: dict[str, set[int]] = {}
    before = 0
    seen: set[str] = set()

    def follow(text: bytes, place: str) -> None:
        nonlocal before
        for match in _LINE.finditer(text):
            removed, macro, body, angled, quoted = match.groups()
            if macro is not None:
                word = macro.decode("ascii", "replace")
                defined.append(word)
                marks.setdefault(word, set()).add(0 if removed else mark(body))
                continue
            name = (angled or quoted or b"").decode("utf-8", "surrogateescape")
            places = [place, *user_directories] if quoted else user_directories
            own = next((path for path in (os.path.join(p, name) for p in places) if os.path.isfile(path)), None)
            if own is None and (known := _last(name, place, last)) is not None:
                if known[0] not in seen:
                    seen.add(known[0])
                    follow(known[1], os.path.dirname(known[0]))
            elif own is None or not name:
                before = len(defined)
            elif (real := os.path.realpath(own)) not in seen:
                seen.add(real)
                with open(own, "rb") as file:
                    follow(file.read(_LIMIT), os.path.dirname(own))

    follow(text, directory)
    return OwnMacros(defined[:before], marks)


def _last(name: str, place: str, last: Callable[[str], bytes | None]) -> tuple[str, bytes] | None:
    for known in (name, os.path.join(place, name)):
        if (text := last(known)) is not None:
            return known, text
    return None
