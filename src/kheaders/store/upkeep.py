"""What keeps a store small and tidy: listing, use, eviction, clearing."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kheaders.errors import StoreError
from kheaders.safepath import closing, explained, open_dir, open_file
from kheaders.store import entries, staging, trees
from kheaders.store.areas import BOOT, TREE, Area, is_key, is_kind, shelf
from kheaders.store.entries import Cleared, Entry, Unusable
from kheaders.store.locks import lock_file
from kheaders.store.staging import Bench

_WAIT = 0.5
"""Seconds to wait for an evictor, which holds its lock only as long as it takes to remove a tree."""
MAX_RECORDS = 1000
"""Records of one kind that are kept; the oldest go."""

_LISTABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCKABLE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def use(entry: Entry) -> Iterator[None]:
    """Hold a shared lock on *entry*. Raises StoreError if it is gone.

    In root's store any user may hold the lock for good; nobody waits longer than a moment for it, and an entry that is
    there can be used without it.
    """
    end = time.monotonic() + _WAIT
    with explained(entry.home, "use"):
        fd = _stamp(entry)
        try:
            while not lock_file(fd, exclusive=False) and os.fstat(fd).st_nlink and time.monotonic() < end:
                time.sleep(0.005)
            if not os.fstat(fd).st_nlink:
                raise _gone(entry)
        except BaseException:
            os.close(fd)
            raise
    with closing(fd):
        yield


def listing(own: Sequence[Area]) -> list[Entry]:
    """The entries of the areas *own*, the least recently used first; damaged ones have an empty manifest."""
    found: list[Entry] = []
    for area, kind in _shelves(own):
        where = area.root.joinpath(*shelf(kind))
        with explained(area.root, "read", absent_ok=True), area.directory(*shelf(kind)) as fd:
            for key in filter(is_key, os.listdir(fd)):
                with suppress(FileNotFoundError):
                    found.append(_entry(fd, where, area, kind, key))
    return sorted(found, key=lambda entry: entry.used)


def collect(own: Sequence[Area], boot_id: str | None, limit: int, keep: Entry | None) -> None:
    """See Store.collect; *keep* is not evicted. Raises StoreError."""
    for area in own:
        if area.path is not None:
            staging.sweep(area)
            _tidy_records(area, boot_id)
    kept: list[tuple[Area, Entry]] = []
    for entry in listing(own):
        area = next(area for area in own if area.name == entry.area)
        foreign = entry.boot is not None and boot_id is not None and entry.boot != boot_id
        if not (entry.damaged or foreign) or not _evict(area, entry):
            kept.append((area, entry))
    total = sum(entry.size for _, entry in kept)
    for area, entry in kept:
        if total <= limit:
            break
        if (keep is None or entry.home != keep.home) and _evict(area, entry):
            total -= entry.size


def clear(own: Sequence[Area], kinds: Collection[str] | None) -> Cleared:
    """See Store.clear. Raises StoreError."""
    count = size = kept = 0
    for entry in listing(own):
        if kinds is None or entry.kind in kinds:
            if _evict(next(area for area in own if area.name == entry.area), entry):
                count += 1
                size += entry.size
            else:
                kept += 1
    for area in own:
        if area.path is None:
            continue
        for kind in _kinds(area, "records"):
            if kinds is None or kind in kinds:
                with explained(area.root, "clean up", absent_ok=True), area.directory("records", kind) as fd:
                    for name in os.listdir(fd):
                        with suppress(FileNotFoundError):
                            length = os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
                            os.unlink(name, dir_fd=fd)
                            size += length
                            count += 1
        staging.sweep(area)
    return Cleared(count, size, kept)


def obstacle(path: Path) -> str | None:
    """Why nothing can be written at *path*, or None. Makes nothing. Raises UnsafePath, StoreError."""
    place = Path(os.path.abspath(path))
    fd = -1
    while fd < 0:
        try:
            fd = open_dir(place)
        except FileNotFoundError:
            place = place.parent
    with closing(fd):
        if os.access(".", os.W_OK | os.X_OK, dir_fd=fd, effective_ids=True):
            return None
        read_only = os.fstatvfs(fd).f_flag & os.ST_RDONLY
    return f"{place}: {'is on a file system that is mounted read-only' if read_only else 'cannot be written to by you'}"


def _stamp(entry: Entry) -> int:
    try:
        with closing(open_dir(entry.home)) as fd:
            return open_file(fd, "used", entry.home / "used")
    except FileNotFoundError:
        raise _gone(entry) from None


def _gone(entry: Entry) -> StoreError:
    return StoreError(f"{entry.path}: was removed meanwhile", "run the command again")


def _shelves(own: Sequence[Area]) -> Iterator[tuple[Area, str]]:
    for area in own:
        if area.path is not None:
            for kind in [TREE] if area.name == BOOT else _kinds(area, "files"):
                yield area, kind


def _kinds(area: Area, top: str) -> list[str]:
    found: list[str] = []
    with explained(area.root, "read", absent_ok=True), area.directory(top) as fd:
        found = sorted(filter(is_kind, os.listdir(fd)))
    return found


def _entry(fd: int, where: Path, area: Area, kind: str, key: str) -> Entry:
    try:
        return entries.load(fd, where, kind, key, area=area.name, own=True, boot=None, check=False)
    except (Unusable, StoreError):
        status = os.stat(key, dir_fd=fd, follow_symlinks=False)
        size = 0
        with suppress(OSError, StoreError), closing(os.open(key, _LISTABLE, dir_fd=fd)) as tree:
            size = trees.fingerprint(tree).size
        path = where / key / "root" if kind == TREE else where / key / "root" / key
        return Entry(kind, key, path, {}, size, status.st_mtime, area.name, damaged=True)


def _evict(area: Area, entry: Entry) -> bool:
    """Remove *entry* unless it is in use or being made; true if it is gone. Raises StoreError."""
    gone = True
    with (
        explained(area.root, "clean up", absent_ok=True),
        Bench.attempt(area, f"entry.{entry.kind}.{entry.key}") as bench,
        area.directory(*shelf(entry.kind)) as fd,
    ):
        gone = bench is not None and _discard_unused(bench, fd, entry.key)
    return gone


def _discard_unused(bench: Bench, fd: int, key: str) -> bool:
    try:
        used = os.open(f"{key}/used", _LOCKABLE, dir_fd=fd)
    except OSError:
        bench.discard(fd, key)
        return True
    with closing(used):
        if not lock_file(used, exclusive=True):
            return False
        bench.discard(fd, key)
        return True


def _tidy_records(area: Area, boot_id: str | None) -> None:
    """Remove records of other boots, damaged ones, and the oldest of too many."""
    for kind in _kinds(area, "records"):
        ages: list[tuple[int, str]] = []
        with explained(area.root, "clean up", absent_ok=True), area.directory("records", kind) as fd:
            for name in os.listdir(fd):
                try:
                    made = entries.read_json(fd, name, area.root / "records" / kind / name).get("boot")
                    stale = made is not None and boot_id is not None and made != boot_id
                except FileNotFoundError:
                    continue
                except (Unusable, StoreError):
                    stale = True
                if stale:
                    trees.remove(fd, name)
                else:
                    with suppress(FileNotFoundError):
                        ages.append((os.stat(name, dir_fd=fd).st_mtime_ns, name))
            for _, name in sorted(ages)[:-MAX_RECORDS]:
                trees.remove(fd, name)
