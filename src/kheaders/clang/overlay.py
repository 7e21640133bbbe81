"""Files that only the compiler sees: texts in anonymous files (memfd_create(2)), given names by a clang VFS overlay."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from kheaders.errors import StoreError

_SPARE = 64
_DESCRIPTORS = "/proc/self/fd"


class Virtual(NamedTuple):
    """Flags that make the files visible, and the descriptors that the compiler must inherit for them."""

    flags: tuple[str, ...]
    pass_fds: tuple[int, ...]


@contextmanager
def virtual_files(texts: Mapping[str, bytes]) -> Iterator[Virtual]:
    """Show each text at its absolute path to a compiler, for the time of the body; nothing is written anywhere.

    Raises StoreError where the system allows too few open files.
    """
    if not os.path.isdir(_DESCRIPTORS):
        raise StoreError("memory form: /proc is not mounted", "mount it, or use --form directory")
    with ExitStack() as stack:
        stack.enter_context(_open_files.room_for(len(texts) + 1))
        descriptors = stack.enter_context(anonymous_files(texts))
        listing = overlay({path: f"{_DESCRIPTORS}/{fd}" for path, fd in descriptors.items()})
        index = stack.enter_context(anonymous_files({"overlay": listing}))["overlay"]
        yield Virtual(("-ivfsoverlay", f"{_DESCRIPTORS}/{index}"), (*descriptors.values(), index))


@contextmanager
def promised_files(texts: int) -> Iterator[tuple[Virtual, Callable[[Mapping[str, bytes]], bool]]]:
    """Flags that show files which are not known yet to a compiler, which waits for them when it has started.

    With them comes what is to be called once with the text of each file by its path. It returns whether the compiler
    can have them: not more than *texts* may differ from each other and from an empty one. Raises StoreError.
    """
    spare = [f"text {number}" for number in range(texts)]
    with anonymous_files(dict.fromkeys(("empty", *spare), b"")) as descriptors, ExitStack() as stack:
        reading, writing = os.pipe()
        stack.callback(os.close, reading)
        stream = stack.enter_context(open(writing, "wb", buffering=0))

        def keep(files: Mapping[str, bytes]) -> bool:
            different = dict.fromkeys(text for text in files.values() if text)
            if len(different) > texts:
                return False
            held = {
                b"": descriptors["empty"],
                **{text: descriptors[name] for text, name in zip(different, spare, strict=False)},
            }
            listing = overlay({path: f"{_DESCRIPTORS}/{held[text]}" for path, text in files.items()})
            if len(listing) > fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ):
                return False  # it would have to be written while the compiler reads
            for text in different:
                write_all(held[text], text)
            stream.write(listing)
            stream.close()  # the compiler reads to the end
            return True

        yield Virtual(("-ivfsoverlay", f"{_DESCRIPTORS}/{reading}"), (*descriptors.values(), reading)), keep


def write_all(fd: int, text: bytes) -> None:
    """Write all of *text*. Raises OSError."""
    view = memoryview(text)
    while view:
        view = view[os.write(fd, view) :]


def overlay(files: Mapping[str, str]) -> bytes:
    """A clang VFS overlay (``-ivfsoverlay``) that shows, at each absolute path, the contents of another file.

    The compiler keeps the path that it asked for, so diagnostics and relative includes see that one.
    """
    directories: dict[str, list[dict[str, Any]]] = {}
    for path, contents in files.items():
        parent, _, base = path.rpartition("/")
        entry = {"name": base, "type": "file", "external-contents": contents}
        directories.setdefault(parent or "/", []).append(entry)
    roots = [{"name": name, "type": "directory", "contents": entries} for name, entries in directories.items()]
    return json.dumps({"version": 0, "case-sensitive": "true", "use-external-names": "false", "roots": roots}).encode()


@contextmanager
def anonymous_files(texts: Mapping[str, bytes]) -> Iterator[dict[str, int]]:
    """Each text in an anonymous file of its own: name → descriptor, for the time of the body. Raises StoreError."""
    descriptors: dict[str, int] = {}
    try:
        for path, text in texts.items():
            try:
                descriptors[path] = os.memfd_create("kheaders", os.MFD_CLOEXEC)
                write_all(descriptors[path], text)
            except OSError as error:
                raise StoreError(
                    f"memory form: {path} cannot be held in memory ({error.strerror})",
                    "raise 'ulimit -n' and 'ulimit -f', or use --form directory",
                ) from error
        yield descriptors
    finally:
        for fd in descriptors.values():
            os.close(fd)


class _OpenFiles:
    """The soft limit on open files, which belongs to the whole process: several threads may need more at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._wanted = 0
        self._before = (0, 0)

    @contextmanager
    def room_for(self, count: int) -> Iterator[None]:
        """Lift the limit as far as needed; the last user puts it back. Raises StoreError."""
        with self._lock:
            if not self._users:
                self._before = resource.getrlimit(resource.RLIMIT_NOFILE)
                self._wanted = 0
            wanted = max(self._wanted, _highest_descriptor() + _SPARE) + count
            self._lift(wanted, count)
            self._wanted = wanted
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and resource.getrlimit(resource.RLIMIT_NOFILE) != self._before:
                    resource.setrlimit(resource.RLIMIT_NOFILE, self._before)

    @staticmethod
    def _lift(wanted: int, count: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise StoreError(
                f"memory form: {count} headers need as many open files, and the limit is {hard}",
                "raise 'ulimit -Hn', or use --form directory",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_open_files = _OpenFiles()


def _highest_descriptor() -> int:
    try:
        return max(map(int, os.listdir(_DESCRIPTORS)))
    except (OSError, ValueError):
        return 256
