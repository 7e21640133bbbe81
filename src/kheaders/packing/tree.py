"""Which headers of directories go into an archive: what kernel/gen_kheaders.sh finds, read when their turn comes.

Found is every ``*.h`` below ``include/`` and ``arch/SRCARCH/include/`` of each layer; where a path is in several, the
last layer wins. A link stays a link, as cpio leaves it, but must stay in the tree: no reader would accept another, and
what it leads to is nobody's header. Links to directories are followed, which ``find`` does not do, since the header
packages of some distributions consist of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kheaders.errors import PackError

FILE_LIMIT = 16 << 20
"""Bytes of a header at most; the largest real ones have 2 MB."""

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Found(NamedTuple):
    """One header: the file that it is read from, or the target of a link."""

    file: str
    link: str | None = None


def collect(layers: Sequence[Path], srcarch: str) -> dict[str, Found]:
    """Path in the archive → where it is. Raises PackError for what cannot be read."""
    found: dict[str, Found] = {}
    for layer in layers:
        for top in ("include", f"arch/{srcarch}/include"):
            _walk(str(layer / top), top, found, ())
    return found


def read(place: Found) -> bytes:
    """The bytes of a header that is no link. Raises PackError."""
    try:
        fd = os.open(place.file, _OPEN)
    except OSError as error:
        raise _unreadable(place.file, error) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise PackError(f"{place.file}: is no regular file", "restore the tree")
        data = b""
        while len(data) <= FILE_LIMIT and (more := os.read(fd, max(status.st_size + 1 - len(data), 4096))):
            data += more
            if len(data) == status.st_size:
                break
    except OSError as error:
        raise _unreadable(place.file, error) from error
    finally:
        os.close(fd)
    if len(data) > FILE_LIMIT:
        raise PackError(f"{place.file}: is larger than {FILE_LIMIT >> 20} MiB, which no header is", "restore the tree")
    return data


def check_name(path: str) -> None:
    """Raise PackError for a path that no archive may hold."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise PackError(f"{path!r}: the name is not UTF-8", "remove that file") from error
    if "\n" in path:
        raise PackError(f"{path!r}: the name is of several lines", "remove that file")


def check_link(path: str, target: str, file: str) -> None:
    """Raise PackError where the link *path* leads out of the archive's tree; *file* is where it was found."""
    up = path.count("/")
    depth = up
    inside = bool(target) and not target.startswith("/")
    for part in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        inside = inside and depth >= 0
    parts = [part for part in target.split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        del parts[0]
    if not inside or ".." in parts:
        raise PackError(f"{file}: is a link out of the tree, to {target!r}", "replace it by the file that is meant")


def _walk(directory: str, prefix: str, found: dict[str, Found], above: tuple[tuple[int, int], ...]) -> None:
    try:
        status = os.stat(directory)
        identity = (status.st_dev, status.st_ino)
        if identity in above or not stat.S_ISDIR(status.st_mode):
            return
        with os.scandir(directory) as listing:
            entries = list(listing)
    except FileNotFoundError:
        if above:
            raise PackError(f"{directory}: vanished while it was read", "pack again when nobody builds there") from None
        return
    except OSError as error:
        raise _unreadable(directory, error) from error
    for entry in entries:
        path = f"{prefix}/{entry.name}"
        try:
            link = entry.is_symlink()
            if entry.is_dir():
                _walk(entry.path, path, found, (*above, identity))
            elif entry.name.endswith(".h"):
                check_name(path)
                target = os.readlink(entry.path) if link else None
                if target is not None:
                    check_link(path, target, entry.path)
                found[path] = Found(entry.path, target)
        except OSError as error:
            raise _unreadable(entry.path, error) from error


def _unreadable(path: str, error: OSError) -> PackError:
    return PackError(f"{path}: cannot be read ({error.strerror})", "check its permissions")
