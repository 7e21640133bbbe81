"""Other actors for a test: children that are another user, see other mounts, fail or die at a chosen system call."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pickle
import resource
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import pytest

from builders import need

T = TypeVar("T")

STRANGER = 12345
"""A user id that no account has."""
OTHER = 54321

CHANGING = ("open", "mkdir", "rename", "chmod", "fchmod", "fsync", "utime", "fdopen")
"""Functions of ``os`` that make or change something on disk, or prepare it."""
REMOVING = ("unlink", "rmdir")


class Child(Generic[T]):
    """A forked child that runs *action* and hands back its result or what it raised; ``output`` tells that it ended."""

    def __init__(self, action: Callable[[], T]) -> None:
        self.output, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # fork beside pytest-timeout's idle thread
            self.pid = os.fork()
        if self.pid == 0:
            _perform(action, write)
        os.close(write)

    def kill(self) -> None:
        """End it with SIGKILL and wait for that."""
        os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def wait(self) -> T | None:
        """Its result once it has ended; None if it was killed."""
        data = self._reap()
        if not data:
            return None
        good, value = pickle.loads(data)
        if not good:
            raise value
        result: T = value
        return result

    def _reap(self) -> bytes:
        with os.fdopen(self.output, "rb") as stream:
            data = stream.read()
        os.waitpid(self.pid, 0)
        return data


def _perform(action: Callable[[], Any], write: int) -> NoReturn:
    try:
        try:
            data = pickle.dumps((True, action()))
        except BaseException as error:
            data = pickle.dumps((False, error))
        with os.fdopen(write, "wb") as stream:
            stream.write(data)
    finally:
        os._exit(0)


def as_user(uid: int, action: Callable[[], T]) -> T:
    """The result of *action*, run as the user *uid* in a child. Needs root."""
    need.root()

    def child() -> T:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        return action()

    return _result(child)


def with_umask(umask: int, action: Callable[[], T]) -> T:
    """The result of *action*, run under *umask* in a child."""

    def child() -> T:
        os.umask(umask)
        return action()

    return _result(child)


def with_largest_file(size: int, action: Callable[[], T]) -> T:
    """The result of *action*, run in a child that cannot make a file of more than *size* bytes."""

    def child() -> T:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return action()

    return _result(child)


def with_tmpfs(
    place: Path, options: str, flags: int, action: Callable[[], T], *, prepare: Callable[[], object] | None = None
) -> T:
    """The result of *action*, run in a child that sees a new tmpfs at *place*; nobody else sees it. Needs root.

    *prepare* is called before the mount gets *flags* (MS_* of mount(2)).
    """
    need.root()

    def child() -> T:
        try:
            _call("unshare", 0x00020000)  # CLONE_NEWNS
        except OSError as error:
            raise _Cannot(f"no mount namespace here: {error.strerror}") from error
        _call("mount", b"none", b"/", None, 0x4000 | 0x40000, None)  # MS_REC | MS_PRIVATE
        _call("mount", b"tmpfs", os.fsencode(place), b"tmpfs", 0, options.encode())
        if prepare is not None:
            prepare()
        if flags:
            _call("mount", b"tmpfs", os.fsencode(place), b"tmpfs", 0x20 | flags, options.encode())  # MS_REMOUNT
        return action()

    try:
        return _result(child)
    except _Cannot as error:
        pytest.skip(str(error))


class _Cannot(Exception):
    """This machine does not allow what the test needs."""


def _call(function: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    if getattr(library, function)(*words):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _result(action: Callable[[], T]) -> T:
    child = Child(action)
    result = child.wait()
    return result  # type: ignore[return-value]  # None only if that is the result, as nobody kills this child


@contextlib.contextmanager
def trap(names: tuple[str, ...], number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Call *act* before the call of that *number* (from 0) to any of the functions *names* of ``os``.

    Gives the list of the calls so far. Those that only walk a path (O_PATH) are not counted.
    """
    calls: list[str] = []
    real = {name: getattr(os, name) for name in names}

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name != "open" or not args[1] & os.O_PATH:
                calls.append(name)
                if len(calls) == number + 1:
                    act()
            return real[name](*args, **kwargs)

        return call

    try:
        for name in names:
            setattr(os, name, wrapped(name))
        yield calls
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def die() -> None:
    """End this process as ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def no_space() -> None:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def open_place() -> Iterator[Path]:
    """A directory below the system's temporary one that every user can enter, and nobody but its owner change."""
    place = Path(tempfile.mkdtemp(prefix="place-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)
