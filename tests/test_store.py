"""What the store keeps, finds again, evicts and lists."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest

from builders.others import with_umask
from kheaders.errors import HeadersNotFound, StoreError
from kheaders.store import Entry, Store

BOOT = "boot-1"


def write(fd: int, path: str, text: str = "text") -> None:
    """Write a file below the directory *fd*."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666, dir_fd=fd), "w") as stream:
        stream.write(text)


def fill(fd: int) -> Mapping[str, object]:
    """A small tree."""
    write(fd, "a.h", "int a;")
    os.mkdir("linux", dir_fd=fd)
    write(fd, "linux/b.h", "int b;")
    os.symlink("linux/b.h", "c.h", dir_fd=fd)
    return {"filled": True}


def never(fd: int) -> Mapping[str, object]:
    """A fill that must not happen."""
    raise AssertionError("filled though it was there")


def opened(tmp_path: Path, boot_id: str = BOOT, limit: int = 10**9) -> Store:
    return Store.open(boot=tmp_path / "run", cache=tmp_path / "cache", boot_id=boot_id, limit=limit)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return opened(tmp_path)


def files_below(*places: Path) -> set[str]:
    """The relative path of everything that is no directory."""
    return {str(p.relative_to(top)) for top in places for p in top.rglob("*") if not p.is_dir() or p.is_symlink()}


class TestTrees:
    def test_round_trip(self, store: Store, tmp_path: Path) -> None:
        assert store.tree("k") is None
        assert store.why("k") is None
        made = store.publish_tree("k", fill, meta={"source": "test"})
        found = store.tree("k")
        assert found is not None
        assert (found.path, found.manifest) == (made.path, {"source": "test", "filled": True})
        assert (found.kind, found.key, found.area, found.own) == ("tree", "k", "boot", True)
        assert found.path == tmp_path / "run/trees/k/root" == store.tree_path("k")
        assert (found.path / "linux/b.h").read_text() == "int b;"
        assert found.size == len("int a;int b;linux/b.h")

    def test_nothing_else_is_left(self, store: Store, tmp_path: Path) -> None:
        store.publish_tree("k", fill)
        names = ("manifest.json", "used", "root/a.h", "root/c.h", "root/linux/b.h")
        assert files_below(tmp_path) == {f"run/trees/k/{name}" for name in names}

    def test_is_made_once(self, store: Store, tmp_path: Path) -> None:
        first = store.publish_tree("k", fill)
        assert store.publish_tree("k", never).path == first.path
        assert opened(tmp_path).publish_tree("k", never).path == first.path

    def test_opening_and_reading_touch_nothing(self, store: Store, tmp_path: Path) -> None:
        assert (store.tree("k"), store.file("pch", "k"), store.record("seen", "k")) == (None, None, None)
        assert store.entries() == []
        store.collect()
        assert store.clear().entries == 0
        assert store.writable("boot") is None
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
    def test_modes_do_not_depend_on_the_umask(self, store: Store, tmp_path: Path, umask: int) -> None:
        with_umask(umask, lambda: store.publish_tree("k", fill).path)
        entry = tmp_path / "run/trees/k"
        for path in [entry, *entry.rglob("*")]:
            if not path.is_symlink():
                assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
        assert store.tree("k") is not None

    def test_of_another_boot_is_not_used(self, store: Store, tmp_path: Path) -> None:
        store.publish_tree("k", fill)
        later = opened(tmp_path, "boot-2")
        assert later.tree("k") is None
        assert "another boot" in (later.why("k") or "")
        assert later.publish_tree("k", lambda fd: write(fd, "new.h")).manifest == {}
        assert later.tree("k") is not None
        assert store.tree("k") is None

    def test_of_another_boot_is_collected(self, store: Store, tmp_path: Path) -> None:
        store.publish_tree("k", fill)
        store.put_record("seen", "k", {}, boot=True)
        opened(tmp_path, "boot-2").collect()
        assert files_below(tmp_path) == set()

    def test_what_fill_raises_comes_through(self, store: Store, tmp_path: Path) -> None:
        def fails(fd: int) -> Mapping[str, object]:
            write(fd, "half.h")
            raise HeadersNotFound("gone")

        with pytest.raises(HeadersNotFound, match="gone"):
            store.publish_tree("k", fails)
        assert files_below(tmp_path) == set()
        with pytest.raises(StoreError, match="cannot write: No such file"):
            store.publish_tree("k", lambda fd: write(fd, "absent/x"))
        assert os.listdir(tmp_path / "run/staging") == []

    def test_interrupt_leaves_nothing(self, store: Store, tmp_path: Path) -> None:
        def interrupted(fd: int) -> Mapping[str, object]:
            write(fd, "half.h")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.publish_tree("k", interrupted)
        assert files_below(tmp_path) == set()

    def test_device_in_a_tree_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match="fifo: is neither"):
            store.publish_tree("k", lambda fd: os.mkfifo("fifo", dir_fd=fd))
        assert store.tree("k") is None

    def test_endless_depth_is_refused(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="directories deep"):
            store.publish_tree("k", lambda fd: os.makedirs(f"/proc/self/fd/{fd}/" + "d/" * 120))
        assert files_below(tmp_path / "run/staging") == set()

    def test_without_boot_id_there_are_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kheaders.store.store._BOOT_ID", str(tmp_path / "absent"))
        store = Store.open(boot=tmp_path / "run", cache=tmp_path / "cache")
        with pytest.raises(StoreError, match="no boot id"):
            store.publish_tree("k", fill)

    def test_boot_id_is_the_running_kernel_s(self, tmp_path: Path) -> None:
        running = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert Store.open(boot=tmp_path / "run").boot_id == running

    def test_whole_tree_may_be_moved(self, tmp_path: Path) -> None:
        opened(tmp_path / "x").publish_tree("k", fill)
        (tmp_path / "x").rename(tmp_path / "y")
        assert opened(tmp_path / "y").tree("k") is not None


