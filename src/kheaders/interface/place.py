"""A file that appears at its place whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kheaders.errors import BlobError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new name beside *path* to write a file to; at the end that file takes the name *path*, over an older one.

    If the body fails, nothing is left. Raises BlobError if nothing can be written there.
    """
    final = Path(os.path.realpath(path))
    staged = final.with_name(f".{final.name[:100]}.{os.urandom(8).hex()}")
    if os.path.isdir(final):
        raise BlobError(f"{path}: is a directory", "name a file in it")
    try:
        # found out before minutes are spent on what is to be written
        os.close(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
        os.unlink(staged)
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(final).st_mode):  # which a name that is too long fails
                raise BlobError(f"{path}: is no regular file, and is not replaced", "name another place")
    except (OSError, ValueError) as error:
        raise BlobError(f"{path}: cannot be written ({_why(error)})", "name another place") from error
    try:
        yield staged
        os.chmod(staged, 0o644)
        os.replace(staged, final)
    except OSError as error:
        raise BlobError(f"{path}: cannot be written ({_why(error)})", "free space, or name another place") from error
    finally:
        for leftover in (staged, f"{staged}-journal"):
            with suppress(OSError):
                os.unlink(leftover)


def _why(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
