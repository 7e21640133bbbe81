"""Macro isolation: the text of a header is changed by no macro that its own includes do not give it.

One pass of the preprocessor reads all headers, and what one of them leaves defined is in force while the next is read,
though no program may include both in that order. A macro is *foreign* to a header if a header defines it that is not
among those that this one includes, directly or indirectly. While a header is read (:meth:`Isolation.arranged`)

- a macro that what it includes defines has that definition, whatever others made of the name since;
- a foreign macro is undefined if a condition of the header tests it, or if the header, or what that includes, declares
  an identifier of that name: a member, a constant, a function, a tag. C gives an identifier its meaning by declarations
  (C11 6.2.1), so there the header's own meaning is the one that counts;
- any other foreign macro stays: nothing declares the name, so the header is C only with the macro, which whoever
  includes it must have given before (``__iomem``, ``ETH_ALEN``). So does one that an includer gives before.

What then could still differ for a program is told by :attr:`Isolation.uses`, and judged for each program by
:mod:`kheaders.interface.foreign_macros`.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import groupby
from operator import sub
from typing import NamedTuple

from kheaders.c import declaration, directives, lexer, split
from kheaders.c.directives import OPENING, Scan

_ONLY_WORDS = bytes(byte if byte < 128 and (chr(byte).isalnum() or byte == 0x5F) else 0x20 for byte in range(256))
_CONDITIONS = OPENING | {b"elif", b"elifdef", b"elifndef"}
_CALLED = re.compile(rb"[A-Za-z_]\w*\s*\(")
_CALL = re.compile(rb"(?:\s|%s)*+\(" % lexer.COMMENT)
_HIDING = re.compile(b"|".join((lexer.COMMENT, lexer.STRING, lexer.CHARACTER)))
"""What hides identifiers: comments and literals."""
_DIGITS = bytes(byte & 1 for byte in range(256))
_WORD_BYTES = frozenset(byte for byte in range(256) if _ONLY_WORDS[byte] != 0x20)
_NO_WORD_BYTES = bytes(byte for byte in range(256) if byte not in _WORD_BYTES)
_OTHER, _OPENS, _TURNS, _ELSE, _CLOSES = range(5)
_KINDS = {
    **dict.fromkeys(OPENING, _OPENS),
    **dict.fromkeys(_CONDITIONS - OPENING, _TURNS),
    b"else": _ELSE,
    b"endif": _CLOSES,
}
_SPACED = rb"(?:[ \t\f\v\0]++|%s)*+" % lexer.COMMENT
_DEFINED = re.compile(
    rb"%s([A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)(?:(\()|%s(\Z|(?:%s)\b))?+"
    % (_SPACED, _SPACED, b"|".join(sorted(declaration.KEYWORDS - {b"sizeof"})))
)
"""A macro, and whether it has parameters, or else stands where no identifier is declared: its body is empty, or begins
with an attribute, a qualifier or a type."""


class Use(NamedTuple):
    """Where a header names a macro that is foreign to it."""

    lines: tuple[tuple[int, int, int], ...]
    """Lines of code, outside of directives, and for each the first and last line of the group that it stands in: of
    what is there whenever it is there itself (C11 6.10.1)."""
    tested: int
    """The first line of a condition that tests it; 0 if none does."""

    @property
    def first(self) -> int:
        """The first line of all."""
        return min(filter(None, (self.tested, *(line for line, _, _ in self.lines[:1]))))


class Group(NamedTuple):
    """Headers that are read one after the other."""

    headers: tuple[str, ...]
    restored: tuple[bytes, ...]
    """Macros that are after them as they were before."""
    hidden: tuple[bytes, ...] = ()
    """Macros among them that are not defined when they are read."""
    given: tuple[bytes, ...] = ()
    """Definitions (``NAME(parameters) body``) of such that are in force when they are read."""


Events = Mapping[str, Sequence[tuple[bytes, bytes]]]
"""Header → its definitions of macros, in order: (name, ``NAME(parameters) body``; empty for ``#undef``)."""


class Outline(NamedTuple):
    """Where the directives of a header lie in its logical text."""

    starts: array[int]
    """Offset of the ``#`` of each."""
    rests: array[int]
    """Offset of what follows its name."""
    ends: array[int]
    """Offset of the line feed that ends it."""
    lines: array[int]
    """The line where it begins, from 1."""
    kinds: bytes
    """_OPENS, _TURNS, _ELSE or _CLOSES for those of conditional groups; _OTHER."""


def _words_of(text: bytes) -> bytes:
    return b" ".join(set(text.translate(_ONLY_WORDS).split()))


def _outline(text: Scan) -> Outline:
    if not text.directives:
        return Outline(array("I"), array("I"), array("I"), array("I"), b"")
    names, spelled, lines, starts, ends = zip(*text.directives, strict=True)
    rests = map(sub, ends, map(len, spelled))
    kinds = bytes(_KINDS.get(name, _OTHER) for name in names)
    return Outline(array("I", starts), array("I", rests), array("I", ends), array("I", lines), kinds)


class Definers:
    """Which headers define or undefine which macros, whatever the conditions around that, and which words they have."""

    def __init__(self) -> None:
        self.headers: dict[str, int] = {}
        """Header → its number."""
        self.outlines: list[Outline] = []
        """Of each header."""
        self._defined: list[bytes] = []
        """For each header its macros, parted by spaces."""
        self._code: list[bytes] = []
        """For each header the identifiers of its code, parted by spaces."""
        self._conditions: list[bytes] = []
        """For each header the identifiers of its conditions."""
        self._called: dict[bytes, bool] = {}
        """Macro → whether all of its definitions have parameters."""
        self._specify: dict[bytes, bool] = {}
        """Macro → whether all of its bodies do that, and declare no name."""

    def add(self, path: str, text: Scan) -> None:
        """Take a header into account."""
        own: set[bytes] = set()
        read: list[bytes] = []
        called, specify = self._called, self._specify
        for directive in text.directives:
            if directive.name in _CONDITIONS:
                read.append(directive.rest)
            elif directive.name == b"define":
                if (found := _DEFINED.match(directive.spelled)) is not None:
                    name, parameters, specifies = found.groups()
                    own.add(name)
                    called[name] = parameters is not None and called.get(name, True)
                    specify[name] = specifies is not None and specify.get(name, True)
            elif directive.name == b"undef":
                own.add(directives.macro(directive)[0])
        self.headers[path] = len(self.headers)
        self._defined.append(b" ".join(own))
        self._code.append(_words_of(_HIDING.sub(b" ", b"\n".join(text.code()))))
        self._conditions.append(_words_of(b" ".join(read)))
        self.outlines.append(_outline(text))

    def reduce(self) -> None:
        """Forget macros of one header that none names, and words that are no macros: most of both.

        A macro of several headers is kept: bodies of other macros may name it.
        """
        counts = Counter(name for names in self._defined for name in names.split())
        named = counts.keys() & set[bytes]().union(*map(bytes.split, (*self._code, *self._conditions)))
        kept = named.union(name for name, count in counts.items() if count > 1)
        self._defined = [b" ".join(kept.intersection(names.split())) for names in self._defined]
        for kept_of in (self._code, self._conditions):
            kept_of[:] = [b" ".join(named.intersection(words.split())) for words in kept_of]
        self._called = {name: value for name, value in self._called.items() if name in named}
        self._specify = {name: value for name, value in self._specify.items() if name in named}

    def defined(self, number: int) -> list[bytes]:
        """The macros of a header."""
        return self._defined[number].split()

    def words(self, number: int) -> set[bytes]:
        """The identifiers of a header's code and conditions."""
        return {*self._code[number].split(), *self._conditions[number].split()}

    @property
    def code(self) -> dict[str, bytes]:
        """Header → the identifiers of its code, parted by spaces."""
        return dict(zip(self.headers, self._code, strict=True))

    def specifies(self, name: bytes) -> bool:
        """Whether the macro's expansion can never stand for an identifier that is declared."""
        return self._specify.get(name, False)

    def only_called(self, name: bytes) -> bool:
        """Whether every definition of a macro has parameters, so that the name alone is none of it (C11 6.10.3)."""
        return self._called.get(name, True)

    @cached_property
    def by_name(self) -> dict[bytes, list[int]]:
        """Macro → the numbers of the headers that define or undefine it."""
        found: dict[bytes, list[int]] = {}
        for number in range(len(self._defined)):
            for name in self.defined(number):
                found.setdefault(name, []).append(number)
        return found

    @cached_property
    def contested(self) -> frozenset[bytes]:
        """Macros that more than one header defines."""
        return frozenset(name for name, numbers in self.by_name.items() if len(numbers) > 1)


class Isolation:
    """What is foreign to each header, by *edges*: header → those that it really includes, in order."""

    def __init__(
        self, definers: Definers, texts: Mapping[str, bytes], edges: Mapping[str, Iterable[str]], always: str
    ) -> None:
        self._definers = definers
        self._texts = [texts[path] for path in definers.headers]
        self._edges = edges
        numbers = self._numbers = definers.headers
        below = [[numbers[target] for target in edges.get(path, ()) if target in numbers] for path in numbers]
        self._closure = _closures(below)
        given = self._closure[numbers[always]] if always in numbers else 0
        self._closure = [mask | given for mask in self._closure]
        above: list[list[int]] = [[] for _ in below]
        before = [0] * len(below)
        for number, targets in enumerate(below):
            known = 1 << number
            for target in targets:
                above[target].append(number)
                before[target] |= known
                known |= self._closure[target]
        self._before = _closures(above, before)
        """For each header what can be read before it where others include it, themselves among that, one bit each."""
        self.uses: dict[str, dict[bytes, Use]] = {}
        """Header → the macros foreign to it that it names → where."""
        for path, number in numbers.items():
            if found := self._uses(number):
                self.uses[path] = found
        self.names = frozenset(name for found in self.uses.values() for name in found)
        self._declares = cache(self._declared)

    def _uses(self, number: int) -> dict[bytes, Use]:
        definers, named = self._definers, self._definers.by_name
        words = [name for name in definers.words(number) if name in named]
        closure = _members(self._closure[number], len(self._texts)) if words else b""
        foreign = [name for name in words if not all(map(closure.__getitem__, named[name]))]
        return _places(self._texts[number], definers.outlines[number], foreign, definers) if foreign else {}

    def _declared(self, number: int) -> frozenset[bytes]:
        """Those of the names in question that a header declares."""
        text = self._texts[number]
        words = frozenset(name for name in self._words(number) if not self._definers.specifies(name))
        if not words:
            return words
        found: set[bytes] = set()
        outline, text = self._definers.outlines[number], lexer.logical(text).text
        ends = (*outline.starts, len(text))
        code = b"".join(lexer.code(text[start:end]) for start, end in zip((0, *outline.ends), ends, strict=True))
        for start, end, function in split.split(code):
            piece = code[start:end].strip()
            if _CALLED.match(piece):
                continue  # of a macro: a declaration begins with a specifier (C11 6.7)
            if not words.isdisjoint(piece.translate(_ONLY_WORDS).split()):
                read = declaration.read(piece, function)
                if read is not None:
                    found.update(words & {*read.names, *read.tags, *read.members})
        return frozenset(found)

    def _hides(self, number: int, name: bytes, use: Use) -> bool:
        """Whether the foreign macro is not to be in force for the header."""
        if use.tested:
            return True
        able = self._closure[number]
        return any(name in self._declares(other) for other in _bits(able) if name in self._words(other))

    @cache  # noqa: B019  # as long as this lives, which is one survey
    def _words(self, number: int) -> frozenset[bytes]:
        return self.names.intersection(self._definers.words(number))

    def arranged(self, groups: Iterable[Sequence[str]], shared: Container[str], events: Events) -> Iterator[Group]:
        """The *groups* of headers, with what is to be done about macros while each is read.

        What is not *shared* leaves nothing behind: nobody includes it. *events* are needed of contested macros alone.
        """
        contested = self._definers.contested
        returned = self.names | contested
        state: dict[bytes, tuple[int, bytes]] = {}
        history: dict[bytes, list[tuple[int, bytes]]] = {}
        read: set[str] = set()
        for group in groups:
            new = [*self._read(group, read)]
            hidden: set[bytes] = set()
            given: dict[bytes, bytes] = {}
            restored: set[bytes] = set()
            for path in new:
                number = self._numbers[path]
                for name, use in self.uses.get(path, {}).items():
                    closure, (file, text) = self._closure[number], state.get(name, (-1, b""))
                    if file >= 0 and closure >> file & 1:
                        continue
                    own = next((own for by, own in reversed(history.get(name, ())) if closure >> by & 1), None)
                    if own is not None:
                        if own != text:
                            given[name] = own
                    elif text and not self._before[number] >> file & 1 and self._hides(number, name, use):
                        hidden.add(name)
                if path not in shared:
                    restored.update(returned.intersection(self._definers.defined(number)))
            restored |= hidden | given.keys()
            hidden |= given.keys()
            yield Group(
                tuple(group),
                tuple(sorted(restored)),
                tuple(sorted(hidden)),
                tuple(text for _, text in sorted(given.items()) if text),
            )
            for path in new:
                number = self._numbers[path]
                single = ((name, name) for name in self._definers.defined(number) if name not in contested)
                told = (event for event in events.get(path, ()) if event[0] in contested)
                for name, text in (*told, *single):
                    if name in self.names:
                        history.setdefault(name, []).append((number, text))
                        if name not in restored:
                            state[name] = number, text

    def _read(self, group: Sequence[str], read: set[str]) -> Iterator[str]:
        """What is read for the first time with *group*: what a header includes before itself."""
        for path in group:
            if path in read or path not in self._numbers:
                continue
            read.add(path)
            stack = [(path, iter(self._edges.get(path, ())))]
            while stack:
                current, targets = stack[-1]
                for target in targets:
                    if target not in read and target in self._numbers:
                        read.add(target)
                        stack.append((target, iter(self._edges.get(target, ()))))
                        break
                else:
                    stack.pop()
                    yield current


def _places(raw: bytes, outline: Outline, names: Iterable[bytes], definers: Definers) -> dict[bytes, Use]:
    """Where *raw* names each of *names*, in code and in conditions; those that it does not name are left out."""
    logical = lexer.logical(raw)
    text = logical.text
    hits = sorted(hit for name in names for hit in _occurrences(text, name))
    lines: dict[bytes, list[tuple[int, int]]] = {}
    """Name → lines, and the number of the group that each stands in."""
    tested: dict[bytes, int] = {}
    groups: list[tuple[int, int]] = [(0, 1 << 31)]
    opened = [0]
    number = start = counted = newlines = 0
    last = len(outline.starts)
    for at, run in groupby(hits, lambda hit: bisect_right(outline.starts, hit[0])):
        while number < at:
            kind, line = outline.kinds[number], outline.lines[number]
            if kind != _OTHER:
                if kind != _OPENS and len(opened) > 1:
                    closed = opened.pop()
                    groups[closed] = groups[closed][0], line
                if kind != _CLOSES:
                    opened.append(len(groups))
                    groups.append((line, 0))
            number += 1
        start = outline.ends[at - 1] if at else 0
        here = [*run]
        inside = [name for offset, name in here if offset < start]
        if inside and outline.kinds[at - 1] in (_OPENS, _TURNS):
            rest = lexer.uncommented(text[outline.rests[at - 1] : start])
            for name in {*inside}.intersection(rest.translate(_ONLY_WORDS).split()):
                tested.setdefault(name, outline.lines[at - 1])
        end = outline.starts[at] if at < last else len(text)
        for offset, name in _outside(text, start, end, here[len(inside) :]):
            if not definers.only_called(name) or _CALL.match(text, offset + len(name)):
                newlines += text.count(b"\n", counted, offset)
                counted = offset
                line = newlines + logical.left_out(offset) + 1
                found = lines.setdefault(name, [])
                if not found or found[-1][0] != line:
                    found.append((line, opened[-1]))
    for at in range(number, last if lines else 0):
        kind, line = outline.kinds[at], outline.lines[at]
        if kind != _OTHER:
            if kind != _OPENS and len(opened) > 1:
                closed = opened.pop()
                groups[closed] = groups[closed][0], line
            if kind != _CLOSES:
                opened.append(len(groups))
                groups.append((line, 0))

    def placed(line: int, group: int) -> tuple[int, int, int]:
        first, last = groups[group]
        return (line, first, last) if last else (line, *groups[0])

    return {
        name: Use(tuple(placed(*one) for one in lines.get(name, ())), tested.get(name, 0))
        for name in sorted({*lines, *tested})
    }


def _occurrences(text: bytes, name: bytes) -> Iterator[tuple[int, bytes]]:
    """Where *name* is a whole word of *text*."""
    size = len(name)
    at = text.find(name)
    while at >= 0:
        end = at + size
        if not (at and text[at - 1] in _WORD_BYTES) and not text[end : end + 1].translate(None, _NO_WORD_BYTES):
            yield at, name
        at = text.find(name, end)


def _outside(text: bytes, start: int, end: int, hits: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Those of *hits* between two offsets of *text* that lie in no comment and no literal."""
    hidden = -1
    hiding = _HIDING.finditer(text, start, end)
    match = next(hiding, None) if hits else None
    for hit in hits:
        while match is not None and match.start() <= hit[0]:
            hidden = match.end()
            match = next(hiding, None)
        if hit[0] >= hidden:
            yield hit


def _closures(edges: Sequence[Sequence[int]], own: Sequence[int] = ()) -> list[int]:
    """For each node what can be reached from it, and itself, one bit each; or all that is *own* to any of these."""
    masks = [*own] if own else [1 << number for number in range(len(edges))]
    order: list[int] = []
    seen: set[int] = set()
    for root in range(len(edges)):
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(edges[root]))]
        while stack:
            current, targets = stack[-1]
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    stack.append((target, iter(edges[target])))
                    break
            else:
                stack.pop()
                order.append(current)
    changed = True
    while changed:  # more than twice only where headers include each other
        changed = False
        for number in order:
            mask = masks[number]
            for target in edges[number]:
                mask |= masks[target]
            if mask != masks[number]:
                masks[number] = mask
                changed = True
    return masks


def giving(includes: Iterable[Sequence[int]], files: Sequence[int]) -> Callable[[int, int], bool]:
    """Whether a file gets a macro's definition from what it includes; *files* are those of the definitions."""
    closures = _closures([*includes])
    return lambda file, number: bool(closures[file] >> files[number] & 1)


def _members(mask: int, count: int) -> bytes:
    """For each of *count* numbers 1 if its bit is in *mask*, and 0 if not."""
    return format(mask, f"0{count}b").encode()[::-1].translate(_DIGITS)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def private(order: Iterable[str], edges: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Header that is reached from one header alone that nobody includes → that one; this itself, too.

    asm-generic/bitops/fls.h is one where the architecture has functions of its own for what asm-generic/bitops.h does.
    """
    includers = included(edges)
    paths = [*order]
    roots: dict[str, str] = {}
    # of headers that include each other the first counts as the one that nobody includes
    for root in (*(path for path in paths if path not in includers), *paths):
        todo = [] if root in roots else [(root, root)]
        while todo:
            current, reached = todo.pop()
            known = roots.get(current)
            if known in ("", reached):
                continue
            roots[current] = reached if known is None else ""
            todo += ((path, roots[current]) for path in edges.get(current, ()))
    return {path: root for path, root in roots.items() if root}


def grouped(order: Iterable[str], roots: Mapping[str, str]) -> Iterator[list[str]]:
    """*order* in groups: a header, and what is private to it."""
    paths = dict.fromkeys(order)
    groups: dict[str, list[str]] = {}
    for path in paths:
        if roots.get(path, path) != path and roots[path] in paths:
            groups.setdefault(roots[path], []).append(path)
    moved = {path for group in groups.values() for path in group}
    for path in paths:
        if path not in moved:
            yield [path, *groups.get(path, ())]


def included(edges: Mapping[str, Iterable[str]]) -> set[str]:
    """The headers that others include."""
    return {target for targets in edges.values() for target in targets}
