"""Decompression: every kind, every way to be broken, bounded in memory, and of one mind with the real programs."""

from __future__ import annotations

import io
import lzma
import subprocess
import sys
import tracemalloc
import types
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.archive import KINDS, archive, compress, lz4_legacy, lzop_stored
from kheaders import decoders
from kheaders.compression import MAX_STREAMS, chunks, decompress, sniff
from kheaders.errors import ArchiveError

TEXT = b"".join(b"#define CONSTANT_%d %d\n" % (n, n * n) for n in range(200_000))
COMPRESSED = tuple(kind for kind in KINDS if kind)
CHECKED = ("xz", "gz", "zst", "bz2")
"""Kinds whose data carries a checksum, so that damage cannot go unnoticed."""

SMALL = archive({"include/linux/types.h": b"typedef unsigned int u32;\n"}, kind="")


def unpack(data: bytes, *, limit: int = 1 << 30) -> bytes:
    return b"".join(chunks(io.BytesIO(data), limit=limit))


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let the named optional libraries seem not to be installed."""
    found = decoders._library
    monkeypatch.setattr(decoders, "_library", lambda name: None if name in names else found(name))


@pytest.mark.parametrize("kind", COMPRESSED)
def test_every_kind_is_recognised_and_unpacked(kind: str) -> None:
    packed = compress(TEXT, kind)
    assert sniff(packed[:16]) == kind
    assert unpack(packed) == TEXT
    assert decompress(packed, kind) == TEXT
    assert decompress(memoryview(packed), kind) == TEXT


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"./include/", b"\0" * 600, TEXT])
def test_what_is_not_compressed_passes_through(data: bytes) -> None:
    assert sniff(data[:16]) == ""
    assert unpack(data) == data
    assert decompress(data, "") == data


def test_pieces_are_bounded() -> None:
    sizes = [len(piece) for piece in chunks(io.BytesIO(compress(bytes(50 << 20), "xz")))]
    assert sum(sizes) == 50 << 20
    assert max(sizes) <= 1 << 20
    assert next(chunks(io.BytesIO(compress(bytes(50 << 20), "xz")), piece=512)) == bytes(512)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_stream_that_gives_little_at_a_time(kind: str) -> None:
    class Dripping(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._left = data

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            piece, self._left = self._left[:3], self._left[3:]
            return piece

    assert b"".join(chunks(Dripping(compress(SMALL, kind)))) == SMALL  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["xz", "gz", "zst", "lz4", "bz2"])
def test_streams_that_follow_each_other_are_one(kind: str) -> None:
    assert unpack(b"".join(compress(part, kind) for part in (SMALL, b"", TEXT))) == SMALL + TEXT


@pytest.mark.parametrize(
    ("packed", "whole"),
    [
        (compress(SMALL, "xz") + bytes(8) + compress(TEXT, "xz") + bytes(4), True),
        (compress(SMALL, "xz") + bytes(3), False),
        (compress(SMALL, "xz") + bytes(2) + compress(TEXT, "xz"), False),
        (compress(SMALL, "xz") + b"garbage", False),
        (compress(SMALL, "xz") + compress(TEXT, "xz")[:-1], False),
        (compress(TEXT, "xz")[:5000], False),
        (lzma.compress(TEXT, check=lzma.CHECK_SHA256), True),
    ],
)
def test_agrees_with_the_program_xz(need_tool: Callable[[str], Path], packed: bytes, whole: bool) -> None:
    done = subprocess.run([need_tool("xz"), "-dc"], input=packed, capture_output=True, check=False)
    assert (done.returncode == 0) == whole
    if whole:
        assert unpack(packed) == done.stdout
    else:
        with pytest.raises(ArchiveError):
            unpack(packed)


@pytest.mark.parametrize(
    ("program", "options", "kind"),
    [
        ("lz4", ["-l", "-9"], "lz4"),
        ("lz4", ["-9"], "lz4"),
        ("zstd", ["-19"], "zst"),
        ("zstd", ["--ultra", "-22", "--long=27", "--no-check"], "zst"),
        ("xz", ["--check=crc32", "--x86", "--lzma2=preset=6,dict=32MiB"], "xz"),
        ("xz", ["-9", "--format=lzma"], "lzma"),
        ("gzip", ["-n", "-9"], "gz"),
        ("bzip2", ["-9"], "bz2"),
    ],
)
def test_what_the_real_programs_write_is_read(
    need_tool: Callable[[str], Path], program: str, options: list[str], kind: str
) -> None:
    text = TEXT[: 1 << 20]
    packed = subprocess.run([need_tool(program), *options, "-c"], input=text, capture_output=True, check=True).stdout
    assert sniff(packed) == kind
    assert unpack(packed) == text
    with_size = packed + len(text).to_bytes(4, "little")  # as the kernel's build does (scripts/Makefile.lib)
    assert decompress(with_size, kind, trailing=True) == text


# ---- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CHECKED)
def test_every_truncation_is_noticed(kind: str) -> None:
    packed = compress(SMALL, kind)
    for size in range(len(packed)):
        with pytest.raises(ArchiveError, match=r"broken off|damaged"):
            decompress(packed[:size], kind)


@pytest.mark.parametrize("kind", CHECKED)
def test_every_flipped_bit_is_noticed_or_harmless(kind: str) -> None:
    packed = compress(SMALL, kind)
    noticed = 0
    for bit in range(len(packed) * 8):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert decompress(bytes(damaged), kind) == SMALL
        except ArchiveError:
            noticed += 1
    assert noticed > len(packed) * 4


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.integers(0, 3), st.data())
def test_damage_to_several_xz_streams_with_padding(parts: list[bytes], padding: int, data: st.DataObject) -> None:
    packed = b"".join(lzma.compress(part, preset=0) + bytes(4 * padding) for part in parts)
    assert unpack(packed) == b"".join(parts)
    damaged = bytearray(packed)
    bit = data.draw(st.integers(8 * 6, len(packed) * 8 - 1), "bit")  # without its magic it would be no xz at all
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        assert unpack(bytes(damaged)) == b"".join(parts)
    except ArchiveError:
        pass


@given(st.binary(max_size=200), st.sampled_from([*COMPRESSED, "lzo"]))
def test_noise_after_a_magic_is_refused_or_read(noise: bytes, kind: str) -> None:
    library = types.ModuleType("lzo")
    library.decompress = lambda *_: b""  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "lzo", library)
        for size in (4, 9, 20):
            try:
                decompress(compress(SMALL, kind)[:size] + noise, kind, limit=1 << 20)
            except ArchiveError as error:
                assert "\n" not in str(error)


def test_a_broken_off_archive_says_how_much_was_good() -> None:
    packed = compress(TEXT, "xz")
    good = 0
    with pytest.raises(ArchiveError) as caught:
        for piece in chunks(io.BytesIO(packed[: len(packed) // 2]), name="/x/kheaders.tar.xz"):
            assert TEXT[good : good + len(piece)] == piece
            good += len(piece)
    assert good > 0
    assert f"after {good} good bytes" in str(caught.value)
    assert str(caught.value).startswith("/x/kheaders.tar.xz: ")


def test_what_follows_is_refused_unless_allowed() -> None:
    for kind in COMPRESSED:
        packed = compress(SMALL, kind)
        with pytest.raises(ArchiveError):
            decompress(packed + b"~Module signature appended~\n", kind)
        assert decompress(packed + b"~Module signature appended~\n", kind, trailing=True) == SMALL


def test_a_stream_that_cannot_be_read() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ArchiveError, match="Input/output error"):
        list(chunks(Failing()))


# ---- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*COMPRESSED, ""])
def test_the_limit_is_exact(kind: str) -> None:
    packed = compress(SMALL, kind)
    assert unpack(packed, limit=len(SMALL)) == SMALL
    assert decompress(packed, kind, limit=len(SMALL)) == SMALL
    for limit in (0, 1, len(SMALL) - 1):
        with pytest.raises(ArchiveError, match=f"more than {limit} bytes"):
            unpack(packed, limit=limit)
        with pytest.raises(ArchiveError, match=f"more than {limit} bytes"):
            decompress(packed, kind, limit=limit)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most memory, in bytes, that was taken since the test began."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["xz", "gz", "zst", "lz4", "bz2", "lzma"])
def test_a_bomb_is_refused_before_it_takes_memory(kind: str, peak: Callable[[], int]) -> None:
    bomb = BOMBS[kind]
    with pytest.raises(ArchiveError, match="more than 1000000 bytes"):
        unpack(bomb, limit=1_000_000)
    assert peak() < 40 << 20


BOMBS = {kind: compress(bytes(100 << 20), kind) for kind in ("xz", "gz", "zst", "lz4", "bz2", "lzma")}


def test_an_xz_stream_may_not_ask_for_any_amount_of_memory() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    packed = bytearray(lzma.compress(SMALL, filters=filters))
    at = packed.index(b"\x21\x01") + 2  # the filter's properties: one byte that codes the size of the dictionary
    packed[at] = 40  # 4 GiB - 1
    header = 12
    size = (packed[header] + 1) * 4
    packed[header + size - 4 : header + size] = zlib.crc32(packed[header : header + size - 4]).to_bytes(4, "little")
    with pytest.raises(ArchiveError, match=r"[Mm]emory"):
        unpack(bytes(packed))


def test_the_number_of_streams_is_bounded() -> None:
    empty = lzma.compress(b"")
    assert unpack(empty * MAX_STREAMS) == b""
    with pytest.raises(ArchiveError, match="streams"):
        unpack(empty * (MAX_STREAMS + 1))


# ---- libraries that are missing -------------------------------------------------------------------------------------


def test_the_program_zstd_stands_in_for_the_library(
    need_tool: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    need_tool("zstd")
    without(monkeypatch, "zstandard", "compression.zstd")
    packed = compress(TEXT, "zst")
    assert unpack(packed) == TEXT
    assert unpack(packed + compress(SMALL, "zst")) == TEXT + SMALL
    assert decompress(packed + b"1234", "zst", trailing=True) == TEXT
    for damaged in (packed[:-1], packed[: len(packed) // 2], packed[:5], packed[:-1] + b"?"):
        with pytest.raises(ArchiveError):
            unpack(damaged)
    with pytest.raises(ArchiveError, match="more than 1000000 bytes"):
        unpack(BOMBS["zst"], limit=1_000_000)


@pytest.mark.parametrize(
    ("kind", "library", "package"),
    [("zst", "zstandard", "zstandard"), ("lz4", "lz4.frame", "lz4"), ("lzo", "lzo", "lzo")],
)
def test_what_is_missing_is_named(
    kind: str, library: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without(monkeypatch, library, "compression.zstd")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArchiveError, match=f"{package}.*pip install") as caught:
        unpack(compress(SMALL, kind))
    assert "damaged" not in str(caught.value)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ArchiveError, match="'rar' is not known"):
        decompress(SMALL, "rar")


# ---- lzo: a container that the library does not read ----------------------------------------------------------------


@pytest.fixture
def stored_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """An lzo library that must not be called, as stored blocks need none."""
    monkeypatch.setitem(sys.modules, "lzo", types.ModuleType("lzo"))


@pytest.mark.usefixtures("stored_only")
def test_lzop_with_stored_blocks() -> None:
    packed = lzop_stored(TEXT)
    assert sniff(packed) == "lzo"
    assert unpack(packed) == TEXT
    assert decompress(packed + b"size", "lzo", trailing=True) == TEXT
    for size in range(9, len(lzop_stored(SMALL)), 97):
        with pytest.raises(ArchiveError):
            unpack(lzop_stored(SMALL)[:size])
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        unpack(packed, limit=1000)


@pytest.mark.parametrize("options", [["-9"], ["-1", "-C"], ["-3", "-F"], ["--crc32"]])
def test_lzop_through_the_program(need_tool: Callable[[str], Path], options: list[str]) -> None:
    lzop = need_tool("lzop")
    packed = subprocess.run([lzop, *options, "-c"], input=TEXT, capture_output=True, check=True).stdout
    assert unpack(packed) == TEXT
    assert decompress(packed + b"size", "lzo", trailing=True) == TEXT


def test_lz4_legacy_blocks() -> None:
    data = bytes(range(256)) * (40 << 10)  # 10 MiB: one whole block of 8 MiB and a rest
    packed = lz4_legacy(data)
    assert unpack(packed) == data
    assert unpack(lz4_legacy(data[: 8 << 20])) == data[: 8 << 20]
    with pytest.raises(ArchiveError, match="broken off"):
        unpack(packed[:-1])
