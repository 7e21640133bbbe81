"""Which headers a program can reach: the closure over include lines, every branch of every conditional taken.

It is wider than what the preprocessor will open and so never too small. A program that computes names by macros
(``#include NAME``, ``__has_include(NAME)``) may reach everything; headers of the kernel that do (``#include
TRACE_INCLUDE(…)``) fail to compile where a file is missing, and a caller then serves everything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping

from kheaders.clang.flags import ARCHITECTURES, include_directories
from kheaders.headers.headerset import HeaderSet

_NAME = re.compile(rb'(?:_next)?[ \t]*\(?[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")')
"""What follows ``include`` in a line or in ``__has_include``; also in comments and strings, which does no harm."""
_IMPORT = re.compile(rb'^[ \t]*#[ \t]*import\b[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.M)
_COMPUTED = re.compile(
    rb"(?:^[ \t]*#[ \t]*(?:include|include_next|import)\b|(?<!\w)__has_include(?:_next)?\b[ \t]*\()[ \t]*[A-Za-z_]"
    rb"|^[ \t]*#[ \t]*define\b[^\n]*\b__has_include(?:_next)?\b",
    re.M,
)
_USER_FILE_LIMIT = 16 << 20


class Closure:
    """The headers that one program can reach, gathered while they are read or afterwards.

    The user's own headers are read from *user_directories* on disk and followed as well. *always* names headers that
    the flags include. *serve* makes of each header's path and text what the compiler is to be given. *last* gives the
    texts of headers that are looked for after all others.
    """

    def __init__(
        self,
        program: bytes,
        user_directories: Iterable[str] = (),
        always: Iterable[str] = (),
        serve: Callable[[str, bytes], bytes] = lambda path, text: text,
        last: Callable[[str], bytes | None] = lambda name: None,
    ) -> None:
        self._program = program
        self._directories = tuple(user_directories)
        self._always = tuple(always)
        self._serve = serve
        self._last = last
        self._known: Mapping[str, bytes] | None = None
        self._begin({}, ())

    def _begin(self, known: Mapping[str, bytes], search: tuple[str, ...]) -> None:
        self._known = known
        self._search = search
        self._texts: dict[str, bytes] = {}
        self._wanted: set[str] = set()
        self._names: set[str] = set()
        self._user = list(self._directories)
        self._seen_user: set[str] = set()
        self._everything = _COMPUTED.search(self._program) is not None
        self._todo: list[tuple[str | None, bytes]] = [(None, self._program)]
        if search and not self._everything:
            for path in self._always:
                self._add(path)
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
        names = self._names
        while self._todo and not self._everything:
            where, text = self._todo.pop()
            if where is None:
                self._everything = _COMPUTED.search(text) is not None
            parent = os.path.dirname(where) if where is not None else ""
            for name in _names(text):
                if where is not None:
                    self._add(_joined(parent, name))
                if name not in names:
                    names.add(name)
                    for directory in self._search:
                        self._add(_joined(directory, name))
                if where is None:
                    self._follow_user(name)

    def _follow_user(self, name: str) -> None:
        for directory in tuple(self._user):
            path = os.path.join(directory, name)
            if path not in self._seen_user and (data := _user_file(path)) is not None:
                self._seen_user.add(path)
                self._todo.append((None, data))
                if os.path.dirname(path) not in self._user:
                    self._user.append(os.path.dirname(path))
        if (text := self._last(name)) is not None and name not in self._seen_user:
            self._seen_user.add(name)
            self._todo.append((None, text))


def _joined(directory: str, name: str) -> str:
    path = f"{directory}/{name}"
    return os.path.normpath(path) if "./" in path or "//" in path else path


def _names(text: bytes) -> set[str]:
    found = []
    at = text.find(b"include")  # ten times as fast as a search by pattern
    while at >= 0:
        match = _NAME.match(text, at + 7)
        if match:
            found.append(match.groups())
        at = text.find(b"include", at + 7)
    if b"import" in text:
        found += _IMPORT.findall(text)
    return {(angled or quoted).decode("utf-8", "surrogateescape") for angled, quoted in found}


def _user_file(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_USER_FILE_LIMIT)
    except (OSError, ValueError):
        return None
