"""Which include lines of a program count on one kernel, as far as its own conditions tell without a preprocessor.

Programs for several kernels choose headers by options of the configuration (``#ifdef CONFIG_SLUB``). Every branch of a
condition that is not understood counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_LINE = re.compile(
    rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif|include)\b[ \t]*((?:[^\n\\]|\\.)*)", re.MULTILINE | re.DOTALL
)
_NAME = re.compile(rb'[<"]([^>"\n]+)[>"]')
_DEFINED = re.compile(rb"(!?)\s*defined\s*\(?\s*(CONFIG_\w+)\s*\)?\s*\Z")
_OPTION = re.compile(rb"(CONFIG_\w+)\s*\Z")


def included(text: bytes, enabled: Callable[[str], bool]) -> frozenset[str]:
    """Names of the include lines of *text* that may count; *enabled* tells of an option whether it is defined."""
    found: set[str] = set()
    stack: list[tuple[bool, bool]] = []  # for each open condition: may this branch count, may one that follows
    for directive, rest in _LINE.findall(text):
        if directive == b"include":
            name = _NAME.match(rest)
            if name and all(counts for counts, _ in stack):
                found.add(name[1].decode("utf-8", "replace"))
        elif directive == b"endif":
            if stack:
                stack.pop()
        elif directive in (b"else", b"elif"):
            if stack:
                stack[-1] = stack[-1][1], stack[-1][1]
        else:
            known = _known(directive, rest.strip(), enabled)
            stack.append((True, True) if known is None else (known, not known))
    return frozenset(found)


def _known(directive: bytes, condition: bytes, enabled: Callable[[str], bool]) -> bool | None:
    """Whether a condition holds; None where that is not understood."""
    if directive == b"if":
        match = _DEFINED.match(condition)
        return None if match is None else enabled(match[2].decode()) != bool(match[1])
    option = _OPTION.match(condition)
    return None if option is None else enabled(option[1].decode()) == (directive == b"ifdef")
