"""What sources that offer directories ask of them: which layers they have, whether they are trustworthy and whole."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from kheaders.debpkg import UTSRELEASE, release_in_utsrelease, source_in_makefile
from kheaders.sources.candidate import Candidate, Rejection, TreeContent
from kheaders.sysroot import resolve

AUTOCONF = "include/generated/autoconf.h"
KCONFIG = "include/linux/kconfig.h"

INSTALL = "install the package of this kernel's headers"
"""What to do where nothing is there; :func:`install_hint` says it for one release."""

_IDENTITY = (UTSRELEASE, AUTOCONF, "include/config/auto.conf", ".config")
_FILE_LIMIT = 16 << 20


def install_hint(release: str) -> str:
    """Which package to install for *release*, by the distributions' own names."""
    return f"install linux-headers-{release} (Debian, Ubuntu), kernel-devel-{release} (Fedora) or its like"


def inside(sysroot: Path, real: Path) -> str:
    """The path by which the examined system knows *real*, which lies below *sysroot*."""
    return str(real) if sysroot == Path("/") else f"/{real.relative_to(sysroot)}"


def examine(
    source: str, location: str, build: Path, *, sysroot: Path, srcarch: str, release: str | None, beside: str = ""
) -> Candidate | Rejection:
    """Offer the tree whose generated headers lie in the real directory *build*, or say why not.

    *beside* names (as the examined system does) where the rest of a split tree may be; what *build* itself names comes
    after it. With *release* the tree must state that release. *location* is what a person is told.
    """

    def reject(reason: str, hint: str = "") -> Rejection:
        return Rejection(source, location, reason, hint)

    problem = _unusable(build)
    if problem:
        return reject(problem, INSTALL)
    fault = untrusted(build, sysroot)
    if fault:
        return reject(fault, "correct its owner and mode, or install the headers from their package")
    if not _size(build / AUTOCONF) or not present(build / UTSRELEASE):
        return reject(*_incomplete(build))
    stated = release_in_utsrelease(read_small(build / UTSRELEASE) or b"")
    if stated is None:
        return reject(f"{UTSRELEASE} is damaged: it states no release", "install the headers' package anew")
    if release is not None and stated != release:
        return reject(f"holds headers of {stated}, not of {release}", install_hint(release))
    layers: tuple[Path, ...] = (build,)
    if not _size(build / KCONFIG):
        refused = []
        for named in _named_sources(build, sysroot, beside):
            real = resolved(sysroot, named)
            why = "is a loop of links" if real is None else _refused_source(real, named, sysroot)
            if real is not None and not why:
                layers = (real, build)
                break
            refused.append(f"{named} {why}")
        else:
            where = f" ({'; '.join(refused)})" if refused else ", and no source tree is named"
            return reject(f"has only generated headers{where}", "install the common headers, linux-headers-…-common")
    for layer in layers:
        fault = _links_out(layer, srcarch, sysroot)
        if fault:
            return reject(fault, "install the headers from their package")
    if not any(os.path.isdir(layer / "arch" / srcarch / "include") for layer in layers):
        have = ", ".join(sorted({arch for layer in layers for arch in _arches(layer)})) or "none"
        return reject(f"has no headers of the architecture {srcarch} (of {have})", "name headers of that architecture")
    return Candidate(source, location, TreeContent(layers), fingerprint(layers, srcarch))


def untrusted(directory: Path, sysroot: Path = Path("/")) -> str:
    """Why what lies in the real *directory* could be changed by others, or "" if only root and this user can.

    It and the directories above it, as far as *sysroot*, must belong to root or this user, and be writable by
    everybody only where the sticky bit keeps others from renaming (which does not save the directory itself).
    """
    me = os.geteuid()
    stop = sysroot.resolve()
    place = directory
    while True:
        try:
            status = os.stat(place)
        except OSError as error:
            return f"{place} cannot be examined ({error.strerror})"
        name = "" if place == directory else f"{place}, above it, "
        if status.st_uid not in (0, me):
            reader = "you" if me else "root"
            return f"{name}belongs to user {status.st_uid}, who could change what is read as {reader}"
        if status.st_mode & stat.S_IWOTH and (place == directory or not status.st_mode & stat.S_ISVTX):
            return f"{name}can be written by everybody"
        if place in (stop, sysroot) or place == place.parent:
            return ""
        place = place.parent


