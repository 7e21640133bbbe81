"""Directories and files that nobody else could have tampered with.

A path is walked from ``/``, one component at a time, relative to the directory that was opened and checked before, so
that nothing can be exchanged between check and use. What is required of each component:

* it is a real directory; a symbolic link is refused, whoever made it: only then does the path that was checked name the
  same place for every program that is given it later;
* root or the effective user owns it (root trusts root alone);
* neither its group nor others may write to it. A POSIX ACL that lets someone else write shows in the group's bits, as
  its mask (acl(5)), so it is refused as well. Excepted is a sticky directory of root's, as ``/tmp`` is, where nobody
  can rename what is not his; the component below it must then meet all of the above.

These are the tests that fixes for predictable directories tend to miss one by one (CVE-2024-2313, CVE-2024-2314).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kheaders.errors import StoreError, UnsafePath

_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_HINTS = {
    errno.ENOSPC: "free some space there, run 'kheaders cache clear', or name another directory",
    errno.EDQUOT: "free some of the quota there, run 'kheaders cache clear', or name another directory",
    errno.EROFS: "name a directory that can be written to",
    errno.EACCES: "name a directory of your own",
    errno.EPERM: "name a directory of your own",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENAMETOOLONG: "name a directory with a shorter path",
}


def problem(error: OSError, path: Path, doing: str) -> StoreError:
    """*error*, met while *doing* something ("read", "write") at *path*, as an error that says what to do next."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = _HINTS.get(error.errno or 0, "look at what lies there, or name another directory")
    return StoreError(f"{path}: cannot {doing}: {reason}", hint)


@contextmanager
def explained(path: Path, doing: str, *, absent_ok: bool = False) -> Iterator[None]:
    """Turn an OSError of the body into the StoreError that :func:`problem` makes.

    With *absent_ok* a FileNotFoundError ends the body quietly instead.
    """
    try:
        yield
    except OSError as error:
        if not (absent_ok and isinstance(error, FileNotFoundError)):
            raise problem(error, path, doing) from error


@contextmanager
def closing(fd: int) -> Iterator[int]:
    """Close *fd* at the end of the body."""
    try:
        yield fd
    finally:
        os.close(fd)


def open_dir(path: Path, *, create: bool = False, mode: int = 0o755) -> int:
    """A descriptor, fit for reading, of the directory *path*, every component of which is safe.

    A relative path starts at the current directory; ``..`` is resolved before the walk. With *create*, components that
    are missing are made with exactly *mode*, whatever the umask; what exists keeps its mode.

    Raises UnsafePath naming the first component that somebody else could change, StoreError if one cannot be opened or
    made, and FileNotFoundError if one is missing and *create* is false.
    """
    with explained(path, "find"):
        full = Path(os.path.abspath(path))
    if "\0" in str(full):
        raise UnsafePath(f"{str(full)!r}: holds a null character", "name another directory")
    shown = Path("/")
    with explained(shown, "open"):
        fd = os.open("/", _WALK)
    try:
        names = full.parts[1:]
        shared = _check_dir(os.fstat(fd), shown, may_be_shared=bool(names))
        for index, name in enumerate(names):
            shown = shown / name
            below = _step(fd, name, shown, create, mode)
            os.close(fd)
            fd = below
            shared = _check_dir(os.fstat(fd), shown, may_be_shared=index + 1 < len(names) and not shared)
        with explained(full, "open"):
            return os.open(".", _LIST, dir_fd=fd)
    finally:
        os.close(fd)


def open_below(parent: int, name: str, shown: Path, *, create: bool = False, mode: int = 0o755) -> int:
    """As :func:`open_dir` for the directory *name* in the safe directory *parent*; *shown* is its path in messages."""
    with closing(_step(parent, name, shown, create, mode)) as fd:
        _check_dir(os.fstat(fd), shown, may_be_shared=False)
        with explained(shown, "open"):
            return os.open(".", _LIST, dir_fd=fd)


def make_dir(parent: int, name: str, mode: int) -> None:
    """Make the directory *name* in the safe directory *parent* with exactly *mode*. Raises OSError."""
    os.mkdir(name, mode, dir_fd=parent)
    # By name, as a directory made under a hostile umask cannot be opened for fchmod. Nobody else can have put
    # anything in its place: parent is not writable by others, or it is sticky.
    os.chmod(name, mode, dir_fd=parent)


