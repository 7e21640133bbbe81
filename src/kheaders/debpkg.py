"""Debian packages of kernel headers, read without dpkg: the ar container, the control fields and the headers in them.

The format is that of deb(5): an ar archive of ``debian-binary``, ``control.tar*`` and ``data.tar*``. Debian spreads one
kernel's headers over two packages (``…-common`` and the architecture's own), Ubuntu joins two by links between
directories, ``make bindeb-pkg`` puts everything into one. All of that is put together here in memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from kheaders.archive import Limits, Member, members
from kheaders.c import generated
from kheaders.errors import ArchiveError, UsageError

AR_MAGIC = b"!<arch>\n"
UTSRELEASE = "include/generated/utsrelease.h"

_HINT = "download the package again"
_CONTROL_LIMITS = Limits(unpacked=64 << 20, members=10_000)
_AR_HEADER = 60
_MAX_LINKS = 40
_HEADERS_NAME = re.compile(r"(?:^|-)headers-\d")
_WANTED = re.compile(r"usr/src/[^/]+/(?:Makefile$|include/.*\.h$|arch/([^/]+)/include/.*\.h$)")
_INCLUDE = re.compile(r"^\s*-?include\s+([^\s$#]+)/Makefile\s*$", re.M)
_OLD_WRAPPER = re.compile(r"^(?:KERNELSRC\s*:?=|MAKEARGS\s*:?=\s*-C)\s*([^\s$#]+)\s*$", re.M)


def deb_members(path: Path, *, limits: Limits = Limits()) -> Iterator[Member]:
    """Every member of the package's ``data.tar*``, links unchecked. Raises ArchiveError."""
    yield from _tar_members(path, "data.tar", limits)


def control(path: Path) -> dict[str, str]:
    """The control fields (``Package``, ``Version``, ``Architecture``, ``Depends`` …), folded lines joined.

    Raises ArchiveError.
    """
    for member in _tar_members(path, "control.tar", _CONTROL_LIMITS):
        if member.path == "control":
            return parse_fields(member.data.decode("utf-8", "replace"))
    raise ArchiveError(f"{path}: not a usable Debian package: it has no control file", _HINT)