def fingerprint(layers: Iterable[Path], srcarch: str) -> str:
    """sha256 (hex) that changes when other directories are meant or their content changes, at the cost of a few ms.

    It covers the layers' identity, the bytes of the files that configuration makes, the size of ``Module.symvers`` and
    the names and sizes of what lies directly in ``include/linux`` and the architecture's ``asm``: a tree that somebody
    emptied or installed anew looks different. No timestamps.
    """
    digest = hashlib.sha256()
    for layer in layers:
        try:
            status = os.stat(layer)
        except OSError:
            continue
        digest.update(f"{layer}\0{status.st_dev}\0{status.st_ino}\0{_size(layer / 'Module.symvers')}\n".encode())
        for name in _IDENTITY:
            data = read_small(layer / name)
            digest.update(f"{name}\0{-1 if data is None else len(data)}\0".encode() + (data or b""))
        for name in ("include/linux", f"arch/{srcarch}/include/asm"):
            digest.update("".join(sorted(_sizes(layer / name))).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def resolved(sysroot: Path, path: str) -> Path | None:
    """:func:`kheaders.sysroot.resolve`, None for a loop of links."""
    try:
        return resolve(sysroot, path)
    except (OSError, ValueError):
        return None


def present(path: Path) -> bool:
    """Whether something is at *path*, or may be: what cannot be looked at counts, so that the reason is told."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def read_small(path: Path) -> bytes | None:
    """The bytes of a regular file of at most 16 MiB, None where there is none to read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _FILE_LIMIT:
            return None
        data = b""
        while len(data) < _FILE_LIMIT and (more := os.read(fd, 1 << 20)):
            data += more
        return data
    except OSError:
        return None
    finally:
        os.close(fd)


def link_target(link: Path) -> str:
    """What the link holds, on one line."""
    target = os.readlink(link)
    return target if target.isprintable() else repr(target)


def _named_sources(build: Path, sysroot: Path, beside: str) -> Iterator[str]:
    """Where the rest of a split tree may be, as the examined system names it, each once."""
    here = inside(sysroot, build)
    makefile = (read_small(build / "Makefile") or b"").decode("utf-8", "replace")
    named = source_in_makefile(makefile) or ""
    seen = {here}
    for path in (
        beside,
        f"{here}/source" if os.path.lexists(build / "source") else "",
        os.path.join(here, named) if named else "",
    ):
        real = resolved(sysroot, path) if path else None
        key = inside(sysroot, real) if real else path
        if path and key not in seen:
            seen.add(key)
            yield path


def _refused_source(real: Path, named: str, sysroot: Path) -> str:
    """Why *real*, named as *named*, is no source tree that can be used, or ""."""
    if not present(real):
        shown = inside(sysroot, real)
        return "does not exist" if shown == named else f"leads to {shown}, which does not exist"
    why = _unusable(real) or untrusted(real, sysroot)
    return why or ("" if _size(real / KCONFIG) else f"has no {KCONFIG}")


def _links_out(layer: Path, srcarch: str, sysroot: Path) -> str:
    """Why the main directories of *layer* cannot be used where they are links (Ubuntu's lead to a sibling), or ""."""
    for name in ("include", "include/linux", "include/generated", f"arch/{srcarch}/include"):
        real = Path(os.path.realpath(layer / name))
        if real == layer / name or not os.path.isdir(real):
            continue
        if not real.is_relative_to(sysroot.resolve()):
            return f"its {name} leads to {real}, outside of {sysroot}"
        fault = untrusted(real, sysroot)
        if fault:
            return f"its {name} leads to {real}, which {fault}"
    return ""


def _incomplete(build: Path) -> tuple[str, str]:
    """The reason, and what to do, for a tree without usable generated headers."""
    try:
        names = os.listdir(build)
    except OSError as error:
        return f"cannot be read ({error.strerror})", "check its permissions"
    if not names:
        return "is an empty directory", INSTALL
    if not os.path.isdir(build / "include"):
        return "holds no headers: it has no directory include", INSTALL
    missing = [name for name in (AUTOCONF, UTSRELEASE) if not present(build / name)]
    if len(missing) == 2:
        return f"was never configured: it has no {AUTOCONF}", "run make modules_prepare there, or install the package"
    if missing:
        return f"is damaged: {missing[0]} is missing", "install the headers' package anew"
    return f"is damaged: {AUTOCONF} is empty", "install the headers' package anew"


def _unusable(directory: Path) -> str:
    try:
        mode = os.stat(directory).st_mode
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be examined ({error.strerror})"
    if not stat.S_ISDIR(mode):
        return "is not a directory"
    return "" if os.access(directory, os.R_OK | os.X_OK) else "cannot be read (Permission denied)"


def _size(path: Path) -> int:
    """Bytes of a regular file, 0 where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _arches(layer: Path) -> Iterator[str]:
    try:
        with os.scandir(layer / "arch") as entries:
            yield from (entry.name for entry in entries if os.path.isdir(f"{entry.path}/include"))
    except OSError:
        return


def _sizes(directory: Path) -> Iterator[str]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    yield f"{entry.name}\0{entry.stat().st_size}\n"
                except OSError:
                    yield f"{entry.name}\0-1\n"
    except OSError:
        return
