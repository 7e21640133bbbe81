"""Writing a blob: from an index, or from the tables of another blob. The same content always gives the same rows."""

from __future__ import annotations

import json
import sqlite3
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from kheaders.errors import BlobError
from kheaders.interface.index import Index, Rows
from kheaders.interface.schema import APPLICATION_ID, INVERSES, NAME_ROWS, PAGE, SCHEMA, TABLES


@dataclass(slots=True)
class Content:
    """All that a blob holds and that does not follow from the rest. Names are sorted; their place is their number."""

    names: list[str]
    files: list[str]
    failed: Mapping[str, str]
    meta: Mapping[str, Any]
    decl_texts: Sequence[bytes]
    macro_texts: Sequence[bytes]
    kinds: bytes
    rows: Mapping[str, Rows]
    """``includes``, the rows of NAME_ROWS, and ``macro_words``."""
    decl_files: array[int]
    decl_lines: array[int]
    macro_names: array[int]
    macro_files: array[int]
    macro_lines: array[int]


def write(index: Index, path: Path, meta: Mapping[str, Any], failed: Mapping[str, str]) -> None:
    """Write a new blob to *path*, which must not exist. Raises BlobError."""
    write_content(content_of(index, meta, failed), path)


def content_of(index: Index, meta: Mapping[str, Any], failed: Mapping[str, str]) -> Content:
    """What the blob of *index* holds: names that nothing refers to are left out, the others numbered in order."""
    used = set(index.macro_names)
    for rows_name in (*NAME_ROWS, "macro_words"):
        used.update(getattr(index, rows_name).values)
    order = sorted(used, key=index.names.__getitem__)
    new = array("I", bytes(4 * len(index.names)))
    for number, old in enumerate(order):
        new[old] = number
    rows = {name: _renumber(getattr(index, name), new) for name in (*NAME_ROWS, "macro_words")}
    rows["includes"] = index.includes
    counts = {
        "declarations": len(index.texts),
        "macros": len(index.macros),
        "names": len(order),
        "files": len(index.files),
    }
    return Content(
        [index.names[old].decode() for old in order],
        index.files,
        failed,
        {**meta, "counts": counts},
        index.texts,
        [macro.text or b"" for macro in index.macros],
        index.kinds,
        rows,
        index.decl_files,
        index.decl_lines,
        array("I", (new[number] for number in index.macro_names)),
        array("I", (macro.file for macro in index.macros)),
        array("I", (macro.line for macro in index.macros)),
    )


def write_content(content: Content, path: Path) -> None:
    """Write a new blob to *path*, which must not exist. Raises BlobError."""
    try:
        database = sqlite3.connect(path, isolation_level=None)
        try:
            _write(database, content)
        finally:
            database.close()
    except sqlite3.Error as error:
        raise BlobError(f"{path}: cannot be written ({error})", "free space, or name another place") from error


def _write(database: sqlite3.Connection, content: Content) -> None:
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA}")
    database.execute("PRAGMA page_size = 65536")
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(TABLES)
    database.execute("BEGIN")
    names = content.names
    rows = dict(content.rows)
    rows.update({inverse: _inverse(rows[source], len(names)) for inverse, source in INVERSES.items()})
    one_each = Rows(array("I", range(len(content.macro_names) + 1)), content.macro_names)
    rows["name_macros"] = _inverse(one_each, len(names))
    decl_starts, pages = _paged(content.decl_texts)
    macro_starts, macro_pages = _paged(content.macro_texts)
    arrays = {
        "decl_files": content.decl_files,
        "decl_lines": content.decl_lines,
        "decl_starts": decl_starts,
        "macro_names": content.macro_names,
        "macro_files": content.macro_files,
        "macro_lines": content.macro_lines,
        "macro_starts": macro_starts,
    }
    tags = sorted({*rows["defines"].values, *rows["strong"].values, *rows["weak"].values})
    database.executemany("INSERT INTO name VALUES (?, ?)", ((name, number) for number, name in enumerate(names)))
    database.executemany("INSERT INTO tag VALUES (?, ?)", ((number, names[number]) for number in tags))
    database.executemany("INSERT INTO file VALUES (?, ?)", enumerate(content.files))
    database.executemany("INSERT INTO failed VALUES (?, ?)", sorted(content.failed.items()))
    database.executemany("INSERT INTO decl_text VALUES (?, ?)", enumerate(pages))
    database.executemany("INSERT INTO macro_text VALUES (?, ?)", enumerate(macro_pages))
    for name, row in rows.items():
        database.execute("INSERT INTO numbers VALUES (?, ?)", (f"{name}.starts", row.starts.tobytes()))
        database.execute("INSERT INTO numbers VALUES (?, ?)", (f"{name}.values", row.values.tobytes()))
    for name, values in arrays.items():
        database.execute("INSERT INTO numbers VALUES (?, ?)", (name, values.tobytes()))
    database.execute("INSERT INTO numbers VALUES ('kinds', ?)", (content.kinds,))
    database.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        ((key, json.dumps(value)) for key, value in sorted(content.meta.items())),
    )
    database.execute("COMMIT")


def _renumber(rows: Rows, new: array[int]) -> Rows:
    """*rows* with new numbers, each row sorted: sets of names come in another order in every process."""
    found = Rows()
    starts, values = rows.starts, rows.values
    for i in range(len(starts) - 1):
        row = values[starts[i] : starts[i + 1]]
        found.add(sorted({new[value] for value in row}) if len(row) > 1 else [new[value] for value in row])
    return found


def _inverse(rows: Rows, count: int) -> Rows:
    """Value → the rows that hold it, for values below *count*."""
    sizes = [0] * (count + 1)
    for value in rows.values:
        sizes[value + 1] += 1
    starts = array("I", accumulate(sizes))
    filled = array("I", bytes(4 * len(rows.values)))
    next_free = list(starts)
    begin = 0
    for number, end in enumerate(rows.starts[1:]):
        for value in rows.values[begin:end]:
            filled[next_free[value]] = number
            next_free[value] += 1
        begin = end
    return Rows(starts, filled)


def _paged(texts: Sequence[bytes]) -> tuple[array[int], list[bytes]]:
    """Where each text starts when all stand one after the other, and that text in compressed pages."""
    starts = array("I", [0])
    at = 0
    for text in texts:
        at += len(text)
        starts.append(at)
    whole = b"".join(texts)
    return starts, [zlib.compress(whole[i : i + PAGE], 6) for i in range(0, len(whole), PAGE)]
