"""Macros that a header leaves behind for those read after it in the same pass, though no program includes both.

Headers that define macros of others anew, or take common words for macros, come last (:func:`spread`), and what nobody
else includes gives back its macros as it found them (:meth:`Leftovers.restored`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_DEFINED = re.compile(rb"#[ \t]*define[ \t]+([A-Za-z_]\w*)[ \t]+([A-Za-z_\\][^\n]*?)[ \t]*$", re.M)
"""Macros without parameters whose body begins with a word."""
_CONSTANT = re.compile(rb"\n[ \t]+([A-Z]\w*)[ \t]*[,=}\n]")
"""A constant of an enumeration, on a line of its own."""
_DIRECTIVE = re.compile(rb"#[ \t]*(define|undef)[ \t]+([A-Za-z_]\w*)")
_FEW = 40
"""Includers, direct and indirect, up to which a header counts as read by few."""


class Leftovers:
    """What headers define and remove."""

    def __init__(self, headers: Mapping[str, bytes], popularity: Mapping[str, int]) -> None:
        """*popularity* tells how often a header is included by others."""
        self._headers = headers
        self._popularity = popularity
        self._removed: dict[str, frozenset[bytes]] = {}
        self._defined: dict[str, frozenset[bytes]] = {}
        self._lasting: dict[str, frozenset[bytes]] = {}
        """Of headers that others include, the macros that they define for good."""
        for path, text in headers.items():
            directives = set(_DIRECTIVE.findall(text))
            removed = self._removed[path] = frozenset(name for word, name in directives if word == b"undef")
            defined = self._defined[path] = frozenset(name for word, name in directives if word == b"define")
            if popularity.get(path):
                self._lasting[path] = defined - removed
        self._public = frozenset().union(*self._lasting.values())

    def captors(self, edges: Mapping[str, set[str]], words: set[bytes]) -> dict[str, int]:
        """Headers that define what has another meaning for others, and how many such names each takes.

        Those are common *words* (``#define events …``) and, of words in capitals, constants of other headers
        (``RESERVED``); and macros of others that are removed first (``pr_fmt``). Read before others, such a header
        would change what those declare, though no program includes both. One that many reach is part of what they all
        mean, and stays where it is.
        """
        includers = _includers(edges)
        constants: dict[bytes, str] = {}
        for path, text in self._headers.items():
            constants.update(dict.fromkeys(_CONSTANT.findall(text), path))
        found: dict[str, int] = {}
        for path, text in self._headers.items():
            names = {name for name, body in _DEFINED.findall(text) if body != name}
            names = {name for name in names if (constants.get(name, path) != path if name.isupper() else name in words)}
            # What the header itself declares elsewhere it only replaces: extern int x; #else, #define x zero
            count = sum(not re.search(rb"^[^#\n]*\b%s\s*[][;,(=]" % name, text, re.M) for name in names)
            count += len(self._removed[path] & self._defined[path] & self._public)
            if count and len(_reached_from(path, includers, _FEW + 1)) <= _FEW:
                found[path] = count
        return found

    def restored(self, order: Iterable[str], edges: Mapping[str, set[str]]) -> dict[str, list[bytes]]:
        """For each header of the *order* its macros that those after it must not see: none if others include it.

        A macro that a header which others include defines as well, and which was not read before, is left: it is that
        one's, which may be read here first.
        """
        known: set[bytes] = set()
        read: set[str] = set()
        found = {}
        for path in order:
            names = frozenset() if self._popularity.get(path) else self._defined[path] | self._removed[path]
            found[path] = sorted(name for name in names if name in known or name not in self._public)
            todo = [path]
            while todo:
                current = todo.pop()
                if current not in read:
                    read.add(current)
                    todo += edges.get(current, ())
                    known |= self._lasting.get(current, frozenset())
        return found


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


def _reached_from(path: str, edges: Mapping[str, list[str]], most: int) -> set[str]:
    """*path* and what *edges* lead to from it; no more than *most*."""
    found = {path}
    todo = [path]
    while todo and len(found) < most:
        for target in edges.get(todo.pop(), ()):
            if target not in found:
                found.add(target)
                todo.append(target)
    return found
