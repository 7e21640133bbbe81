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
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import NamedTuple

from kheaders.c import declaration, directives, lexer, split
from kheaders.c.directives import OPENING, Scan, scan

_ONLY_WORDS = bytes(byte if byte < 128 and (chr(byte).isalnum() or byte == 0x5F) else 0x20 for byte in range(256))
_CONDITIONS = OPENING | {b"elif", b"elifdef", b"elifndef"}
_CALLED = re.compile(rb"[A-Za-z_]\w*\s*\(")
_CALL = re.compile(rb"(?:\s|%s)*+\(" % lexer.COMMENT)
_NAMES = re.compile(b"|".join((lexer.COMMENT, lexer.STRING, lexer.CHARACTER, rb"([A-Za-z_]\w*+)")))
"""Identifiers, and what hides some: comments and literals."""
_SPECIFIES = re.compile(rb"\s*(?:\Z|(?:%s)\b)" % b"|".join(sorted(declaration.KEYWORDS - {b"sizeof"})))
"""The body of a macro that stands where no identifier is declared: it is empty, or an attribute, qualifier or type."""


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


class Definers:
    """Which headers define or undefine which macros, whatever the conditions around that."""

    def __init__(self) -> None:
        self.headers: dict[str, bytes] = {}
        self.by_header: list[dict[bytes, bool]] = []
        """For each header its macros, and whether it gives parameters to each."""
        self.by_name: dict[bytes, int] = {}
        """Macro → headers, one bit each, in the order of :attr:`headers`."""
        self.words: list[bytes] = []
        """For each header the identifiers of its code and its conditions, parted by spaces."""
        self._specify: dict[bytes, bool] = {}
        """Macro → whether all of its bodies do that, and declare no name."""

    def add(self, path: str, raw: bytes, text: Scan) -> None:
        """Take a header's directives into account."""
        own: dict[bytes, bool] = {}
        read = [lexer.code(b"\n".join(text.code()))]
        for directive in text.directives:
            if directive.name in _CONDITIONS:
                read.append(directive.rest)
            elif directive.name in (b"define", b"undef"):
                name, rest = directives.macro(directive)
                parameters = rest.startswith(b"(")
                if directive.name == b"define":
                    own[name] = own.get(name, True) and parameters
                    specifies = not parameters and _SPECIFIES.match(rest) is not None
                    self._specify[name] = specifies and self._specify.get(name, True)
                else:
                    own.setdefault(name, True)
        bit = 1 << len(self.headers)
        self.headers[path] = raw
        self.by_header.append(own)
        self.words.append(b" ".join(set(b" ".join(read).translate(_ONLY_WORDS).split())))
        for name in own:
            self.by_name[name] = self.by_name.get(name, 0) | bit

    def specifies(self, name: bytes) -> bool:
        """Whether the macro's expansion can never stand for an identifier that is declared."""
        return self._specify.get(name, False)

    @cache  # noqa: B019  # as long as this lives, which is one survey
    def only_called(self, name: bytes) -> bool:
        """Whether every definition of a macro has parameters, so that the name alone is none of it (C11 6.10.3)."""
        return all(self.by_header[number][name] for number in _bits(self.by_name[name]))

    @cached_property
    def contested(self) -> frozenset[bytes]:
        """Macros that more than one header defines."""
        return frozenset(name for name, mask in self.by_name.items() if mask & (mask - 1))


class Isolation:
    """What is foreign to each header, by *edges*: header → those that it really includes, in order."""

    def __init__(self, definers: Definers, edges: Mapping[str, Iterable[str]], always: str) -> None:
        self._definers = definers
        self._texts = [*definers.headers.values()]
        self._edges = edges
        numbers = {path: number for number, path in enumerate(definers.headers)}
        self._numbers = numbers
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
            if found := self._uses(path, number):
                self.uses[path] = found
        self.names = frozenset(name for found in self.uses.values() for name in found)
        self._declares = cache(self._declared)

    def _uses(self, path: str, number: int) -> dict[bytes, Use]:
        definers = self._definers
        own = ~self._closure[number]
        named = definers.by_name
        foreign = {name for name in named.keys() & definers.words[number].split() if named[name] & own}
        return _places(definers.headers[path], foreign, definers) if foreign else {}

    def _declared(self, number: int) -> frozenset[bytes]:
        """Those of the names in question that a header declares."""
        text = self._texts[number]
        words = frozenset(name for name in self._words(number) if not self._definers.specifies(name))
        if not words:
            return words
        found: set[bytes] = set()
        code = b"".join(map(lexer.code, scan(text).code()))
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
        return self.names.intersection(self._definers.words[number].split())

    def arranged(self, groups: Iterable[Sequence[str]], shared: Container[str], events: Events) -> Iterator[Group]:
        """The *groups* of headers, with what is to be done about macros while each is read.

        What is not *shared* leaves nothing behind: nobody includes it. *events* are needed of contested macros alone.
        """
        contested = self._definers.contested
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
                    restored |= self.names & self._definers.by_header[number].keys()
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
                single = ((name, name) for name in self._definers.by_header[number] if name not in contested)
                for name, text in (*events.get(path, ()), *single):
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


def _places(text: bytes, names: set[bytes], definers: Definers) -> dict[bytes, Use]:
    """Where *text* names each of *names*, in code and in conditions; those that it does not name are left out."""
    scanned = scan(text)
    logical, text = scanned.logical, scanned.text
    lines: dict[bytes, list[int]] = {}
    tested: dict[bytes, int] = {}
    opened = [0]
    groups: list[tuple[int, int]] = []
    start = 0
    for end, directive in (*((one.start, one) for one in scanned.directives), (len(text), None)):
        there = names.intersection(text[start:end].translate(_ONLY_WORDS).split())
        if there:
            there = there.intersection(lexer.code(text[start:end]).translate(_ONLY_WORDS).split())
        for match in _NAMES.finditer(text, start, end) if there else ():
            name = match[1]
            if name in there and (not definers.only_called(name) or _CALL.match(text, match.end())):
                line = logical.line(match.start())
                found = lines.setdefault(name, [])
                if found[-1:] != [line]:
                    found.append(line)
        if directive is None:
            break
        start = directive.end
        if directive.name in _CONDITIONS or directive.name in (b"else", b"endif"):
            if directive.name not in OPENING and len(opened) > 1:
                groups.append((opened.pop(), directive.line))
            if directive.name != b"endif":
                opened.append(directive.line)
            for name in names.intersection(directive.rest.translate(_ONLY_WORDS).split()):
                tested.setdefault(name, directive.line)

    def placed(line: int) -> tuple[int, int, int]:
        around = [group for group in groups if group[0] < line < group[1]]
        return line, *(max(around) if around else (0, 1 << 31))

    return {
        name: Use(tuple(map(placed, lines.get(name, ()))), tested.get(name, 0)) for name in sorted({*lines, *tested})
    }


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
