"""The distribution's own header package, fetched by apt without touching the system's lists, cache or packages.

Everything that apt writes lies in one directory of the caller's. Signatures and hashes are checked by apt as always,
with the system's keyrings. Works without root.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kheaders import kernel as kernels
from kheaders.debpkg import Dependency, PackageTree, header_dependencies, headers_from_debs, is_header_package
from kheaders.errors import FetchError, KheadersError, StoreError, UnsafePath, UsageError
from kheaders.kernel import Kernel
from kheaders.sources import aptsources
from kheaders.sources.aptrun import Apt, Package, Progress
from kheaders.sources.candidate import Candidate, FilesContent, Rejection, Request
from kheaders.sources.trees import untrusted

PREFIX = "linux-headers-"

_ARCHITECTURES = {
    "x86_64": "amd64",
    "i386": "i386",
    "i586": "i386",
    "i686": "i386",
    "aarch64": "arm64",
    "armv6l": "armel",
    "armv7l": "armhf",
    "armv8l": "armhf",
    "ppc64le": "ppc64el",
    "mips64": "mips64el",
    "loongarch64": "loong64",
}
"""``uname -m`` → dpkg's name, where they differ."""

_FLAVOUR = re.compile(r"[\d.]+(?:\+[\w.]+|-\d[\w.~+]*)-([a-z0-9][\w-]*)")
_SAFE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.+/~-]*")
_MANIFEST = "manifest.json"


class FetchRequest(NamedTuple):
    """Which package is wanted; with neither release nor package, the newest kernel's of the usual flavour."""

    release: str | None = None
    package: str | tuple[str, ...] | None = None
    """A versioned package or one that depends on it (``linux-headers-cloud-amd64``); of several the first there is."""
    suite: str | None = None
    """``trixie``, ``bookworm-backports``, ``sid`` …; None means the system's own."""
    architecture: str | None = None
    """dpkg's name, ``arm64``; None means this machine's."""


class Plan(NamedTuple):
    """What would be downloaded: the packages that hold all headers of ``release``, and where they come from.

    The release is the one in the first package's name.
    """

    release: str
    packages: tuple[Package, ...]
    origin: str


class Fetched(NamedTuple):
    """What was downloaded."""

    release: str
    paths: tuple[Path, ...]
    origin: str


class AptSource:
    """The package of exactly the kernel that is asked for. Only where the user asked for a download."""

    name = "apt"

    def __init__(
        self, directory: Path, *, suite: str | None = None, package: str | None = None, progress: Progress | None = None
    ) -> None:
        self._directory = directory
        self._suite = suite
        self._package = package
        self._progress = progress

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """Download, and offer what came."""
        wanted = FetchRequest(
            release=request.kernel.release,
            package=self._package,
            suite=self._suite,
            architecture=debian_architecture(request.kernel.machine),
        )
        try:
            fetched = fetch(wanted, self._directory, progress=self._progress, sysroot=request.sysroot)
            digest = hashlib.sha256("".join(sha256_of(path) for path in fetched.paths).encode()).hexdigest()
        except KheadersError as error:
            yield Rejection(self.name, self._suite or "", error.what, error.hint)
            return
        except OSError as error:
            yield Rejection(self.name, str(self._directory), f"cannot be read ({error.strerror})", "try again")
            return
        content = FilesContent(lambda: headers_from_debs(fetched.paths, srcarch=request.srcarch))
        yield Candidate(self.name, f"{fetched.paths[0].stem} from {fetched.origin}", content, digest)


def fetch(
    request: FetchRequest, directory: Path, *, progress: Progress | None = None, sysroot: Path = Path("/")
) -> Fetched:
    """Download the packages that hold the headers of one kernel into *directory*, which may be used again and again.

    What was fetched before for the same release is used without the network. *sysroot* is the system whose list of
    sources and keyrings count; apt itself is this machine's.

    Raises FetchError, UsageError for a name that cannot be one, StoreError for a directory that cannot be used.
    """
    _check(request)
    with _locked(directory):
        before = _fetched_before(request, directory)
        if before:
            return before
        apt = _updated(request, directory, sysroot, progress)
        chosen = _plan(request, apt)
        return _download(chosen, apt, directory, progress)


def plan(
    request: FetchRequest, directory: Path, *, progress: Progress | None = None, sysroot: Path = Path("/")
) -> Plan:
    """What :func:`fetch` would download; only lists of packages are fetched. Raises as it does."""
    _check(request)
    with _locked(directory):
        return _plan(request, _updated(request, directory, sysroot, progress))


