"""What the preprocessor's output no longer shows of headers: their conditions on macros, and texts without a guard.

A program may define a macro before it includes a header that tests, or gives a default to, that very macro. And it may
include a header that is a mere list of calls of a macro that the includer defines.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kheaders.patterns import pattern

_LINE = pattern(rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif|define|include)\b((?:[^\n\\]|\\.|\\\n)*)", re.M)
_WORD = pattern(rb"[A-Za-z_]\w*")
_COMMENT = pattern(rb"/\*.*?\*/|//[^\n]*", re.S)
_DIRECTIVE = pattern(rb"^[ \t]*#(?:[^\n\\]|\\.)*", re.M | re.S)
_GUARDED = pattern(
    rb"(?:\s|/\*.*?\*/|//[^\n]*\n)*+#[ \t]*ifndef[ \t]+(\w+)[^\n]*\n"
    rb"(?:\s|/\*.*?\*/|//[^\n]*\n)*+#[ \t]*define[ \t]+\1\b",
    re.S,
)
"""The usual guard, at the beginning of a header."""
_LIST = pattern(rb"[A-Za-z_]\w*\s*[(,]")
_ABSENT = pattern(rb"\s*(?:!\s*defined\s*\(?\s*)?(\w+)\s*\)?\s*")

_HEAD = pattern(rb"\w+(?:\([^()]*\))?")
_BLANK = pattern(rb'("(?:[^"\\]|\\.)*+"?|\'(?:[^\'\\]|\\.)*+\'?|[^\s"\']+)|\s+', re.S)


class Group(NamedTuple):
    """Lines of a header from ``#if`` to ``#endif``, and the macros that decide on them."""

    names: frozenset[bytes]
    default: bytes
    """The macro that the lines define, and nothing else, if it is not defined yet."""
    first: int
    last: int
    includes: bool
    """Whether an include line is among them."""
    text: bytes = b""
    """The definition of *default*, if the lines are in no other group."""
    line: int = 0
    """Where that is."""


class Default(NamedTuple):
    """A macro that a header defines unless it is defined already; in the pass over all headers it may have been."""

    path: str
    line: int
    name: bytes
    text: bytes
    """As the preprocessor prints it: ``NAME(parameters) body``."""


class Survey(NamedTuple):
    """What there is to know of the headers' conditions."""

    notes: dict[str, str]
    """What a blob holds: ``defaults``, ``tested`` and ``bare``."""
    defaults: list[Default]
    """Those that depend on nothing else."""


def survey(files: Iterable[tuple[str, bytes]]) -> Survey:
    """Read the conditions of *files* (path, text)."""
    defaults: set[str] = set()
    given: list[Default] = []
    tested: dict[str, list[str]] = {}
    bare = {}
    for path, text in files:
        for group in groups(text)[1]:
            if group.default:
                defaults.add(f"{group.default.decode()} {path}")
                if group.text:
                    given.append(Default(path, group.line, group.default, group.text))
                continue
            for name in group.names:
                place = f"{path} {group.first} {group.last} {int(group.includes)}"
                tested.setdefault(name.decode(), []).append(place)
        if is_list(text):
            bare[path] = text.decode("utf-8", "replace")
    lines = ("\t".join((name, *places)) for name, places in sorted(tested.items()))
    notes = {"defaults": "\n".join(sorted(defaults)), "tested": "\n".join(lines), "bare": json.dumps(bare)}
    return Survey(notes, given)


def is_list(text: bytes) -> bool:
    """Whether a header has no guard and begins, directives aside, as no declaration does: ``CALL(`` or ``word,``."""
    if _GUARDED.match(text) or b"#pragma once" in text:
        return False  # as nearly all are, and this is found soonest
    if b"TRACE_HEADER_MULTI_READ" in text:
        return False  # has a guard of another kind, and is read again by a machinery of its own
    code = _DIRECTIVE.sub(b"", _COMMENT.sub(b" ", text)).lstrip()
    return _LIST.match(code) is not None and not groups(text)[0]


