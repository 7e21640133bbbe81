"""One decoder for each kind of compression, all with the interface of lzma.LZMADecompressor.

The standard library, zstandard and lz4 decode most of it. Here are the containers that none of them reads, and the
programs that stand in for a missing library. Only :mod:`kheaders.compression` uses this.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable
from types import ModuleType
from typing import Protocol

from kheaders import run
from kheaders.errors import ArchiveError

MAX_DICTIONARY = 512 * 1024**2
"""Bytes of memory that xz and lzma decoders may take; kernels are built with dictionaries of up to 128 MiB."""

LZ4_LEGACY = b"\x02\x21\x4c\x18"
LZOP = b"\x89LZO\x00\x0d\x0a\x1a\x0a"


def check_limit(total: int, limit: int, name: str, slack: int = 0) -> None:
    """Raise ArchiveError if *total* bytes are more than *limit*, by more than *slack*."""
    if total > limit + slack:
        raise ArchiveError(
            f"{name}: unpacks to more than {limit} bytes",
            "raise the limit, KHEADERS_UNPACK_LIMIT, if it may be trusted",
        )


class Decoder(Protocol):
    """What lzma.LZMADecompressor and its like in bz2, lz4.frame and compression.zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def make_decoder(kind: str, prefix: bytes, limit: int, name: str) -> Decoder:
    """A decoder for one stream of *kind* that starts with *prefix*; *limit* bounds those that work on the whole.

    Raises ArchiveError for an unknown kind, or one whose library and program are both missing.
    """
    if kind == "xz" or kind == "lzma":
        import lzma

        form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(form, memlimit=MAX_DICTIONARY)
    if kind == "gz":
        return _Gzip()
    if kind == "bz2":
        import bz2

        return bz2.BZ2Decompressor()
    if kind == "zst":
        return _zstd(limit, name)
    if kind == "lz4":
        if (frame := _library("lz4.frame")) is None:
            raise _missing(name, kind, "lz4", "pip install kheaders[formats]")
        decoder: Decoder = _Lz4Legacy() if prefix.startswith(LZ4_LEGACY) else frame.LZ4FrameDecompressor()
        return decoder
    if kind == "lzo":
        return _lzo(limit, name)
    raise ArchiveError(f"{name}: compression {kind!r} is not known", "use xz, gz, zst, lz4, lzo, lzma or bz2")


