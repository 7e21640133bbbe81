"""The store: trees that live until the next boot, files that persist, and small records of both kinds.

What is in it appears by one rename of a directory that was complete, under a lock of its key, and is compared with its
fingerprint each time that it is asked for. So a process that dies at any moment leaves at most a staging directory,
which the next one recognises, because nobody holds the lock of its key, and removes.

    trees/<key>/  files/<kind>/<key>/  records/<kind>/<key>.json       what is kept
    staging/  locks/                                                   0700; what is being made or removed
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from kheaders.errors import StoreError
from kheaders.safepath import closing, explained, make_dir, open_below, open_dir, open_file
from kheaders.store import entries, trees, upkeep
from kheaders.store.areas import BOOT, DEFAULT_LIMIT, PERSISTENT, TREE, Area, areas, check_names, shelf
from kheaders.store.entries import Cleared, Entry, Unusable
from kheaders.store.staging import Bench, sweep

_Fill = Callable[[int], tuple[str, Mapping[str, Any]]]
"""Writes below a directory, and returns the name of the one file (empty for a tree) and what to record with it."""

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Store:
    """A store of this user, and root's to read. Nothing on disk is touched before the first call that needs it.

    Reading never fails for what lies in the store: what is damaged, foreign or unsafe is treated as absent, and
    :meth:`why` tells the reason. Writing raises StoreError or UnsafePath, and then leaves nothing behind.
    """

    def __init__(self, own: tuple[Area, Area], shared: tuple[Area, ...], boot_id: str | None, limit: int) -> None:
        self._own = own
        self._shared = shared
        self._boot_id = boot_id
        self._limit = limit
        self._why: dict[tuple[str, str], str] = {}

    @classmethod
    def open(
        cls,
        *,
        boot: Path | None = None,
        cache: Path | None = None,
        boot_id: str | None = None,
        limit: int = DEFAULT_LIMIT,
        environ: Mapping[str, str] | None = None,
        uid: int | None = None,
    ) -> Store:
        """The store of the user *uid* (default: the effective one).

        *boot* and *cache* name the directories of the two areas; where one is named, root's is not read. *limit* is in
        bytes, for all own entries together. *boot_id* is by default that of the running kernel.
        """
        user = os.geteuid() if uid is None else uid
        own, shared = areas(boot, cache, os.environ if environ is None else environ, user)
        return cls(own, shared, boot_id, limit)

    @property
    def boot_id(self) -> str | None:
        """The boot that trees must be of; None where the kernel does not tell, and then there are no trees."""
        if self._boot_id is None:
            try:
                with open(_BOOT_ID, encoding="ascii") as stream:
                    self._boot_id = stream.read(100).strip()
            except (OSError, ValueError):
                self._boot_id = ""
        return self._boot_id or None

    def tree(self, key: str) -> Entry | None:
        """The tree *key* of this boot, if every file of it is as it was published. Raises StoreError for a bad key."""
        return self._find(BOOT, TREE, key)

    def tree_path(self, key: str) -> Path:
        """Where publish_tree puts the tree *key* if it has to make it. Raises StoreError if there is no boot area."""
        check_names(TREE, key)
        return self._own[0].root.joinpath(*shelf(TREE), key, "root")

    def listed(self, key: str) -> Path | None:
        """Where the tree *key* lies, own or root's, without a look at whether it is good; None if there is none."""
        check_names(TREE, key)
        places = (area.root.joinpath(*shelf(TREE), key, "root") for area in self._readable() if area.name == BOOT)
        return next((place for place in places if os.path.isdir(place)), None)

    def file(self, kind: str, key: str) -> Path | None:
        """The path of the file *key*, if it is as it was published. Raises StoreError for a bad kind or key."""
        entry = self._find(PERSISTENT, kind, key)
        return entry.path if entry else None

    def open_file(self, kind: str, key: str) -> int | None:
        """As :meth:`file`, but a descriptor, open for reading."""
        entry = self._find(PERSISTENT, kind, key)
        if entry is None:
            return None
        try:
            with closing(open_dir(entry.path.parent)) as fd:
                return open_file(fd, entry.path.name, entry.path)
        except (StoreError, OSError) as error:
            self._why[kind, key] = str(error)
            return None

    def why(self, key: str, kind: str = TREE) -> str | None:
        """Why the last look for *key* found nothing although something is there; None if there was nothing or all."""
        return self._why.get((kind, key))

    def publish_tree(
        self, key: str, fill: Callable[[int], Mapping[str, Any] | None], *, meta: Mapping[str, Any] | None = None
    ) -> Entry:
        """The tree *key*; if it is not there, or damaged, what *fill* writes becomes it.

        *fill* is given a descriptor of an empty, private directory. What it returns goes into the manifest, over
        *meta*. Of all processes that ask at once, one fills. What *fill* raises comes through, but an OSError as a
        StoreError.

        Raises StoreError, and UnsafePath if somebody else could change what lies there.
        """

        def fill_root(root: int) -> tuple[str, Mapping[str, Any]]:
            return "", {**(meta or {}), **(fill(root) or {})}

        return self._publish(BOOT, TREE, key, fill_root)

    def publish_file(
        self,
        kind: str,
        key: str,
        data: bytes | Callable[[BinaryIO], None],
        *,
        suffix: str = "",
        meta: Mapping[str, Any] | None = None,
    ) -> Entry:
        """The file *key*; if it is not there, or damaged, *data* (or what it writes) becomes it.

        Its name is *key* and *suffix*. The same *key* must always mean the same content. Raises as
        :meth:`publish_tree`.
        """
        check_names(kind, key, suffix)
        if kind == TREE:
            raise StoreError(f"{kind!r}: cannot be a kind of files", "use publish_tree for directories")
        name = key + suffix

        def fill_root(root: int) -> tuple[str, Mapping[str, Any]]:
            with entries.open_new(root, name) as stream:
                if callable(data):
                    data(stream)
                else:
                    stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            return name, meta or {}

        return self._publish(PERSISTENT, kind, key, fill_root)

    @contextmanager
    def scratch(self, *, boot: bool = False) -> Iterator[Path]:
        """A private directory for the time of the body, on the persistent side: there is room.

        With *boot* it is on the side that lives until reboot, if there is one: small files come and go faster there. If
        the process dies, collect removes it. Raises StoreError.
        """
        area = self._own[0 if boot and self._own[0].path is not None else 1]
        with ExitStack() as stack:
            with explained(area.root, "write"):
                bench = stack.enter_context(Bench.take(area, f"scratch.{os.urandom(8).hex()}"))
                _, name = stack.enter_context(bench.new())
            yield area.root / "staging" / name

    def record(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """The value of a record, of this boot or persistent, own or root's. Raises StoreError for a bad kind or key."""
        check_names(kind, key)
        for area in self._readable():
            shown = area.root / "records" / kind / f"{key}.json"
            try:
                with area.directory("records", kind) as fd:
                    found = entries.read_json(fd, shown.name, shown)
            except (OSError, Unusable, StoreError):
                continue
            value = found.get("value")
            if found.get("key") == key and found.get("boot") in (None, self.boot_id) and isinstance(value, dict):
                return value
        return None

    def put_record(self, kind: str, key: str, value: Mapping[str, Any], *, boot: bool) -> None:
        """Keep *value*, of up to 1 MiB of JSON, until the next boot or for good; an older one is replaced.

        Raises StoreError.
        """
        check_names(kind, key)
        area = self._own[0 if boot else 1]
        record = {
            "format": entries.FORMAT,
            "key": key,
            "boot": self._this_boot() if boot else None,
            "value": dict(value),
        }
        with explained(area.root, "write"), Bench.take(area, f"record.{kind}.{key}") as bench, bench.new() as (fd, _):
            entries.write_json(fd, f"{key}.json", record)
            with area.directory("records", kind, create=True) as target:
                os.rename(f"{key}.json", f"{key}.json", src_dir_fd=fd, dst_dir_fd=target)

    @contextmanager
    def using(self, entry: Entry) -> Iterator[Entry]:
        """Keep *entry* from being evicted or cleared for the time of the body.

        Raises StoreError if it was removed since it was looked up.
        """
        with upkeep.use(entry):
            yield entry

    def entries(self) -> list[Entry]:
        """All own trees and files, damaged ones and those of other boots too; the least recently used first."""
        return upkeep.listing(self._own)

    def clear(self, *, kinds: Collection[str] | None = None) -> Cleared:
        """Remove own entries and records, of *kinds* or of all, except entries in use. Raises StoreError."""
        return upkeep.clear(self._own, kinds)

    def sweep(self) -> None:
        """Remove what processes left that died before they could. Raises StoreError."""
        for area in self._own:
            if area.path is not None:
                sweep(area)

    def collect(self) -> None:
        """Remove what dead processes left, what is of another boot, and, above the limit, what was not used longest.

        Raises StoreError.
        """
        upkeep.collect(self._own, self.boot_id, self._limit, keep=None)

    def place(self, area: str) -> Path | None:
        """The directory of *area* (``boot`` or ``persistent``), None where there is none. It need not exist."""
        return self._own[0 if area == BOOT else 1].path

    def writable(self, area: str) -> str | None:
        """None if *area* (``boot`` or ``persistent``) can be written to, else the reason. Makes nothing."""
        place = self._own[0 if area == BOOT else 1]
        try:
            return upkeep.obstacle(place.root)
        except StoreError as error:
            return str(error)

    def _readable(self) -> Iterator[Area]:
        return (area for area in (*self._own, *self._shared) if area.path is not None)

    def _this_boot(self) -> str:
        if self.boot_id is None:
            raise StoreError("this kernel tells no boot id", f"make {_BOOT_ID} readable (mount /proc)")
        return self.boot_id

    def _find(self, name: str, kind: str, key: str) -> Entry | None:
        check_names(kind, key)
        self._why.pop((kind, key), None)
        for area in self._readable():
            if area.name == name and (entry := self._look(area, kind, key)) is not None:
                return entry
        return None

    def _look(self, area: Area, kind: str, key: str) -> Entry | None:
        """The good entry *key* of *area*, marked as used, or None and the reason for :meth:`why`."""
        where = area.root.joinpath(*shelf(kind))
        try:
            with area.directory(*shelf(kind)) as fd:
                entry = entries.load(fd, where, kind, key, area=area.name, own=area.own, boot=self.boot_id, check=True)
                if area.own:
                    with suppress(OSError):
                        os.utime(f"{key}/used", dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except Unusable as error:
            self._why[kind, key] = f"{where / key}: {error}"
            return None
        except (StoreError, OSError) as error:
            self._why[kind, key] = str(error)
            return None
        return entry

    def _publish(self, name: str, kind: str, key: str, fill: _Fill) -> Entry:
        entry = self._find(name, kind, key)
        if entry is not None:
            return entry
        area = self._own[0 if name == BOOT else 1]
        boot = self._this_boot() if name == BOOT else None
        with explained(area.root, "write"), Bench.take(area, f"entry.{kind}.{key}") as bench:
            entry = self._look(area, kind, key)
            if entry is not None:
                return entry
            with bench.new() as (home, staged):
                make_dir(home, "root", 0o700)
                with closing(open_below(home, "root", area.root / "staging" / staged / "root")) as root:
                    file, meta = fill(root)
                    seen = trees.fingerprint(root, seal=True)
                entries.describe(home, kind, key, seen, boot=boot, name=file, meta=meta)
                os.fchmod(home, trees.DIRECTORY_MODE)
                with area.directory(*shelf(kind), create=True) as target:
                    bench.publish(staged, target, key)
                    where = area.root.joinpath(*shelf(kind))
                    entry = entries.load(target, where, kind, key, area=area.name, own=True, boot=boot, check=False)
        self._why.pop((kind, key), None)
        # What was asked for is there; what could not be tidied up now will be the next time.
        with suppress(StoreError):
            upkeep.collect(self._own, self.boot_id, self._limit, keep=entry)
        return entry
