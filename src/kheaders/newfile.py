"""A file that appears at its place whole, with all its bytes on the disk, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kheaders.errors import KheadersError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Destination:
    """The place of a file that is to be made. Opening one finds out early whether anything can be written there.

    A file that is there is replaced, and so is a link: where it leads to is not touched, since it may be another's.
    Used as a context manager. Raises *error*, the exception of whoever makes the file.
    """

    def __init__(self, path: Path, error: type[KheadersError]) -> None:
        self._path = path
        self._kind = error
        self._directory = -1
        self._staged = f".{path.name[:100]}.{os.urandom(8).hex()}"
        try:
            if not path.name:
                raise self._kind(f"{path}: is a directory", "name a file in it")
            self._directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with suppress(FileNotFoundError):
                mode = os.lstat(path.name, dir_fd=self._directory).st_mode
                if stat.S_ISDIR(mode):
                    raise self._kind(f"{path}: is a directory", "name a file in it")
                if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    raise self._kind(f"{path}: is neither a file nor a link, and is not replaced", "name another place")
            self._file = os.open(self._staged, _NEW, 0o600, dir_fd=self._directory)
        except (OSError, ValueError) as fault:
            self._close()
            raise self._error(fault) from fault
        except KheadersError:
            self._close()
            raise

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            os.unlink(self._staged, dir_fd=self._directory)  # not there any more where all went well
        os.close(self._file)
        self._close()

    def write(self, pieces: Iterable[bytes]) -> int:
        """Write all *pieces*, give the file its name, and return its size in bytes."""
        size = 0
        for piece in pieces:
            view = memoryview(piece)
            size += len(view)
            try:
                while view:
                    view = view[os.write(self._file, view) :]
            except OSError as error:
                raise self._error(error) from error
        try:
            os.fchmod(self._file, 0o644)
            os.fsync(self._file)
            os.rename(self._staged, self._path.name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except OSError as error:
            raise self._error(error) from error
        return size

    def _close(self) -> None:
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def _error(self, error: OSError | ValueError) -> KheadersError:
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return self._kind(f"{self._path}: cannot be written ({why})", "free space, or name another place with -o")
