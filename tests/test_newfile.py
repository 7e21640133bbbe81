"""Whole or not at all, and never through what somebody else put there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.root import unprivileged
from kheaders.errors import PackError
from kheaders.newfile import Destination


def write(path: Path, *pieces: bytes) -> int:
    with Destination(path, PackError) as place:
        return place.write(pieces)


def test_a_file_appears(tmp_path: Path) -> None:
    assert write(tmp_path / "a", b"one", b"", b"two") == 6
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise PackError("it fails")

    with pytest.raises(PackError, match="it fails"), Destination(tmp_path / "a", PackError) as place:
        place.write(pieces())
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
    write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "a").symlink_to("target")
    write(tmp_path / "a", b"new")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "a").is_symlink()


def test_a_full_disk() -> None:
    with pytest.raises(PackError, match="is neither a file nor a link"):
        Destination(Path("/dev/full"), PackError)


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    with Destination(tmp_path / "a", PackError) as place, monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(PackError, match=r"cannot be written \(No space left on device\); free space"):
            place.write([b"x"])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["missing/a", ".", "directory", "fifo", "n" * 300, "a\0b"])
def test_places_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(PackError):
        Destination(tmp_path / name, PackError)
    assert sorted(os.listdir(tmp_path)) == before


def test_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with unprivileged(), pytest.raises(PackError, match="cannot be written"):
        Destination(Path("/usr/a"), PackError)