def default_package(kernel: Kernel) -> list[str]:
    """Names of packages for *kernel*, the best first: its own, the newest of its flavour, the newest of all.

    All but the first hold headers of another kernel, unless it runs the newest.
    """
    names = [PREFIX + kernel.release]
    flavour = _FLAVOUR.fullmatch(kernel.release)
    if flavour:
        names.append(PREFIX + flavour[1])
    names += _usual(debian_architecture(kernel.machine))
    return list(dict.fromkeys(names))


def debian_architecture(machine: str) -> str:
    """dpkg's name of a machine that uname names."""
    return _ARCHITECTURES.get(machine, machine)


def _usual(architecture: str) -> list[str]:
    special = {"armhf": "armmp", "armel": "rpi", "i386": "686", "ppc64el": "powerpc64le"}
    return [PREFIX + special.get(architecture, architecture), f"{PREFIX}generic"]


def _check(request: FetchRequest) -> None:
    packages = (request.package,) if isinstance(request.package, str) else request.package or ()
    for what, values in (("package", packages), ("suite", [request.suite]), ("architecture", [request.architecture])):
        for value in values:
            if value is not None and not _SAFE.fullmatch(value):
                raise UsageError(f"{value!r} cannot be the name of a {what}", "correct it")
    if request.release is not None:
        kernels.check_release(request.release)
        if not packages and not _SAFE.fullmatch(request.release):
            raise FetchError(f"no package can be named after the release {request.release!r}", "name the package")


def _names(request: FetchRequest, architecture: str) -> list[str]:
    if isinstance(request.package, str):
        return [request.package]
    if request.package:
        return list(request.package)
    return [PREFIX + request.release] if request.release else _usual(architecture)


def _updated(request: FetchRequest, directory: Path, sysroot: Path, progress: Progress | None) -> Apt:
    system = aptsources.os_release(sysroot)
    if shutil.which("apt-get") is None:
        raise FetchError("apt-get is not installed: only downloads by apt are supported", _by_hand(request, system))
    architecture = request.architecture or debian_architecture(os.uname().machine)
    codename = system.get("VERSION_CODENAME", "")
    own = aptsources.system_entries(sysroot)
    required, optional = (
        aptsources.for_architecture(entries, architecture)
        for entries in aptsources.derive(own, request.suite, codename)
    )
    key = hashlib.sha256(repr((required, optional, architecture, str(sysroot))).encode()).hexdigest()[:16]
    apt = Apt(directory / f"lists-{key}", architecture, sysroot)
    if progress:
        progress("lists", None, None)
    apt.update(required, optional)
    return apt


def _by_hand(request: FetchRequest, system: dict[str, str]) -> str:
    release = request.release or "$(uname -r)"
    family = f"{system.get('ID', '')} {system.get('ID_LIKE', '')}".split()
    for names, command in (
        (("fedora", "rhel", "centos", "amzn"), f"dnf install kernel-devel-{release}"),
        (("suse", "opensuse", "sles"), "zypper install kernel-default-devel"),
        (("arch",), "pacman -S linux-headers"),
        (("alpine",), "apk add linux-headers linux-lts-dev"),
    ):
        if any(name in family for name in names):
            return f"install the headers by {command}"
    return "install the headers by your package manager (dnf install kernel-devel, zypper, pacman …)"


def _plan(request: FetchRequest, apt: Apt) -> Plan:
    names = _names(request, apt.architecture)
    for name in names:
        package = apt.show(name)
        if package is None:
            continue
        package = _versioned(package, apt)
        release = package.name.removeprefix(PREFIX)
        if request.release not in (None, release):
            raise FetchError(f"{name} is for the kernel {release}, not for {request.release}", "name another package")
        found = {package.name: package}
        _add_dependencies(package, apt, found)
        return Plan(release, tuple(found.values()), apt.origin(package))
    asked = ", ".join(apt.suites)
    have = [name for name in apt.names(PREFIX) if is_header_package(name) and "-common" not in name]
    newest = f" (there are {', '.join(have[-3:])})" if have else ""
    unread = "".join(f"; {suite} could not be asked: {why}" for suite, why in apt.left_out.items())
    raise FetchError(
        f"no package {' or '.join(names)} for {apt.architecture} in {asked}{newest}{unread}",
        "name another suite or package; an archive keeps only its newest kernels",
    )


