"""A file that appears at its place whole, with all its bytes on the disk, or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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
            raise self.error(fault) from fault
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

    @property
    def staged(self) -> Path:
        """For those who write by name: the file, still empty, in the very directory that was looked at."""
        return Path(f"/proc/self/fd/{self._directory}/{self._staged}")

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
                raise self.error(error) from error
        self.publish()
        return size

    def publish(self) -> None:
        """Give the file, which has been written, its name."""
        try:
            os.fchmod(self._file, 0o644)
            os.fsync(self._file)
            os.rename(self._staged, self._path.name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except OSError as error:
            raise self.error(error) from error

    def _close(self) -> None:
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def error(self, error: OSError | ValueError) -> KheadersError:
        """What to raise where the file cannot be written, which *error* said."""
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return self._kind(f"{self._path}: cannot be written ({why})", "free space, or name another place with -o")


@contextmanager
def replacing(path: Path, error: type[KheadersError]) -> Iterator[Path]:
    """A name to write a file to, which at the end appears at *path*; if the body fails, nothing is left.

    As :class:`Destination`, for those who write by name. Raises *error*.
    """
    with Destination(path, error) as place:
        try:
            yield place.staged
        except OSError as fault:
            raise place.error(fault) from fault
        place.publish()
