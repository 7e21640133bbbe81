"""A blob as one compressed file for shipping, and back: ``blob export`` and ``blob import``.

The file: MAGIC, the schema (2 bytes), the size of the rest and the size of the streams together (8 bytes each, little
endian), sha256 of the rest, then one xz stream for each of :data:`kheaders.interface.packing.STREAMS` behind its size.
"""

from __future__ import annotations

from array import array
from typing import Any

from kheaders.interface.blob import Blob
from kheaders.interface.index import Rows
from kheaders.interface.schema import NAME_ROWS
from kheaders.interface.writer import Content


def content_of(blob: Blob) -> Content:
    """All that *blob* holds, in memory. Raises BlobError."""
    rows = {name: _rows(blob, name) for name in ("includes", *NAME_ROWS, "macro_words")}
    return Content(
        blob.names,
        blob.files,
        blob.failed,
        blob.meta,
        blob.declarations,
        blob.macros,
        bytes(blob.kinds),
        rows,
        _array(blob, "decl_files"),
        _array(blob, "decl_lines"),
        _array(blob, "macro_names"),
        _array(blob, "macro_files"),
        _array(blob, "macro_lines"),
    )


def _rows(blob: Blob, name: str) -> Rows:
    return Rows(_array(blob, f"{name}.starts"), _array(blob, f"{name}.values"))


def _array(blob: Blob, name: str) -> array[int]:
    return array("I", blob.array(name).tobytes())
