"""Writing a blob: from an index, or from the tables of another blob. The same content always gives the same rows."""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from kheaders.errors import BlobError
from kheaders.interface.pages import cuts, numbered, texted
from kheaders.interface.rows import Rows
from kheaders.interface.schema import (
    APPLICATION_ID,
    BLOCK,
    BUCKETS,
    ENTRIES,
    NAME_ROWS,
    NAMES,
    NOTES,
    SCHEMA,
    TABLES,
    hashed,
)


class Content(NamedTuple):
    """All that a blob holds and that does not follow from the rest. A name's number is its place in the list."""

    names: list[str]
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
    by_hash = {hashed(name): name for name in names}
    if len(by_hash) == len(names):
        return [by_hash[number] for number in sorted(by_hash)]
    return sorted(names, key=lambda name: (hashed(name), name))


def write(content: Content, path: Path) -> None:
    """Write a new blob to *path*, which must not exist or be empty. Raises BlobError."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            _write(database, content)
    except sqlite3.Error as error:
        raise BlobError(f"the blob cannot be written ({error})", "free space, or name another place") from error


def _write(database: sqlite3.Connection, content: Content) -> None:
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA}")
    database.execute("PRAGMA page_size = 16384")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(TABLES)
    database.execute("BEGIN")
    with ThreadPoolExecutor(1) as pool:  # compression leaves the interpreter to the rest

        def started(texts: Sequence[bytes], bounds: Sequence[int]) -> Callable[[], list[bytes]]:
            return pool.submit(lambda: list(texted(texts, bounds))).result

        decl_bounds, macro_bounds = cuts(content.decl_texts), cuts(content.macro_texts)
        decl_texts = started(content.decl_texts, decl_bounds)
        macro_texts = started(content.macro_texts, macro_bounds)
        one_each = Rows(array("I", range(len(content.macro_names) + 1)), content.macro_names)
        rows = {**content.rows, "macro_names": one_each}
        encoded = [name.encode() for name in content.names]
        _write_facts(database, content)
        _write_numbers(database, content, rows, encoded, decl_bounds, macro_bounds)
        columns = [rows[name] for name in NAME_ROWS]
        decl_numbers = list(numbered(content.decl_texts, content.decl_lines, columns, decl_bounds))
        columns = [one_each, rows["macro_words"]]
        macro_numbers = list(numbered(content.macro_texts, content.macro_lines, columns, macro_bounds))
        names = list(enumerate(_named(sorted(encoded))))
        for table, numbers, texts in (("decl", decl_numbers, decl_texts), ("macro", macro_numbers, macro_texts)):
            pages = zip(range(len(numbers)), numbers, texts(), strict=True)
            database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", pages)
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
    names: list[bytes],
    decl_bounds: list[int],
    macro_bounds: list[int],
) -> None:
    """Write first what every slice needs, so that it lies together at the beginning of the file."""
    entries = entries_of([rows[source] for source in ENTRIES.values()], len(names))
    bases, offsets = based(entries.starts)
    buckets, marks = index_of(names)
    arrays = {
        "buckets": buckets,
        "marks": marks,
        "entries.bases": bases,
        "entries.offsets": offsets,
        "entries.values": entries.values,
        "decl_files": _narrow(content.decl_files),
        "macro_files": _narrow(content.macro_files),
        "decl_pages": array("I", decl_bounds),
        "macro_pages": array("I", macro_bounds),
        "includes.starts": rows["includes"].starts,
        "includes.values": rows["includes"].values,
        "places": places_of(names),
    }
    for name, values in arrays.items():
        database.execute("INSERT INTO numbers VALUES (?, ?)", (name, values.tobytes()))
    database.execute("INSERT INTO numbers VALUES ('kinds', ?)", (content.kinds,))


def index_of(names: Sequence[bytes]) -> tuple[array[int], array[int]]:
    """(where the names of each bucket begin, the mark of each name)."""
    sizes = [0] * (BUCKETS + 1)
    marks = array("I")
    for name in names:
        number = hashed(name)
        sizes[(number >> 32) + 1] += 1
        marks.append(number & 0xFFFFFFFF)
    return array("I", accumulate(sizes)), marks


def places_of(names: Sequence[bytes]) -> array[int]:
    """The place of each name when all are sorted."""
    places = array("I", bytes(4 * len(names)))
    for place, number in enumerate(sorted(range(len(names)), key=names.__getitem__)):
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
