"""xz on every processor, with the same bytes whatever their number.

The input is cut into blocks of a fixed size, each is compressed by liblzma in a thread of its own, and the blocks are
joined to one stream with one index (the .xz file format 1.2.1, sections 2 to 4). Several streams one after the other
would be as easy, but a reader that stops after the first takes the rest for damage.
"""

from __future__ import annotations

import lzma
import os
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple
from zlib import crc32

BLOCK = 8 << 20
"""Bytes of a block before compression: the dictionary of xz's default level, so that little is lost at the seams."""

_MAGIC, _END = b"\xfd7zXZ\0", b"YZ"
_FLAGS = b"\0\x01"  # the check is CRC32, which every decoder knows
_HEADER = FOOTER = 12


class _Block(NamedTuple):
    """A compressed block, and the two numbers that the index tells of it."""

    data: bytes
    unpadded: int
    size: int


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def compress(pieces: Iterable[bytes], *, level: int, threads: int, block: int = BLOCK) -> Iterator[bytes]:
    """The xz file of what *pieces* give, while they give it; *level* is 0 to 9 as for xz."""
    records = []
    yield _MAGIC + _FLAGS + struct.pack("<I", crc32(_FLAGS))
    with ThreadPoolExecutor(threads, thread_name_prefix="kheaders-xz") as pool:
        waiting: deque[Future[_Block]] = deque()
        try:
            for part in _cut(pieces, block):
                waiting.append(pool.submit(_compressed, part, level))
                while len(waiting) > threads or (waiting and waiting[0].done()):
                    done = waiting.popleft().result()
                    records.append((done.unpadded, done.size))
                    yield done.data
            while waiting:
                done = waiting.popleft().result()
                records.append((done.unpadded, done.size))
                yield done.data
        finally:
            for future in waiting:
                future.cancel()
    index = b"\0" + _number(len(records)) + b"".join(_number(a) + _number(b) for a, b in records)
    index += bytes(-len(index) % 4)
    index += struct.pack("<I", crc32(index))
    tail = struct.pack("<I", len(index) // 4 - 1) + _FLAGS
    yield index + struct.pack("<I", crc32(tail)) + tail + _END


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            data = b"".join(held)
            while len(data) >= size:
                yield data[:size]
                data = data[size:]
            held, length = [data], len(data)
    if length:
        yield b"".join(held)


def _compressed(data: bytes, level: int) -> _Block:
    """The one block of the stream that liblzma makes of *data*."""
    stream = lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, preset=level)
    (words,) = struct.unpack_from("<I", stream, len(stream) - FOOTER + 4)
    index = len(stream) - FOOTER - 4 * (words + 1)
    unpadded, _ = _read_number(stream, index + 2)  # after the indicator and the count, which is 1
    return _Block(stream[_HEADER:index], unpadded, len(data))


def _number(value: int) -> bytes:
    """A multibyte integer (section 1.2): seven bits a byte, the lowest first, a set top bit where more follow."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """The multibyte integer at *at*, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at
