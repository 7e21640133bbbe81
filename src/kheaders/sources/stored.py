"""What the store still has of a kernel: trees that were verified in this boot, packages that were downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kheaders.errors import KheadersError, VerificationError
from kheaders.sources.candidate import Candidate, FilesContent, Rejection, Request, TreeContent
from kheaders.store import Store
from kheaders.store.areas import is_key

PACKAGE = "deb"
"""Kind of the files that downloaded packages are kept as."""
FETCHED = "fetched"
"""Kind of the records that tell which packages hold the headers of a release."""
_TREES = 8
"""Trees of one kernel that are remembered, the latest first."""


class StoredSource:
    """The store. A tree counts only for the very kernel that it was verified for."""

    name = "store"

    def __init__(self, store: Store) -> None:
        self._store = store

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """Trees of this boot first, then packages."""
        offered = False
        for key in self._trees(request):
            path = self._store.listed(key)
            if path is not None:
                offered = True
                yield Candidate(self.name, str(path), TreeContent((path,), self._guard(key)), f"tree:{key}")
        packages = self._packages(request)
        if packages:
            offered = True
            yield packages
        if not offered:
            yield Rejection(self.name, "", f"holds no headers of {request.kernel.release}")

    def _guard(self, key: str) -> Callable[[], None]:
        def check() -> None:
            if self._store.tree(key) is None:
                raise VerificationError(self._store.why(key) or "was removed", "it is made again from its source")

        return check

    def _trees(self, request: Request) -> list[str]:
        return _keys(self._store.record("kernel", kernel_key(request)), "trees")[:_TREES]

    def _packages(self, request: Request) -> Candidate | None:
        found = fetched_key(request.kernel.release, request.srcarch)
        paths = kept_packages(self._store, found)
        if not paths:
            return None
        record = self._store.record(FETCHED, found)
        keys = _keys(record, "packages")
        origin = str(record.get("origin", "")) if record else ""
        location = f"packages from {origin}" if origin else "downloaded packages"
        release, srcarch = request.kernel.release, request.srcarch

        def read() -> dict[str, bytes]:
            from kheaders.debpkg import headers_from_debs

            return headers_from_debs(paths, srcarch=srcarch, release=release)

        return Candidate(self.name, location, FilesContent(read), f"packages:{'+'.join(keys)}")


def kept_packages(store: Store, key: str) -> list[Path]:
    """The packages that the record *key* (:func:`fetched_key`) lists, as files; none unless all are there."""
    paths = [store.file(PACKAGE, package) for package in _keys(store.record(FETCHED, key), "packages")]
    return [path for path in paths if path is not None] if None not in paths else []


def stand_in_for(store: Store, release: str, srcarch: str) -> str | None:
    """The kernel for which the headers of *release* were downloaded, as there were none of its own; None if none was.

    Raises StoreError.
    """
    record = store.record(FETCHED, fetched_key(release, srcarch))
    value = record.get("stand_in_for") if record else None
    return value if isinstance(value, str) and value != release else None


def _keys(record: Mapping[str, Any] | None, name: str) -> list[str]:
    """The keys in a record, which may have been damaged."""
    value = record.get(name) if record else None
    return [key for key in value if isinstance(key, str) and is_key(key)] if isinstance(value, list) else []


def kernel_key(request: Request) -> str:
    """The key of the record that lists the trees of a kernel."""
    return f"{request.kernel.key}-{request.srcarch}"


def fetched_key(release: str, srcarch: str) -> str:
    """The key of the record that lists the packages of a release."""
    return hashlib.sha256(f"{release}\0{srcarch}".encode()).hexdigest()


def remember_tree(store: Store, request: Request, digest: str) -> None:
    """Note that the tree *digest* was verified for the kernel of *request*; lasts as long as the boot."""
    record = store.record("kernel", kernel_key(request))
    keys = [digest, *(key for key in _keys(record, "trees") if key != digest)][:_TREES]
    try:
        store.put_record("kernel", kernel_key(request), {"trees": keys}, boot=True)
    except KheadersError:
        pass  # the tree itself could be kept, its index could not: it is found through its source
