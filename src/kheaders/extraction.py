"""Members of an archive written below a private directory: nothing outside of it is ever reached."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from typing import BinaryIO, NamedTuple

from kheaders.archive import Limits, Member, members
from kheaders.errors import StoreError

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Summary(NamedTuple):
    """What an extraction wrote."""

    files: int
    links: int
    size: int


def extract(stream: BinaryIO, directory: int, *, limits: Limits = Limits(), name: str = "archive") -> Summary:
    """Write the archive below the open, private and empty *directory* (a descriptor); files 0644, directories 0755.

    Every file is made anew, relative to a descriptor of its directory, and no link is followed. Links are made last.
    Raises ArchiveError, and StoreError if the place is full, read-only or otherwise refuses; the caller removes what
    was written by then.
    """
    tree = TreeWriter(directory, name)
    with tree, closing(members(stream, limits=limits, name=name)) as found:
        for member in found:
            tree.add(member)
    return tree.summary()


class TreeWriter:
    """Writes members below an open directory; used as a context manager, whose end makes the links."""

    def __init__(self, directory: int, name: str) -> None:
        self._root = directory
        self._name = name
        self._known: dict[str, None] = {"": None}
        self._open_path = ""
        self._open_fd = -1
        self._links: list[Member] = []
        self._files = 0
        self._size = 0

    def __enter__(self) -> TreeWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                for link in self._links:
                    self._make_link(link)
        finally:
            self._close_parent()

    def add(self, member: Member) -> None:
        """Write one member; a link waits for the end. Raises StoreError."""
        if member.directory:
            self._make_directories(member.path)
        elif member.link is not None:
            self._links.append(member)
        elif member.same_as is not None:
            self._copy(member.same_as, member.path)
        else:
            self.add_file(member.path, member.data)

    def add_file(self, path: str, data: bytes) -> None:
        """Write one regular file. Raises StoreError."""
        parent, _, base = path.rpartition("/")
        try:
            fd = os.open(base, _NEW_FILE, 0o644, dir_fd=self._parent(parent))
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                os.fchmod(fd, 0o644)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._error(path, error) from error
        self._files += 1
        self._size += len(data)

    def _copy(self, source: str, path: str) -> None:
        try:
            fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root)
            with open(fd, "rb") as file:
                data = file.read()
        except OSError as error:
            raise self._error(path, error) from error
        self.add_file(path, data)

    def summary(self) -> Summary:
        """What was written so far."""
        return Summary(self._files, len(self._links), self._size)

    def _make_link(self, member: Member) -> None:
        parent, _, base = member.path.rpartition("/")
        try:
            os.symlink(member.link or "", base, dir_fd=self._parent(parent))
        except OSError as error:
            raise self._error(member.path, error) from error

    def _parent(self, path: str) -> int:
        """A descriptor of the directory *path*; the last one is kept, since archives are sorted."""
        if self._open_fd >= 0 and path == self._open_path:
            return self._open_fd
        self._make_directories(path)
        self._close_parent()
        self._open_fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._root)
        self._open_path = path
        return self._open_fd

    def _make_directories(self, path: str) -> None:
        if path in self._known:
            return
        self._make_directories(path.rpartition("/")[0])
        try:
            os.mkdir(path, 0o755, dir_fd=self._root)
            os.chmod(path, 0o755, dir_fd=self._root)
        except OSError as error:
            raise self._error(path, error) from error
        self._known[path] = None

    def _close_parent(self) -> None:
        if self._open_fd >= 0:
            os.close(self._open_fd)
            self._open_fd = -1

    def _error(self, path: str, error: OSError) -> StoreError:
        hint = "free space or name another directory"
        if error.errno == errno.EEXIST:  # no name is in an archive twice, but some differ in case alone
            hint = "name a directory on a filesystem that tells upper case from lower case"
        return StoreError(f"{self._name}: cannot write {path} ({error.strerror})", hint)
