"""The bench on which one key's entry is made or taken apart, out of sight, by whoever holds the key's lock."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kheaders.safepath import closing, explained, make_dir, open_below
from kheaders.store import locks, trees
from kheaders.store.areas import Area


class Bench:
    """The right to change one key in one area, and room to do it. Its methods raise OSError and StoreError.

    Only the holder of the key's lock has directories ``staging/<lock>.<random>``. So where nobody holds that lock, they
    are garbage; no list of processes is needed.
    """

    def __init__(self, area: Area, lock: str, staging: int) -> None:
        self.staging = staging
        self._lock = lock
        self._shown = area.root / "staging"

    @classmethod
    @contextmanager
    def take(cls, area: Area, lock: str) -> Iterator[Bench]:
        """Hold *lock* of *area* for the time of the body, after waiting for it."""
        with cls._take(area, lock, wait=True) as bench:
            assert bench is not None
            yield bench

    @classmethod
    @contextmanager
    def attempt(cls, area: Area, lock: str) -> Iterator[Bench | None]:
        """As :meth:`take`, but None instead of waiting if somebody else holds the lock."""
        with cls._take(area, lock, wait=False) as bench:
            yield bench

    @classmethod
    @contextmanager
    def _take(cls, area: Area, lock: str, *, wait: bool) -> Iterator[Bench | None]:
        with (
            area.directory("locks", create=True, private=True) as directory,
            locks.hold(directory, lock, wait=wait) as held,
            area.directory("staging", create=True, private=True) as staging,
        ):
            yield cls(area, lock, staging) if held else None

    @contextmanager
    def new(self) -> Iterator[tuple[int, str]]:
        """A fresh, private directory and its name in staging; whatever is left of it is removed at the end."""
        name = self._fresh()
        make_dir(self.staging, name, 0o700)
        try:
            with closing(open_below(self.staging, name, self._shown / name)) as fd:
                yield fd, name
        finally:
            with suppress(OSError):
                trees.remove(self.staging, name)

    def publish(self, staged: str, shelf: int, key: str) -> None:
        """Give the directory *staged* the name *key* in *shelf*; whatever has that name is removed, never followed."""
        for last in (False, False, True):
            try:
                os.rename(staged, key, src_dir_fd=self.staging, dst_dir_fd=shelf)
                return
            except OSError as error:
                if last or error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            name = self._take_away(shelf, key)
            with suppress(OSError):
                trees.remove(self.staging, name)

    def discard(self, shelf: int, key: str) -> None:
        """Remove *key* from *shelf*: with one rename from sight, then from the disk."""
        trees.remove(self.staging, self._take_away(shelf, key))

    def _take_away(self, shelf: int, key: str) -> str:
        name = self._fresh()
        with suppress(FileNotFoundError):
            os.rename(key, name, src_dir_fd=shelf, dst_dir_fd=self.staging)
        return name

    def _fresh(self) -> str:
        return f"{self._lock}.{os.urandom(8).hex()}"


def sweep(area: Area) -> None:
    """Remove what dead processes left in staging and among the locks. Raises StoreError."""
    with explained(area.root, "clean up", absent_ok=True), area.directory("staging") as staging:
        for name in os.listdir(staging):
            with Bench.attempt(area, name.rpartition(".")[0] or name) as bench:
                if bench is not None:
                    trees.remove(staging, name)
    with explained(area.root, "clean up", absent_ok=True), area.directory("locks") as directory:
        for name in os.listdir(directory):
            with locks.hold(directory, name, wait=False):
                pass
