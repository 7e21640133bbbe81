"""Shipping a blob: small, and the very same after the way back; whatever else is refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.interface import content
from kheaders.errors import BlobError
from kheaders.interface import packing
from kheaders.interface.blob import Blob
from kheaders.interface.transfer import MAGIC, content_of, export, restore


@pytest.fixture(scope="module")
def exported(small_blob: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "small.kheaders.xz"
    with Blob(small_blob) as blob:
        export(blob, path)
    return path


def test_there_and_back(small_blob: Path, exported: Path, tmp_path: Path) -> None:
    restore(exported, tmp_path / "back")
    assert content(tmp_path / "back") == content(small_blob)
    assert (tmp_path / "back").read_bytes() == small_blob.read_bytes()
    assert list(tmp_path.iterdir()) == [tmp_path / "back"]


def test_the_same_blob_gives_the_same_file(small_blob: Path, exported: Path, tmp_path: Path) -> None:
    with Blob(small_blob) as blob:
        export(blob, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == exported.read_bytes()


@pytest.mark.slow
def test_a_real_one_is_no_larger_than_its_archive(debian_blob: Path, debian_archive: Path, tmp_path: Path) -> None:
    with Blob(debian_blob) as blob:
        export(blob, tmp_path / "file")
    assert os.path.getsize(tmp_path / "file") <= os.path.getsize(debian_archive)
    restore(tmp_path / "file", tmp_path / "back")
    assert content(tmp_path / "back") == content(debian_blob)


def test_what_is_no_exported_blob(small_blob: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "junk").write_bytes(os.urandom(5000))
    (tmp_path / "head").write_bytes(MAGIC)
    for path in (small_blob, tmp_path, tmp_path / "none", *sorted(tmp_path.iterdir())):
        with pytest.raises(BlobError) as caught:
            restore(path, tmp_path / "out")
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("at", [len(MAGIC), len(MAGIC) + 8, 0.2, 0.5, 0.99])
def test_a_changed_byte(exported: Path, tmp_path: Path, at: float) -> None:
    data = bytearray(exported.read_bytes())
    data[int(at * len(data)) if at < 1 else int(at)] ^= 1
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(BlobError):
        restore(tmp_path / "bad", tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["bad"]


@pytest.mark.parametrize("part", [0.01, 0.5, 0.999])
def test_truncated(exported: Path, tmp_path: Path, part: float) -> None:
    data = exported.read_bytes()
    (tmp_path / "bad").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(BlobError, match=r"damaged|no exported blob"):
        restore(tmp_path / "bad", tmp_path / "out")


def test_sizes_that_lie(exported: Path, tmp_path: Path) -> None:
    """A digest that fits proves nothing: whoever makes a file makes the digest, too."""
    head = len(MAGIC) + 4 + 32
    body = exported.read_bytes()[head:]
    for lie in (0, 1 << 20, 1 << 62):
        forged = lie.to_bytes(8, "little") + body[8:]
        start = exported.read_bytes()[: len(MAGIC) + 4] + hashlib.sha256(forged).digest()
        (tmp_path / "bad").write_bytes(start + forged)
        if lie == 1 << 20:
            continue  # more room than needed is no harm
        with pytest.raises(BlobError, match="damaged"):
            restore(tmp_path / "bad", tmp_path / "out")


def test_texts_with_any_byte(small_blob: Path) -> None:
    with Blob(small_blob) as blob:
        original = content_of(blob)
    texts = [b"", b"\0", b"\1", b"\1\2", b"\0\1\1\0", b"int x;"]
    original = original._replace(decl_texts=[*texts, *original.decl_texts[len(texts) :]])
    assert packing.unpack(packing.pack(original)) == original


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_streams_that_were_made_up(small_blob: Path, data: st.DataObject) -> None:
    """Whatever a stream holds, the answer is content or Malformed, nothing else."""
    with Blob(small_blob) as blob:
        streams = packing.pack(content_of(blob))
    name = data.draw(st.sampled_from(packing.STREAMS))
    whole = streams[name]
    at = data.draw(st.integers(0, len(whole)))
    streams[name] = whole[:at] + data.draw(st.binary(max_size=20)) + whole[at + data.draw(st.integers(0, 20)) :]
    try:
        packing.unpack(streams)
    except packing.Malformed:
        pass
