"""The blob's file, open for reading: one SQLite database. docs/blob.md describes the schema."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from kheaders.errors import BlobError
from kheaders.interface.schema import APPLICATION_ID, PAGE, SCHEMA


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
            self._database.execute("PRAGMA mmap_size = 268435456")
        except sqlite3.Error as error:
            raise BlobError(f"{path}: is no blob, or damaged ({error})", "build it again") from error
        if application != APPLICATION_ID:
            self.close()
            raise BlobError(
                f"{path}: is a database, but no blob of kheaders", "name a file made by 'kheaders blob build'"
            )
        if version != SCHEMA:
            self.close()
            raise BlobError(f"{path}: has schema {version}, this kheaders reads {SCHEMA}", "build it again")
        self._pages: dict[tuple[str, int], bytes] = {}
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
        return [path for (path,) in self._query("SELECT path FROM file ORDER BY id")]

    @cached_property
    def file_numbers(self) -> Mapping[str, int]:
        """The other way round."""
        return {path: number for number, path in enumerate(self.files)}

    @cached_property
    def names(self) -> list[str]:
        """Every name, by number; takes longer than all else, so only for what needs them all."""
        names = [""] * int(self._query("SELECT count(*) FROM name")[0][0])
        for name, number in self._query("SELECT name, id FROM name"):
            if not 0 <= number < len(names):
                raise BlobError(f"{self.path}: is damaged (name {number})", "build it again")
            names[number] = name
        return names

    @property
    def kinds(self) -> memoryview:
        """Kind of each declaration, as an offset in :data:`kheaders.interface.index.KINDS`."""
        return self._array("kinds", "B")

    def array(self, name: str) -> memoryview:
        """One of the arrays of numbers."""
        return self._array(name, "I")

    def row(self, name: str, number: int) -> memoryview:
        """Row *number* of the rows *name*."""
        starts = self._array(f"{name}.starts", "I")
        return self._array(f"{name}.values", "I")[starts[number] : starts[number + 1]]

    def number(self, name: str) -> int | None:
        """The number of a name, or None if the kernel's headers never use it."""
        found = self._query("SELECT id FROM name WHERE name = ?", (name,))
        return found[0][0] if found else None

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """The numbers of those of *names* that the kernel's headers use."""
        wanted = list(names)
        found: dict[str, int] = {}
        for i in range(0, len(wanted), 500):
            part = wanted[i : i + 500]
            marks = ",".join("?" * len(part))
            found.update(self._query(f"SELECT name, id FROM name WHERE name IN ({marks})", part))
        return found

    def tags(self, numbers: Iterable[int]) -> list[str]:
        """Those of *numbers* that are tags, as text, sorted."""
        marks = ",".join(str(int(number)) for number in numbers)
        return sorted(str(name) for (name,) in self._query(f"SELECT name FROM tag WHERE id IN ({marks})"))

    def name(self, number: int) -> str:
        """The name with a number; slow, for messages."""
        found = self._query("SELECT name FROM name WHERE id = ?", (number,))
        if not found:
            raise BlobError(f"{self.path}: is damaged (name {number})", "build it again")
        return str(found[0][0])

    def prefixed(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """Names that begin with *prefix*, with their numbers, *limit* at most."""
        end = prefix + "\U0010ffff"
        query = "SELECT name, id FROM name WHERE name >= ? AND name < ? LIMIT ?"
        return [(str(name), int(number)) for name, number in self._query(query, (prefix, end, limit))]

    def similar(self, prefix: str, shortest: int, longest: int, limit: int) -> list[tuple[str, int]]:
        """As :meth:`prefixed`, but only names of such a length."""
        query = "SELECT name, id FROM name WHERE name >= ? AND name < ? AND length(name) BETWEEN ? AND ? LIMIT ?"
        return list(self._query(query, (prefix, prefix + "\U0010ffff", shortest, longest, limit)))

    def ending(self, suffix: str, shortest: int, longest: int, limit: int) -> list[tuple[str, int]]:
        """Names of such a length that end in *suffix*, with their numbers; looks at every name."""
        query = "SELECT name, id FROM name WHERE length(name) BETWEEN ? AND ? AND substr(name, ?) = ? LIMIT ?"
        return list(self._query(query, (shortest, longest, -len(suffix), suffix, limit)))

    def declaration(self, number: int) -> bytes:
        """The text of a declaration."""
        return self._text("decl", number)

    def macro(self, number: int) -> bytes:
        """``NAME(parameters) body`` of a macro's definition; empty for an ``#undef``."""
        return self._text("macro", number)

    @property
    def declarations(self) -> list[bytes]:
        """The texts of all declarations."""
        return self._texts("decl")

    @property
    def macros(self) -> list[bytes]:
        """The texts of all macros."""
        return self._texts("macro")

    def text_size(self, kind: str) -> int:
        """Bytes in all pages of ``decl`` or ``macro`` texts."""
        pages = self._query(f"SELECT page FROM {kind}_text ORDER BY page")
        return sum(len(self._unpacked(kind, page)) for (page,) in pages)

    def integrity(self) -> list[str]:
        """What SQLite's own check of the file says: ``ok`` alone, or what is wrong."""
        return [str(line) for (line,) in self._query("PRAGMA integrity_check(20)")]

    def tables(self) -> list[str]:
        """Names of the tables that the file has."""
        return [str(name) for (name,) in self._query("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def all_tags(self) -> dict[int, str]:
        """Number → name of every tag."""
        return dict(self._query("SELECT id, name FROM tag"))

    def _texts(self, kind: str) -> list[bytes]:
        starts = self._array(f"{kind}_starts", "I").tolist()
        pages = (starts[-1] + PAGE - 1) // PAGE
        whole = b"".join(self._unpacked(kind, page) for page in range(pages))
        return [whole[start:end] for start, end in pairwise(starts)]

    def _text(self, kind: str, number: int) -> bytes:
        starts = self._array(f"{kind}_starts", "I")
        start, end = starts[number], starts[number + 1]
        first, last = start // PAGE, (max(start, end - 1)) // PAGE
        whole = b"".join(self._page(kind, page) for page in range(first, last + 1))
        return whole[start - first * PAGE : end - first * PAGE]

    def _page(self, kind: str, page: int) -> bytes:
        known = self._pages.get((kind, page))
        if known is None:
            known = self._pages[kind, page] = self._unpacked(kind, page)
        return known

    def _unpacked(self, kind: str, page: int) -> bytes:
        found = self._query(f"SELECT data FROM {kind}_text WHERE page = ?", (page,))
        try:
            return zlib.decompress(found[0][0])
        except (zlib.error, IndexError, TypeError) as error:
            raise BlobError(f"{self.path}: is damaged (page {page})", "build it again") from error

    def _array(self, name: str, code: Any) -> memoryview:
        known = self._numbers.get(name)
        if known is None:
            found = self._query("SELECT data FROM numbers WHERE name = ?", (name,))
            try:
                known = memoryview(found[0][0]).cast(code)
            except (IndexError, TypeError, ValueError) as error:
                raise BlobError(f"{self.path}: is damaged ({name})", "build it again") from error
            self._numbers[name] = known
        return known

    def _query(self, query: str, values: Any = ()) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise BlobError(f"{self.path}: is damaged ({error})", "build it again") from error


def _quoted(path: Path) -> str:
    """*path* as a part of a URI, as SQLite reads it (https://sqlite.org/uri.html)."""
    text = os.fspath(path.absolute())
    return text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
