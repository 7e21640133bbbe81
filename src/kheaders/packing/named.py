"""SOURCE told apart: directories, packages, or the release of a kernel whose headers are here or can be downloaded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from kheaders.debpkg import AR_MAGIC, UTSRELEASE, control, is_header_package
from kheaders.errors import PackError, UsageError
from kheaders.kernel import Kernel, check_release
from kheaders.packing import pack as packer
from kheaders.packing.material import Material, from_directory, from_packages
from kheaders.places import modules
from kheaders.sources.stored import PACKAGE, fetched_key, kept_packages
from kheaders.sources.trees import AUTOCONF, KCONFIG
from kheaders.store import Store
from kheaders.sysroot import resolve

Progress = Callable[[str, "int | None", "int | None"], None]

_WHAT = "name a source tree, build directory, header directory, .deb, or the release of a kernel"
_RELEASE = re.compile(r"\d+\.\d+[\w.+~-]*")


class Surroundings(Protocol):
    """What of a context is needed here."""

    kernel: Kernel
    machine_named: bool
    store: Store

    def of_kernel(self, release: str) -> Surroundings:
        """The same for another kernel."""
        ...

    fetch: Callable[..., Any]
    """Puts the kernel's packages into the store; takes ``progress``."""


def gather(
    context: Surroundings,
    sources: Sequence[str | os.PathLike[str]],
    build: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> Material:
    """What *sources* name: a release, directories or packages. Raises PackError, ArchiveError, FetchError."""
    words = [os.fspath(source) for source in sources]
    release = release_in(words[0]) if len(words) == 1 and build is None else None
    if release is not None:
        other = context.of_kernel(release)
        return of_kernel(other.kernel, other.store, lambda: other.fetch(progress=progress))
    srcarch = context.kernel.srcarch if context.machine_named else None
    return material([Path(w) for w in words], build=Path(build) if build is not None else None, srcarch=srcarch)


def pack(
    context: Surroundings,
    sources: Sequence[str | os.PathLike[str]],
    output: Path,
    *,
    build: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> packer.Packed:
    """Gather what *sources* name and pack it to *output*, with the time that the environment asks for.

    *build* is the build tree of a source tree; *how*: ``keep_comments``, ``level``, ``threads`` of
    :func:`kheaders.packing.pack.pack`. Raises PackError, ArchiveError, UsageError, FetchError.
    """
    mtime = packer.timestamp(os.environ)
    found = gather(context, sources, build, progress)
    if progress is not None:
        progress("pack", None, None)
    return packer.pack(found, output, mtime=mtime, **how)


def material(sources: Sequence[Path], *, build: Path | None = None, srcarch: str | None = None) -> Material:
    """What *sources* hold: one directory (with *build*, the build tree of that source tree), or packages.

    Raises PackError, ArchiveError, UsageError.
    """
    if not sources:
        raise UsageError("nothing to pack is named", _WHAT)
    if build is not None and (len(sources) > 1 or not os.path.isdir(sources[0])):
        raise UsageError("--build goes with one source tree", "name the source tree, then --build DIR")
    if len(sources) == 1 and os.path.isdir(sources[0]):
        place = sources[0]
        packages = [] if build else _packages_in(place)
        return from_packages(packages, srcarch) if packages else from_directory(place, build, srcarch)
    for path in sources:
        _check_package(path)
    return from_packages(sources, srcarch)


def release_in(word: str) -> str | None:
    """*word* if it is the release of a kernel and no path, else None."""
    if os.path.lexists(word) or not _RELEASE.fullmatch(word):
        return None
    return check_release(word)


def of_kernel(kernel: Kernel, store: Store, fetch: Callable[[], object]) -> Material:
    """The headers of *kernel*: from its build directory here, from packages in the store, or from those that *fetch*
    puts there. Raises PackError, and what *fetch* raises."""
    for directory in modules(kernel.release):
        build = resolve(kernel.sysroot, f"{directory}/build")
        if build.is_dir():
            return from_directory(build, None, kernel.srcarch)
    key = fetched_key(kernel.release, kernel.srcarch)
    paths = kept_packages(store, key)
    if not paths:
        fetch()
        paths = kept_packages(store, key)
    if not paths:
        raise PackError(f"{kernel.release}: its packages are not in the store ({PACKAGE})", "kheaders fetch gets them")
    return from_packages(paths, kernel.srcarch, kernel.release)


def _packages_in(place: Path) -> list[Path]:
    """The header packages in a directory that is no tree itself."""
    if any(os.path.exists(place / name) for name in (AUTOCONF, UTSRELEASE, KCONFIG)):
        return []
    try:
        debs = [place / name for name in sorted(os.listdir(place)) if name.endswith(".deb")]
    except OSError as error:
        raise PackError(f"{place}: cannot be read ({error.strerror})", "check its permissions") from error
    return [path for path in debs if is_header_package(control(path).get("Package", ""))]


def _check_package(path: Path) -> None:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            magic = file.read(len(AR_MAGIC))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise PackError(f"{path}: cannot be read ({why})", _WHAT) from error
    if magic != AR_MAGIC:
        raise PackError(f"{path}: is no Debian package", _WHAT)
