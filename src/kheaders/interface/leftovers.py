"""Macros that a header leaves behind for those read after it in the same pass, though no program includes both.

Headers that define macros of others anew, or take common words for macros, come last (:func:`spread`), and what nobody
else includes gives back its macros as it found them (:func:`restored`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kheaders.headers.headerset import HeaderSet

_DEFINED = re.compile(rb"#[ \t]*define[ \t]+([a-z_]\w*)[ \t]+([A-Za-z_][^\n]*?)[ \t]*$", re.M)
"""Macros without parameters; those in capitals are nobody else's words."""
_DIRECTIVE = re.compile(rb"#[ \t]*(define|undef)[ \t]+([A-Za-z_]\w*)")
_FEW = 40
"""Includers, direct and indirect, up to which a header counts as read by few."""


def captors(headers: HeaderSet, edges: Mapping[str, set[str]], words: set[bytes]) -> dict[str, int]:
    """Headers whose macros take common words for themselves (``#define events …``), and how many *words* each takes.

    Read before others, such a header would change what those declare, though no program includes both. One that many
    reach is part of what they all mean, and stays where it is.
    """
    includers = _includers(edges)
    found: dict[str, int] = {}
    for path, text in headers.files.items():
        if path.startswith(("include/", "arch/")) and b"define" in text:
            names = {name for name, body in _DEFINED.findall(text) if body != name} & words
            # What the header itself declares elsewhere it only replaces: extern int x; #else, #define x zero
            count = sum(not re.search(rb"^[^#\n]*\b%s\s*[][;,(=]" % name, text, re.M) for name in names)
            if count and len(_reached_from(path, includers, _FEW + 1)) <= _FEW:
                found[path] = count
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


def restored(headers: Mapping[str, bytes], popularity: Mapping[str, int]) -> dict[str, list[bytes]]:
    """Header that no other includes → its macros, that others must not see.

    A macro that a header which others include defines for good is that header's, whoever reads it first.
    """
    public: set[bytes] = set()
    found: dict[str, set[bytes]] = {}
    for path, text in headers.items():
        directives = set(_DIRECTIVE.findall(text))
        if popularity.get(path):
            public |= {name for word, name in directives if word == b"define" and (b"undef", name) not in directives}
        else:
            found[path] = {name for _, name in directives}
    return {path: sorted(names - public) for path, names in found.items()}


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
