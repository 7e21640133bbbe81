"""What of a program counts on one kernel, as far as its own conditions tell without a preprocessor.

Programs for several kernels choose headers by options of the configuration (``#ifdef CONFIG_SLUB``), scripts of
bpftrace by ``BPFTRACE_HAVE_BTF``. Every branch of a condition that is not understood counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_LINE = re.compile(
    rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif|include)\b[ \t]*((?:[^\n\\]|\\.)*)", re.MULTILINE | re.DOTALL
)
_NAME = re.compile(rb'[<"]([^>"\n]+)[>"]')
_DEFINED = re.compile(rb"(!?)\s*defined\s*\(?\s*(\w+)\s*\)?\s*\Z")
_MACRO = re.compile(rb"(\w+)\s*(?:/[/*].*)?\Z", re.DOTALL)

Known = Callable[[str], bool | None]
"""Whether a macro is defined; None where that is not known."""
_Stack = list[tuple[bool, bool]]
"""For each open condition: may this branch count, may one that follows."""


def included(text: bytes, enabled: Callable[[str], bool]) -> frozenset[str]:
    """Names of the include lines of *text* that may count; *enabled* tells of an option whether it is defined."""

    def known(name: str) -> bool | None:
        return enabled(name) if name.startswith("CONFIG_") else None

    found: set[str] = set()
    stack: _Stack = []
    for directive, rest in _LINE.findall(text):
        if directive == b"include":
            name = _NAME.match(rest)
            if name and all(counts for counts, _ in stack):
                found.add(name[1].decode("utf-8", "replace"))
        else:
            _turn(stack, directive, rest.strip(), known)
    return frozenset(found)


def counting(text: bytes, known: Known) -> bytes:
    """What of *text* may count, without its conditions."""
    pieces: list[bytes] = []
    stack: _Stack = []
    start = 0
    for match in _LINE.finditer(text):
        if match[1] != b"include":
            if all(counts for counts, _ in stack):
                pieces.append(text[start : match.start()])
            start = match.end()
            _turn(stack, match[1], match[2].strip(), known)
    if all(counts for counts, _ in stack):
        pieces.append(text[start:])
    return b"".join(pieces)


def _turn(stack: _Stack, directive: bytes, condition: bytes, known: Known) -> None:
    """Take one directive of a condition into account."""
    if directive == b"endif":
        if stack:
            stack.pop()
    elif directive in (b"else", b"elif"):
        if stack:
            stack[-1] = stack[-1][1], stack[-1][1]
    else:
        holds = _holds(directive, condition, known)
        stack.append((True, True) if holds is None else (holds, not holds))


def _holds(directive: bytes, condition: bytes, known: Known) -> bool | None:
    """Whether a condition holds; None where that is not understood."""
    if directive == b"if":
        match = _DEFINED.match(condition)
        defined = known(match[2].decode()) if match is not None else None
        return None if match is None or defined is None else defined != bool(match[1])
    name = _MACRO.match(condition)
    defined = known(name[1].decode()) if name is not None else None
    return None if defined is None else defined == (directive == b"ifdef")
