"""A blob as one compressed file for shipping, and back: ``blob export`` and ``blob import``.

The file, numbers little endian: MAGIC; the schema, 4 bytes; the sha256 of all that follows; then, for each of
:data:`kheaders.interface.packing.STREAMS`, its size when unpacked and when packed (8 bytes each) and an xz file.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import struct
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kheaders.compression import decompress
from kheaders.errors import ArchiveError, BlobError
from kheaders.interface.blob import Blob
from kheaders.interface.packing import STREAMS, Malformed, pack, unpack
from kheaders.interface.schema import NAME_ROWS, NOTES, SCHEMA
from kheaders.interface.verify import problems
from kheaders.interface.writer import Content, write
from kheaders.newfile import Destination, replacing

MAGIC = b"\x89kheaders blob\r\n"
SUFFIX = ".kheaders.xz"
SIZE_LIMIT = 256 << 20
"""Bytes of an exported file that are read at most; one of a kernel has 4 million."""
STREAM_LIMIT = 512 << 20

_HEAD = struct.Struct(f"<{len(MAGIC)}sI32s")
_SIZES = struct.Struct("<QQ")
_XZ = {"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 4, "lp": 0, "pb": 0}


def export(blob: Blob, path: Path) -> None:
    """Write *blob* to *path* in the form for shipping; it appears whole or not at all. Raises BlobError."""
    streams = pack(content_of(blob))
    with ThreadPoolExecutor(2) as pool:
        packed = list(pool.map(_compressed, (streams[name] for name in STREAMS)))
    parts = [_SIZES.pack(len(streams[name]), len(data)) + data for name, data in zip(STREAMS, packed, strict=True)]
    body = b"".join(parts)
    with Destination(path, BlobError) as place:
        place.write([_HEAD.pack(MAGIC, SCHEMA, hashlib.sha256(body).digest()), body])


def restore(source: Path, path: Path) -> None:
    """Make at *path* the blob that was exported to *source*; its tables have the very same rows. Raises BlobError."""
    streams = _read(source)
    try:
        content = unpack(streams)
    except Malformed as error:
        raise BlobError(f"{source}: holds no whole blob ({error})", "export it again") from error
    del streams
    with replacing(path, BlobError) as staged:
        write(content, staged)
        with Blob(staged) as made:
            wrong = problems(made)
        if wrong:
            raise BlobError(f"{source}: holds a blob that is wrong ({wrong[0]})", "export it again")


def content_of(blob: Blob) -> Content:
    """All that *blob* holds, in memory. Raises BlobError."""
    wrong = problems(blob)
    if wrong:
        raise BlobError(f"{blob.path}: is damaged ({wrong[0]})", "build it again")
    return Content(
        [name.encode() for name in blob.names],
        blob.files,
        blob.failed,
        blob.meta,
        blob.texts("decl"),
        blob.texts("macro"),
        bytes(blob.kinds),
        {name: blob.rows(name) for name in ("includes", *NAME_ROWS, "macro_words")},
        array("I", blob.array("decl_files").tolist()),
        array("I", blob.lines("decl")),
        blob.rows("macro_names").values,
        array("I", blob.array("macro_files").tolist()),
        array("I", blob.lines("macro")),
        {name: blob.note(name) for name in NOTES},
    )


def _compressed(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=[_XZ])


def _read(source: Path) -> dict[str, bytes]:
    try:
        with open(source, "rb") as stream:
            if os.fstat(stream.fileno()).st_size > SIZE_LIMIT:
                raise BlobError(f"{source}: is too large for an exported blob", "name a file made by 'blob export'")
            data = stream.read(SIZE_LIMIT)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BlobError(f"{source}: cannot be read ({why})", "name a file made by 'kheaders blob export'") from error
    if not data.startswith(MAGIC) or len(data) < _HEAD.size:
        what = "is a blob already" if data.startswith(b"SQLite format 3\0") else "is no exported blob"
        raise BlobError(f"{source}: {what}", "name a file made by 'kheaders blob export'")
    _, schema, digest = _HEAD.unpack_from(data)
    if schema != SCHEMA:
        raise BlobError(f"{source}: has schema {schema}, this kheaders reads {SCHEMA}", "export it again")
    if hashlib.sha256(memoryview(data)[_HEAD.size :]).digest() != digest:
        raise BlobError(f"{source}: is damaged or not whole", "copy it again")
    streams = {}
    at = _HEAD.size
    try:
        for name in STREAMS:
            unpacked, size = _SIZES.unpack_from(data, at)
            at += _SIZES.size
            if unpacked > STREAM_LIMIT or at + size > len(data):
                raise BlobError(f"{source}: is damaged ({name})", "copy it again")
            streams[name] = decompress(memoryview(data)[at : at + size], "xz", limit=unpacked, name=str(source))
            at += size
    except (struct.error, ArchiveError) as error:
        raise BlobError(f"{source}: is damaged ({error})", "copy it again") from error
    return streams
