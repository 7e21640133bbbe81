"""A header set to a blob: preprocess, split, index, write."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import RELEVANT_OPTIONS, architecture, include_directories
from kheaders.headers.headerset import HeaderSet
from kheaders.interface import index, umbrella, writer
from kheaders.interface.place import replacing
from kheaders.interface.resolver import Resolver
from kheaders.version import VERSION

Progress = Callable[[str], None]


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

    *kernel* tells whose headers they are, for the metadata. *progress* is called with the name of each stage. Raises
    BlobError, VerificationError, CompilerError, StoreError; then nothing is left behind.
    """

    def stage(name: str) -> None:
        if progress is not None:
            progress(name)

    with replacing(path) as staged:
        stage("preprocess")
        passed = umbrella.preprocess(headers, compiler)
        stage("index")
        search = include_directories(architecture(headers.srcarch or "", headers.config))
        resolver = Resolver(headers, search)
        indexed = index.build(passed.text, resolver, workers or min(4, os.cpu_count() or 1))
        stage("write")
        meta = {
            "release": headers.release,
            "srcarch": headers.srcarch,
            "digest": headers.digest,
            "config": sorted(option.decode() for option in headers.config & RELEVANT_OPTIONS),
            "kernel": dict(kernel or {}),
            "compiler": compiler.name,
            "tool": VERSION,
            "headers": len(passed.headers),
            "left_out": len(passed.failed),
        }
        writer.write(indexed, staged, meta, passed.failed)