def groups(text: bytes) -> tuple[bytes, list[Group]]:
    """The macro by which a header guards itself, if it does, and its other groups of conditional lines."""
    found: list[Group] = []
    stack: list[_Open] = []
    guard = b"#pragma once" if b"#pragma once" in text else b""
    line, done = 1, 0
    for number, match in enumerate(_LINE.finditer(text)):
        line += text.count(b"\n", done, match.start())
        done = match.start()
        word, rest = match[1], match[2]
        if b"/" in rest:
            rest = _COMMENT.sub(b" ", rest)
        if word in (b"if", b"ifdef", b"ifndef"):
            absent = _ABSENT.fullmatch(rest) if word == b"ifndef" or b"!" in rest else None
            stack.append(_Open(_words(rest), absent[1] if absent else b"", number, line, match.end()))
        elif not stack:
            continue
        elif word in (b"elif", b"else"):
            if word == b"elif":
                stack[-1].tests.append((_words(rest), line))
                stack[-1].included.append(False)
            stack[-1].absent = b""
        elif word == b"include":
            for one in stack:
                one.included = [True] * len(one.included)
        elif word == b"define":
            name = _WORD.search(rest)
            if name and number == 1 and len(stack) == 1 and stack[0].absent == name[0] and not guard:
                guard = name[0]
            for one in stack:
                one.defines.add(name[0] if name else b"")
                one.definitions += 1
            stack[-1].define = (rest, line)
        else:
            group = stack.pop()
            if group.number or group.absent != guard or not guard:
                code = _DIRECTIVE.sub(b"", _COMMENT.sub(b" ", text[group.start : match.start()])).strip()
                default = group.absent if group.defines == {group.absent} and not code else b""
                # what a later condition tests does not matter to the lines before it
                for (names, first), includes in zip(group.tests, group.included, strict=True):
                    found.append(Group(frozenset(names), default, first, line, includes))
                if (
                    default
                    and group.definitions == 1
                    and group.define[0]
                    and all(guard and not one.number and one.absent == guard for one in stack)
                ):
                    found[-1] = found[-1]._replace(text=_printed(group.define[0]), line=group.define[1])
    return guard, found


class _Open:
    def __init__(self, names: set[bytes], absent: bytes, number: int, line: int, start: int) -> None:
        self.tests = [(names, line)]
        self.included = [False]
        self.absent = absent
        self.number = number
        self.start = start
        self.defines: set[bytes] = set()
        self.definitions = 0
        self.define = (b"", 0)
        """What follows the last ``#define`` that is in no group within, and its line."""


def _printed(definition: bytes) -> bytes:
    """What follows ``#define``, as ``clang -E -dD`` prints it."""
    text = definition.replace(b"\\\n", b" ").strip()
    head = _HEAD.match(text)
    end = head.end() if head else 0
    words = (match[1] or b" " for match in _BLANK.finditer(text[end:].strip()))
    return b"".join((*text[:end].split(), b" ", *words))


def _words(rest: bytes) -> set[bytes]:
    return set(_WORD.findall(rest)) - {b"defined"}


def places(tested: str, names: Iterable[str]) -> dict[str, list[tuple[str, int, int, bool]]]:
    """What the note ``tested`` says of *names*: (header, first line, last line, whether it includes)."""
    lines = tested.split("\n")
    found = {}
    for name in names:
        at = bisect_left(lines, f"{name}\t")
        if at < len(lines) and lines[at].startswith(f"{name}\t"):
            groups = (place.rsplit(" ", 3) for place in lines[at].split("\t")[1:])
            found[name] = [(path, int(first), int(last), more == "1") for path, first, last, more in groups]
    return found


def macros(notes: Mapping[str, str]) -> list[str]:
    """The macros that some header tests."""
    return [line.partition("\t")[0] for line in notes["tested"].split("\n") if line]
