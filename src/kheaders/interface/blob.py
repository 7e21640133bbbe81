"""The blob's file: one SQLite database, read-only once it is written. docs/blob.md describes the schema."""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
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
    order = sorted(range(len(index.names)), key=index.names.__getitem__)
    new = array("I", bytes(4 * len(order)))
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
        "INSERT INTO name VALUES (?, ?)", ((number, index.names[old].decode()) for number, old in enumerate(order))
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
    counts = {"declarations": len(index.texts), "macros": len(index.macros), "names": len(order), "files": len(index.files)}
    database.executemany(
        "INSERT INTO meta VALUES (?, ?)", ((key, json.dumps(value)) for key, value in {**meta, "counts": counts}.items())
    )
    database.execute("COMMIT")


_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
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
    return starts, [zlib.compress(whole[i : i + PAGE], 9) for i in range(0, len(whole), PAGE)]
