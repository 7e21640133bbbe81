"""An object at the place that the user named: whole or not at all, with the mode that compilers give."""

from __future__ import annotations

import os
import stat

from kheaders.errors import StoreError, UsageError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def check(path: str) -> None:
    """Raise UsageError or StoreError for a place where no object can be put, before time is spent on one."""
    if os.path.isdir(path):
        raise UsageError(f"{path}: is a directory", "name a file in it with -o")
    parent = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(parent):
        raise StoreError(f"{path}: {parent} is no directory", "make it, or name another file with -o")


def write(path: str, data: bytes) -> None:
    """Write *data* to *path*: beside it and then by one rename; devices and pipes directly. A link is followed.

    Raises StoreError, and then what was at *path* before is still there.
    """
    try:
        if _is_special(path):
            _write_all(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY), data)
            return
        final = os.path.realpath(path)
        # 0666 and the umask, as compilers do; an existing object's mode is not kept by them either
        temporary = os.path.join(os.path.dirname(final), f".kheaders-{os.urandom(8).hex()}.o")
        fd = os.open(temporary, _NEW, 0o666)
        try:
            _write_all(fd, data)
            os.rename(temporary, final)
        except BaseException:
            os.unlink(temporary)
            raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror})", "name another file with -o") from error


def _is_special(path: str) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def _write_all(fd: int, data: bytes) -> None:
    """Write all of *data* and close *fd*; what only closing tells (a quota on NFS) counts, too."""
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
