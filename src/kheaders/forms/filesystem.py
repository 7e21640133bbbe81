"""A mount's server: headers as a read-only filesystem in user space (FUSE), by mfusepy and libfuse 3.

The tree never changes, so the kernel keeps what it was told and asks again only to let the server know that it is used.
Files need no opening: the first answer to open(2) is ENOSYS, with which the kernel stops asking (FUSE_NO_OPEN_SUPPORT,
include/uapi/linux/fuse.h).
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from kheaders.errors import ToolMissing
from kheaders.forms.contents import Contents, Node

SUBTYPE = "kheaders"
QUIET = 30.0
"""Seconds without a question after which the headers are given up; the kernel's caches have most of what was used."""
REMEMBER = 3600.0
"""Seconds for which the kernel may go on without asking, where no idle time is set."""


def serve(contents: Contents, place: str, source: str, *, idle: float, ready: Callable[[], None]) -> None:
    """Mount *contents* at *place*, call *ready*, and return when it was unmounted.

    *source* is the name of the mount's source; with *idle*, it is unmounted after so many seconds without use. Raises
    ToolMissing where mfusepy or libfuse is not installed, and RuntimeError where libfuse fails, which then has told why
    on standard error.
    """
    fuse = library()
    remember = min(REMEMBER, idle / 2) if idle else REMEMBER
    answers = _operations(fuse)(contents, ready, place, idle)
    options: dict[str, Any] = {"allow_other": True} if os.geteuid() == 0 else {}
    fuse.FUSE(
        answers,
        place,
        foreground=True,
        ro=True,
        nosuid=True,
        nodev=True,
        noexec=True,
        default_permissions=True,
        fsname=source,
        subtype=SUBTYPE,
        attr_timeout=remember,
        entry_timeout=remember,
        negative_timeout=remember,
        kernel_cache=True,
        **options,
    )


def library() -> Any:
    """The module mfusepy. Raises ToolMissing."""
    try:
        import mfusepy
    except ImportError as error:
        raise ToolMissing(
            "mounting needs the Python package mfusepy", "pip install 'kheaders[mount]', or use 'kheaders extract'"
        ) from error
    except OSError as error:  # it looks for the library when it is imported
        raise ToolMissing(
            f"mounting needs libfuse 3 ({error})", "install it (Debian: apt install fuse3), or use 'kheaders extract'"
        ) from error
    if mfusepy.fuse_version_major != 3:
        raise ToolMissing(
            "mounting needs libfuse 3, and here is an older one", "install it (Debian: apt install fuse3)"
        )
    return mfusepy


def _operations(fuse: Any) -> Any:
    class Answers(fuse.Operations):  # type: ignore[misc]  # a module that is imported late
        use_ns = True

        def __init__(self, contents: Contents, ready: Callable[[], None], place: str, idle: float) -> None:
            self._contents = contents
            self._ready = ready
            self._place = place
            self._idle = idle
            self._used = time.monotonic()
            self._now = time.time_ns()

        def init(self, path: str) -> None:
            threading.Thread(target=self._watch, name="kheaders-idle", daemon=True).start()
            self._ready()

        def _watch(self) -> None:
            while True:
                time.sleep(min(QUIET, self._idle or QUIET))
                unused = time.monotonic() - self._used
                if unused >= QUIET:
                    self._contents.forget()
                if self._idle and unused >= self._idle and unmounted(self._place):
                    return  # or somebody has a file or directory of it open: later

        def _find(self, path: str) -> Node:
            self._used = time.monotonic()
            node = self._contents.find(path.lstrip("/"))
            if node is None:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            return node

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            node = self._find(path)
            if node.data is not None:
                mode, size = stat.S_IFREG | 0o444, len(node.data)
            elif node.link is not None:
                mode, size = stat.S_IFLNK | 0o777, len(node.link.encode())
            else:
                mode, size = stat.S_IFDIR | 0o555, 0
            times = dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), self._now)
            # root's or the user's own, as the directory form's files are
            return {"st_mode": mode, "st_size": size, "st_nlink": 1, "st_uid": os.geteuid(), "st_gid": os.getegid(),
                    **times}  # fmt: skip

        def readdir(self, path: str, fh: int) -> Iterator[str]:
            self._used = time.monotonic()
            yield from (".", "..")
            yield from self._contents.listing(path.lstrip("/"))

        def readlink(self, path: str) -> str:
            return self._find(path).link or ""

        def open(self, path: str, flags: int) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return (self._find(path).data or b"")[offset : offset + size]

    return Answers


def unmounted(place: str) -> bool:
    """Unmount *place*; false if it is in use."""
    from kheaders.run import run

    command = ["umount", place] if os.geteuid() == 0 else ["fusermount3", "-u", place]
    return run(command, check=False, timeout=60).returncode == 0