def _library(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _missing(name: str, kind: str, package: str, hint: str) -> ArchiveError:
    return ArchiveError(f"{name}: is {kind} data, which needs the Python package {package}", hint)


def _zstd(limit: int, name: str) -> Decoder:
    if own := _library("compression.zstd"):
        decoder: Decoder = own.ZstdDecompressor()
        return decoder
    if library := _library("zstandard"):
        return _Zstandard(library)
    if run.which("zstd"):
        return _Whole(lambda data: _zstd_program(data, limit, name), limit, name)
    raise _missing(name, "zst", "zstandard", "pip install kheaders[formats], or install the program zstd")


def _lzo(limit: int, name: str) -> Decoder:
    if library := _library("lzo"):
        return _Whole(lambda data: _lzop_blocks(data, limit, name, library), limit, name)
    if run.which("lzop"):
        return _Whole(lambda data: _lzop_program(data, limit, name), limit, name)
    raise _missing(name, "lzo", "python-lzo", "pip install python-lzo, or install the program lzop")


class _Gzip:
    """zlib's decompressor under the names that the other libraries use."""

    def __init__(self) -> None:
        import zlib

        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


class _Zstandard:
    """The zstandard package, which cannot bound its output: so it gets its input in small doses.

    A block unpacks to at most 128 KiB and takes at least 4 bytes (RFC 8878, 3.1.1.2): a dose of 512 bytes gives at
    most 16 MiB. Its stream reader takes a broken-off frame for a whole one, so it is no alternative.
    """

    _DOSE = 512

    def __init__(self, library: ModuleType) -> None:
        self._frame = library.ZstdDecompressor().decompressobj()
        self._input = b""
        self._at = 0

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def needs_input(self) -> bool:
        return self._at >= len(self._input)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._input[self._at :]

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        out: list[bytes] = []
        size = 0
        while size < max_length and not self.needs_input and not self.eof:
            dose = self._input[self._at : self._at + self._DOSE]
            self._at += len(dose)
            out.append(self._frame.decompress(dose))
            size += len(out[-1])
        return b"".join(out)


class _Lz4Legacy:
    """The container of ``lz4 -l`` (lz4_Frame_format.md, Legacy frame; lib/decompress_unlz4.c).

    A magic, then blocks: four bytes of little-endian size and the data. Each unpacks to 8 MiB but for the last one;
    there is no end mark. The kernel's build appends the unpacked size, which is no block.
    """

    _UNPACKED = 8 * 1024**2
    _BOUND = _UNPACKED + _UNPACKED // 255 + 16

    def __init__(self) -> None:
        self._block = importlib.import_module("lz4.block")
        self._input = bytearray()
        self._magic = False
        self._pending = b""
        self._last = False
        self.eof = False
        self.needs_input = True

    @property
    def unused_data(self) -> bytes:
        return bytes(self._input)

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        ended = self.needs_input and not data
        self._input += data
        if not self._magic and len(self._input) >= 4:
            self._magic = True
            del self._input[:4]
        if not self._pending and self._magic:
            self._next(ended)
        out, self._pending = self._pending[:max_length], self._pending[max_length:]
        self.eof = self._last and not self._pending
        self.needs_input = not self._pending and not self.eof
        return out

    def _next(self, ended: bool) -> None:
        if len(self._input) <= 4:
            self._last = self._last or ended
            return
        size = struct.unpack_from("<I", self._input)[0]
        if self._last or size > self._BOUND:
            self._last = True
        elif len(self._input) >= 4 + size:
            block = bytes(self._input[4 : 4 + size])
            del self._input[: 4 + size]
            self._pending = self._block.decompress(block, uncompressed_size=self._UNPACKED)
            self._last = len(self._pending) < self._UNPACKED


_SLACK = 1024**2
"""Bytes that incompressible data may grow by when it is compressed."""


class _Whole:
    """A decoder that needs all its input at once; ``unpack`` gives the output and how much input it took."""

    def __init__(self, unpack: Callable[[bytes], tuple[bytes, int]], limit: int, name: str) -> None:
        self._unpack = unpack
        self._limit = limit
        self._name = name
        self._input: list[bytes] = []
        self._size = 0
        self._out = memoryview(b"")
        self.unused_data = b""
        self.needs_input = True
        self.eof = False

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if data:
            self._input.append(data)
            self._size += len(data)
            check_limit(self._size, self._limit, self._name, _SLACK)
            return b""
        if self.needs_input:
            whole = b"".join(self._input)
            self._input.clear()
            try:
                out, used = self._unpack(whole)
            except (IndexError, struct.error) as error:
                raise _broken_off(self._name) from error
            self._out, self.unused_data, self.needs_input = memoryview(out), whole[used:], False
        piece, self._out = bytes(self._out[:max_length]), self._out[max_length:]
        self.eof = not self._out
        return piece


def _broken_off(name: str) -> ArchiveError:
    return ArchiveError(f"{name}: compressed data is broken off after 0 good bytes", "get it again")


def _zstd_program(data: bytes, limit: int, name: str) -> tuple[bytes, int]:
    """One frame through ``zstd -dc``, once its block headers have shown a bound of the output (RFC 8878, 3.1.1)."""
    descriptor = data[4]
    single = descriptor >> 5 & 1
    at = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6]
    bound = 0
    last = 0
    while not last:
        header = int.from_bytes(data[at : at + 3], "little")
        last, form, size = header & 1, header >> 1 & 3, header >> 3
        bound += size if form < 2 else 128 * 1024
        at += 3 + (1 if form == 1 else size)
        if at > len(data):
            raise _broken_off(name)
        check_limit(bound, limit, name, 128 * 1024)
    at += 4 * (descriptor >> 2 & 1)
    return run.run(["zstd", "-dcq", "--long=27"], input=data[:at]).stdout, at


def _lzop_layout(data: bytes, limit: int, name: str) -> tuple[list[tuple[int, int, int]], int]:
    """(offset, size, unpacked size) of each block of an lzop file and where it ends (lib/decompress_unlzo.c)."""
    (version,) = struct.unpack_from(">H", data, len(LZOP))
    new = version >= 0x0940
    at = len(LZOP) + (8 if new else 5)
    (flags,) = struct.unpack_from(">I", data, at)
    at += (8 if flags & 0x800 else 4) + (12 if new else 8)
    at += 1 + data[at] + 4
    plain_sums = 4 * ((flags & 1) + (flags >> 8 & 1))
    packed_sums = 4 * ((flags >> 1 & 1) + (flags >> 9 & 1))
    blocks = []
    total = 0
    while unpacked := struct.unpack_from(">I", data, at)[0]:
        (size,) = struct.unpack_from(">I", data, at + 4)
        at += 8 + plain_sums + (packed_sums if size < unpacked else 0)
        blocks.append((at, size, unpacked))
        at += size
        total += unpacked
        check_limit(total, limit, name)
        if at > len(data):
            raise _broken_off(name)
    return blocks, at + 4


def _lzop_blocks(data: bytes, limit: int, name: str, library: ModuleType) -> tuple[bytes, int]:
    blocks, end = _lzop_layout(data, limit, name)
    out = [
        data[at : at + size] if size == unpacked else library.decompress(data[at : at + size], False, unpacked)
        for at, size, unpacked in blocks
    ]
    return b"".join(out), end


def _lzop_program(data: bytes, limit: int, name: str) -> tuple[bytes, int]:
    _, end = _lzop_layout(data, limit, name)
    return run.run(["lzop", "-dc"], input=data[:end]).stdout, end