@pytest.mark.parametrize("key", ["", ".", "..", ".x", "a/b", "a\n", "a b", "é", "x" * 129])
def test_bad_keys(store: Store, key: str) -> None:
    for call in (store.tree, store.tree_path, lambda key: store.publish_tree(key, never)):
        with pytest.raises(StoreError, match="cannot be a key"):
            call(key)
    with pytest.raises(StoreError, match="cannot be a key"):
        store.put_record("seen", key, {}, boot=True)


@pytest.mark.parametrize("kind", ["", "..", "a/b", "A", "x" * 33, "tree"])
def test_bad_kinds_of_files(store: Store, kind: str) -> None:
    with pytest.raises(StoreError, match="cannot be a kind"):
        store.publish_file(kind, "k", b"")


@pytest.mark.parametrize("suffix", ["x", ".", "./x", ".x/y", ".\0"])
def test_bad_suffixes(store: Store, suffix: str) -> None:
    with pytest.raises(StoreError, match="cannot be a suffix"):
        store.publish_file("pch", "k", b"", suffix=suffix)


class TestFiles:
    def test_round_trip(self, store: Store, tmp_path: Path) -> None:
        entry = store.publish_file("pch", "k", b"data", suffix=".pch", meta={"compiler": "zig"})
        assert entry.path == store.file("pch", "k") == tmp_path / "cache/files/pch/k/root/k.pch"
        assert (entry.manifest, entry.size, entry.area) == ({"compiler": "zig"}, 4, "persistent")
        fd = store.open_file("pch", "k")
        assert fd is not None
        with open(fd, "rb") as stream:
            assert stream.read() == b"data"

    def test_from_a_writer_that_reads_back(self, store: Store) -> None:
        def writer(stream: BinaryIO) -> None:
            stream.write(b"abc")
            stream.seek(1)
            assert stream.read() == b"bc"

        assert store.publish_file("blob", "k", writer).path.read_bytes() == b"abc"

    def test_absent(self, store: Store) -> None:
        assert (store.file("pch", "k"), store.open_file("pch", "k")) == (None, None)

    def test_persists_over_boots(self, store: Store, tmp_path: Path) -> None:
        store.publish_file("pch", "k", b"data")
        later = opened(tmp_path, "boot-2")
        later.collect()
        assert later.file("pch", "k") is not None

    def test_restored_copy_is_known_by_its_content(self, store: Store) -> None:
        path = store.publish_file("pch", "k", b"data").path
        path.unlink()
        path.write_bytes(b"data")
        path.chmod(0o644)
        assert store.file("pch", "k") == path

    @pytest.mark.parametrize("damage", [b"", b"tada", b"data and more"])
    def test_damaged_is_made_again(self, store: Store, damage: bytes) -> None:
        path = store.publish_file("pch", "k", b"data").path
        path.write_bytes(damage)
        assert store.file("pch", "k") is None
        assert store.open_file("pch", "k") is None
        assert "content was changed" in (store.why("k", "pch") or "")
        assert store.publish_file("pch", "k", b"data").path.read_bytes() == b"data"
        assert store.why("k", "pch") is None


