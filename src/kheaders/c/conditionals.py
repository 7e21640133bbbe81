"""Conditional groups of a text (C11 6.10.1), include guards, and headers that are lists.

A program may define a macro before it includes a header that tests, or gives a default to, that very macro: the
preprocessor's output no longer shows it. And a program may include a header that is a mere list of calls of a macro
that the includer defines.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping
from typing import NamedTuple

from kheaders.c import directives, lexer
from kheaders.c.directives import OPENING, Directive, Scan, scan
from kheaders.patterns import pattern

_WORD = pattern(rb"[A-Za-z_]\w*")
_BEGINNING = rb"(?:\s++|" + lexer.COMMENT + rb")*+"
_GUARDED = pattern(
    _BEGINNING + rb"#[ \t]*+ifndef[ \t]++(\w++)[ \t]*+\n" + _BEGINNING + rb"#[ \t]*+define[ \t]++\1(?!\w)"
)
_ELSE = frozenset((b"elif", b"else", b"elifdef", b"elifndef"))
_NO_CALLS = frozenset(b"_Static_assert __attribute__ __attribute asm __asm __asm__ typeof __typeof __typeof__".split())
"""What a declaration may begin with, before a parenthesis, that is no call of a macro."""


Known = Callable[[str], bool | None]
"""Whether a macro is defined; None where that is not known."""


class Guard(NamedTuple):
    """What makes a text empty where it is included again."""

    macro: bytes
    """X of the ``#ifndef X`` or ``#if !defined X`` that is the first directive; empty for none."""
    defined: bool
    """Whether the next directive defines X."""
    encloses: bool
    """Whether all of the text stands before the ``#endif``, and there is no ``#else``."""
    once: bool
    """Whether the text says ``#pragma once``."""


LINES, INCLUDES, GUARDS = range(3)
"""What a conditional group decides on."""


class Group(NamedTuple):
    """Lines of a header from ``#if`` to ``#endif``, and the macros that decide on them."""

    names: frozenset[bytes]
    default: bytes
    """The macro that the lines define, and nothing else, if it is not defined yet."""
    first: int
    last: int
    effect: int
    """INCLUDES if an include line is among them, GUARDS if they are all of the header, and LINES for others."""
    text: bytes = b""
    """The definition of *default*, if the lines are in no other group."""
    line: int = 0
    """Where that is."""
    gives: bytes = b""
    """The macro that the lines define, besides other things, if it is not defined yet."""


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


def survey(files: Iterable[tuple[str, bytes]], scanned: Callable[[str, Scan], None] | None = None) -> Survey:
    """Read the conditions of *files* (path, text). *scanned* is called with each scan, for what else needs it."""
    import json

    defaults: set[str] = set()
    given: list[Default] = []
    tested: dict[str, list[str]] = {}
    bare = {}
    for path, raw in files:
        text = scan(raw)
        if scanned is not None:
            scanned(path, text)
        for group in groups(text):
            if group.gives:
                defaults.add(f"{group.gives.decode()} {path}")
            if group.default:
                defaults.add(f"{group.default.decode()} {path}")
                if group.text:
                    given.append(Default(path, group.line, group.default, group.text))
                continue
            for name in group.names:
                place = f"{path} {group.first} {group.last} {group.effect}"
                tested.setdefault(name.decode(), []).append(place)
        if not begins_with_guard(raw) and is_list(text):
            bare[path] = raw.decode("utf-8", "replace")
    lines = ("\t".join((name, *places)) for name, places in sorted(tested.items()))
    notes = {"defaults": "\n".join(sorted(defaults)), "tested": "\n".join(lines), "bare": json.dumps(bare)}
    return Survey(notes, given)


def guard(text: Scan) -> Guard:
    """The include guard of a text.

    Where one encloses all of it, compilers don't even open it again (GNU cpp's multiple-include optimisation:
    https://gcc.gnu.org/onlinedocs/cppinternals/Guard-Macros.html).
    """
    found = text.directives
    once = b"once" in text.text and any(one.name == b"pragma" and one.tokens == [b"once"] for one in found)
    macro = absent(found[0]) if found else b""
    if not macro:
        return Guard(b"", False, False, once)
    defined = len(found) > 1 and found[1].name == b"define" and directives.macro(found[1])[0] == macro
    depth = 0
    for number, one in enumerate(found):
        if one.name in OPENING:
            depth += 1
        elif depth == 1 and one.name in _ELSE:
            break
        elif one.name == b"endif":
            depth -= 1
            if not depth:
                last = number == len(found) - 1
                outside = (text.text[: found[0].start], text.text[one.end :])
                return Guard(macro, defined, last and not any(map(lexer.tokens, outside)), once)
    return Guard(macro, defined, False, once)