def parse_fields(text: str) -> dict[str, str]:
    """The fields of the first paragraph of *text*, as :func:`paragraphs`."""
    return next(paragraphs(text), {})


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of *text* (deb822(5)): fields by name, folded lines joined by newlines, comments left out."""
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line.strip()
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()


class Dependency(NamedTuple):
    """One package of header files that another one depends on; ``version`` is empty where any will do."""

    name: str
    version: str


def header_dependencies(depends: str) -> tuple[Dependency, ...]:
    """The versioned header packages (``linux-headers-6.1.0-9-common``) that a ``Depends`` field names."""
    found = []
    for clause in depends.replace("\n", " ").split(","):
        match = re.match(r"([a-z0-9][a-z0-9.+-]*)(?::\w+)?\s*(?:\(\s*=\s*([^)\s]+)\s*\))?", clause.strip())
        if match and is_header_package(match[1]):
            found.append(Dependency(match[1], match[2] or ""))
    return tuple(found)


def is_header_package(name: str) -> bool:
    """Whether a package of this name holds headers of one version (``linux-headers-6.1.0-9-amd64``), unlike a meta."""
    return name.startswith("linux-") and _HEADERS_NAME.search(name) is not None


def file_name(package: str, version: str, architecture: str) -> str:
    """The file name that the archive gives a package; an epoch is not part of it."""
    return f"{package}_{version.partition(':')[2] or version}_{architecture}.deb"


def source_in_makefile(text: str) -> str | None:
    """The source tree that the Makefile of a build directory hands over to, as written there, or None.

    Rules: the kernel's own top-level Makefile (target ``outputmakefile``), its older scripts/mkmakefile, and Debian's
    packages.
    """
    match = _INCLUDE.search(text) or _OLD_WRAPPER.search(text)
    return match[1] if match else None


def release_in_utsrelease(data: bytes) -> str | None:
    """The release that ``include/generated/utsrelease.h`` states, or None where it is missing or damaged."""
    found = generated.release(data)
    return found.decode("utf-8", "replace") if found else None


def headers_from_debs(
    paths: Iterable[Path], *, srcarch: str | None = None, release: str | None = None, limits: Limits = Limits()
) -> dict[str, bytes]:
    """The headers of one kernel in the packages at *paths*: ``include/…`` and ``arch/SRCARCH/include/…`` → bytes.

    Generated headers win over those of the source, as in the kernel's own archive. Without *srcarch* it is the one that
    the packages were made for; without *release* there must be only one.

    Raises ArchiveError for a damaged or incomplete package, UsageError for a release or SRCARCH that is not there.
    """
    return PackageTree.load(paths, srcarch=srcarch, limits=limits).headers(srcarch=srcarch, release=release)


class PackageTree:
    """What header packages would put below ``/``, as far as it matters, with links followed among the packages."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.packages: dict[str, dict[str, str]] = {}
        """Name of each package → its control fields."""
        self._names: dict[str, set[str]] = {}

    @classmethod
    def load(cls, paths: Iterable[Path], *, srcarch: str | None = None, limits: Limits = Limits()) -> PackageTree:
        """Read packages; with *srcarch* the headers of other architectures are left out. Raises ArchiveError."""
        tree = cls()
        for path in paths:
            fields = control(path)
            tree.packages[fields.get("Package", path.name)] = fields
            for member in deb_members(path, limits=limits):
                if not member.directory:
                    tree._add(member, srcarch)
        return tree

    def releases(self) -> dict[str, str]:
        """Release → the directory (``usr/src/…``) that has its generated headers."""
        found: dict[str, str] = {}
        for directory in sorted(self._names.get("usr/src", ())):
            path = self.resolve(f"usr/src/{directory}/{UTSRELEASE}")
            release = release_in_utsrelease(self.files.get(path or "", b""))
            if release and path not in found.values():
                found.setdefault(release, f"usr/src/{directory}")
        return found

    def headers(self, *, srcarch: str | None = None, release: str | None = None) -> dict[str, bytes]:
        """As :func:`headers_from_debs`."""
        releases = self.releases()
        shown = ", ".join(self.packages) or "no package"
        if not releases:
            raise ArchiveError(
                f"{shown}: no generated headers ({UTSRELEASE}) in there",
                "add the package of the kernel's flavour, linux-headers-R with R as uname -r prints it",
            )
        if release is None and len(releases) > 1:
            raise UsageError(f"{shown}: headers of several kernels: {', '.join(releases)}", "say which one is meant")
        wanted = release or next(iter(releases))
        if wanted not in releases:
            raise UsageError(f"{shown}: headers of {', '.join(releases)}, none of {wanted}", "name other packages")
        layers = self._layers(releases[wanted])
        arch = srcarch or self._srcarch(layers)
        merged: dict[str, bytes] = {}
        for layer in layers:
            for top in ("include", f"arch/{arch}/include"):
                self._collect(f"{layer}/{top}", top, merged, ())
        if not any(path.startswith("arch/") for path in merged):
            raise UsageError(f"{shown}: no headers for the architecture {arch}", "name packages of that architecture")
        return merged

    def header_links(self, headers: Mapping[str, bytes]) -> dict[str, str]:
        """Those of *headers*, which :meth:`headers` gave, that are links in their package → what each link holds.

        As one path may be in several layers, a link counts if it leads to the bytes that are there.
        """
        links = {}
        for path, target in self.links.items():
            name = re.sub(r"^usr/src/[^/]+/", "", path)
            if name in headers and self.files.get(self.resolve(path) or "") is headers[name]:
                links[name] = target
        return links

    def resolve(self, path: str) -> str | None:
        """*path* with all links followed, absolute ones from the packages' root; None for a loop."""
        todo = [part for part in path.split("/") if part not in ("", ".")][::-1]
        done: list[str] = []
        followed = 0
        while todo:
            part = todo.pop()
            if part == "..":
                del done[-1:]
                continue
            target = self.links.get("/".join([*done, part]))
            if target is None:
                done.append(part)
                continue
            followed += 1
            if followed > _MAX_LINKS:
                return None
            if target.startswith("/"):
                done.clear()
            todo += [p for p in target.split("/") if p not in ("", ".")][::-1]
        return "/".join(done)

    def _add(self, member: Member, srcarch: str | None) -> None:
        if member.link is not None:
            self.links[member.path] = member.link
        else:
            match = _WANTED.match(member.path)
            if not match or (srcarch and match[1] and match[1] != srcarch):
                return
            self.files[member.path] = member.data
        path = member.path
        while path:
            parent, _, name = path.rpartition("/")
            names = self._names.setdefault(parent, set())
            if name in names:
                return
            names.add(name)
            path = parent

    def _layers(self, build: str) -> tuple[str, ...]:
        """The directories that make up the tree of *build*, the one that wins last."""
        if self.resolve(f"{build}/include/linux/kconfig.h") in self.files:
            return (build,)
        makefile = self.files.get(self.resolve(f"{build}/Makefile") or "", b"").decode("utf-8", "replace")
        named = source_in_makefile(makefile)
        source = self.resolve(named if named and named.startswith("/") else f"{build}/{named}") if named else None
        if source and self.resolve(f"{source}/include/linux/kconfig.h") in self.files:
            return (source, build)
        missing = [
            file_name(dependency.name, dependency.version, "all") if dependency.version else dependency.name
            for fields in self.packages.values()
            for dependency in header_dependencies(fields.get("Depends", ""))
            if dependency.name not in self.packages
        ]
        where = f", which belong in /{source}" if source else ""
        raise ArchiveError(
            f"/{build}: the headers that are not generated{where}, are in none of the packages",
            f"add {' and '.join(missing)}" if missing else "add the package of the common headers",
        )

    def _srcarch(self, layers: tuple[str, ...]) -> str:
        generated = [
            arch
            for arch in sorted(self._names.get(f"{layers[-1]}/arch", ()))
            if self._names.get(self.resolve(f"{layers[-1]}/arch/{arch}/include/generated") or "")
        ]
        arches = generated or sorted(self._names.get(f"{layers[-1]}/arch", ()))
        if len(arches) == 1:
            return arches[0]
        raise UsageError(
            f"/{layers[-1]}: the architecture cannot be told ({', '.join(arches) or 'no directory below arch/'})",
            "say which one is meant",
        )

    def _collect(self, directory: str, prefix: str, merged: dict[str, bytes], above: tuple[str, ...]) -> None:
        real = self.resolve(directory)
        if real is None or real in above:
            return
        for name in self._names.get(real, ()):
            path = self.resolve(f"{real}/{name}")
            if path is None:
                continue
            data = self.files.get(path)
            if data is None:
                self._collect(path, f"{prefix}/{name}", merged, (*above, real))
            elif name.endswith(".h"):
                merged[f"{prefix}/{name}"] = data


