"""Whether a blob is whole: every page, every number and every boundary."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import Any

from kheaders.errors import BlobError
from kheaders.interface.blob import Blob
from kheaders.interface.schema import BUCKETS, ENTRIES, KINDS, PAGED, TABLE_NAMES, hashes
from kheaders.interface.writer import based, entries_of, index_of, ordered

_META = {"release": (str, type(None)), "srcarch": str, "digest": str, "config": list, "counts": dict, "tool": str}


def problems(blob: Blob) -> list[str]:
    """What is wrong with *blob*, one line each; empty if nothing is."""
    found: list[str] = []
    for check in (_database, _numbers, _pages, _names, _meta):
        try:
            check(blob, found)
        except BlobError as error:
            found.append(error.what.removeprefix(f"{blob.path}: "))
        except (sqlite3.Error, IndexError, ValueError, TypeError) as error:
            found.append(f"is damaged ({type(error).__name__}: {error})")
        if found:
            break  # what comes later relies on what was found wrong
    return found


def _database(blob: Blob, found: list[str]) -> None:
    found += (f"SQLite: {line}" for line in blob.integrity() if line != "ok")
    missing = set(TABLE_NAMES) - set(blob.tables())
    found += (f"the table {name} is missing" for name in sorted(missing))


def _pages(blob: Blob, found: list[str]) -> None:
    for kind, columns in PAGED.items():
        bounds = blob.array(f"{kind}_pages").tolist()
        count = blob.count(kind)
        if bounds[:1] != [0] or bounds[-1] != count or any(a >= b for a, b in pairwise(bounds)):
            found.append(f"{kind}_pages does not rise from 0 to {count}")
        elif blob.page_numbers(kind) != list(range(len(bounds) - 1)):
            found.append(f"there are other pages of {kind} than {kind}_pages says")
        elif len(blob.texts(kind)) != count or not all(page.sound for page in blob.pages(kind)):
            found.append(f"a page of {kind} has starts that do not rise")
        else:
            names = len(blob.array("marks"))
            for column in columns:
                rows = blob.rows(column)
                if len(rows.values) and max(rows.values) >= names:
                    found.append(f"{column} holds a number beyond {names}")
            if kind == "macro" and any(len(row) != 1 for row in blob.rows("macro_names")):
                found.append("a macro has not one name")


def _numbers(blob: Blob, found: list[str]) -> None:
    decls, files = blob.count("decl"), len(blob.files)
    for name, values, length, limit in (
        ("kinds", blob.kinds, decls, len(KINDS)),
        ("decl_files", blob.array("decl_files"), decls, files),
        ("macro_files", blob.array("macro_files"), blob.count("macro"), files),
        ("buckets", blob.array("buckets"), BUCKETS + 1, len(blob.array("marks")) + 1),
    ):
        if len(values) != length:
            found.append(f"{name} has {len(values)} numbers, not {length}")
        elif length and max(values) >= limit:
            found.append(f"{name} holds a number beyond {limit}")
    starts, values = blob.array("includes.starts"), blob.array("includes.values")
    rises = len(starts) == files + 1 and not starts[0] and all(a <= b for a, b in pairwise(starts))
    if not rises or starts[-1] != len(values):
        found.append("includes.starts does not fit includes.values")
    elif len(values) and max(values) >= files:
        found.append(f"includes.values holds a number beyond {files}")


def _names(blob: Blob, found: list[str]) -> None:
    names = [name.encode() for name in blob.names]
    buckets, marks = index_of(hashes(names))
    if names != ordered(names) or len(set(names)) != len(names):
        found.append("names are not numbered in their order")
    elif marks.tobytes() != blob.array("marks").tobytes() or buckets.tobytes() != blob.array("buckets").tobytes():
        found.append("marks or buckets are not those of the names")
    else:
        expected = entries_of([blob.rows(source) for source in ENTRIES.values()], len(names))
        bases, offsets = based(expected.starts)
        for part, values in (("bases", bases), ("offsets", offsets), ("values", expected.values)):
            if values.tobytes() != blob.array(f"entries.{part}").tobytes():
                found.append(f"entries.{part} do not agree with what the pages say")


def _meta(blob: Blob, found: list[str]) -> None:
    for key, kind in _META.items():
        value: Any = blob.meta.get(key)
        if not isinstance(value, kind):  # type: ignore[arg-type]  # a class or a tuple of classes
            found.append(f"the metadata lack {key}" if value is None else f"the metadata have a wrong {key}")
