"""Decompression of what kernels and distributions compress: told apart by magic, streamed, bounded, checked.

Kinds are the words that file names end with: ``xz gz zst lz4 lzo lzma bz2``, and ``""`` for anything else. The magics
are those of lib/decompress.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from kheaders.decoders import LZ4_LEGACY, LZOP, check_limit, make_decoder
from kheaders.errors import ArchiveError

MAX_UNPACKED = 2 * 1024**3
"""Bytes that one compressed thing may unpack to, unless the caller says otherwise."""

MAX_STREAMS = 4096
"""Streams (gzip members, zstd frames) that may follow each other; each costs a decoder, so they are bounded."""

_READ = 1024 * 1024
_PIECE = 1024 * 1024
_PREFIX = 16

_MAGICS = (
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x1f\x8b", "gz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (LZ4_LEGACY, "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (LZOP, "lzo"),
    (b"BZh", "bz2"),
    (b"\x5d\x00\x00", "lzma"),
)


def sniff(prefix: bytes) -> str:
    """The kind of compressed data that starts with *prefix* (16 bytes are enough), or ``""``."""
    return next((kind for magic, kind in _MAGICS if prefix.startswith(magic)), "")


def chunks(
    stream: BinaryIO, *, limit: int = MAX_UNPACKED, name: str = "archive", piece: int = _PIECE
) -> Iterator[bytes]:
    """The unpacked bytes of *stream*, in pieces of up to *piece* bytes; data that is not compressed passes through.

    Streams of one kind that follow each other are one, as for ``xz -dc`` and ``zcat``. Raises ArchiveError for data
    that is broken off, damaged, followed by something else, unpacks to more than *limit* bytes, or is of a kind that
    needs a library or program that is not there.
    """

    def read() -> bytes:
        try:
            return stream.read(_READ) or b""
        except (OSError, ValueError) as error:
            raise ArchiveError(f"{name}: cannot be read ({error})", "check the file and its permissions") from error

    first = _at_least(b"", read)
    kind = sniff(first)
    if kind:
        yield from _decoded(first, read, kind, limit, name, piece=piece)
        return
    total = 0
    while first:
        total += len(first)
        check_limit(total, limit, name)
        yield first
        first = read()


def decompress(
    data: bytes | memoryview, kind: str, *, limit: int = MAX_UNPACKED, name: str = "archive", trailing: bool = False
) -> bytes:
    """*data*, of *kind*, unpacked. With *trailing* only the first stream counts and anything may follow it.

    Kind ``""`` gives the data itself. Raises ArchiveError as :func:`chunks` does, and for an unknown kind.
    """
    if not kind:
        check_limit(len(data), limit, name)
        return bytes(data)
    view = memoryview(data)
    at = 0

    def read() -> bytes:
        nonlocal at
        piece = bytes(view[at : at + _READ])
        at += len(piece)
        return piece

    return b"".join(_decoded(_at_least(b"", read), read, kind, limit, name, trailing=trailing))


def _at_least(data: bytes, read: Callable[[], bytes]) -> bytes:
    """*data* and as much of what *read* gives as it takes to tell its kind."""
    while len(data) < _PREFIX and (more := read()):
        data += more
    return data


def _decoded(
    data: bytes,
    read: Callable[[], bytes],
    kind: str,
    limit: int,
    name: str,
    *,
    trailing: bool = False,
    piece: int = _PIECE,
) -> Iterator[bytes]:
    total = 0
    for _ in range(MAX_STREAMS):
        decoder = make_decoder(kind, data, limit, name)
        ended = not data
        while True:
            try:
                out = decoder.decompress(data, min(piece, limit - total + 1))
            except ArchiveError:
                raise
            except Exception as error:  # each library has its own exceptions; all mean the same
                why = str(error) or type(error).__name__
                raise ArchiveError(
                    f"{name}: {kind} data is damaged after {total} good bytes ({why})", "get it again"
                ) from error
            if out:
                total += len(out)
                check_limit(total, limit, name)
                yield out
            if decoder.eof:
                break
            if ended and not out:
                raise ArchiveError(f"{name}: {kind} data is broken off after {total} good bytes", "get it again")
            data = b""
            if decoder.needs_input:
                data = read()
                ended = not data
        if trailing:
            return
        data = _after_padding(decoder.unused_data or b"", read, kind, name)
        if not data:
            return
        if sniff(data) != kind or kind == "lzma":
            raise ArchiveError(
                f"{name}: something else follows the {kind} data after {total} good bytes", "get it again"
            )
    raise ArchiveError(f"{name}: consists of more than {MAX_STREAMS} {kind} streams", "compress it as one")


def _after_padding(rest: bytes, read: Callable[[], bytes], kind: str, name: str) -> bytes:
    """What follows zero padding: xz pads streams to four bytes (xz-file-format 2.2); gzip tools skip any zeros."""
    padding = 0
    while kind in ("xz", "gz"):
        stripped = rest.lstrip(b"\0")
        padding += len(rest) - len(stripped)
        rest = stripped
        if rest or not (rest := read()):
            break
    if kind == "xz" and padding % 4:
        raise ArchiveError(f"{name}: the padding after the xz data is damaged", "get it again")
    return _at_least(rest, read)
