"""Whole or not at all, and never through what somebody else put there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from builders.root import unprivileged
from kheaders.errors import PackError
from kheaders.newfile import Destination, replacing


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


class TestByName:
    """As the writers of other formats write: to a name."""

    def test_whole_or_not_at_all(self, tmp_path: Path) -> None:
        place = tmp_path / "a"
        place.write_text("old")
        with pytest.raises(RuntimeError), replacing(place, PackError) as staged:
            staged.write_text("half")
            raise RuntimeError
        assert place.read_text() == "old" and os.listdir(tmp_path) == ["a"]
        with replacing(place, PackError) as staged:
            staged.write_text("new")
            assert place.read_text() == "old"
        assert place.read_text() == "new" and os.listdir(tmp_path) == ["a"]
        assert place.stat().st_mode & 0o777 == 0o644

    def test_a_database(self, tmp_path: Path) -> None:
        with replacing(tmp_path / "a", PackError) as staged, closing(sqlite3.connect(staged)) as database:
            database.execute("CREATE TABLE t AS SELECT 7 AS seven")
            database.commit()
        assert os.listdir(tmp_path) == ["a"]
        with closing(sqlite3.connect(tmp_path / "a")) as database:
            assert database.execute("SELECT seven FROM t").fetchall() == [(7,)]

    def test_in_the_directory_that_was_looked_at(self, tmp_path: Path) -> None:
        """Also where another one has its name by the time the file is written."""
        (tmp_path / "d").mkdir()
        with replacing(tmp_path / "d/a", PackError) as staged:
            (tmp_path / "d").rename(tmp_path / "moved")
            (tmp_path / "d").mkdir()
            staged.write_text("new")
        assert os.listdir(tmp_path / "d") == []
        assert (tmp_path / "moved/a").read_text() == "new"

    def test_a_disk_that_is_full(self, tmp_path: Path) -> None:
        with (
            pytest.raises(PackError, match=r"a: cannot be written \(No space left on device\)"),
            replacing(tmp_path / "a", PackError),
            open("/dev/full", "wb", buffering=0) as full,
        ):
            full.write(b"x")
        assert os.listdir(tmp_path) == []

    def test_places_that_cannot_be(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        for place in (tmp_path / "fifo", Path("/dev/null"), tmp_path, tmp_path / "none/a"):
            with pytest.raises(PackError), replacing(place, PackError):
                raise AssertionError("must not get here")
