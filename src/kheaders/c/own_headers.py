"""The user's own headers: found where the compiler would find them, and read.

A quoted name is looked for beside the file that includes it, then, as one in angle brackets, in the user's include
directories in order. ``include_next`` goes on behind the directory in which the including file was found.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kheaders.c import directives
from kheaders.c.directives import Header, Named, Scan


class SourceFile(NamedTuple):
    """The program, or one of the user's own headers."""

    path: str
    """As the compiler would open it; empty for the program, ``<name>`` for a text that stands for a kernel header."""
    directory: str | None
    """Where quoted names are looked for first; None: nowhere."""
    place: int
    """Which of the include directories it was found in; -1 for a file beside another, and for the program."""
    scan: Scan
    named: Named
    """What its directives name."""


class Sources(NamedTuple):
    """A program with all of its own headers that any branch of its conditions includes."""

    files: list[SourceFile]
    """The program first."""
    targets: Mapping[tuple[str, Header], str]
    """(path of a file, header name in it) → the user's file that it means there."""
    foreign: list[str]
    """Names that no file of the user's answers, in order."""
    listed: Mapping[str, bytes]
    """Those among them that are read as the program's own → text."""
    made: list[Header]
    """What include lines that macros make may name."""
    computed: bool
    """Whether an include line is made by macros."""
    question: str
    """What ``__has_include`` is asked for, where that may be made to be any name; or nothing."""
    unreadable: str
    """A header that is no regular file, so that only one program can read it; or nothing."""


def gather(
    text: bytes,
    directory: str | None,
    directories: Sequence[str],
    listed: Callable[[str], bytes | None] = lambda name: None,
    foreign: Callable[[str], bool] = lambda name: False,
) -> Sources:
    """Read the program *text*, which lies in *directory*, and follow its include lines through *directories*.

    *listed* gives the text of a header of the kernel that must be read as one of the program's own, by its name.
    *foreign* tells of a name that its file is not to be read, though it may be there.
    """
    return _Gathering(directory, directories, listed, foreign).run(text)


class _Gathering:
    def __init__(
        self,
        directory: str | None,
        directories: Sequence[str],
        listed: Callable[[str], bytes | None],
        foreign: Callable[[str], bool],
    ) -> None:
        self._directory = directory
        self._directories = directories
        self._listed = listed
        self._is_foreign = foreign
        self._files: list[SourceFile] = []
        self._targets: dict[tuple[str, Header], str] = {}
        self._foreign: dict[str, None] = {}
        self._lists: dict[str, bytes] = {}
        self._paths: dict[tuple[str, str], str] = {}
        self._asked: set[tuple[str, Header]] = set()
        self._read: set[str] = set()
        self._unreadable = ""
        self._todo: list[SourceFile] = []

    def run(self, text: bytes) -> Sources:
        self._add("", self._directory, -1, text)
        self._follow()
        names: dict[Header, None] = {}
        macros: dict[bytes, bool] = {}
        known = -1
        asking = [file for file in self._files if file.named.computed or file.named.questions]
        while asking and known < len(self._files):
            for file in self._files[max(known, 0) :]:
                more, defined = directives.nameable(file.scan.directives)
                names.update(more)
                macros.update((name, whole and macros.get(name, True)) for name, whole in defined.items())
            known = len(self._files)
            for file in asking:
                for header in names:
                    self._resolve(file, header)
            self._follow()
            asking = [file for file in self._files if file.named.computed or file.named.questions]
        words = (word for file in asking for word in file.named.questions)
        left = next((word.decode("utf-8", "replace") or "…" for word in words if not macros.get(word)), "")
        computed = any(file.named.computed for file in asking)
        return Sources(
            self._files,
            self._targets,
            list(self._foreign),
            self._lists,
            list(names) if asking else [],
            computed,
            left,
            self._unreadable,
        )

    def _add(self, path: str, directory: str | None, place: int, text: bytes) -> None:
        scan = directives.scan(text)
        self._todo.append(SourceFile(path, directory, place, scan, directives.named(scan.directives)))

    def _follow(self) -> None:
        while self._todo:
            file = self._todo.pop()
            self._files.append(file)
            for header in (*file.named.included, *file.named.asked):
                self._resolve(file, header)

    def _resolve(self, file: SourceFile, header: Header) -> None:
        if (file.path, header) in self._asked:
            return
        self._asked.add((file.path, header))
        hit = None if self._is_foreign(header.name) else self._locate(file, header)
        if hit is None:
            name = header.shown
            self._foreign[name] = None
            if name not in self._lists and (text := self._listed(name)) is not None:
                self._lists[name] = text
                self._add(f"<{name}>", None, -1, text)
            return
        path, place = hit
        # by links a file may be reached by many paths, without end; it means the same from one directory
        key = os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path)
        first = self._paths.setdefault(key, path)
        self._targets[file.path, header] = first
        if path not in self._read and first == path:
            self._read.add(path)
            try:
                with open(path, "rb") as stream:
                    text = stream.read()
            except OSError:
                self._unreadable = self._unreadable or path
                return
            self._add(path, os.path.dirname(path), place, text)

    def _locate(self, file: SourceFile, header: Header) -> tuple[str, int] | None:
        """(path, number of the include directory) of the user's file that *header* means in *file*."""
        places: list[tuple[int, str]] = []
        if header.following and file.place >= 0:
            places = list(enumerate(self._directories))[file.place + 1 :]
        else:
            if header.quoted and not header.following and file.directory is not None:
                places.append((-1, file.directory))
            places += enumerate(self._directories)
        for number, place in places:
            path = os.path.join(place, header.name)
            try:
                told = os.stat(path)
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(told.st_mode) or (stat.S_ISCHR(told.st_mode) and told.st_rdev == _null()):
                return path, number
            if not stat.S_ISDIR(told.st_mode):
                self._unreadable = self._unreadable or path
        return None


def _null() -> int:
    """The device that reads as an empty file, for everyone who opens it."""
    return os.stat(os.devnull).st_rdev