def open_file(parent: int, name: str, shown: Path) -> int:
    """A descriptor of the safe regular file *name* in the safe directory *parent*.

    Raises UnsafePath or StoreError, and FileNotFoundError if there is none.
    """
    try:
        fd = os.open(name, _READ, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnsafePath(f"{shown}: is a symbolic link", f"remove it: rm {shown}") from error
        raise problem(error, shown, "read") from error
    try:
        check_file(fd, shown)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_file(fd: int, shown: Path) -> os.stat_result:
    """The status of *fd*, which must be a regular file that only root or the effective user can change.

    Raises UnsafePath. How many names the file has does not matter: another name gives nobody the right to write.
    """
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePath(f"{shown}: is not a regular file", f"remove it: rm {shown}")
    _check_owner(status, shown)
    if status.st_mode & 0o022:
        raise _writable(status, shown)
    return status


def _step(parent: int, name: str, shown: Path, create: bool, mode: int) -> int:
    """An O_PATH descriptor of the directory *name*, made if need be; not yet checked."""
    for _ in range(3):
        try:
            fd = os.open(name, _WALK, dir_fd=parent)
            break
        except FileNotFoundError:
            if not create:
                raise
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise _no_directory(parent, name, shown) from error
            raise problem(error, shown, "open") from error
        try:
            make_dir(parent, name, mode)
        except FileExistsError:
            pass
        except OSError as error:
            raise problem(error, shown, "make this directory") from error
    else:
        raise StoreError(f"{shown}: is removed again and again", "name another directory")
    if create:
        try:
            _heal(parent, name, fd, mode)
        except BaseException:
            os.close(fd)
            raise
    return fd


def _heal(parent: int, name: str, fd: int, mode: int) -> None:
    """Give a directory of ours that has no permission at all the one it was to have.

    Such a one is left by a process that was killed, or is still at work, between mkdir under a umask of 0777 and chmod.
    """
    status = os.fstat(fd)
    if status.st_uid == os.geteuid() and not status.st_mode & 0o777:
        os.chmod(name, mode, dir_fd=parent)


def _check_dir(status: os.stat_result, shown: Path, *, may_be_shared: bool) -> bool:
    """Raise UnsafePath unless the directory is safe; true if it is one like ``/tmp``, where others may make files."""
    _check_owner(status, shown)
    if not status.st_mode & 0o022:
        return False
    if status.st_mode & stat.S_ISVTX and status.st_uid == 0:
        if may_be_shared:
            return True
        raise UnsafePath(f"{shown}: everybody may make files in it", "name a directory of your own below it")
    raise _writable(status, shown)


def _check_owner(status: os.stat_result, shown: Path) -> None:
    user = os.geteuid()
    if status.st_uid in (0, user):
        return
    who = "root" if user == 0 else f"user {user}"
    raise UnsafePath(
        f"{shown}: belongs to user {status.st_uid}, whom {who} cannot trust",
        f"name a directory of which every component belongs to {'root' if user == 0 else 'you or root'}",
    )


def _writable(status: os.stat_result, shown: Path) -> UnsafePath:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o002:
        return UnsafePath(f"{shown}: everybody may write to it (mode {mode:04o})", f"run: chmod go-w {shown}")
    return UnsafePath(
        f"{shown}: group {status.st_gid} may write to it (mode {mode:04o})",
        f"run: chmod g-w {shown} (even if the group is yours alone: others can be added to it)",
    )


def _no_directory(parent: int, name: str, shown: Path) -> UnsafePath:
    """The error for a component that is no directory; a link is followed only to name its target."""
    try:
        link = os.stat(name, dir_fd=parent, follow_symlinks=False)
        is_link = stat.S_ISLNK(link.st_mode)
    except OSError:
        return UnsafePath(f"{shown}: is not a directory", "name another directory")
    if not is_link:
        return UnsafePath(f"{shown}: is not a directory", "remove it, or name another directory")
    if link.st_uid not in (0, os.geteuid()):
        return UnsafePath(f"{shown}: is a symbolic link that user {link.st_uid} made", "remove it, or name another one")
    target = os.path.realpath(shown)
    if not os.path.isdir(target):
        return UnsafePath(f"{shown}: is a symbolic link that leads to no directory", f"remove it: rm {shown}")
    return UnsafePath(f"{shown}: is a symbolic link", f"name the directory that it points to, {target}")
