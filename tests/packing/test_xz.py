"""One stream that every decoder reads, the same for any number of threads and any cut of its input."""

from __future__ import annotations

import lzma
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kheaders.packing import xz

DATA = random.Random(1).randbytes(3000) * 7


def packed(data: bytes, *, threads: int = 2, block: int = 4096, cut: int = 1000, level: int = 1) -> bytes:
    pieces = (data[at : at + cut] for at in range(0, len(data), cut))
    return b"".join(xz.compress(pieces, level=level, threads=threads, block=block))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 20000), st.integers(1, 5000), st.integers(1, 5))
def test_what_goes_in_comes_out_of_one_stream(size: int, cut: int, threads: int) -> None:
    data = (DATA * 2)[:size]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    assert decoder.decompress(packed(data, cut=cut, threads=threads)) == data
    assert decoder.eof and not decoder.unused_data


def test_bytes_depend_on_neither_threads_nor_cut() -> None:
    assert len({packed(DATA, threads=n, cut=cut) for n in (1, 2, 7) for cut in (1, 999, 4096, 100_000)}) == 1


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 21000])
def test_the_program_finds_it_whole(size: int, tmp_path: Path, need_tool: Callable[[str], Path]) -> None:
    path = tmp_path / "a.xz"
    path.write_bytes(packed(DATA[:size]))
    done = subprocess.run([need_tool("xz"), "--robot", "--list", path], capture_output=True, check=True, text=True)
    kind, streams, blocks, _, unpacked = done.stdout.splitlines()[-1].split("\t")[:5]
    assert (kind, streams, blocks, unpacked) == ("totals", "1", str(-(-size // 4096)), str(size))
    subprocess.run([need_tool("xz"), "--test", path], check=True)


def test_an_error_of_the_input_ends_it() -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(10_000)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(xz.compress(broken(), level=0, threads=2, block=4096))