def _tar_members(path: Path, part: str, limits: Limits) -> Iterator[Member]:
    name = str(path)
    try:
        with path.open("rb") as file:
            window = _find(file, part, name)
            yield from members(window, limits=limits, name=f"{name} ({part})", outside_links=True)
    except OSError as error:
        raise ArchiveError(f"{name}: cannot be read ({error.strerror})", "check its permissions") from error


def _find(file: BinaryIO, part: str, name: str) -> BinaryIO:
    """A stream over the member *part* (``data.tar`` whatever its ending) of the ar archive *file*."""
    if file.read(len(AR_MAGIC)) != AR_MAGIC:
        raise ArchiveError(f"{name}: not a Debian package", "name a .deb file")
    first = True
    while header := file.read(_AR_HEADER):
        digits = header[48:58].strip()
        if len(header) < _AR_HEADER or header[58:60] != b"`\n" or not digits.isdigit():
            raise _bad(name, "a damaged member header")
        member = header[:16].rstrip(b" ").removesuffix(b"/").decode("ascii", "replace")
        start, size = file.tell(), int(digits)
        if first:
            if member != "debian-binary" or not file.read(size).startswith(b"2."):
                raise ArchiveError(f"{name}: an ar archive, but no Debian package of format 2", "name a .deb file")
            first = False
        elif member == part or member.startswith(f"{part}."):
            return io.BufferedReader(_Window(file, size, name))
        file.seek(start + size + size % 2)
    raise _bad(name, f"it has no {part}")


def _bad(name: str, what: str) -> ArchiveError:
    return ArchiveError(f"{name}: not a usable Debian package: {what}", _HINT)


class _Window(io.RawIOBase):
    """The next *size* bytes of *file*, and not one more; a file that ends sooner is an error."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file = file
        self._left = size
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        wanted = min(len(view), self._left)
        data = self._file.read(wanted)
        if len(data) < wanted:
            raise _bad(self._name, "it is broken off")
        view[:wanted] = data
        self._left -= wanted
        return wanted


def release_of(headers: Mapping[str, bytes]) -> str | None:
    """The release that a mapping of headers states for itself."""
    return release_in_utsrelease(headers.get(UTSRELEASE, b""))