def absent(directive: Directive) -> bytes:
    """The macro X of ``#ifndef X``, ``#if !defined X`` and ``#if !defined(X)``; empty for any other directive."""
    if directive.name == b"ifndef":
        words = directive.tokens
        return words[0] if len(words) == 1 else b""
    if directive.name != b"if" or b"!" not in directive.spelled:
        return b""
    words = directive.tokens
    return _asked(words[1:]) if words[:1] == [b"!"] else b""


def _asked(words: list[bytes]) -> bytes:
    """X of ``defined X`` and ``defined(X)``; empty for other tokens."""
    if words[:1] != [b"defined"]:
        return b""
    inner = words[2:-1] if len(words) == 4 and words[1] == b"(" and words[3] == b")" else words[1:]
    return inner[0] if len(inner) == 1 and lexer.kind(inner[0]) == "identifier" else b""


def guarded(text: bytes, defined: Container[bytes]) -> bool:
    """Whether the header *text* is empty to a compiler to which the macros *defined* are defined.

    A header that is meant to be included more than once is not.
    """
    if b"#" not in text and b"%:" not in text:
        return not lexer.tokens(lexer.logical(text).text)
    scanned = scan(text)
    found = guard(scanned)
    if not scanned.directives:
        return not lexer.tokens(scanned.text)
    return found.once or (found.encloses and found.macro in defined)


def is_list(text: Scan) -> bool:
    """Whether a header is a list of what a macro of its includer makes something of.

    It has no guard, and begins, directives aside, as no declaration of C does: ``CALL(`` or ``word,``.
    """
    if not text.directives:
        words = lexer.tokens(text.text)
    else:
        found = guard(text)
        if found.once or found.defined:
            return False  # as nearly all are
        # has a guard of another kind, and is read again: include/trace/define_trace.h
        if b"TRACE_HEADER_MULTI_READ" in text.text:
            return False
        words = next(filter(None, map(lexer.tokens, text.code())), [])
    if len(words) < 2 or words[1] not in (b"(", b","):
        return False
    return lexer.kind(words[0]) == "identifier" and words[0] not in _NO_CALLS


def begins_with_guard(raw: bytes) -> bool:
    """Whether a text plainly begins with an include guard, which most headers do, so that it is no list."""
    return _GUARDED.match(raw) is not None


def groups(text: Scan) -> list[Group]:
    """The groups of conditional lines of a header; the one of its include guard is one of them."""
    found: list[Group] = []
    stack: list[_Open] = []
    own = guard(text)
    # a macro that the rest of the text may use is no guard, but has a default
    guarding = own.macro if own.defined and own.encloses else b""
    done = 0
    for number, one in enumerate(text.directives):
        word = one.name
        if stack and not stack[-1].other:
            stack[-1].other = lexer.has_tokens(text.text, done, one.start)
        done = one.end
        if word in OPENING:
            stack.append(_Open(_words(one), absent(one), number, one))
        elif not stack:
            continue
        elif word in _ELSE:
            if word != b"else":
                stack[-1].tests.append((_words(one), one.line))
            stack[-1].absent = b""
        elif word in directives.INCLUDES:
            stack[-1].including = len(stack[-1].tests)
        elif word == b"define":
            stack[-1].definitions += 1
            lacking = [group for group in stack if group.absent and (group.number or not guarding)]
            if lacking or not stack[-1].other:  # else the name makes no difference
                name = directives.macro(one)[0]
                stack[-1].defines(name)
                for group in lacking:
                    group.gives = group.gives or (name if name == group.absent else b"")
            stack[-1].define = one
        elif word == b"endif":
            group = stack.pop()
            if stack:
                stack[-1].take(group)
            if not group.number and guarding:
                found.append(Group(frozenset((guarding,)), b"", group.tests[0][1], one.line, GUARDS))
            else:
                default = group.absent if group.defined == group.absent and not group.other else b""
                # what a later condition tests does not matter to the lines before it
                for at, (names, first) in enumerate(group.tests):
                    effect = INCLUDES if at < group.including else LINES
                    found.append(Group(frozenset(names), default, first, one.line, effect, gives=group.gives))
                alone = not stack or (len(stack) == 1 and stack[0].absent == guarding != b"" and not stack[0].number)
                if default and group.definitions == 1 and group.define is not None and alone:
                    found[-1] = found[-1]._replace(text=_printed(group.define), line=group.define.line)
    return found


