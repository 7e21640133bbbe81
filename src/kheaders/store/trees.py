"""Directories as wholes: their fingerprint, modes and removal. All relative to descriptors, and no link followed."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from array import array
from typing import NamedTuple

from kheaders.errors import StoreError
from kheaders.safepath import closing

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DIRECTORY_MODE = 0o755
FILE_MODE = 0o644
MAX_DEPTH = 100
"""Levels of directories; kernel headers have about ten."""


class Fingerprint(NamedTuple):
    """What :func:`fingerprint` saw: ``digest`` (hex), the number of ``files``, and their ``size`` in bytes."""

    digest: str
    files: int
    size: int


def fingerprint(fd: int, *, seal: bool = False) -> Fingerprint:
    """The fingerprint of the directory *fd*: whatever is done to a file or directory in it later changes the digest.

    It covers the path, mode, size, inode, mtime and ctime of each file and link, and the path, mode and owner of each
    directory, and reads no content: no write, however it is disguised, leaves a ctime as it was. A tree may be renamed
    as a whole. About 25 ms for 6,700 files in 340 directories, of which the bare system calls take 17.

    With *seal*, directories and files first get the modes 0755 and 0644, and StoreError is raised on what is neither
    file, directory nor link, and on what belongs to somebody else. Raises StoreError below MAX_DEPTH, and OSError.
    """
    digest = hashlib.sha256()
    files = size = 0

    def visit(here: int, path: str, depth: int) -> None:
        nonlocal files, size
        if depth > MAX_DEPTH:
            raise StoreError(f"{path[:40]}…: more than {MAX_DEPTH} directories deep", "these are no kernel headers")
        if seal:
            os.fchmod(here, DIRECTORY_MODE)
        status = os.fstat(here)
        rows: list[tuple[str, int, int, int, int, int]] = []
        below: list[str] = []
        with os.scandir(here) as listing:
            for item in listing:
                if item.is_dir(follow_symlinks=False):
                    below.append(item.name)
                    continue
                s = item.stat(follow_symlinks=False)
                if seal and (s.st_mode != stat.S_IFREG | FILE_MODE or s.st_uid != status.st_uid):
                    s = _seal_file(here, item.name, s, path, status.st_uid)
                rows.append((item.name, s.st_size, s.st_mode, s.st_mtime_ns, s.st_ctime_ns, s.st_ino))
        rows.sort()
        below.sort()
        head = f"{status.st_mode} {status.st_uid} {len(rows)} {len(below)} "
        digest.update(os.fsencode(f"{head}{path}//{'/'.join(below)}//"))
        if rows:
            names, sizes, modes, mtimes, ctimes, inodes = zip(*rows, strict=True)
            digest.update(os.fsencode("/".join(names)))
            for column in (sizes, modes, mtimes, ctimes):
                digest.update(array("q", column).tobytes())
            digest.update(array("Q", inodes).tobytes())
            files += len(rows)
            size += sum(sizes)
        for name in below:
            if seal:
                _open_up(here, name, status.st_uid, path)
            with closing(os.open(name, _OPEN, dir_fd=here)) as child:
                visit(child, f"{path}{name}/", depth + 1)

    visit(fd, "", 0)
    return Fingerprint(digest.hexdigest(), files, size)


def remove(parent: int, name: str) -> None:
    """Remove whatever *name* is in the directory *parent*, with all that is below it; no link is followed.

    What another process removes at the same time is no error. Raises OSError for what cannot be removed.
    """
    try:
        os.unlink(name, dir_fd=parent)
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM, errno.EACCES):
            raise
    try:
        with closing(_open_to_empty(parent, name)) as fd:
            for below in os.listdir(fd):
                remove(fd, below)
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        pass


def _open_to_empty(parent: int, name: str) -> int:
    try:
        fd = os.open(name, _OPEN, dir_fd=parent)
    except PermissionError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise
        os.chmod(name, 0o700, dir_fd=parent)
        fd = os.open(name, _OPEN, dir_fd=parent)
    if os.fstat(fd).st_mode & 0o700 != 0o700:
        os.fchmod(fd, 0o700)
    return fd


def _seal_file(parent: int, name: str, status: os.stat_result, path: str, owner: int) -> os.stat_result:
    """Give a file its mode and return its new status; links are left alone."""
    if status.st_uid != owner:
        raise StoreError(f"{path}{name}: belongs to user {status.st_uid}", f"only what user {owner} wrote can be kept")
    if stat.S_ISLNK(status.st_mode):
        return status
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path}{name}: is neither a file, a directory nor a link", "it cannot be kept")
    os.chmod(name, FILE_MODE, dir_fd=parent)
    return os.stat(name, dir_fd=parent, follow_symlinks=False)


def _open_up(parent: int, name: str, owner: int, path: str) -> None:
    """Let a directory be opened whose maker's umask took his own rights away."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if status.st_uid != owner:
        raise StoreError(f"{path}{name}: belongs to user {status.st_uid}", f"only what user {owner} wrote can be kept")
    if status.st_mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=parent)
