from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders.cli import Outcome, run_main
from kheaders.store import Store


@pytest.fixture
def filled(tmp_path: Path) -> tuple[str, ...]:
    """Options for a store with one tree and one package."""
    boot, cache = tmp_path / "boot", tmp_path / "cache"
    store = Store.open(boot=boot, cache=cache)

    def fill(directory: int) -> None:
        fd = os.open("kconfig.h", os.O_WRONLY | os.O_CREAT, dir_fd=directory)
        os.write(fd, b"x" * 1500)
        os.close(fd)

    meta = {"release": "6.1.0-9-amd64", "srcarch": "x86", "source": "/lib/modules/6.1.0-9-amd64/build"}
    store.publish_tree("a" * 64, fill, meta=meta)
    store.publish_file("deb", "b" * 64, b"y" * 2_000_000, suffix=".deb", meta={"package": "h.deb", "origin": "sid"})
    return ("--store", str(boot), "--cache", str(cache))


def cache(filled: tuple[str, ...], *words: str) -> Outcome:
    return run_main("cache", *words, *filled)


def test_list_is_a_table(filled: tuple[str, ...]) -> None:
    lines = cache(filled, "list").out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["kind", "deb", "tree"]  # the last used first
    tree = next(line for line in lines if line.startswith("tree"))
    assert "aaaaaaaaaaaa " in tree and "1.5 kB" in tree and "just now" in tree and " boot " in tree
    assert "6.1.0-9-amd64, x86, /lib/modules/6.1.0-9-amd64/build" in tree
    assert lines[-1] == "2.0 MB in 2 entries"


def test_list_of_one_kind(filled: tuple[str, ...]) -> None:
    assert "deb" not in cache(filled, "list", "--kind", "tree").out
    assert cache(filled, "list", "--kind", "blob").out == "nothing is kept of kind blob\n"


def test_json(filled: tuple[str, ...]) -> None:
    answer = cache(filled, "list", "--json").json
    assert answer["total"] == 1500 + 2_000_000
    tree = next(entry for entry in answer["entries"] if entry["kind"] == "tree")
    assert tree["key"] == "a" * 64 and tree["release"] == "6.1.0-9-amd64" and os.path.isdir(tree["path"])
    assert set(tree) == {"kind", "key", "release", "source", "size", "used", "area", "path", "damaged"}


def test_clear_tells_what_it_freed(filled: tuple[str, ...]) -> None:
    assert cache(filled, "clear", "--kind", "deb").out == "freed 2.0 MB: removed 1 entry\n"
    answer = cache(filled, "clear", "--json").json
    assert (answer["removed"], answer["bytes"], answer["kept"]) == (1, 1500, 0)
    assert cache(filled, "clear").out == "nothing to remove\n"
    assert cache(filled, "list").out == "nothing is kept\n"


def test_what_is_in_use_is_kept(filled: tuple[str, ...]) -> None:
    store = Store.open(boot=Path(filled[1]), cache=Path(filled[3]))
    entry = store.tree("a" * 64)
    assert entry is not None
    with store.using(entry):
        assert cache(filled, "clear", "--kind", "tree").out == "nothing to remove; kept 1 that are in use\n"
    assert entry.path.is_dir()


def test_a_damaged_entry_is_listed(filled: tuple[str, ...]) -> None:
    manifest = Path(filled[1], "trees", "a" * 64, "manifest.json")
    manifest.write_text("no JSON")
    assert "damaged" in cache(filled, "list", "--kind", "tree").out


def test_a_store_that_others_can_write_to(filled: tuple[str, ...]) -> None:
    os.chmod(filled[1], 0o777)
    done = cache(filled, "clear")
    assert done.status == 5 and done.error
