"""The blob's file: one SQLite database, read-only once it is written. docs/blob.md describes the schema."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from kheaders.errors import BlobError
from kheaders.interface.index import Index, Rows

SCHEMA = 1
"""Changes whenever an older kheaders could misread the file."""
APPLICATION_ID = 0x6B686472  # "khdr", in the file's header for file(1)
PAGE = 16 * 1024
"""Bytes of text that are compressed together: small enough to be unpacked for one declaration."""

_ROWS = (
    "includes",
    "words",
    "strong",
    "weak",
    "members",
    "touched",
    "declares",
    "defines",
    "macro_words",
    "name_decls",
    "tag_decls",
    "member_decls",
    "name_macros",
)
_ARRAYS = ("decl_files", "decl_lines", "decl_starts", "macro_names", "macro_files", "macro_lines", "macro_starts")


def write(index: Index, path: Path, meta: Mapping[str, Any], failed: Mapping[str, str]) -> None:
    """Write a new blob to *path*, which must not exist. Raises BlobError."""
    try:
        with sqlite3.connect(path, isolation_level=None) as database:
            _write(database, index, meta, failed)
        database.close()
    except sqlite3.Error as error:
        raise BlobError(f"{path}: cannot be written ({error})", "free space, or name another place") from error


def _write(database: sqlite3.Connection, index: Index, meta: Mapping[str, Any], failed: Mapping[str, str]) -> None:
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA}")
    database.execute("PRAGMA page_size = 4096")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(_TABLES)
    database.execute("BEGIN")
    used = set(index.macro_names)
    for rows_name in _ROWS[1:9]:
        used.update(getattr(index, rows_name).values)
    order = sorted(used, key=index.names.__getitem__)
    new = array("I", bytes(4 * len(index.names)))
    for number, old in enumerate(order):
        new[old] = number
    rows = {name: _renumber(getattr(index, name), new) for name in _ROWS[1:9]}
    rows["includes"] = index.includes
    macro_names = array("I", (new[number] for number in index.macro_names))
    kinds = index.kinds
    rows["name_decls"] = _inverse(rows["declares"], len(order))
    rows["tag_decls"] = _inverse(rows["defines"], len(order))
    rows["member_decls"] = _inverse(rows["members"], len(order))
    rows["name_macros"] = _inverse_of(macro_names, len(order))
    decl_starts, pages = _paged(index.texts)
    macro_starts, macro_pages = _paged([macro.text or b"" for macro in index.macros])
    arrays = {
        "decl_files": index.decl_files,
        "decl_lines": index.decl_lines,
        "decl_starts": decl_starts,
        "macro_names": macro_names,
        "macro_files": array("I", (macro.file for macro in index.macros)),
        "macro_lines": array("I", (macro.line for macro in index.macros)),
        "macro_starts": macro_starts,
    }
    database.executemany(
        "INSERT INTO name VALUES (?, ?)", ((index.names[old].decode(), number) for number, old in enumerate(order))
    )
    tags = set(index.defines.values) | set(index.strong.values) | set(index.weak.values)
    database.executemany(
        "INSERT INTO tag VALUES (?, ?)", ((new[old], index.names[old].decode()) for old in sorted(tags))
    )
    database.executemany("INSERT INTO file VALUES (?, ?)", enumerate(index.files))
    database.executemany("INSERT INTO failed VALUES (?, ?)", failed.items())
    database.executemany("INSERT INTO decl_text VALUES (?, ?)", enumerate(pages))
    database.executemany("INSERT INTO macro_text VALUES (?, ?)", enumerate(macro_pages))
    for name, row in rows.items():
        database.execute("INSERT INTO numbers VALUES (?, ?)", (f"{name}.starts", row.starts.tobytes()))
        database.execute("INSERT INTO numbers VALUES (?, ?)", (f"{name}.values", row.values.tobytes()))
    for name, values in arrays.items():
        database.execute("INSERT INTO numbers VALUES (?, ?)", (name, values.tobytes()))
    database.execute("INSERT INTO numbers VALUES ('kinds', ?)", (kinds,))
    counts = {
        "declarations": len(index.texts),
        "macros": len(index.macros),
        "names": len(order),
        "files": len(index.files),
    }
    database.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        ((key, json.dumps(value)) for key, value in {**meta, "counts": counts}.items()),
    )
    database.execute("COMMIT")


_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE name (name TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE failed (path TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE decl_text (page INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE macro_text (page INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE numbers (name TEXT PRIMARY KEY, data BLOB NOT NULL);
"""


def _renumber(rows: Rows, new: array[int]) -> Rows:
    return Rows(rows.starts, array("I", map(new.__getitem__, rows.values)))


def _inverse(rows: Rows, count: int) -> Rows:
    """Value → the rows that hold it."""
    found: list[list[int]] = [[] for _ in range(count)]
    starts, values = rows.starts, rows.values
    for i in range(len(starts) - 1):
        for value in values[starts[i] : starts[i + 1]]:
            found[value].append(i)
    inverse = Rows()
    for row in found:
        inverse.add(row)
    return inverse


def _inverse_of(values: array[int], count: int) -> Rows:
    rows = Rows(array("I", range(len(values) + 1)), values)
    return _inverse(rows, count)


def _paged(texts: list[bytes]) -> tuple[array[int], list[bytes]]:
    """Where each text starts when all stand one after the other, and that text in compressed pages."""
    starts = array("I", [0])
    at = 0
    for text in texts:
        at += len(text)
        starts.append(at)
    whole = b"".join(texts)
    return starts, [zlib.compress(whole[i : i + PAGE], 6) for i in range(0, len(whole), PAGE)]


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
        return {key: json.loads(value) for key, value in self._query("SELECT key, value FROM meta")}

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

    def declaration(self, number: int) -> bytes:
        """The text of a declaration."""
        return self._text("decl", number)

    def macro(self, number: int) -> bytes:
        """``NAME(parameters) body`` of a macro's definition; empty for an ``#undef``."""
        return self._text("macro", number)

    def _text(self, kind: str, number: int) -> bytes:
        starts = self._array(f"{kind}_starts", "I")
        start, end = starts[number], starts[number + 1]
        first, last = start // PAGE, (max(start, end - 1)) // PAGE
        whole = b"".join(self._page(kind, page) for page in range(first, last + 1))
        return whole[start - first * PAGE : end - first * PAGE]

    def _page(self, kind: str, page: int) -> bytes:
        known = self._pages.get((kind, page))
        if known is None:
            found = self._query(f"SELECT data FROM {kind}_text WHERE page = ?", (page,))
            try:
                known = zlib.decompress(found[0][0])
            except (zlib.error, IndexError, TypeError) as error:
                raise BlobError(f"{self.path}: is damaged (page {page})", "build it again") from error
            self._pages[kind, page] = known
        return known

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
    from urllib.parse import quote

    return quote(os.fspath(path.absolute()))
