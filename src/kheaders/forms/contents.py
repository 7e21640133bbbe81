"""What a mount shows: the same files as the directory form, read from an archive when something is first asked for.

A header that has been read is there while the rest is still being unpacked. Nothing is held before the first question.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kheaders.errors import KheadersError
from kheaders.headers.headerset import PRIVATE, HeaderSet
from kheaders.memory import give_back


class Node(NamedTuple):
    """A file (its bytes), a link (its target) or a directory (neither)."""

    data: bytes | None = None
    link: str | None = None


DIRECTORY = Node()


class Contents:
    """The headers in the open file *archive*, as they are seen below *place*."""

    def __init__(self, archive: int, place: str) -> None:
        self._archive = archive
        self._place = place
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._growing: Mapping[str, bytes] = {}
        self._directories: set[str] = {""}
        self._waiting = 0
        self._headers: HeaderSet | None = None
        self._error = ""
        self._private: dict[str, bytes] | None = None

    def find(self, path: str) -> Node | None:
        """What lies at the relative *path*; None if nothing does. Raises OSError where the archive cannot be read."""
        if not path:
            return DIRECTORY
        if path.split("/", 1)[0] == PRIVATE:
            return self._find_private(path)
        with self._changed:
            self._start()
            self._waiting += 1
            while not self._known(path) and self._headers is None and not self._error:
                self._changed.wait()
            self._waiting -= 1
            if self._error:
                raise OSError(5, self._error)  # EIO
            if path in self._growing:
                return Node(self._growing[path])
            if self._headers is not None and path in self._headers.links:
                return Node(link=self._headers.links[path])
            return DIRECTORY if path in self._directories else None

    def forget(self) -> None:
        """Give the memory back; what is asked for next is read again from the archive."""
        with self._changed:
            if self._headers is not None and not self._waiting:
                self._headers = self._private = self._thread = None
                self._growing, self._directories = {}, {""}
        give_back()

    def listing(self, path: str) -> Iterator[str]:
        """Names in the directory *path*."""
        below = f"{path}/" if path else ""
        names = {name: None for name in self._paths(path) if name.startswith(below)}
        seen: dict[str, None] = {}
        for name in names:
            seen[name[len(below) :].partition("/")[0]] = None
        if not path:
            seen[PRIVATE] = None
        yield from seen

    def _paths(self, path: str) -> Iterator[str]:
        if path.split("/", 1)[0] == PRIVATE:
            yield from self._rewritten()
        else:
            headers = self._whole()
            yield from headers.files
            yield from headers.links

    def _known(self, path: str) -> bool:
        return path in self._growing or path in self._directories

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="kheaders-contents", daemon=True)
            self._thread.start()

    def _load(self) -> None:
        try:
            with os.fdopen(os.dup(self._archive), "rb") as stream:
                stream.seek(0)
                headers = HeaderSet.from_archive(stream, watch=self._seen)
        except (KheadersError, OSError) as error:
            with self._changed:
                self._error = str(error)
                self._changed.notify_all()
            return
        with self._changed:
            if headers.files is not self._growing:  # a tree below other directories was moved
                self._directories = {""}
                for path in headers.files:
                    self._add_directories(path)
            for path in headers.links:
                self._add_directories(path)
            self._growing, self._headers = headers.files, headers
            self._changed.notify_all()
        give_back()

    def _seen(self, path: str, files: Mapping[str, bytes]) -> None:
        self._growing = files
        if os.path.dirname(path) not in self._directories:
            self._add_directories(path)
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def _add_directories(self, path: str) -> None:
        while path := os.path.dirname(path):
            self._directories.add(path)

    def _whole(self) -> HeaderSet:
        with self._changed:
            self._start()
            while self._headers is None and not self._error:
                self._changed.wait()
            if self._headers is None:
                raise OSError(5, self._error)
            return self._headers

    def _rewritten(self) -> dict[str, bytes]:
        from kheaders.forms.private import private_files

        headers = self._whole()
        with self._changed:
            if self._private is None:
                self._private = private_files(headers, self._place)
            return self._private

    def _find_private(self, path: str) -> Node | None:
        files = self._rewritten()
        if path in files:
            return Node(files[path])
        return DIRECTORY if any(name.startswith(f"{path}/") for name in files) else None
