"""A directory that tools take for a kernel's source: a slice where the first header is read, and else empty files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kheaders.errors import StoreError

CONFIG = "linux/kconfig.h"
"""The header that compilers are told to include before anything else, and by which tools know a kernel's source."""


def write(directory: Path, texts: Mapping[str, bytes]) -> None:
    """Write *texts*, by the names that include lines use, below ``include/`` of the private *directory*.

    Names that would leave it are left out; no compiler can mean a kernel's header by them. Raises StoreError.
    """
    include = directory / "include"
    made: set[str] = set()
    try:
        for name, text in {CONFIG: b"", **texts}.items():
            if name.startswith("/") or ".." in name.split("/"):
                continue
            path = include / name
            parent = os.path.dirname(path)
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            path.write_bytes(text)
    except OSError as error:
        raise StoreError(
            f"{directory}: headers for the tool cannot be written ({error.strerror})",
            "free space, or name another --cache",
        ) from error