class TestRecords:
    @pytest.mark.parametrize("boot", [False, True])
    def test_round_trip(self, store: Store, tmp_path: Path, boot: bool) -> None:
        store.put_record("seen", "k", {"digest": "1"}, boot=boot)
        store.put_record("seen", "k", {"digest": "2"}, boot=boot)
        assert store.record("seen", "k") == {"digest": "2"}
        assert (opened(tmp_path, "boot-2").record("seen", "k") is None) is boot
        assert len(files_below(tmp_path)) == 1

    @pytest.mark.parametrize("text", ["", "[]", "{", "{}", '{"format":1}', "[" * 100_000, " " * 2_000_000, "\0" * 9])
    def test_damaged_is_absent_and_replaced(self, store: Store, tmp_path: Path, text: str) -> None:
        store.put_record("seen", "k", {"digest": "1"}, boot=False)
        (tmp_path / "cache/records/seen/k.json").write_text(text)
        assert store.record("seen", "k") is None
        store.put_record("seen", "k", {"digest": "2"}, boot=False)
        assert store.record("seen", "k") == {"digest": "2"}

    def test_too_long(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="at most"):
            store.put_record("seen", "k", {"x": "x" * 2**20}, boot=False)
        assert files_below(tmp_path) == set()

    def test_oldest_of_too_many_go(self, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr("kheaders.store.upkeep.MAX_RECORDS", 2)
        for age, key in enumerate("abc"):
            store.put_record("seen", key, {}, boot=False)
            os.utime(tmp_path / f"cache/records/seen/{key}.json", (1000 - age, 1000 - age))
        store.collect()
        assert [store.record("seen", key) for key in "abc"] == [{}, {}, None]


class TestUpkeep:
    @pytest.fixture
    def aged(self, store: Store) -> Callable[[str, int], Entry]:
        """Publish a file of 100 bytes that was last used so many seconds after the epoch."""

        def publish(key: str, used: int) -> Entry:
            entry = store.publish_file("blob", key, b"x" * 100)
            os.utime(entry.home / "used", (used, used))
            return entry

        return publish

    def test_least_recently_used_goes_first(self, aged: Callable[[str, int], Entry], tmp_path: Path) -> None:
        for key, used in (("a", 30), ("b", 10), ("c", 20), ("d", 40)):
            aged(key, used)
        assert [entry.key for entry in opened(tmp_path).entries()] == ["b", "c", "a", "d"]
        small = opened(tmp_path, limit=250)
        small.collect()
        assert [entry.key for entry in small.entries()] == ["a", "d"]

    def test_asking_is_use(self, store: Store, aged: Callable[[str, int], Entry], tmp_path: Path) -> None:
        aged("a", 10)
        aged("b", 20)
        store.file("blob", "a")
        opened(tmp_path, limit=100).collect()
        assert [entry.key for entry in store.entries()] == ["a"]

    def test_in_use_is_kept(self, store: Store, aged: Callable[[str, int], Entry], tmp_path: Path) -> None:
        entry = aged("a", 10)
        aged("b", 20)
        small = opened(tmp_path, limit=100)
        with store.using(entry), store.using(entry):
            small.collect()
            assert [e.key for e in store.entries()] == ["a"]
            assert small.clear().kept == 1
        assert small.clear().entries == 1

    def test_just_published_is_kept(self, tmp_path: Path) -> None:
        small = opened(tmp_path, limit=10)
        small.publish_file("blob", "a", b"x" * 100)
        small.publish_tree("b", fill)
        small.publish_file("blob", "c", b"x" * 100)
        assert [entry.key for entry in small.entries()] == ["c"]

    def test_using_what_is_gone(self, store: Store, aged: Callable[[str, int], Entry]) -> None:
        entry = aged("a", 10)
        store.clear()
        with pytest.raises(StoreError, match="removed meanwhile"), store.using(entry):
            pass

    def test_clear_by_kind(self, store: Store, tmp_path: Path) -> None:
        store.publish_tree("k", fill)
        store.publish_file("pch", "k", b"1234")
        store.publish_file("blob", "k", b"")
        store.put_record("seen", "k", {}, boot=True)
        cleared = store.clear(kinds={"pch"})
        assert (cleared.entries, cleared.bytes, cleared.kept) == (1, 4, 0)
        assert store.file("blob", "k") is not None
        assert store.record("seen", "k") is not None
        assert store.clear().entries == 3
        assert files_below(tmp_path) == set()

    def test_damaged_is_listed_and_collected(self, store: Store, tmp_path: Path) -> None:
        entry = store.publish_tree("k", fill)
        (entry.home / "manifest.json").write_text("nonsense")
        (listed,) = store.entries()
        assert (listed.damaged, listed.manifest, listed.key) == (True, {}, "k")
        assert listed.size >= entry.size
        store.collect()
        assert files_below(tmp_path) == set()


def test_scratch_is_private_and_goes(store: Store, tmp_path: Path) -> None:
    with store.scratch() as outer, store.scratch() as inner:
        (outer / "x").write_text("text")
        assert outer != inner
        assert stat.S_IMODE(outer.stat().st_mode) == 0o700
        store.collect()
        assert (outer / "x").exists()
    assert not outer.exists()
    with pytest.raises(ZeroDivisionError), store.scratch() as outer:
        raise ZeroDivisionError
    assert files_below(tmp_path) == set()
    assert not outer.exists()


def test_listed_tells_where_a_tree_lies(store: Store) -> None:
    assert store.listed("k") is None
    path = store.publish_tree("k", fill).path
    assert store.listed("k") == path


class TestPlaces:
    def test_of_a_user(self) -> None:
        environ = {"XDG_RUNTIME_DIR": "/run/user/7", "XDG_CACHE_HOME": "/c", "HOME": "/h"}
        own = Store.open(environ=environ, uid=7)._own
        assert [str(area.path) for area in own] == ["/run/user/7/kheaders", "/c/kheaders"]
        assert {area.mode for area in own} == {0o700}
        shared = Store.open(environ=environ, uid=7)._shared
        assert [str(area.path) for area in shared] == ["/run/kheaders", "/var/cache/kheaders"]

    def test_of_root_whatever_the_environment_says(self) -> None:
        store = Store.open(environ={"XDG_RUNTIME_DIR": "/run/user/7", "XDG_CACHE_HOME": "/c", "HOME": "/h"}, uid=0)
        assert [str(area.path) for area in store._own] == ["/run/kheaders", "/var/cache/kheaders"]
        assert {area.mode for area in store._own} == {0o755}
        assert store._shared == ()

    @pytest.mark.parametrize("environ", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "relative"}])
    def test_without_runtime_directory(self, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kheaders.store.areas.ROOT_BOOT", Path("/nonexistent"))
        store = Store.open(environ={**environ, "XDG_CACHE_HOME": "relative", "HOME": "/h"}, uid=7, boot_id=BOOT)
        assert str(store._own[1].path) == "/h/.cache/kheaders"
        assert store.tree("k") is None
        assert "XDG_RUNTIME_DIR" in (store.writable("boot") or "")
        for call in (lambda: store.publish_tree("k", never), lambda: store.put_record("s", "k", {}, boot=True)):
            with pytest.raises(StoreError, match=r"no place for boot entries: XDG_RUNTIME_DIR .* with --store or"):
                call()

    def test_manifest_is_plain_json(self, store: Store) -> None:
        entry = store.publish_tree("k", fill, meta={"release": "6.1"})
        manifest = json.loads((entry.home / "manifest.json").read_text())
        assert (manifest["boot"], manifest["files"]) == (BOOT, 3)
        assert manifest["meta"] == {"release": "6.1", "filled": True}
