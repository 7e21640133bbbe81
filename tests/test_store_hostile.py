"""The store among damage, other users, and directories that somebody tampered with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from builders.others import (
    OTHER,
    STRANGER,
    as_user,
    open_place,
    with_umask,
)
from builders.small_tree import GOOD, fill, is_good, opened, publish, remains, write
from kheaders.errors import StoreError, UnsafePath
from kheaders.store import Store
from kheaders.store.locks import lock_file

BOOT = "boot-1"


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


# ---- damage ---------------------------------------------------------------------------------------------------------


def replaced(path: Path) -> None:
    """Put another file in place of *path*, with the same size and times."""
    status, data = path.stat(), path.read_bytes()
    path.with_name("new").write_bytes(data[::-1])
    os.utime(path.with_name("new"), ns=(status.st_atime_ns, status.st_mtime_ns))
    path.with_name("new").rename(path)


def zeroed(path: Path) -> None:
    """Fill *path* with zeros and give it its old times back."""
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def linked(path: Path) -> None:
    """Put a link to the same content in place of *path*."""
    path.rename(path.parents[3] / "elsewhere.h")
    path.symlink_to(path.parents[3] / "elsewhere.h")


def fifo(path: Path) -> None:
    """Put a fifo, which blocks whoever opens it carelessly, in place of *path*."""
    path.unlink()
    os.mkfifo(path)


def instead(home: Path) -> Path:
    """*home*, which is no more."""
    shutil.rmtree(home)
    return home


def moved(home: Path) -> Path:
    """*home*, which is elsewhere now."""
    home.rename(home.parents[2] / "e")
    return home


DAMAGE: dict[str, Callable[[Path], object]] = {
    "file emptied": lambda home: (home / "root/linux/b.h").write_bytes(b""),
    "file zeroed": lambda home: zeroed(home / "root/linux/b.h"),
    "file deleted": lambda home: (home / "root/a.h").unlink(),
    "file replaced": lambda home: replaced(home / "root/a.h"),
    "file replaced by a link": lambda home: linked(home / "root/linux/b.h"),
    "file's mode": lambda home: (home / "root/a.h").chmod(0o666),
    "file added": lambda home: (home / "root/linux/c.h").write_bytes(b""),
    "directory's mode": lambda home: (home / "root/linux").chmod(0o777),
    "directory added": lambda home: (home / "root/empty").mkdir(),
    "directory deleted": lambda home: shutil.rmtree(home / "root/linux"),
    "root deleted": lambda home: shutil.rmtree(home / "root"),
    "root's mode": lambda home: (home / "root").chmod(0o777),
    "entry's mode": lambda home: home.chmod(0o777),
    "stamp deleted": lambda home: (home / "used").unlink(),
    "manifest deleted": lambda home: (home / "manifest.json").unlink(),
    "manifest emptied": lambda home: (home / "manifest.json").write_bytes(b""),
    "manifest truncated": lambda home: os.truncate(home / "manifest.json", 40),
    "manifest not text": lambda home: (home / "manifest.json").write_bytes(os.urandom(64)),
    "manifest a list": lambda home: (home / "manifest.json").write_text("[1]"),
    "manifest foreign": lambda home: (home / "manifest.json").write_text('{"format": 1, "name": "other"}'),
    "manifest deeply nested": lambda home: (home / "manifest.json").write_text("[" * 200_000),
    "manifest huge": lambda home: os.truncate(home / "manifest.json", 2**40),
    "manifest writable": lambda home: (home / "manifest.json").chmod(0o666),
    "manifest a link": lambda home: linked(home / "manifest.json"),
    "manifest a fifo": lambda home: fifo(home / "manifest.json"),
    "entry a file": lambda home: instead(home).write_text(""),
    "entry a dangling link": lambda home: instead(home).symlink_to("/nonexistent/x"),
    "entry a link to a directory": lambda home: moved(home).symlink_to("../../e"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_tree_is_absent_and_made_again(tmp_path: Path, what: str) -> None:
    store = opened(tmp_path)
    entry = store.publish_tree("k", fill)
    DAMAGE[what](entry.home)
    assert store.tree("k") is None
    assert str(entry.home) in (store.why("k") or "")
    assert is_good(store.publish_tree("k", fill).path)
    assert store.tree("k") is not None
    assert {path for path in remains(tmp_path) if path.startswith("run/")} >= GOOD
    assert not (tmp_path / "run/staging").exists() or os.listdir(tmp_path / "run/staging") == []


@pytest.mark.parametrize("what", ["manifest foreign", "manifest huge", "entry a file", "entry a link to a directory"])
def test_damaged_entry_can_be_listed_and_cleared(tmp_path: Path, what: str) -> None:
    entry = opened(tmp_path).publish_tree("k", fill)
    DAMAGE[what](entry.home)
    assert [(e.key, e.damaged) for e in opened(tmp_path).entries()] == [("k", True)]
    assert opened(tmp_path).clear().entries == 1
    assert not os.path.lexists(entry.home)
    if what == "entry a link to a directory":
        assert is_good(tmp_path / "e/root"), "what a link points to is not removed"


# ---- links swapped in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/nonexistent/target", "outside"])
def test_link_swapped_in_for_the_final_name_while_filling(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    store = opened(tmp_path)

    def swap(fd: int) -> Mapping[str, object]:
        (tmp_path / "run/trees").mkdir()
        (tmp_path / "run/trees/k").symlink_to(tmp_path / target)
        return fill(fd)

    entry = store.publish_tree("k", swap)
    assert not entry.home.is_symlink()
    assert is_good(entry.path)
    assert list((tmp_path / "outside").iterdir()) == []
    assert remains(tmp_path) == GOOD


@pytest.mark.parametrize("component", ["run", "run/trees", "run/locks", "run/staging"])
@pytest.mark.parametrize("dangling", [False, True])
def test_link_in_place_of_any_component(tmp_path: Path, component: str, dangling: bool) -> None:
    publish(tmp_path)
    moved = tmp_path / "moved"
    shutil.rmtree(tmp_path / component) if dangling else (tmp_path / component).rename(moved)
    (tmp_path / component).symlink_to(moved)
    store = opened(tmp_path)
    with pytest.raises(UnsafePath, match=f"{tmp_path / component}: is a symbolic link"):
        store.publish_tree("other", fill)
    if component in ("run", "run/trees"):
        assert store.tree("k") is None
        assert "symbolic link" in (store.why("k") or "")
    assert moved.exists() != dangling


@pytest.mark.parametrize("mode", [0o775, 0o777])
@pytest.mark.parametrize("component", ["", "run", "run/trees", "run/staging", "run/locks"])
def test_writable_by_others(tmp_path: Path, component: str, mode: int) -> None:
    publish(tmp_path)
    (tmp_path / component).chmod(mode)
    try:
        store = opened(tmp_path)
        with pytest.raises(UnsafePath, match=r"may write to it .*; run: chmod g"):
            store.publish_tree("other", fill)
        if component in ("", "run"):
            assert store.tree("k") is None
            assert "may write to it" in (store.writable("boot") or "")
    finally:
        (tmp_path / component).chmod(0o755)


# ---- other users ----------------------------------------------------------------------------------------------------


@pytest.mark.root
class TestOtherUsers:
    def test_directory_made_first_by_another(self, place: Path) -> None:
        (place / "tmp").mkdir()
        (place / "tmp").chmod(0o1777)
        as_user(STRANGER, lambda: publish(place / "tmp"))
        for user in (0, OTHER):
            with pytest.raises(UnsafePath, match=f"run: belongs to user {STRANGER}, whom"):
                as_user(user, lambda: publish(place / "tmp"))
            assert as_user(user, lambda: opened(place / "tmp").tree("k")) is None
            assert f"belongs to user {STRANGER}" in as_user(user, lambda: opened(place / "tmp").writable("boot") or "")

    @pytest.mark.parametrize("component", ["run", "run/trees", "run/trees/k", "run/trees/k/root"])
    def test_wrong_owner_of_any_component(self, place: Path, component: str) -> None:
        publish(place)
        os.chown(place / component, STRANGER, STRANGER)
        store = opened(place)
        assert store.tree("k") is None
        assert f"{place / component}: belongs to user {STRANGER}" in (store.why("k") or "")

    def test_fill_that_writes_as_another(self, place: Path) -> None:
        def foreign(fd: int) -> Mapping[str, object]:
            fill(fd)
            os.chown("linux/b.h", STRANGER, STRANGER, dir_fd=fd)
            return {}

        with pytest.raises(StoreError, match=f"linux/b.h: belongs to user {STRANGER}"):
            opened(place).publish_tree("k", foreign)
        assert remains(place) == set()

    def test_user_reads_root_s_store(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kheaders.store.areas.ROOT_BOOT", place / "run")
        monkeypatch.setattr("kheaders.store.areas.ROOT_CACHE", place / "cache")
        root = Store.open(boot_id=BOOT)

        def publish_all() -> None:
            root.publish_tree("k", fill)
            root.publish_file("pch", "k", b"data")
            root.put_record("seen", "k", {"digest": "1"}, boot=True)

        with_umask(0o077, publish_all)
        before = remains(place)

        def use() -> tuple[bool, bytes, object]:
            store = Store.open(boot_id=BOOT, environ={"HOME": "/nonexistent"})
            entry, fd = store.tree("k"), store.open_file("pch", "k")
            assert entry is not None
            assert fd is not None
            assert store.publish_tree("k", fill) == entry
            with store.using(entry), open(fd, "rb") as stream:
                return entry.own, stream.read(), store.record("seen", "k")

        assert as_user(STRANGER, use) == (False, b"data", {"digest": "1"})
        assert remains(place) == before

    def test_user_cannot_lock_root_out(self, place: Path) -> None:
        publish(place)
        for name in ("locks", "staging"):
            with pytest.raises(PermissionError):
                as_user(STRANGER, lambda name=name: os.listdir(place / "run" / name))  # type: ignore[misc]

    def test_lock_that_a_stranger_holds_stops_nobody(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Anyone who can read an entry can lock its stamp: it cannot be evicted then, but be used and replaced."""
        monkeypatch.setattr("kheaders.store.upkeep._WAIT", 0.02)
        store = opened(place)
        entry = store.publish_tree("k", fill)
        with open(entry.home / "used", "rb") as stamp:
            assert lock_file(stamp.fileno(), exclusive=True)
            with store.using(entry):
                assert store.clear().kept == 1
            (entry.path / "a.h").write_text("damaged")
            assert is_good(store.publish_tree("k", fill).path)

    def test_user_under_a_umask_that_forbids_all(self, place: Path) -> None:
        (place / "home").mkdir()
        os.chown(place / "home", STRANGER, STRANGER)

        def flat(fd: int) -> Mapping[str, object]:
            write(fd, "a.h", b"int a;")
            os.mkdir("empty", dir_fd=fd)
            return {}

        def work() -> tuple[bool, bool]:
            store = opened(place / "home")
            store.publish_tree("k", flat)
            store.publish_file("pch", "k", b"data")
            store.put_record("seen", "k", {}, boot=False)
            store.collect()
            return store.tree("k") is not None, store.record("seen", "k") == {}

        assert as_user(STRANGER, lambda: with_umask(0o777, work)) == (True, True)
        assert as_user(STRANGER, lambda: opened(place / "home").clear().entries) == 3
