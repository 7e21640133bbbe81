"""A header set to a blob: preprocess, split, index, write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kheaders
from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import RELEVANT_OPTIONS, architecture, include_directories
from kheaders.errors import BlobError, KheadersError
from kheaders.headers.headerset import HeaderSet
from kheaders.interface import index, umbrella, writer

Progress = Callable[[str], None]
SUFFIX = ".kheaders"


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

    stage("preprocess")
    passed = umbrella.preprocess(headers, compiler)
    stage("index")
    search = include_directories(architecture(headers.srcarch or "", headers.config))
    resolver = index.Resolver(headers, search)
    indexed = index.build(passed.text, resolver, workers or min(4, os.cpu_count() or 1))
    stage("write")
    meta = {
        "release": headers.release,
        "srcarch": headers.srcarch,
        "digest": headers.digest,
        "config": sorted(option.decode() for option in headers.config & RELEVANT_OPTIONS),
        "kernel": dict(kernel or {}),
        "compiler": compiler.name,
        "tool": kheaders.__version__,
        "headers": len(passed.headers),
        "left_out": len(passed.failed),
    }
    directory = path.parent
    try:
        fd, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=directory)
        os.close(fd)
    except OSError as error:
        raise BlobError(
            f"{directory}: nothing can be written there ({error.strerror})", "name another place"
        ) from error
    try:
        os.unlink(staged)
        writer.write(indexed, Path(staged), meta, passed.failed)
        os.chmod(staged, 0o644)
        os.replace(staged, path)
    except OSError as error:
        raise BlobError(f"{path}: cannot be written ({error.strerror})", "free space, or name another place") from error
    except KheadersError:
        raise
    finally:
        for leftover in (staged, f"{staged}-journal"):
            if os.path.exists(leftover):
                os.unlink(leftover)