def _versioned(package: Package, apt: Apt) -> Package:
    """The package with one kernel's headers that a meta-package leads to."""
    start = package.name
    for _ in range(4):
        needed = header_dependencies(package.depends)
        if is_header_package(package.name) and not _is_meta(package.name, needed):
            return package
        if not needed:
            raise FetchError(f"{start}: holds no headers and leads to none", "name the package of a kernel's headers")
        package = _needed(package, needed[0], apt)
    raise FetchError(f"{start}: leads to no package of headers", "name the package of a kernel's headers")


def _is_meta(name: str, needed: tuple[Dependency, ...]) -> bool:
    """Debian's ``linux-headers-6.1-amd64`` has a version, too, but depends on a package of its own flavour."""
    flavour = f"-{name.rpartition('-')[2]}"
    return any(dependency.name.endswith(flavour) for dependency in needed)


def _needed(package: Package, dependency: Dependency, apt: Apt) -> Package:
    found = apt.show(dependency.name, dependency.version)
    if found is None:
        version = f" {dependency.version}" if dependency.version else ""
        raise FetchError(
            f"{package.name} {package.version} needs {dependency.name}{version}, which the archive lacks",
            "its mirror may be in the middle of an update: try again later, or name another suite",
        )
    return found


def _add_dependencies(package: Package, apt: Apt, found: dict[str, Package]) -> None:
    for dependency in header_dependencies(package.depends):
        if dependency.name not in found:
            needed = found[dependency.name] = _needed(package, dependency, apt)
            _add_dependencies(needed, apt, found)


def _download(chosen: Plan, apt: Apt, directory: Path, progress: Progress | None) -> Fetched:
    """Download into a fresh directory, which gets its name once everything in it is whole."""
    first = chosen.packages[0]
    final = directory / "packages" / first.file_name.removesuffix(".deb")
    known = _read_manifest(final)
    if known:
        return known
    try:
        final.parent.mkdir(exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=final.parent))
        try:
            apt.download(chosen.packages, part, progress)
            names = [package.file_name for package in chosen.packages]
            files = {name: sha256_of(part / name) for name in names}
            for package in chosen.packages:
                if package.sha256 and files[package.file_name] != package.sha256:
                    raise FetchError(f"{package.file_name}: its content is not what the archive lists", "try again")
            # the name of an experimental package is not quite the release of its kernel
            releases = list(PackageTree.load([part / names[0]]).releases())
            release = releases[0] if len(releases) == 1 else chosen.release
            manifest = {"release": release, "origin": chosen.origin, "files": files}
            (part / _MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
            if final.exists():
                shutil.rmtree(final)
            part.rename(final)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"{directory}: cannot be written to ({error.strerror})", "free space or name another"
        ) from error
    return Fetched(release, tuple(final / name for name in names), chosen.origin)


def _fetched_before(request: FetchRequest, directory: Path) -> Fetched | None:
    """What is there already for the very release, or the versioned package, that is asked for."""
    name = request.package if isinstance(request.package, str) else PREFIX + (request.release or "")
    if request.suite is not None or not is_header_package(name):
        return None
    architecture = request.architecture or debian_architecture(os.uname().machine)
    candidates = sorted((directory / "packages").glob(f"{name}_*_{architecture}"))
    return next((known for path in reversed(candidates) if (known := _read_manifest(path))), None)


def _read_manifest(directory: Path) -> Fetched | None:
    """A former download, None where it is not there, not whole or changed since."""
    try:
        manifest = json.loads((directory / _MANIFEST).read_text("utf-8"))
        release, origin, files = manifest["release"], manifest["origin"], manifest["files"]
        paths = tuple(directory / os.path.basename(name) for name in files)
        if paths and all(sha256_of(path) == files[path.name] for path in paths):
            return Fetched(str(release), paths, str(origin))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Make *directory*, see that nobody else can change what lies in it, and keep other runs out of it."""
    if any(character in str(directory) for character in '"\\\n;'):
        raise StoreError(f"{directory}: apt cannot work in a directory of such a name", "name another directory")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fault = untrusted(Path(os.path.realpath(directory)))
        if fault:
            raise UnsafePath(f"{directory}: {fault}", "name another directory")
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"{directory}: cannot be used ({error.strerror})", "name another directory") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