class _Open:
    """A group that is open."""

    def __init__(self, names: set[bytes], absent: bytes, number: int, opening: Directive) -> None:
        self.tests = [(names, opening.line)]
        self.including = 0
        """How many of the tests have an include line behind them."""
        self.absent = absent
        self.number = number
        self.defined = b""
        """The one macro that is defined in it."""
        self.other = False
        """Whether there is code in it, or a definition of another macro."""
        self.gives = b""
        """The macro that it is about, if it is defined in it."""
        self.definitions = 0
        self.define: Directive | None = None
        """The last ``#define`` that is in no group within."""

    def defines(self, name: bytes) -> None:
        """A macro of that *name* is defined in the group."""
        self.other = self.other or (self.defined or name) != name
        self.defined = name

    def take(self, inner: _Open) -> None:
        """Count what is in the group *inner* as in this one."""
        if inner.including:
            self.including = len(self.tests)
        if inner.defined:
            self.defines(inner.defined)
        self.other = self.other or inner.other
        self.definitions += inner.definitions


def _printed(define: Directive) -> bytes:
    """What follows ``#define``, as ``clang -E -dD`` prints it."""
    name, rest = directives.macro(define)
    body = rest
    parameters = b""
    if rest.startswith(b"("):
        end = rest.find(b")") + 1
        parameters, body = b"".join(lexer.tokens(rest[:end])), rest[end:]
    return b"%s%s %s" % (name, parameters, lexer.spaced(body))


def _words(directive: Directive) -> set[bytes]:
    return set(_WORD.findall(directive.rest)) - {b"defined"}


def included(text: bytes, enabled: Callable[[str], bool]) -> frozenset[str]:
    """Names of the include lines of *text* that may count; *enabled* tells of an option whether it is defined.

    Programs for several kernels choose headers by options of the configuration (``#ifdef CONFIG_SLUB``). Every branch
    of a condition on anything else counts.
    """

    def known(name: str) -> bool | None:
        return enabled(name) if name.startswith("CONFIG_") else None

    found: set[str] = set()
    branches = _Branches(known)
    for directive in scan(text).directives:
        if directive.name in directives.INCLUDES:
            header = directives.header(directive.rest)
            if header is not None and branches.count:
                found.add(header.shown)
        else:
            branches.turn(directive)
    return frozenset(found)


def counting(text: bytes, known: Known) -> bytes:
    """What of *text* may count, without its conditions; of what is not *known*, every branch does."""
    scanned = scan(text)
    pieces: list[bytes] = []
    branches = _Branches(known)
    start = 0
    for directive in scanned.directives:
        if directive.name in OPENING or directive.name in _ELSE or directive.name == b"endif":
            if branches.count:
                pieces.append(scanned.text[start : directive.start])
            start = directive.end
            branches.turn(directive)
    if branches.count:
        pieces.append(scanned.text[start:])
    return b"".join(pieces)


class _Branches:
    """The conditions that are open."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._open: list[tuple[bool, bool]] = []
        """For each: may this branch count, may one that follows."""
        self._dead = 0

    @property
    def count(self) -> bool:
        """Whether what comes now may count."""
        return not self._dead

    def turn(self, directive: Directive) -> None:
        """Take one directive of a condition into account."""
        if directive.name in OPENING:
            holds = _holds(directive, self._known)
            self._enter((True, True) if holds is None else (holds, not holds))
        elif self._open and (directive.name == b"endif" or directive.name in _ELSE):
            now, later = self._open.pop()
            self._dead -= not now
            if directive.name != b"endif":
                self._enter((later, later))

    def _enter(self, branch: tuple[bool, bool]) -> None:
        self._open.append(branch)
        self._dead += not branch[0]


def _holds(directive: Directive, known: Known) -> bool | None:
    """Whether a condition holds; None where that is not understood."""
    words = directive.tokens
    if directive.name == b"if":
        negated = words[:1] == [b"!"]
        asked = _asked(words[negated:])
    else:
        negated = directive.name == b"ifndef"
        asked = words[0] if len(words) == 1 else b""
    defined = known(asked.decode("utf-8", "replace")) if asked else None
    return None if defined is None else defined != negated


def places(tested: str, names: Iterable[str]) -> dict[str, list[tuple[str, int, int, int]]]:
    """What the note ``tested`` says of *names*: (header, first line, last line, effect)."""
    lines = tested.split("\n")
    found = {}
    for name in names:
        at = bisect_left(lines, f"{name}\t")
        if at < len(lines) and lines[at].startswith(f"{name}\t"):
            groups = (place.rsplit(" ", 3) for place in lines[at].split("\t")[1:])
            found[name] = [(path, int(first), int(last), int(effect)) for path, first, last, effect in groups]
    return found


def macros(notes: Mapping[str, str]) -> list[str]:
    """The macros that some header tests."""
    return [line.partition("\t")[0] for line in notes["tested"].split("\n") if line]
