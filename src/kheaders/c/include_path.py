"""Which file an include line means, among those of a header set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ROOT = "/kheaders/tree"
"""Where the preprocessor thinks that the headers lie."""
STUBS = "/kheaders/headers/that/are/missing/here"
"""Where it finds a file that says so, for each header that is asked for and does not exist."""
NAME = "<stdin>"
"""What the preprocessor calls the file that includes all others."""


class IncludeSearch(NamedTuple):
    """The user's include directories, in the order in which clang looks through them.

    The kernel's directories are given with ``-isystem`` before any word of the user's, so that they come between
    ``angled`` and ``system``.
    """

    quote: tuple[str, ...] = ()
    """``-iquote``: for names in quotes only."""
    angled: tuple[str, ...] = ()
    """``-I``, then ``-iwithprefixbefore``."""
    system: tuple[str, ...] = ()
    """``-isystem``: after the kernel's and the compiler's own."""
    after: tuple[str, ...] = ()
    """``-iwithprefix``, then ``-idirafter``: after everything."""

    def ahead(self, quoted: bool) -> tuple[str, ...]:
        """The directories that are searched before the kernel's, for a name in quotes or in angle brackets."""
        return (*self.quote, *self.angled) if quoted else self.angled

    @property
    def behind(self) -> tuple[str, ...]:
        """The directories that are searched after the kernel's and the compiler's own."""
        return (*self.system, *self.after)

    @property
    def every(self) -> tuple[str, ...]:
        """All directories, in order."""
        return (*self.ahead(True), *self.behind)


class Resolver:
    """Looks beside the including file first where the name is quoted, then through the search directories in order."""

    def __init__(self, known: Iterable[str], search: Sequence[str], root: str = ROOT) -> None:
        self._known = frozenset(known)
        self._search = tuple(search)
        self._root = f"{root}/"
        self._found: dict[str, str | None] = {}

    def resolve(self, name: str, includer: str, quoted: bool) -> str | None:
        """The path, relative to the tree, or None."""
        if name.startswith(self._root):
            return name.removeprefix(self._root)
        if quoted:
            beside = os.path.normpath(f"{os.path.dirname(includer)}/{name}")
            if beside in self._known:
                return beside
        if name not in self._found:
            paths = (os.path.normpath(f"{place}/{name}") for place in self._search)
            self._found[name] = next((path for path in paths if path in self._known), None)
        return self._found[name]
