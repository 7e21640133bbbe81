"""The archive that the module ``kheaders`` shows once it is loaded: load, read, unload only what this process loaded.

This is the fallback for a module that cannot be read from disk (:mod:`kheaders.sources.module`), or whose file belongs
to a file system that only ``modprobe`` knows how to find. It needs root, and nothing is loaded before the headers are
really read.
"""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kheaders import run, safepath
from kheaders.errors import ArchiveError, StoreError, ToolError, ToolFailed
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.files import Found, look
from kheaders.sources.module import module_files
from kheaders.sources.sysfs import PROCFS, SYSFS

MODULE = "kheaders"
MAX_ARCHIVE = 256 * 1024**2
"""Bytes of the compressed archive that are read into memory at most; real ones have 4 to 8 MB."""

_TIMEOUT = 60.0
_LOCK = "loaded.lock"


def _is_root() -> bool:
    return os.geteuid() == 0


class LoadedSource:
    """The module of the running kernel, loaded by ``modprobe`` for as long as it takes to read its archive.

    *lock_directory* holds the lock that keeps two kheaders from unloading what the other reads; *search_path* is where
    modprobe is looked for (None: ``PATH`` and the directories of root's programs); *root* is the sysroot that modules
    are really loaded in; *is_root* tells whether this process may load modules.
    """

    name = "loaded"

    def __init__(
        self,
        lock_directory: Path = Path("/run/kheaders"),
        *,
        search_path: str | None = None,
        root: Path = Path("/"),
        is_root: Callable[[], bool] = _is_root,
    ) -> None:
        self._lock_directory = lock_directory
        self._search_path = search_path
        self._root = root
        self._is_root = is_root

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """One offer if the module is there and may be loaded; loads nothing."""
        answer = self._refusal(request)
        if isinstance(answer, Path):
            modprobe = answer
            content = ArchiveContent(lambda: self._open(request, modprobe))
            yield Candidate(self.name, f"modprobe {MODULE}", content, "")
        else:
            yield answer

    def _refusal(self, request: Request) -> Rejection | Path:
        """Why nothing can be loaded, or the modprobe that can."""
        if not request.kernel.running or request.sysroot != self._root:
            return self._no("a module can only be loaded into the kernel that runs here")
        if shown := _archive(request):
            return self._no(f"nothing to load: {shown.shown} is there already")
        if all(not isinstance(file, Found) for file in module_files(request, (MODULE,))):
            return self._no(f"kernel {request.kernel.release} has no module {MODULE}")
        if not self._is_root():
            return self._no("only root may load modules", f"run as root, or first: sudo modprobe {MODULE}")
        modprobe = run.which("modprobe", self._search_path)
        if modprobe is None and self._search_path is None:
            modprobe = run.which("modprobe", "/usr/sbin:/sbin")
        if modprobe is None:
            return self._no("no modprobe", "install kmod")
        try:
            os.close(safepath.open_dir(self._lock_directory))
        except FileNotFoundError:
            pass  # made when it is needed
        except StoreError as error:
            return self._no(error.what, error.hint)
        return modprobe

    def _no(self, reason: str, hint: str = "") -> Rejection:
        return Rejection(self.name, f"modprobe {MODULE}", reason, hint)

    def _open(self, request: Request, modprobe: Path) -> BinaryIO:
        """The archive in memory. Raises ArchiveError, StoreError (no lock) or ToolError (modprobe)."""
        with self._lock():
            if shown := _archive(request):
                return io.BytesIO(shown.read(MAX_ARCHIVE))
            ours = _load(modprobe, request)
            try:
                shown = _archive(request)
                if shown is None:
                    raise ArchiveError(f"module {MODULE}: is loaded but shows no archive", "see dmesg for the reason")
                return io.BytesIO(shown.read(MAX_ARCHIVE))
            finally:
                if ours:
                    _unload(modprobe)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        shown = self._lock_directory / _LOCK
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        directory = safepath.open_dir(self._lock_directory, create=True)
        with safepath.closing(directory), safepath.explained(shown, "open"):
            lock = os.open(_LOCK, flags, 0o600, dir_fd=directory)
        with safepath.closing(lock):
            safepath.check_file(lock, shown)
            with safepath.explained(shown, "lock"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _archive(request: Request) -> Found | None:
    """The file that shows the archive now."""
    return next((found for path in (SYSFS, PROCFS) if isinstance(found := look(request, path), Found)), None)


def _is_loaded(request: Request) -> bool:
    """Whether /proc/modules lists the module (proc_modules(5): its name is the first word of a line)."""
    found = look(request, "/proc/modules", may_be_empty=True)
    if not isinstance(found, Found):
        return False
    return any(line.split(b" ", 1)[0] == MODULE.encode() for line in found.read(MAX_ARCHIVE).splitlines())


def _load(modprobe: Path, request: Request) -> bool:
    """Load the module; true if it was this call that did. Raises ToolError."""
    if _is_loaded(request):
        return False
    try:
        # --first-time fails if the module is there, so that success means it is this process that loaded it.
        run.run([modprobe, "--first-time", MODULE], timeout=_TIMEOUT)
    except ToolFailed:
        if _is_loaded(request) or _archive(request):
            return False
        run.run([modprobe, MODULE], timeout=_TIMEOUT)  # BusyBox does not know --first-time
    return True


def _unload(modprobe: Path) -> None:
    """Unload the module. A failure costs a few megabytes of kernel memory, and is not worth failing the call."""
    with suppress(ToolError):
        run.run([modprobe, "-r", MODULE], timeout=_TIMEOUT)
