"""The directories that make up a store, and the names that things may have in them.

    area                boot                            persistent
    root                /run/kheaders (0755)            /var/cache/kheaders (0755)
    a user              $XDG_RUNTIME_DIR/kheaders       $XDG_CACHE_HOME/kheaders, ~/.cache/kheaders (0700)

A user reads root's two areas after his own. Never ``/tmp``, unless it is named. The variables are those of the XDG Base
Directory Specification 0.8, which says that a relative path in one is to be ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kheaders import safepath
from kheaders.errors import StoreError
from kheaders.patterns import pattern
from kheaders.settings import DEFAULT_STORE_LIMIT

BOOT = "boot"
PERSISTENT = "persistent"
TREE = "tree"
"""The kind of trees; all other kinds are of files or records."""

ROOT_BOOT = Path("/run/kheaders")
ROOT_CACHE = Path("/var/cache/kheaders")

DEFAULT_LIMIT = DEFAULT_STORE_LIMIT
"""Bytes that the entries of a store may take before the least recently used ones go."""

_KIND = pattern(r"[a-z][a-z0-9-]{0,31}")
_KEY = pattern(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,127}")
_SUFFIX = pattern(r"(\.[A-Za-z0-9]{1,15}){0,2}")


class Area(NamedTuple):
    """One directory of a store; ``path`` is None where there is none, and ``missing`` says why."""

    name: str
    path: Path | None
    mode: int = 0o755
    own: bool = True
    """Whether this process may write there; root's areas are only read by others."""
    missing: str = ""

    @property
    def root(self) -> Path:
        """The path. Raises StoreError where there is none."""
        if self.path is None:
            how = "--store or KHEADERS_STORE" if self.name == BOOT else "--cache or KHEADERS_CACHE"
            raise StoreError(f"no place for {self.name} entries: {self.missing}", f"name a directory with {how}")
        return self.path

    @contextmanager
    def directory(self, *names: str, create: bool = False, private: bool = False) -> Iterator[int]:
        """A descriptor of the directory *names* below the area; *private* ones are made with mode 0700.

        Raises StoreError, UnsafePath, and FileNotFoundError if it is missing and *create* is false.
        """
        shown = self.root
        fd = safepath.open_dir(shown, create=create, mode=self.mode)
        try:
            for name in names:
                shown = shown / name
                mode = 0o700 if private else self.mode
                below = safepath.open_below(fd, name, shown, create=create, mode=mode)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)


def shelf(kind: str) -> tuple[str, ...]:
    """The directory, below an area, that holds the entries of *kind*."""
    return ("trees",) if kind == TREE else ("files", kind)


def is_kind(name: str) -> bool:
    """Whether *name* can be a kind of entries or records."""
    return _KIND.fullmatch(name) is not None


def is_key(name: str) -> bool:
    """Whether *name* can be a key."""
    return _KEY.fullmatch(name) is not None


def check_names(kind: str, key: str, suffix: str = "") -> None:
    """Raise StoreError unless the three can be parts of a file name that is short and holds no surprise."""
    if not is_kind(kind):
        raise StoreError(f"{kind!r}: cannot be a kind of entries", "use lower case letters, digits and '-'")
    if not is_key(key):
        raise StoreError(f"{key!r}: cannot be a key", "use 1 to 128 of A-Z a-z 0-9 . _ + -, not '.' first")
    if not _SUFFIX.fullmatch(suffix):
        raise StoreError(f"{suffix!r}: cannot be a suffix", "use '.' and up to 15 letters or digits")


def areas(
    boot: Path | None, cache: Path | None, environ: Mapping[str, str], uid: int
) -> tuple[tuple[Area, Area], tuple[Area, ...]]:
    """The two areas of the user *uid*, and root's for him to read; a directory that is named replaces both."""
    mode = 0o755 if uid == 0 else 0o700
    own_boot, missing = _boot(environ, uid)
    own_cache, homeless = _cache(environ, uid)
    own = (
        Area(BOOT, boot or own_boot, mode, missing=missing),
        Area(PERSISTENT, cache or own_cache, mode, missing=homeless),
    )
    shared = []
    if uid != 0 and boot is None:
        shared.append(Area(BOOT, ROOT_BOOT, own=False))
    if uid != 0 and cache is None:
        shared.append(Area(PERSISTENT, ROOT_CACHE, own=False))
    return own, tuple(shared)


def _boot(environ: Mapping[str, str], uid: int) -> tuple[Path | None, str]:
    if uid == 0:
        return ROOT_BOOT, ""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return Path(runtime) / "kheaders", ""
    return None, "XDG_RUNTIME_DIR is not an absolute path" if runtime else "XDG_RUNTIME_DIR is not set"


def _cache(environ: Mapping[str, str], uid: int) -> tuple[Path | None, str]:
    if uid == 0:
        return ROOT_CACHE, ""
    base = environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "kheaders", ""
    home = environ.get("HOME", "") or _home(uid)
    if home.startswith("/"):
        return Path(home) / ".cache/kheaders", ""
    return None, f"user {uid} has no home directory"


def _home(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return ""
