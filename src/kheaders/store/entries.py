"""Entries: a directory that holds a manifest, a stamp of its last use, and below ``root`` what is kept.

<key>/manifest.json     what follows, as JSON
<key>/used              empty; its mtime is the last use, a shared lock on it keeps the entry
<key>/root/             the tree, or the one file
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from kheaders.errors import StoreError
from kheaders.safepath import closing, open_below, open_file
from kheaders.store.areas import TREE
from kheaders.store.trees import FILE_MODE, Fingerprint, fingerprint

FORMAT = 2
"""Of manifests and records; one of another format is made again."""
MAX_JSON = 1024 * 1024
"""Bytes of a manifest or record that are read at most."""

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Unusable(Exception):
    """An entry is there, but is not what was published; its text is the reason."""


class Entry(NamedTuple):
    """One thing in a store."""

    kind: str
    key: str
    path: Path
    """The directory of a tree; the file of any other kind."""
    manifest: Mapping[str, Any]
    """What the maker of the entry recorded with it; empty if it cannot be read."""
    size: int
    """Bytes of all files."""
    used: float
    """Time of the last use, in seconds since the epoch."""
    area: str
    """``boot`` or ``persistent``."""
    own: bool = True
    """False for what lies in root's store and is only read."""
    boot: str | None = None
    damaged: bool = False

    @property
    def home(self) -> Path:
        """The entry's own directory, which holds the manifest as well."""
        return self.path.parent if self.kind == TREE else self.path.parent.parent


class Cleared(NamedTuple):
    """What was removed: the number of ``entries`` and records, their ``bytes``, and how many in use were kept."""

    entries: int
    bytes: int
    kept: int = 0


def open_new(directory: int, name: str) -> BinaryIO:
    """A new file of mode 0644, whatever the umask, to write and read. Raises OSError."""
    fd = os.open(name, _NEW, 0o600, dir_fd=directory)
    try:
        os.fchmod(fd, FILE_MODE)
        return os.fdopen(fd, "w+b")
    except BaseException:
        os.close(fd)
        raise


def write_json(directory: int, name: str, value: Mapping[str, Any]) -> None:
    """Write a new file of mode 0644. Raises OSError, StoreError if it is too long, TypeError for what is not JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    if len(text) > MAX_JSON:
        raise StoreError(f"{name}: would have {len(text)} bytes, of {MAX_JSON} at most", "keep it as a file")
    with open_new(directory, name) as stream:
        stream.write(text)


def read_json(directory: int, name: str, shown: Path) -> dict[str, Any]:
    """The object in the safe file *name*. Raises Unusable, StoreError, and FileNotFoundError."""
    with closing(open_file(directory, name, shown)) as fd:
        size = os.fstat(fd).st_size
        if size > MAX_JSON:
            raise Unusable(f"{name} has {size} bytes")
        data = os.read(fd, MAX_JSON)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Unusable(f"{name} is not JSON") from None
    if not isinstance(value, dict):
        raise Unusable(f"{name} holds no JSON object")
    if value.get("format") != FORMAT:
        raise Unusable(f"{name} has another format")
    return value


def describe(
    home: int, kind: str, key: str, seen: Fingerprint, *, boot: str | None, name: str, meta: Mapping[str, Any]
) -> None:
    """Write the manifest and the stamp of a new entry whose directory is *home*. Raises OSError, TypeError."""
    manifest = {
        "format": FORMAT,
        "kind": kind,
        "key": key,
        "boot": boot,
        "name": name,
        "fingerprint": seen.digest,
        "files": seen.files,
        "size": seen.size,
        "meta": dict(meta),
    }
    if name:
        with closing(os.open(f"root/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=home)) as fd:
            manifest["sha256"] = _sha256(fd)
    write_json(home, "manifest.json", manifest)
    with open_new(home, "used"):
        pass


def load(shelf: int, shown: Path, kind: str, key: str, *, area: str, own: bool, boot: str | None, check: bool) -> Entry:
    """The entry *key* of the directory *shelf*; with *check*, only if it is of this *boot* and unchanged.

    Raises Unusable, StoreError, OSError; FileNotFoundError if there is none.
    """
    home = shown / key
    with closing(open_below(shelf, key, home)) as fd:
        try:
            manifest = read_json(fd, "manifest.json", home / "manifest.json")
            used = os.stat("used", dir_fd=fd, follow_symlinks=False).st_mtime
        except FileNotFoundError as error:
            raise Unusable("its manifest or stamp is missing") from error
        name, size, meta, seen = (manifest.get(word) for word in ("name", "size", "meta", "fingerprint"))
        if manifest.get("kind") != kind or manifest.get("key") != key:
            raise Unusable("its manifest is that of another entry")
        if not (isinstance(name, str) and isinstance(size, int) and isinstance(meta, dict) and isinstance(seen, str)):
            raise Unusable("its manifest is incomplete")
        if (kind == TREE) == bool(name) or "/" in name:
            raise Unusable("its manifest is incomplete")
        made = manifest.get("boot")
        path = home / "root" / name if name else home / "root"
        entry = Entry(kind, key, path, MappingProxyType(meta), size, used, area, own, made)
        if check:
            if made is not None and made != boot:
                raise Unusable("it was made in another boot")
            _verify(fd, home, entry, name, seen, manifest.get("sha256"))
    return entry


def _verify(fd: int, home: Path, entry: Entry, name: str, seen: str, sha256: object) -> None:
    try:
        with closing(open_below(fd, "root", home / "root")) as root:
            if name:
                with closing(open_file(root, name, entry.path)) as file:
                    # A restored backup or a container's layer has new inodes and times; then the content decides.
                    if fingerprint(root).digest != seen and _sha256(file) != sha256:
                        raise Unusable("its content was changed")
            elif fingerprint(root).digest != seen:
                raise Unusable("its files were changed, removed or added to")
    except FileNotFoundError:
        raise Unusable("its content is missing") from None


def _sha256(fd: int) -> str:
    with os.fdopen(fd, "rb", closefd=False) as stream:
        stream.seek(0)
        return hashlib.file_digest(stream, "sha256").hexdigest()
