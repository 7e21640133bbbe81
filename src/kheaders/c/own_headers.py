"""The user's own headers: found where the compiler would find them, and read.

A quoted name is looked for beside the file that includes it and in directories for such names alone, then, as one in
angle brackets, in the user's include directories in order; those that come behind the kernel's are asked for what the
kernel does not have. ``include_next`` goes on behind the directory in which the including file was found.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kheaders.c import directives, lexer
from kheaders.c.directives import Header, Named, Scan
from kheaders.c.include_path import IncludeSearch


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
    opaque: list[str]
    """The user's files that the compiler reads and that were not read here."""
    unreadable: str
    """A header that is no regular file, so that only one program can read it; or nothing."""


def gather(
    text: bytes,
    directory: str | None,
    search: IncludeSearch | Sequence[str],
    listed: Callable[[str], bytes | None] = lambda name: None,
    foreign: Callable[[str], bool] = lambda name: False,
    known: Callable[[str], bool] = lambda name: False,
    last: Callable[[str], bytes | None] = lambda name: None,
    opaque: Callable[[str], bool] = lambda name: False,
) -> Sources:
    """Read the program *text*, which lies in *directory*, and follow its include lines as *search* says.

    Directories alone are searched before the kernel's, for all names. *known* tells of a name that the kernel has a
    header that is found before those of the directories behind its own. *listed* gives the text of a header
    of the kernel that must be read as one of the program's own, by its name.
    *foreign* tells of a name that its file is not to be read, though it may be there. *last* gives the texts of headers
    that are found where no file of the user's is called so, and that no kernel has. *opaque* tells of a name that the
    user's file with it is not to be read, though the compiler will.
    """
    told = search if isinstance(search, IncludeSearch) else IncludeSearch(angled=tuple(search))
    return _Gathering(directory, told, listed, foreign, known, last, opaque).run(text)


_LAST = "/kheaders/last/"
"""Where those headers lie, for this reader."""


class Ahead:
    """The user's include directories that a compiler searches before the kernel's.

    What they have, the kernel's own include lines find there too.
    """

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = [(place, _listed(place)) for place in directories]

    def __bool__(self) -> bool:
        return any(names for _, names in self._directories)

    def find(self, name: str) -> str | None:
        """The path of the file that answers an include line with *name*; None if the kernel's does."""
        first = name.partition("/")[0]
        for place, names in self._directories:
            if first in names and os.path.isfile(path := os.path.join(place, name)):
                return path
        return None


def _listed(directory: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(directory or "."))
    except (OSError, ValueError):
        return frozenset()


class _Gathering:
    def __init__(
        self,
        directory: str | None,
        search: IncludeSearch,
        listed: Callable[[str], bytes | None],
        foreign: Callable[[str], bool],
        known: Callable[[str], bool],
        last: Callable[[str], bytes | None],
        opaque: Callable[[str], bool],
    ) -> None:
        self._directory = directory
        self._directories = search.every
        self._quote_only = len(search.quote)
        self._ahead = len(search.ahead(quoted=True))
        self._known = known
        self._listed = listed
        self._is_foreign = foreign
        self._last = last
        self._is_opaque = opaque
        self._opaque: dict[str, None] = {}
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
                for header in self._in_arguments(file):
                    names[header] = None
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
            list(self._opaque),
            self._unreadable,
        )

    def _in_arguments(self, file: SourceFile) -> Iterator[Header]:
        """The user's headers that are named by the argument of a macro in an include line, which ``#`` may quote."""
        for line in file.named.computed:
            _, opening, rest = line.partition(b"(")
            name = b"".join(lexer.tokens(rest.rpartition(b")")[0])).decode("utf-8", "surrogateescape")
            header = Header(name, quoted=True)
            if opening and name and self._locate(file, header) is not None:
                yield header

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
        own = not self._is_foreign(header.name)
        hit = self._locate(file, header) if own else None
        if hit is None and own and self._add_last(file, header):
            return
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
        if self._is_opaque(header.name):
            self._opaque[first] = None
            return
        if path not in self._read and first == path:
            self._read.add(path)
            try:
                with open(path, "rb") as stream:
                    text = stream.read()
            except OSError:
                self._unreadable = self._unreadable or path
                return
            self._add(path, os.path.dirname(path), place, text)

    def _add_last(self, file: SourceFile, header: Header) -> bool:
        """Whether *header* is one of those that are found last."""
        beside = os.path.dirname(file.path.removeprefix(_LAST)) if file.path.startswith(_LAST) else ""
        names = [f"{beside}/{header.name}"] if beside and header.quoted else []
        for name in (*names, header.name):
            if (text := self._last(name)) is not None:
                path = f"{_LAST}{name}"
                self._targets[file.path, header] = path
                if path not in self._read:
                    self._read.add(path)
                    self._add(path, None, -1, text)
                return True
        return False

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
            if 0 <= number < self._quote_only and not header.quoted:
                continue
            if number >= self._ahead and self._known(header.name):
                break
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
