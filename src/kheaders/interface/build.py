"""A header set to a blob: preprocess, split, index, write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kheaders.c import conditionals
from kheaders.c.include_path import Resolver
from kheaders.c.split import SENTINEL
from kheaders.clang.find import Compiler
from kheaders.clang.flags import RELEVANT_OPTIONS, architecture, include_directories
from kheaders.errors import BlobError
from kheaders.headers.headerset import HeaderSet
from kheaders.interface import default_macros, foreign_macros, index, isolation, umbrella, writer
from kheaders.memory import give_back
from kheaders.newfile import replacing
from kheaders.version import VERSION

Progress = Callable[[str, "int | None", "int | None"], None]
"""Called with a stage (``survey``, ``index``, ``write``), and headers so far and in all where they are known."""


def build(
    headers: HeaderSet,
    compiler: Compiler,
    path: Path,
    *,
    kernel: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> None:
    """Write the blob of *headers* to *path*; it takes the name by one rename, over an older blob if there is one.

    *kernel* tells whose headers they are, for the metadata. *progress* is called as work goes on. Raises
    BlobError, VerificationError, CompilerError, StoreError; then nothing is left behind.
    """

    def stage(name: str, done: int | None = None, total: int | None = None) -> None:
        if progress is not None:
            progress(name, done, total)

    def counted(passed: umbrella.Pass) -> Iterator[bytes]:
        total, done = len(passed.headers), 0
        for piece in passed:
            yield piece
            done += piece.count(b"\n%s\n" % SENTINEL)
            stage("index", min(done, total), total)

    with replacing(path, BlobError) as staged:
        stage("survey")
        search = include_directories(architecture(headers.srcarch or "", headers.config))
        resolver = Resolver(headers, search)
        workers = workers or min(4, os.cpu_count() or 1)
        with ExitStack() as stack:
            passed = stack.enter_context(umbrella.preprocess(headers, compiler, apart=workers > 1))
            notes, defaults = passed.conditions
            give_back()  # before other processes are started
            stage("index", 0, len(passed.headers))
            watched = {path: {name: use.first for name, use in uses.items()} for path, uses in passed.foreign.items()}
            indexed = index.build(
                counted(passed), resolver, workers, lambda: conditionals.macros(notes), defaults, watched
            )
            defined = {indexed.names[number] for number in set(indexed.macro_names)}
            foreign = foreign_macros.note(
                passed.foreign,
                indexed.files,
                indexed.watched,
                indexed.filled,
                isolation.giving(indexed.rows["includes"], indexed.macro_files),
                defined,
                notes["tested"],
            )
            mentions = default_macros.note(
                passed.code,
                indexed.files,
                notes["defaults"].split("\n"),
                indexed.names,
                indexed.macro_names,
                indexed.rows["macro_words"],
            )
            notes = {**notes, "foreign": foreign, "mentions": mentions}
            failed = passed.failed
        stage("write")
        counts = {
            "declarations": len(indexed.texts),
            "macros": len(indexed.macro_texts),
            "names": len(indexed.names),
            "files": len(indexed.files),
        }
        meta = {
            "release": headers.release,
            "srcarch": headers.srcarch,
            "digest": headers.digest,
            "config": sorted(option.decode() for option in headers.config & RELEVANT_OPTIONS),
            "kernel": dict(kernel or {}),
            "compiler": compiler.name,
            "tool": VERSION,
            "headers": len(passed.headers),
            "left_out": len(failed),
            "counts": counts,
            "bare": sorted(json.loads(notes["bare"])),
        }
        writer.write(_content(indexed, meta, failed, notes), staged, workers > 1, indexed.hashes)


def _content(
    indexed: index.Index, meta: Mapping[str, Any], failed: Mapping[str, str], notes: Mapping[str, str]
) -> writer.Content:
    return writer.Content(
        indexed.names,
        indexed.files,
        failed,
        meta,
        indexed.texts,
        indexed.macro_texts,
        indexed.kinds,
        indexed.rows,
        indexed.decl_files,
        indexed.decl_lines,
        indexed.macro_names,
        indexed.macro_files,
        indexed.macro_lines,
        notes,
    )
