"""Paths as the examined system sees them: an absolute link below a sysroot starts at the sysroot again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

MAX_LINKS = 40
"""Links followed before a path counts as a loop, as in the kernel (``MAXSYMLINKS``, fs/namei.c)."""


def resolve(sysroot: Path, path: str | os.PathLike[str]) -> Path:
    """*path* (absolute in the examined system) with all links followed, never leaving *sysroot*.

    The last components need not exist. Raises OSError (ELOOP) for a loop of
    links below a sysroot; below ``/`` the loop shows when the result is opened.
    """
    if sysroot == Path("/"):
        return Path(os.path.realpath(path))
    todo = [part for part in os.fspath(path).split("/") if part not in ("", ".")][::-1]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        here = sysroot.joinpath(*done, part)
        try:
            target = os.readlink(here)
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))
        if target.startswith("/"):
            done.clear()
        todo += [p for p in target.split("/") if p not in ("", ".")][::-1]
    return sysroot.joinpath(*done)
