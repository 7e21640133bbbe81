"""The blob's file, open for reading: one SQLite database. docs/blob.md describes the schema."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from kheaders.errors import BlobError
from kheaders.interface.pages import Page
from kheaders.interface.schema import APPLICATION_ID, BLOCK, ENTRIES, NAMES, NUMBERS, PAGED, SCHEMA, hashed
from kheaders.system.ragged import Rows

_HEAD = 5 << 20
"""Bytes at the beginning of a file that hold the arrays which every slice needs."""
_PLACES = {name: place for place, name in enumerate(ENTRIES)}
_COLUMNS = {name: (kind, which) for kind, names in PAGED.items() for which, name in enumerate(names)}


class Blob:
    """A blob, open for reading. Everything is read on first use. Used as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises BlobError for one that is missing, damaged, foreign or of another version."""
        self.path = path
        if not os.path.isfile(path):
            raise BlobError(f"{path}: no such blob", "make it with 'kheaders blob build'")
        try:
            self._database = sqlite3.connect(f"file:{_quoted(path)}?mode=ro&immutable=1", uri=True)
            application = self._database.execute("PRAGMA application_id").fetchone()[0]
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            _read_ahead(path)
        except (sqlite3.Error, OSError) as error:
            raise BlobError(f"{path}: is no blob, or damaged ({error})", "build it again") from error
        if application != APPLICATION_ID:
            self.close()
            raise BlobError(
                f"{path}: is a database, but no blob of kheaders", "name a file made by 'kheaders blob build'"
            )
        if version != SCHEMA:
            self.close()
            raise BlobError(f"{path}: has schema {version}, this kheaders reads {SCHEMA}", "build it again")
        self._pages: dict[tuple[str, int], Page] = {}
        self._numbers: dict[str, memoryview] = {}

    def __enter__(self) -> Blob:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @cached_property
    def meta(self) -> Mapping[str, Any]:
        """What the blob says of itself."""
        try:
            return {key: json.loads(value) for key, value in self._query("SELECT key, value FROM meta")}
        except (ValueError, TypeError, RecursionError) as error:
            raise BlobError(f"{self.path}: is damaged (metadata)", "build it again") from error

    @cached_property
    def failed(self) -> Mapping[str, str]:
        """Path of each header that cannot be included → why."""
        return dict(self._query("SELECT path, reason FROM failed"))

    @cached_property
    def files(self) -> list[str]:
        """Path of each file, by number."""
        found = self._query("SELECT data FROM listing WHERE name = 'files'")
        try:
            listed = found[0][0].decode()
        except (IndexError, AttributeError, UnicodeDecodeError) as error:
            raise BlobError(f"{self.path}: is damaged (files)", "build it again") from error
        return listed.split("\0") if listed else []

    def note(self, name: str) -> str:
        """One of NOTES."""
        found = self._query("SELECT data FROM listing WHERE name = ?", (name,))
        try:
            return zlib.decompress(found[0][0]).decode()
        except (IndexError, TypeError, zlib.error, UnicodeDecodeError) as error:
            raise self._damaged(name) from error

    @cached_property
    def file_numbers(self) -> Mapping[str, int]:
        """The other way round."""
        return {path: number for number, path in enumerate(self.files)}

    @cached_property
    def names(self) -> list[str]:
        """Every name, by number."""
        listed = [name for page in range(self._name_pages) for name in self._named(page)]
        try:
            return [listed[place] for place in self.array("places")]
        except IndexError as error:
            raise self._damaged("places") from error

    @cached_property
    def _name_pages(self) -> int:
        return int(self._query("SELECT count(*) FROM name")[0][0])

    @property
    def kinds(self) -> memoryview:
        """Kind of each declaration, as an offset in :data:`kheaders.interface.schema.KINDS`."""
        return self.array("kinds")

    def array(self, name: str) -> memoryview:
        """One of the arrays of numbers."""
        known = self._numbers.get(name)
        if known is None:
            found = self._query("SELECT data FROM numbers WHERE name = ?", (name,))
            try:
                known = self._numbers[name] = memoryview(found[0][0]).cast(NUMBERS[name])  # type: ignore[call-overload]
            except (IndexError, TypeError, ValueError) as error:
                raise self._damaged(name) from error
        return known

    def count(self, kind: str) -> int:
        """How many things of ``decl`` or ``macro`` there are."""
        return len(self.array(f"{kind}_files"))

    def row(self, name: str, number: int) -> Sequence[int]:
        """A row: of ``includes``, of ENTRIES for a name, of NAME_ROWS for a declaration, of MACRO_ROWS for a macro."""
        if name in _PLACES:
            place = _PLACES[name]
            return [entry >> 2 for entry in self.entries(number) if entry & 3 == place]
        if name == "includes":
            starts = self.array("includes.starts")
            return self.array("includes.values")[starts[number] : starts[number + 1]]
        kind, which = _COLUMNS[name]
        page, item = self.find(kind, number)
        return page.row(item, which)

    def entries(self, number: int) -> memoryview:
        """What a name leads to: number * 4 + the place in ENTRIES of what that is the number of."""
        bases, offsets = self.array("entries.bases"), self.array("entries.offsets")
        start = bases[number >> BLOCK] + offsets[number]
        end = bases[number + 1 >> BLOCK] + offsets[number + 1]
        return self.array("entries.values")[start:end]

    def rows(self, name: str) -> Rows:
        """All rows of that name; reads every page."""
        rows = Rows()
        if name == "includes" or name in _PLACES:
            count = len(self.files) if name == "includes" else len(self.array("marks"))
            for number in range(count):
                rows.add(self.row(name, number))
            return rows
        kind, which = _COLUMNS[name]
        for page in self.pages(kind):
            for item in range(page.count):
                rows.add(page.row(item, which))
        return rows

    def number(self, name: str) -> int | None:
        """The number of a name, or None if the kernel's headers never use it."""
        return self.numbers((name,)).get(name)

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers of those of *names* that the kernel's headers use."""
        buckets, marks = self.array("buckets"), self.array("marks")
        found: dict[str, int] = {}
        for name in names:
            number = hashed(name.encode("utf-8", "replace"))
            bucket, wanted = number >> 32, number & 0xFFFFFFFF
            at, end = buckets[bucket], buckets[bucket + 1]
            while at < end and marks[at] < wanted:
                at += 1
            if at < end and marks[at] == wanted:
                if at + 1 < end and marks[at + 1] == wanted:  # two names of one hash
                    same = (other for other in range(at, end) if marks[other] == wanted and self.name(other) == name)
                    found.update((name, other) for other in same)
                else:
                    found[name] = at
        return found

    def name(self, number: int) -> str:
        """The name with a number."""
        place = self.array("places")[number]
        try:
            return self._named(place // NAMES)[place % NAMES]
        except IndexError as error:
            raise self._damaged(f"name {number}") from error

    def prefixed(self, prefix: str, limit: int) -> list[str]:
        """Names that begin with *prefix*, sorted, *limit* at most."""
        first = prefix.encode("utf-8", "replace")
        start = self._query("SELECT page FROM name WHERE first <= ? ORDER BY first DESC LIMIT 1", (first,))
        found: list[str] = []
        for page in range(start[0][0] if start else 0, self._name_pages):
            names = self._named(page)
            matching = names if names[0].startswith(prefix) and names[-1].startswith(prefix) else None
            found += matching or [name for name in names if name.startswith(prefix)]
            if len(found) >= limit or (names[-1] > prefix and not names[-1].startswith(prefix)):
                break
        return found[:limit]

    def _named(self, page: int) -> list[str]:
        """The names of one page, sorted."""
        found = self._query("SELECT names FROM name WHERE page = ?", (page,))
        try:
            return zlib.decompress(found[0][0]).decode().split("\0")
        except (zlib.error, IndexError, TypeError, UnicodeDecodeError) as error:
            raise self._damaged(f"name page {page}") from error

    def declaration(self, number: int) -> bytes:
        """The text of a declaration."""
        return self.text("decl", number)

    def macro(self, number: int) -> bytes:
        """``NAME(parameters) body`` of a macro's definition; empty for an ``#undef``."""
        return self.text("macro", number)

    def text(self, kind: str, number: int) -> bytes:
        """The text of a ``decl`` or ``macro``."""
        page, item = self.find(kind, number)
        try:
            return page.text(item)
        except (zlib.error, ValueError) as error:
            raise self._damaged(f"{kind} {number}") from error

    def place(self, kind: str, number: int) -> tuple[str, int]:
        """Header and line of a ``decl`` or ``macro``."""
        page, item = self.find(kind, number)
        return self.files[self.array(f"{kind}_files")[number]], page.line(item)

    def texts(self, kind: str) -> list[bytes]:
        """The texts of all ``decl`` or ``macro``."""
        try:
            return [page.text(item) for page in self.pages(kind) for item in range(page.count)]
        except (zlib.error, ValueError) as error:
            raise self._damaged(f"texts of {kind}") from error

    def lines(self, kind: str) -> list[int]:
        """The lines of all ``decl`` or ``macro``."""
        return [page.line(item) for page in self.pages(kind) for item in range(page.count)]

    def pages(self, kind: str) -> Iterator[Page]:
        """Every page of ``decl`` or ``macro``; none is kept."""
        for number in range(len(self.array(f"{kind}_pages")) - 1):
            yield self._unpacked(kind, number)

    def integrity(self) -> list[str]:
        """What SQLite's own check of the file says: ``ok`` alone, or what is wrong."""
        return [str(line) for (line,) in self._query("PRAGMA integrity_check(20)")]

    def tables(self) -> list[str]:
        """Names of the tables that the file has."""
        return [str(name) for (name,) in self._query("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def page_numbers(self, kind: str) -> list[int]:
        """Numbers of the pages of ``decl`` or ``macro`` that the file has."""
        return [int(page) for (page,) in self._query(f"SELECT page FROM {kind} ORDER BY page")]

    def find(self, kind: str, number: int) -> tuple[Page, int]:
        """The page of a declaration or macro, and its place there."""
        bounds = self.array(f"{kind}_pages")
        at = bisect_right(bounds, number) - 1
        page = self._pages.get((kind, at))
        if page is None:
            page = self._pages[kind, at] = self._unpacked(kind, at)
        return page, number - bounds[at]

    def _unpacked(self, kind: str, number: int) -> Page:
        found = self._query(f"SELECT numbers, text FROM {kind} WHERE page = ?", (number,))
        bounds = self.array(f"{kind}_pages")
        try:
            numbers, text = found[0]
            page = Page(numbers, text, len(PAGED[kind]))
            if page.count != bounds[number + 1] - bounds[number]:
                raise ValueError("another number of things")
        except (zlib.error, IndexError, TypeError, ValueError) as error:
            raise self._damaged(f"{kind} page {number}") from error
        return page

    def _damaged(self, what: str) -> BlobError:
        return BlobError(f"{self.path}: is damaged ({what})", "build it again")

    def _query(self, query: str, values: Any = ()) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise BlobError(f"{self.path}: is damaged ({error})", "build it again") from error


def _read_ahead(path: Path) -> None:
    """Have the system read the beginning of the file, which every slice needs, while other things are done."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(fd, 0, _HEAD, os.POSIX_FADV_WILLNEED)
    except OSError:
        pass  # it is read when it is needed
    finally:
        os.close(fd)


def _quoted(path: Path) -> str:
    """*path* as a part of a URI, as SQLite reads it (https://sqlite.org/uri.html)."""
    text = os.fspath(path.absolute())
    return text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
