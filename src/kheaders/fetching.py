"""Downloads that the user asked for: the distribution's packages, kept in the store for every later command."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kheaders.errors import FetchError, VerificationError
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.verify import verify_identity
from kheaders.kernel import Kernel
from kheaders.sources.apt import FetchRequest, debian_architecture, default_package
from kheaders.sources.apt import fetch as download
from kheaders.sources.stored import FETCHED, PACKAGE, fetched_key
from kheaders.store import Store

Progress = Callable[[str, "int | None", "int | None"], None]


class Wanted(NamedTuple):
    """What to download."""

    kernel: Kernel
    release: str | None
    """Exactly this release, or None: the kernel's own if there is one, else the newest of its flavour."""
    package: str | None = None
    suite: str | None = None
    architecture: str | None = None
    """The distribution's name for it (``arm64``)."""


class FetchedHeaders(NamedTuple):
    """What a download brought."""

    release: str
    srcarch: str
    origin: str
    """Suite and version, for people."""
    packages: tuple[str, ...]
    """File names of the packages."""
    size: int
    """Bytes that were kept."""
    stand_in: bool
    """True where these are not the headers of the running kernel, or of the one that was asked for."""


def fetch(
    wanted: Wanted, store: Store, *, progress: Progress | None = None, sysroot: Path = Path("/")
) -> FetchedHeaders:
    """Download, look inside, and keep. Raises FetchError, StoreError, VerificationError."""
    with store.scratch() as directory:
        fetched = download(_request(wanted), directory, progress=progress, sysroot=sysroot)
        if progress:
            progress("checking", None, None)
        headers = _headers(fetched.paths, fetched.release)
        keys = []
        for path in fetched.paths:
            data = path.read_bytes()
            key = hashlib.sha256(data).hexdigest()
            store.publish_file(PACKAGE, key, data, suffix=".deb", meta={"package": path.name, "origin": fetched.origin})
            keys.append(key)
        names = tuple(path.name for path in fetched.paths)
        size = sum(path.stat().st_size for path in fetched.paths)
    srcarch = headers.srcarch or wanted.kernel.srcarch
    stand_in = fetched.release != wanted.kernel.release
    record = {"packages": keys, "origin": fetched.origin, "names": names}
    if stand_in and wanted.kernel.running and srcarch == wanted.kernel.srcarch:
        record["stand_in_for"] = wanted.kernel.release
    store.put_record(FETCHED, fetched_key(fetched.release, srcarch), record, boot=False)
    return FetchedHeaders(fetched.release, srcarch, fetched.origin, names, size, stand_in=stand_in)


def _request(wanted: Wanted) -> FetchRequest:
    architecture = wanted.architecture or debian_architecture(wanted.kernel.machine)
    if wanted.package is not None or wanted.release is not None:
        return FetchRequest(wanted.release, wanted.package, wanted.suite, architecture)
    return FetchRequest(None, tuple(default_package(wanted.kernel)), wanted.suite, architecture)


def _headers(paths: tuple[Path, ...], release: str) -> HeaderSet:
    from kheaders.debpkg import headers_from_debs

    headers = HeaderSet(headers_from_debs(paths, srcarch=None, release=release), name=f"packages of {release}")
    verdict = verify_identity(headers, None)
    if not verdict.ok:
        raise VerificationError(f"the packages of {release} cannot be used: {verdict.reason}", "try another --package")
    if headers.release != release:
        raise FetchError(f"the packages of {release} hold headers of {headers.release}", "try another --package")
    return headers
