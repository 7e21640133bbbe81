"""Which file an include line means, among those of a header set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

ROOT = "/kheaders/tree"
"""Where the preprocessor thinks that the headers lie."""
STUBS = "/kheaders/headers/that/are/missing/here"
"""Where it finds a file that says so, for each header that is asked for and does not exist."""
NAME = "<stdin>"
"""What the preprocessor calls the file that includes all others."""


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
