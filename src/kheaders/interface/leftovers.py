"""Macros that a header leaves behind for those read after it in the same pass, though no program includes both.

Headers that define macros of others anew, or take common words for macros, come last (:func:`spread`), and what nobody
else includes gives back its macros as it found them (:meth:`Leftovers.arranged`).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

_DEFINED = re.compile(rb"#[ \t]*define[ \t]+([A-Za-z_]\w*)[ \t]+([A-Za-z_\\][^\n]*)")
"""Macros without parameters whose body begins with a word."""
_CONSTANT = re.compile(rb"\n[ \t]+([A-Z]\w*)[ \t]*[,=}\n]")
"""What may be a constant of an enumeration, on a line of its own."""
_DIRECTIVE = re.compile(rb"#[ \t]*(define|undef)[ \t]+([A-Za-z_]\w*)")
_FEW = 40
"""Includers, direct and indirect, up to which a header counts as read by few."""


class Group(NamedTuple):
    """Headers that are read one after the other."""

    headers: tuple[str, ...]
    restored: tuple[bytes, ...]
    """Macros that are after them as they were before."""
    hidden: tuple[bytes, ...] = ()
    """Macros among them that are not defined when they are read."""


class Leftovers:
    """What headers define and remove."""

    def __init__(self, headers: Mapping[str, bytes]) -> None:
        self._headers = headers
        self._removed: dict[str, frozenset[bytes]] = {}
        self._defined: dict[str, frozenset[bytes]] = {}
        self._constants: dict[str, frozenset[bytes]] = {}
        counts: Counter[bytes] = Counter()
        for path, text in headers.items():
            directives = set(_DIRECTIVE.findall(text))
            self._removed[path] = frozenset(name for word, name in directives if word == b"undef")
            self._defined[path] = frozenset(name for word, name in directives if word == b"define")
            self._constants[path] = frozenset(_CONSTANT.findall(text))
            counts.update(self._defined[path] | self._removed[path])
        self._contested = frozenset(name for name, count in counts.items() if count > 1)

    def captors(self, edges: Mapping[str, set[str]], words: set[bytes]) -> dict[str, int]:
        """Headers that define what has another meaning for others, and how many such names each takes.

        Those are common *words* (``#define events …``), and macros of others that are removed first (``pr_fmt``). Read
        before others, such a header would change what those declare, though no program includes both. One that many
        reach is part of what they all mean, and stays where it is.
        """
        includers = _includers(edges)
        public = frozenset().union(*self._lasting(includers).values())
        # those in capitals are nobody else's words, but for constants, and these are hidden
        taken = {word for word in words if not word.isupper()}
        found: dict[str, int] = {}
        for path, text in self._headers.items():
            anew = self._removed[path] & self._defined[path] & public
            names = {name for name, body in _DEFINED.findall(text) if name in taken and body.strip() != name}
            if (anew or names) and len(_reached(path, includers, _FEW + 1)) <= _FEW:
                # What the header itself declares elsewhere it only replaces: extern int x; #else, #define x zero
                own = (re.search(rb"^[^#\n]*\b%s\s*[][;,(=]" % name, text, re.M) for name in names)
                if count := len(anew) + sum(match is None for match in own):
                    found[path] = count
        return found

    def arranged(
        self,
        groups: Iterable[Sequence[str]],
        shared: Container[str],
        edges: Mapping[str, set[str]],
        words: frozenset[bytes] | None = None,
    ) -> Iterator[Group]:
        """The *groups* of headers, with what is to be done about macros, where it is known who includes whom.

        Only *words*, if they are known, are worth it, and what several headers define or remove. None of what is
        *shared* is taken back; nor is a macro that a shared header defines as well, and which was not read before: it
        is that one's, which may be read here first. Hidden are the names of constants that a header declares
        (``PORT_UNKNOWN`` of linux/libata.h), where another that it does not include defines such a macro.
        """
        lasting = self._lasting(shared)
        public = frozenset().union(*lasting.values())
        known: set[bytes] = set()
        read: set[str] = set()
        for group in groups:
            names: set[bytes] = set()
            new: set[bytes] = set()
            hidden: set[bytes] = set()
            todo = [*group]
            while todo:
                current = todo.pop()
                if current in read:
                    continue
                read.add(current)
                todo += edges.get(current, ())
                if edges and current in self._constants:
                    hidden.update(self._clashing(current, known, edges))
                if current in lasting:
                    new |= lasting[current]
                elif current in self._defined:
                    names |= self._defined[current] | self._removed[current]
            if words is not None:
                names = (names & words) | (names & self._contested)
            names = {name for name in names if name in known or name not in public} | hidden
            yield Group(tuple(group), tuple(sorted(names)), tuple(sorted(hidden)))
            known |= new

    def _clashing(self, path: str, known: set[bytes], edges: Mapping[str, set[str]]) -> Iterator[bytes]:
        """Constants that the header declares and that are *known* as macros, but not of what it includes."""
        names = self._constants[path] & known
        if names:
            names = names.difference(*(self._defined.get(reached, ()) for reached in _reached(path, edges)))
        for name in names:
            if re.search(rb"\benum\b[^;{}()]*\{[^{}]*\b%s\s*[,=}]" % name, self._headers[path]):
                yield name

    def _lasting(self, shared: Container[str]) -> dict[str, frozenset[bytes]]:
        """What those of the headers that are *shared* define for good."""
        return {path: names - self._removed[path] for path, names in self._defined.items() if path in shared}


def private(order: Iterable[str], edges: Mapping[str, set[str]]) -> dict[str, str]:
    """Header that is reached from one header alone that nobody includes → that one; this itself, too.

    asm-generic/bitops/fls.h is one where the architecture has functions of its own for what asm-generic/bitops.h does.
    """
    includers = _includers(edges)
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


def spread(intruders: Mapping[str, int], edges: Mapping[str, set[str]]) -> dict[str, int]:
    """How many macros a header redefines, itself or through what it includes, whichever is more."""
    includers = _includers(edges)
    harm: dict[str, int] = {}
    for count, path in sorted(((count, path) for path, count in intruders.items()), reverse=True):
        todo = [path]
        while todo:
            current = todo.pop()
            if current not in harm:
                harm[current] = count
                todo += includers.get(current, ())
    return harm


def _includers(edges: Mapping[str, set[str]]) -> dict[str, list[str]]:
    includers: dict[str, list[str]] = {}
    for path, targets in edges.items():
        for target in targets:
            includers.setdefault(target, []).append(path)
    return includers


def _reached(path: str, edges: Mapping[str, Iterable[str]], most: int = sys.maxsize) -> set[str]:
    """*path* and what *edges* lead to from it; no more than *most*."""
    found = {path}
    todo = [path]
    while todo and len(found) < most:
        for target in edges.get(todo.pop(), ()):
            if target not in found:
                found.add(target)
                todo.append(target)
    return found
