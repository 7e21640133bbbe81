"""Whether a blob is whole: every page, every number and every boundary."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import Any

from kheaders.errors import BlobError
from kheaders.interface.blob import Blob
from kheaders.interface.schema import INVERSES, KINDS, NAME_ROWS, TABLE_NAMES

_META = {"release": (str, type(None)), "srcarch": str, "digest": str, "config": list, "counts": dict, "tool": str}


def problems(blob: Blob) -> list[str]:
    """What is wrong with *blob*, one line each; empty if nothing is."""
    found: list[str] = []
    for check in (_database, _texts, _numbers, _names, _meta):
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


def _texts(blob: Blob, found: list[str]) -> None:
    for kind, texts in (("decl", blob.declarations), ("macro", blob.macros)):
        starts = blob.array(f"{kind}_starts")
        lengths = [end - start for start, end in pairwise(starts)]
        if starts[0] or min(lengths, default=0) < 0:
            found.append(f"{kind}_starts does not rise")
        elif lengths != [len(text) for text in texts]:
            found.append(f"the pages of {kind}_text hold less than {kind}_starts says")
        elif blob.text_size(kind) != starts[-1]:
            found.append(f"the pages of {kind}_text hold more than {kind}_starts says")


def _numbers(blob: Blob, found: list[str]) -> None:
    decls, macros = len(blob.array("decl_starts")) - 1, len(blob.array("macro_starts")) - 1
    files, names = len(blob.files), len(blob.names)

    def within(name: str, values: memoryview, length: int, limit: int) -> None:
        if len(values) != length:
            found.append(f"{name} has {len(values)} numbers, not {length}")
        elif length and max(values) >= limit:
            found.append(f"{name} holds a number beyond {limit}")

    def rows(name: str, count: int, limit: int) -> None:
        starts, values = blob.array(f"{name}.starts"), blob.array(f"{name}.values")
        if (
            len(starts) != count + 1
            or starts[0]
            or starts[-1] != len(values)
            or any(a > b for a, b in pairwise(starts))
        ):
            found.append(f"{name}.starts does not fit {name}.values")
        elif len(values) and max(values) >= limit:
            found.append(f"{name} holds a number beyond {limit}")

    within("kinds", blob.kinds, decls, len(KINDS))
    within("decl_files", blob.array("decl_files"), decls, files)
    within("decl_lines", blob.array("decl_lines"), decls, 1 << 32)
    within("macro_names", blob.array("macro_names"), macros, names)
    within("macro_files", blob.array("macro_files"), macros, files)
    within("macro_lines", blob.array("macro_lines"), macros, 1 << 32)
    rows("includes", files, files)
    for name in NAME_ROWS:
        rows(name, decls, names)
    rows("macro_words", macros, names)
    rows("name_macros", names, macros)
    for name in INVERSES:
        rows(name, names, decls)


def _names(blob: Blob, found: list[str]) -> None:
    names = blob.names
    if any(a >= b for a, b in pairwise(names)):
        found.append("names are not numbered in their order")
    tags = blob.all_tags()
    if any(number >= len(names) or names[number] != tag for number, tag in tags.items()):
        found.append("a tag has another name's number")
    wanted = {number for rows in ("defines", "strong", "weak") for number in blob.array(f"{rows}.values")}
    if wanted != tags.keys():
        found.append("the table tag does not hold the tags that declarations speak of")


def _meta(blob: Blob, found: list[str]) -> None:
    for key, kind in _META.items():
        value: Any = blob.meta.get(key)
        if not isinstance(value, kind):  # type: ignore[arg-type]  # a class or a tuple of classes
            found.append(f"the metadata lack {key}" if value is None else f"the metadata have a wrong {key}")
