"""Writing a blob: from an index, or from the tables of another blob. The same content always gives the same rows."""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from kheaders.errors import BlobError
from kheaders.interface.aside import aside
from kheaders.interface.pages import cuts, numbered, texted
from kheaders.interface.schema import (
    APPLICATION_ID,
    BLOCK,
    BUCKETS,
    ENTRIES,
    NAMES,
    NOTES,
    PAGED,
    SCHEMA,
    TABLES,
    hashes,
)
from kheaders.system.ragged import Rows


class Content(NamedTuple):
    """All that a blob holds and that does not follow from the rest. A name's number is its place in the list."""

    names: list[bytes]
    """In the order of :func:`ordered`."""
    files: list[str]
    failed: Mapping[str, str]
    meta: Mapping[str, Any]
    decl_texts: Sequence[bytes]
    macro_texts: Sequence[bytes]
    kinds: bytes
    rows: Mapping[str, Rows]
    """``includes``, the rows of NAME_ROWS, and ``macro_words``; each row sorted."""
    decl_files: array[int]
    decl_lines: array[int]
    macro_names: array[int]
    macro_files: array[int]
    macro_lines: array[int]
    notes: Mapping[str, str]
    """Of each of NOTES its text."""


def ordered(names: Collection[bytes]) -> list[bytes]:
    """*names* in the order in which they are numbered: that of their hashes."""
    return [name for _, name in sorted(zip(hashes(names), names, strict=True))]


def write(content: Content, path: Path, apart: bool = True, hashed: Sequence[int] = ()) -> None:
    """Write a new blob to *path*, which must not exist or be empty. Raises BlobError.

    With *apart* another process helps. *hashed* are the hashes of the names, if they are known.
    """
    one_each = Rows(array("I", range(len(content.macro_names) + 1)), content.macro_names)
    rows = {**content.rows, "macro_names": one_each}
    bounds = {"decl": cuts(content.decl_texts), "macro": cuts(content.macro_texts)}

    def pages() -> dict[str, list[tuple[bytes, bytes]]]:
        found = {}
        for kind, texts, lines in (
            ("decl", content.decl_texts, content.decl_lines),
            ("macro", content.macro_texts, content.macro_lines),
        ):
            columns = numbered(texts, lines, [rows[name] for name in PAGED[kind]], bounds[kind])
            found[kind] = list(zip(columns, texted(texts, bounds[kind]), strict=True))
        return found

    try:
        with aside(pages, apart) as made, closing(sqlite3.connect(path, isolation_level=None)) as database:
            _write(database, content, rows, bounds, made, hashed or hashes(content.names))
    except sqlite3.Error as error:
        raise BlobError(f"the blob cannot be written ({error})", "free space, or name another place") from error


def _write(
    database: sqlite3.Connection,
    content: Content,
    rows: Mapping[str, Rows],
    bounds: Mapping[str, list[int]],
    pages: Callable[[], Mapping[str, list[tuple[bytes, bytes]]]],
    hashed: Sequence[int],
) -> None:
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA}")
    database.execute("PRAGMA page_size = 16384")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(TABLES)
    database.execute("BEGIN")
    _write_facts(database, content)
    order = sorted(range(len(content.names)), key=content.names.__getitem__)
    _write_numbers(database, content, rows, order, bounds, hashed)
    names = list(enumerate(_named([content.names[number] for number in order])))
    for kind, columns in pages().items():
        database.executemany(
            f"INSERT INTO {kind} VALUES (?, ?, ?)", ((page, *both) for page, both in enumerate(columns))
        )
    database.executemany("INSERT INTO name VALUES (?, ?, ?)", ((page, *columns) for page, columns in names))
    database.execute("COMMIT")


def _write_facts(database: sqlite3.Connection, content: Content) -> None:
    database.executemany("INSERT INTO failed VALUES (?, ?)", sorted(content.failed.items()))
    meta = ((key, json.dumps(value)) for key, value in sorted(content.meta.items()))
    database.executemany("INSERT INTO meta VALUES (?, ?)", meta)
    database.execute("INSERT INTO listing VALUES ('files', ?)", ("\0".join(content.files).encode(),))
    notes = ((name, zlib.compress(content.notes[name].encode(), 6)) for name in NOTES)
    database.executemany("INSERT INTO listing VALUES (?, ?)", notes)


def _write_numbers(
    database: sqlite3.Connection,
    content: Content,
    rows: Mapping[str, Rows],
    order: Sequence[int],
    bounds: Mapping[str, list[int]],
    hashed: Sequence[int],
) -> None:
    """Write first what every slice needs, so that it lies together at the beginning of the file.

    *order* are the names' numbers as the names are sorted.
    """
    entries = entries_of([rows[source] for source in ENTRIES.values()], len(order))
    bases, offsets = based(entries.starts)
    buckets, marks = index_of(hashed)
    arrays = {
        "buckets": buckets,
        "marks": marks,
        "entries.bases": bases,
        "entries.offsets": offsets,
        "entries.values": entries.values,
        "decl_files": _narrow(content.decl_files),
        "macro_files": _narrow(content.macro_files),
        "decl_pages": array("I", bounds["decl"]),
        "macro_pages": array("I", bounds["macro"]),
        "includes.starts": rows["includes"].starts,
        "includes.values": rows["includes"].values,
        "places": _places(order),
    }
    for name, values in arrays.items():
        database.execute("INSERT INTO numbers VALUES (?, ?)", (name, values.tobytes()))
    database.execute("INSERT INTO numbers VALUES ('kinds', ?)", (content.kinds,))


def index_of(hashed: Sequence[int]) -> tuple[array[int], array[int]]:
    """(where the names of each bucket begin, the mark of each name), of the names with these hashes."""
    sizes = [0] * (BUCKETS + 1)
    for number in hashed:
        sizes[(number >> 32) + 1] += 1
    return array("I", accumulate(sizes)), array("I", [number & 0xFFFFFFFF for number in hashed])


def _places(order: Sequence[int]) -> array[int]:
    """The place of each name when all are sorted."""
    places = array("I", bytes(4 * len(order)))
    for place, number in enumerate(order):
        places[number] = place
    return places


def _named(names: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(first name, all of them packed) of each page of the sorted *names*."""
    for at in range(0, len(names), NAMES):
        part = names[at : at + NAMES]
        yield part[0], zlib.compress(b"\0".join(part), 6)


def based(starts: array[int]) -> tuple[array[int], array[int]]:
    """*starts* as the first of each block, and each as seen from the first of its block. Raises BlobError."""
    bases = starts[:: 1 << BLOCK]
    return bases, _narrow([start - bases[number >> BLOCK] for number, start in enumerate(starts)])


def _narrow(values: Sequence[int]) -> array[int]:
    try:
        return array("H", values)
    except OverflowError as error:
        what = "the headers hold more files, or more of one name, than a blob can count (65,535)"
        raise BlobError(what, "leave out what no program includes") from error


def entries_of(sources: Sequence[Rows], count: int) -> Rows:
    """For each name below *count*, ``number * 4 + place`` of what holds it in the source of that place, ascending."""
    sizes = [0] * (count + 1)
    for rows in sources:
        for value in rows.values:
            sizes[value + 1] += 1
    starts = array("I", accumulate(sizes))
    filled = array("I", bytes(4 * starts[-1]))
    next_free = starts.tolist()
    for place, rows in enumerate(sources):
        values = rows.values
        for number, (begin, end) in enumerate(pairwise(rows.starts)):
            for value in values[begin:end]:
                filled[next_free[value]] = number * 4 + place
                next_free[value] += 1
    return Rows(starts, filled)
