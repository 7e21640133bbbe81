"""The store on disks that are full, fill up at any moment, or cannot be written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from builders.others import CHANGING, no_space, open_place, trap, with_largest_file, with_tmpfs
from builders.small_tree import GOOD, fill, is_good, opened, publish, remains, write
from kheaders.errors import StoreError
from kheaders.store import Entry

BOOT = "boot-1"
READ_ONLY, NO_EXEC = 1, 8
"""MS_RDONLY, MS_NOEXEC of mount(2)."""


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def big(fd: int) -> Mapping[str, object]:
    """More than the disks of these tests hold."""
    fill(fd)
    write(fd, "big.h", bytes(1 << 20))
    return {}


def refusal(place: Path, maker: Callable[[int], Mapping[str, object]]) -> tuple[str, set[str]]:
    """What publishing a tree and a file raises, and what it leaves."""
    actions: list[Callable[[], Entry]] = [
        lambda: opened(place).publish_tree("k", maker),
        lambda: opened(place).publish_file("blob", "k", bytes(1 << 20)),
    ]
    texts = []
    for action in actions:
        with pytest.raises(StoreError) as caught:
            action()
        texts.append(str(caught.value))
    return "\n".join(texts), remains(place)


@pytest.mark.root
class TestMounts:
    def test_full(self, place: Path) -> None:
        text, left = with_tmpfs(place, "size=400k,mode=755", 0, lambda: refusal(place, big))
        assert text.splitlines() == [
            f"{place}/{area}: cannot write: No space left on device; "
            "free some space there, run 'kheaders cache clear', or name another directory"
            for area in ("run", "cache")
        ]
        assert left == set()

    @pytest.mark.parametrize("inodes", range(2, 20))
    def test_out_of_inodes(self, place: Path, inodes: int) -> None:
        def attempt() -> tuple[bool, set[str]]:
            try:
                opened(place).publish_tree("k", fill)
            except StoreError as error:
                assert "No space left" in str(error)
                return False, remains(place)
            return True, remains(place)

        done, left = with_tmpfs(place, f"nr_inodes={inodes},mode=755", 0, attempt)
        assert left == (GOOD if done else set())

    def test_read_only(self, place: Path) -> None:
        text, left = with_tmpfs(place, "mode=755", READ_ONLY, lambda: refusal(place, fill))
        assert text.count("Read-only file system; name a directory that can be written to") == 2
        assert left == set()

    def test_read_only_is_told_and_still_read(self, place: Path) -> None:
        def look() -> tuple[bool, str | None]:
            store = opened(place)
            return store.tree("k") is not None, store.writable("boot")

        found, reason = with_tmpfs(place, "mode=755", READ_ONLY, look, prepare=lambda: publish(place))
        assert found
        assert "mounted read-only" in (reason or "")

    def test_no_exec_is_no_obstacle(self, place: Path) -> None:
        assert with_tmpfs(place, "mode=755", NO_EXEC, lambda: is_good(publish(place)))


def test_largest_file(tmp_path: Path) -> None:
    text, left = with_largest_file(1 << 16, lambda: refusal(tmp_path, big))
    assert text.count("File too large; raise the limit on the size of files") == 2
    assert left == set()


@pytest.mark.parametrize("damaged", [False, True])
def test_disk_that_fills_up_at_any_call(tmp_path: Path, damaged: bool) -> None:
    """Each call that changes something fails once: publishing works or says why, and leaves nothing half-written."""
    number, reached = 0, True
    calls: list[str] = []
    while reached:
        place = tmp_path / str(number)
        place.mkdir(mode=0o755)
        if damaged:
            (publish(place) / "a.h").write_text("damaged")
        try:
            with trap(CHANGING, number, no_space) as calls:
                opened(place).publish_tree("k", fill)
        except StoreError as error:
            assert "No space left" in str(error)
        reached = len(calls) > number
        assert opened(place).tree("k") is None or is_good(place / "run/trees/k/root")
        opened(place).collect()
        assert is_good(opened(place).publish_tree("k", fill).path)
        assert remains(place) == GOOD
        number += 1
    assert number > 20, "fewer calls than a publication needs"
