"""Looking at one file of the examined system: what it is, why it cannot be used, whether it changed, its bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kheaders.errors import ArchiveError
from kheaders.sources.candidate import Request
from kheaders.sysroot import resolve

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Found(NamedTuple):
    """A regular file that is not empty and may be read; ``shown`` is its path as the examined system sees it."""

    shown: str
    path: Path
    status: os.stat_result

    @property
    def identity(self) -> str:
        """Changes when the file is replaced or written to."""
        s = self.status
        return f"{self.shown}:{s.st_dev}:{s.st_ino}:{s.st_size}:{s.st_mtime_ns}:{s.st_ctime_ns}"

    def open(self) -> BinaryIO:
        """The file as a stream. Raises ArchiveError if it cannot be opened or is no regular file any more."""
        try:
            fd = os.open(self.path, _OPEN)
        except OSError as error:
            raise ArchiveError(f"{self.shown}: cannot be read ({error.strerror})", "try again") from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ArchiveError(f"{self.shown}: is not a regular file any more", "look who changes it")
            return os.fdopen(fd, "rb")
        except BaseException:
            os.close(fd)
            raise

    def read(self, limit: int) -> bytes:
        """All its bytes. Raises ArchiveError if they are more than *limit* or cannot be read."""
        with self.open() as stream:
            try:
                data = stream.read(limit + 1)
            except OSError as error:
                raise ArchiveError(f"{self.shown}: cannot be read ({error.strerror})", "try again") from error
        if len(data) > limit:
            raise ArchiveError(f"{self.shown}: is larger than {limit} bytes", "this is not what its name says")
        return data


class Unusable(NamedTuple):
    """Why there is no file to use at ``shown``; ``absent`` where there is nothing at all,
    ``directory`` where it is one."""

    shown: str
    reason: str
    hint: str = ""
    absent: bool = False
    directory: bool = False


def look(request: Request, shown: str, *, may_be_empty: bool = False) -> Found | Unusable:
    """The file *shown* (absolute in the examined system) with links followed inside its sysroot, or why it is no use.

    *may_be_empty* is for files of procfs, whose size is told as 0.
    """
    try:
        path = resolve(request.sysroot, shown)
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return Unusable(shown, "is not there", absent=True)
    except PermissionError:
        return Unusable(shown, "permission denied on the way to it", "run as root")
    except (OSError, ValueError) as error:
        return Unusable(shown, f"cannot be looked at ({error})")
    if not stat.S_ISREG(status.st_mode):
        directory = stat.S_ISDIR(status.st_mode)
        return Unusable(shown, "is not a regular file", "" if directory else "remove it", directory=directory)
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        return Unusable(shown, "permission denied", "run as root")
    if not status.st_size and not may_be_empty:
        return Unusable(shown, "is empty")
    return Found(shown, path, status)
