"""The store among processes and threads that want the same, and processes that are killed."""

from __future__ import annotations

import os
import random
import select
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builders.others import CHANGING, REMOVING, Child, die, trap
from kheaders.store import Store

PROCESSES = 50
KILLS = 40


def opened(place: Path) -> Store:
    return Store.open(boot=place / "run", cache=place / "cache", boot_id="boot-1")


def fill(fd: int) -> Mapping[str, object]:
    """A tree that takes more than a moment."""
    for number in range(20):
        with open(os.open(f"{number}.h", os.O_WRONLY | os.O_CREAT, 0o666, dir_fd=fd), "w") as stream:
            stream.write(f"int a{number};")
    return {}


def is_good(tree: Path) -> bool:
    """Whether the tree holds exactly what fill writes."""
    return {p.name: p.read_text() for p in tree.iterdir()} == {f"{n}.h": f"int a{n};" for n in range(20)}


def is_clean(place: Path) -> bool:
    """Whether the boot area holds one good tree, and nothing beside it but the directories that every store has."""
    shelves = {"trees", "staging", "locks", "records", "records/seen"}
    paths = {str(p.relative_to(place / "run")) for p in (place / "run").rglob("*")}
    entry = {"trees/k", "trees/k/manifest.json", "trees/k/used", "trees/k/root"}
    entry |= {f"trees/k/root/{n}.h" for n in range(20)}
    return paths - shelves == entry and is_good(place / "run/trees/k/root")


def counted(fd: int, journal: Path) -> Mapping[str, object]:
    """Fill, and note in *journal* that it was done."""
    with open(journal, "a") as stream:
        stream.write("filled\n")
    return fill(fd)


def test_fifty_processes_at_once(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    gate, opener = os.pipe()

    def ask() -> tuple[bool, bytes]:
        os.close(opener)
        os.read(gate, 1)
        store = opened(tmp_path)
        tree = store.publish_tree("k", lambda fd: counted(fd, journal)).path
        return is_good(tree), store.publish_file("pch", "k", b"data").path.read_bytes()

    children = [Child(ask) for _ in range(PROCESSES)]
    os.close(opener)
    os.close(gate)
    assert [child.wait() for child in children] == [(True, b"data")] * PROCESSES
    assert journal.read_text() == "filled\n"
    opened(tmp_path).collect()
    assert is_clean(tmp_path)


def test_threads_of_one_process(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    store = opened(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(store.publish_tree, "k", lambda fd: counted(fd, journal)) for _ in range(16)]
        assert all(is_good(job.result().path) for job in jobs)
    assert journal.read_text() == "filled\n"


def test_publishing_while_others_clear(tmp_path: Path) -> None:
    def publish() -> bool:
        return all(opened(tmp_path).publish_tree("k", fill).key == "k" for _ in range(20))

    def clear() -> bool:
        return all(opened(tmp_path).clear().entries >= 0 for _ in range(20))

    def look() -> bool:
        found = [opened(tmp_path).tree("k") for _ in range(40)]
        return all(entry is None or entry.size == 150 for entry in found) and len(opened(tmp_path).entries()) <= 1

    children = [Child(action) for action in (publish, publish, clear, clear, look)]
    assert [child.wait() for child in children] == [True] * 5
    opened(tmp_path).publish_tree("k", fill)
    opened(tmp_path).collect()
    assert is_clean(tmp_path)


@pytest.mark.parametrize("damaged", [False, True])
def test_killed_before_any_call(tmp_path: Path, damaged: bool) -> None:
    """A publication is killed before its first system call, its second, and so on to its last."""

    def publish(place: Path, number: int) -> int:
        with trap(CHANGING + REMOVING, number, die) as calls:
            opened(place).publish_tree("k", fill)
        return len(calls)

    number, done = 0, None
    while done is None:
        place = tmp_path / str(number)
        place.mkdir(mode=0o755)
        if damaged:
            (opened(place).publish_tree("k", fill).path / "1.h").write_text("damaged")
        done = Child(lambda place=place, number=number: publish(place, number)).wait()  # type: ignore[misc]
        assert is_good(opened(place).publish_tree("k", fill).path)
        opened(place).collect()
        assert is_clean(place)
        number += 1
    assert number == done + 1, "every call was a moment to die at"


def test_killed_in_a_loop(tmp_path: Path) -> None:
    """A process that publishes, clears and publishes again is killed at moments that a fixed seed chooses."""
    chance = random.Random(1)

    def work() -> None:
        store = opened(tmp_path)
        while True:
            store.publish_tree("k", fill)
            store.publish_file("pch", "k", b"data")
            store.put_record("seen", "k", {}, boot=True)
            store.clear()

    for _ in range(KILLS):
        child = Child(work)
        ended, _, _ = select.select([child.output], [], [], chance.uniform(0, 0.03))
        assert not ended, child.wait()
        child.kill()
    store = opened(tmp_path)
    store.clear(kinds={"seen", "pch"})
    assert is_good(store.publish_tree("k", fill).path)
    store.collect()
    assert is_clean(tmp_path)
