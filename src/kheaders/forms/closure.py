"""Which headers a program can reach: the closure over include lines, every branch of every conditional taken.

It is wider than what the preprocessor will open and so never too small. A program that computes names by macros
(``#include NAME``, ``__has_include(NAME)``) may reach everything; headers of the kernel that do (``#include
TRACE_INCLUDE(…)``) fail to compile where a file is missing, and a caller then serves everything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from kheaders.c.directives import mentioned
from kheaders.c.own_headers import gather
from kheaders.clang.flags import ARCHITECTURES, include_directories
from kheaders.headers.headerset import HeaderSet


class Closure:
    """The headers that one program can reach, gathered while they are read or afterwards.

    The user's own headers are read from *user_directories* on disk and followed as well. *always* names headers that
    the flags include. *serve* makes of each header's path and text what the compiler is to be given.
    """

    def __init__(
        self,
        program: bytes,
        user_directories: Iterable[str] = (),
        always: Iterable[str] = (),
        serve: Callable[[str, bytes], bytes] = lambda path, text: text,
    ) -> None:
        self._sources = gather(program, None, tuple(user_directories))
        self._always = tuple(always)
        self._serve = serve
        self._known: Mapping[str, bytes] | None = None
        self._begin({}, ())

    def _begin(self, known: Mapping[str, bytes], search: tuple[str, ...]) -> None:
        self._known = known
        self._search = search
        self._texts: dict[str, bytes] = {}
        self._wanted: set[str] = set()
        self._names: set[str] = set()
        sources = self._sources
        self._everything = sources.computed or bool(sources.question or sources.unreadable)
        self._todo: list[tuple[str, bytes]] = []
        if search and not self._everything:
            for path in self._always:
                self._add(path)
            for file in sources.files:
                for header in (*file.named.included, *file.named.asked, *sources.made):
                    self._look_for(header.name)
            self._follow()

    def offer(self, path: str, known: Mapping[str, bytes]) -> None:
        """*path* has just been read into *known*, which grows: follow it if it is one of those that are wanted.

        Which architecture the headers are for is taken from the first path that tells; :meth:`texts` finds out whether
        that was right.
        """
        if known is not self._known:
            arch = path.split("/", 2)[1] if path.startswith("arch/") else ""
            if arch in ARCHITECTURES:
                self._begin(known, include_directories(ARCHITECTURES[arch]))
        elif path in self._wanted:
            self._add(path)
            self._follow()

    def texts(self, headers: HeaderSet, search: tuple[str, ...]) -> dict[str, bytes]:
        """Path → what to serve, for each of *headers* that can be reached when *search* is looked through in order."""
        if headers.files is not self._known or search != self._search:
            self._begin(headers.files, search)
        while headers.links:
            linked = {path: target for path in self._wanted if (target := headers.resolve(path)) is not None}
            if not linked:
                break
            for path, target in linked.items():
                self._reach(path, headers.files[target])
            self._follow()
        if self._everything:
            return {path: self._serve(path, headers[path]) for path in (*headers.files, *headers.aliases)}
        return self._texts

    def _add(self, path: str) -> None:
        if path in self._texts:
            return
        assert self._known is not None
        if path in self._known:
            self._reach(path, self._known[path])
        else:
            self._wanted.add(path)

    def _reach(self, path: str, text: bytes) -> None:
        self._wanted.discard(path)
        self._texts[path] = self._serve(path, text)
        self._todo.append((path, text))

    def _follow(self) -> None:
        while self._todo and not self._everything:
            path, text = self._todo.pop()
            parent = os.path.dirname(path)
            for header in mentioned(text):
                self._add(_joined(parent, header.name))
                self._look_for(header.name)

    def _look_for(self, name: str) -> None:
        if name not in self._names:
            self._names.add(name)
            for directory in self._search:
                self._add(_joined(directory, name))


def _joined(directory: str, name: str) -> str:
    path = f"{directory}/{name}"
    return os.path.normpath(path) if "./" in path or "//" in path else path
