"""Locks between processes and threads: flock(2) on a file each.

``fcntl.flock`` of the standard library is used rather than a locking package: on Linux it is all that such a package
wraps, and it takes the descriptor that was opened relative to a checked directory, where packages take a path. The
kernel lets go of it when the holder dies, however it dies. It belongs to the open file, so that two threads that each
open their own exclude each other as two processes do.

Lock files lie in a directory of mode 0700: whoever can open a file can lock it, and could stop others for good.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def _open(directory: int, name: str) -> int:
    try:
        fd = os.open(name, _LOCK, 0o600, dir_fd=directory)
    except PermissionError:
        # Made under a umask that takes the owner's rights away, by a process that was not yet, or never, at the fchmod.
        os.chmod(name, 0o600, dir_fd=directory)
        fd = os.open(name, _LOCK, 0o600, dir_fd=directory)
    return fd


def _acquire(directory: int, name: str, flags: int) -> int | None:
    while True:
        fd = _open(directory, name)
        try:
            os.fchmod(fd, 0o600)
            fcntl.flock(fd, flags)
            # Its last holder unlinked it meanwhile; somebody else can hold a new file of the same name.
            if os.fstat(fd).st_nlink:
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


@contextmanager
def hold(directory: int, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock *name* of the private *directory*; without *wait*, false if somebody else holds it.

    The lock's file is gone afterwards. Raises OSError if it cannot be made or locked.
    """
    fd = _acquire(directory, name, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)
            os.close(fd)


def lock_file(fd: int, *, exclusive: bool) -> bool:
    """Lock the open file *fd* until it is closed, without waiting; false if that cannot be had now."""
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
