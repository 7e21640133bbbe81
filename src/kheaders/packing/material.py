"""What SOURCE names, and what of it goes into an archive: directories and packages, told apart and checked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kheaders.c import generated
from kheaders.debpkg import (
    UTSRELEASE,
    PackageTree,
    control,
    header_dependencies,
    release_in_utsrelease,
    source_in_makefile,
)
from kheaders.errors import PackError
from kheaders.headers.headerset import ARCH_OPTIONS
from kheaders.packing import tree
from kheaders.sources.candidate import Candidate, TreeContent
from kheaders.sources.trees import AUTOCONF, KCONFIG, examine, present, read_small, untrusted

UTSVERSION = "include/generated/utsversion.h"
"""Made by every build anew, and left out by the kernel's script since 6.14."""

_MADE = ("include/generated/bounds.h", "include/generated/asm-offsets.h")
"""What ``make prepare`` makes last on every architecture (Kbuild), after all other headers that it generates."""

_VERSION = re.compile(rb"^(VERSION|PATCHLEVEL)\s*=\s*(\d+)\s*$", re.M)


class Material(NamedTuple):
    """Headers to be packed: path → bytes when asked for, and path → target of those that are links."""

    release: str
    srcarch: str
    files: Mapping[str, Callable[[], bytes]]
    links: Mapping[str, str]


def from_directory(path: Path, build: Path | None, srcarch: str | None) -> Material:
    """The headers of a source tree with its build tree, a build directory, or a distribution's header directory.

    Without *srcarch* it is the one that the tree is configured for. Raises PackError.
    """
    made = Path(os.path.realpath(build if build is not None else path))
    if build is not None and not os.path.isfile(path / KCONFIG):
        raise PackError(f"{path}: is no kernel source tree: it has no {KCONFIG}", "name the source, then --build DIR")
    arch = _architecture(made, path if build is None else build, srcarch)
    beside = os.path.realpath(path) if build is not None else _sibling(made)
    place = str(build if build is not None else path)
    offer = examine("pack", place, made, sysroot=Path("/"), srcarch=arch, release=None, beside=beside)
    if not isinstance(offer, Candidate):
        others = "belongs to user" in offer.reason
        raise PackError(f"{place}: {offer.reason}", "pack it as that user" if others else offer.hint)
    assert isinstance(offer.content, TreeContent)  # what examine() offers
    layers = offer.content.layers
    if build is not None:
        layers = (_named_source(path, layers[0], made), made)
    for name in _MADE:
        if not present(made / name):
            raise PackError(f"{place}: is half built: it has no {name}", "run make prepare there, then pack again")
    release = release_in_utsrelease(read_small(made / UTSRELEASE) or b"") or ""
    _same_version(layers[0], release, place)
    found = tree.collect(layers, arch)
    return _material(
        release,
        arch,
        {name: _reader(place) for name, place in found.items() if place.link is None},
        {name: place.link for name, place in found.items() if place.link is not None},
    )


def from_packages(paths: Sequence[Path], srcarch: str | None, release: str | None = None) -> Material:
    """The headers in .deb files; packages that they depend on are looked for beside them. Raises ArchiveError,
    PackError, UsageError."""
    packages = PackageTree.load(with_siblings(paths), srcarch=srcarch)
    headers = packages.headers(srcarch=srcarch, release=release)
    links = packages.header_links(headers)
    stated = release_in_utsrelease(headers.get(UTSRELEASE, b"")) or ""
    arch = next(name.split("/")[1] for name in headers if name.startswith("arch/"))
    for name in headers:
        tree.check_name(name)
    for name, target in links.items():
        tree.check_link(name, target, name)
    files = {name: _constant(data) for name, data in headers.items() if name not in links}
    return _material(stated, arch, files, links)


def with_siblings(paths: Sequence[Path]) -> list[Path]:
    """*paths* and the header packages that they depend on, as far as these lie beside them. Raises ArchiveError."""
    known = {path: control(path) for path in paths}
    names = {fields.get("Package", "") for fields in known.values()}
    todo = list(known)
    while todo:
        path = todo.pop()
        for needed in header_dependencies(known[path].get("Depends", "")):
            for sibling in sorted(path.parent.glob(f"{needed.name}_*.deb")) if needed.name not in names else ():
                fields = control(sibling)
                if fields.get("Package") == needed.name and needed.version in ("", fields.get("Version")):
                    known[sibling] = fields
                    names.add(needed.name)
                    todo.append(sibling)
                    break
    return list(known)


def _material(release: str, srcarch: str, files: dict[str, Callable[[], bytes]], links: dict[str, str]) -> Material:
    if leaves_out_utsversion(release):
        files.pop(UTSVERSION, None)
    return Material(release, srcarch, files, links)


def leaves_out_utsversion(release: str) -> bool:
    """Whether the script of this release leaves ``utsversion.h`` out: 6.14 and later."""
    version = re.match(r"(\d+)\.(\d+)", release)
    return version is not None and (int(version[1]), int(version[2])) >= (6, 14)


def _reader(place: tree.Found) -> Callable[[], bytes]:
    return lambda: tree.read(place)


def _constant(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _architecture(made: Path, shown: Path, wanted: str | None) -> str:
    """The SRCARCH that the tree *made* is configured for, which must be *wanted* if that is given."""
    options = generated.options(read_small(made / AUTOCONF) or b"")
    own = next((arch for option, arch in ARCH_OPTIONS.items() if option in options), None)
    if wanted is not None and own not in (None, wanted):
        raise PackError(f"{shown}: is configured for {own}, not for {wanted}", "name a tree of that architecture")
    arch = wanted or own or _only(made)
    if arch is None and not options:
        return "x86"  # never configured, which examine() says better
    if arch is None:
        raise PackError(f"{shown}: cannot tell its architecture", "say it with --machine")
    return arch


def _only(made: Path) -> str | None:
    arches = [place.parent.name for place in made.glob("arch/*/include")]
    return arches[0] if len(arches) == 1 else None


def _named_source(path: Path, used: Path, made: Path) -> Path:
    """The real directory of the source *path*, which is not passed over for what the build tree itself names."""
    real = Path(os.path.realpath(path))
    if used not in (real, made):
        raise PackError(f"{path}: {untrusted(real) or 'cannot be used'}", "correct its owner and mode, or copy it")
    return real


def _sibling(made: Path) -> str:
    """Where the source of a header directory may be that was moved together with it."""
    named = source_in_makefile((read_small(made / "Makefile") or b"").decode("utf-8", "replace")) or ""
    sibling = made.parent / os.path.basename(named)
    return str(sibling) if named and sibling != made and os.path.exists(sibling) else ""


def _same_version(source: Path, release: str, place: str) -> None:
    """Raise PackError where the source tree is of another version than the build tree."""
    fields = dict(_VERSION.findall(read_small(source / "Makefile") or b""))
    if len(fields) < 2:
        return
    version = f"{fields[b'VERSION'].decode()}.{fields[b'PATCHLEVEL'].decode()}"
    if not re.match(rf"{re.escape(version)}(?!\d)", release):
        raise PackError(
            f"{place}: is built as {release}, but {source} is the source of {version}", "name its own source"
        )
