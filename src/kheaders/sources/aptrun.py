"""apt-get and apt-cache with a state of their own: nothing of the system is written, locked or run."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kheaders.debpkg import file_name, paragraphs
from kheaders.errors import FetchError, StoreError, ToolError
from kheaders.run import Completed, run
from kheaders.sources.aptsources import Entry, render
from kheaders.sysroot import resolve

Progress = Callable[[str, int | None, int | None], None]
"""Called with what is being fetched (``lists`` or ``packages``), bytes so far and bytes in all, where known."""

LISTS_TIMEOUT = 600.0
DOWNLOAD_TIMEOUT = 3600.0

_POLL = 0.2
_KEY = re.compile(r"(?:NO_PUBKEY|Missing key) ([0-9A-F]{16,40})")
_INCONSISTENT = re.compile(
    r"Hash Sum mismatch|unexpected size|Mirror sync in progress|Clearsigned file isn't valid", re.I
)
_GONE = (
    re.compile(r"'(\S+) (\S+) (?:Release|InRelease)' (?:does not have|no longer has) a Release file"),
    re.compile(r"Failed to fetch (\S+)/dists/([^/\s]+(?:/updates)?)/\S+ +(?:404|File not found)"),
)
"""What apt says where there is no such suite: its archive and name; the second way where no signature is asked for."""


class Package(NamedTuple):
    """One package as the archive lists it; ``size`` in bytes."""

    name: str
    version: str
    architecture: str
    depends: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that ``apt-get download`` gives the file."""
        return file_name(self.name, self.version.replace(":", "%3a"), self.architecture)


class Apt:
    """apt for one architecture and one set of archives, whose lists are kept in *directory*."""

    def __init__(self, directory: Path, architecture: str, sysroot: Path = Path("/")) -> None:
        self.architecture = architecture
        self.suites: tuple[str, ...] = ()
        self.left_out: dict[str, str] = {}
        """Optional suites that exist and whose lists could not be had → why."""
        self._directory = directory
        self._sysroot = sysroot
        self._conf = directory / "apt.conf"

    def update(self, required: Sequence[Entry], optional: Sequence[Entry] = ()) -> None:
        """Fetch the lists of *required* and, of *optional*, those that can be had. Raises FetchError.

        An optional suite that does not exist, cannot be reached or is inconsistent (a mirror in the middle of an
        update) is left out; ``left_out`` has why.
        """
        extra = list(optional)
        self.left_out = {}
        while True:
            entries = [*required, *extra]
            self.suites = tuple(entry.suite for entry in entries)
            self._prepare(entries)
            done = self._run("apt-get", "update", timeout=LISTS_TIMEOUT)
            if done.returncode == 0:
                return
            # where no suite is named, the optional ones are given up for those that must answer
            blamed = {entry: why for entry in extra if (why := _blamed(entry, done.errors))}
            if not extra or (not blamed and any(_blamed(entry, done.errors) for entry in required)):
                raise _explained(done.errors)
            for entry in blamed or extra:
                if (entry.uri, entry.suite) not in _gone(done.errors):
                    self.left_out[entry.suite] = blamed.get(entry) or _explained(done.errors).what
            extra = [entry for entry in extra if entry not in (blamed or extra)]

    def show(self, name: str, version: str = "") -> Package | None:
        """The package *name* in that version, or in the one that apt would install; None if there is none."""
        word = f"{name}={version}" if version else name
        done = self._run("apt-cache", "--no-all-versions", "show", word)
        if done.returncode:
            return None
        for fields in paragraphs(done.stdout.decode("utf-8", "replace")):
            if fields.get("Package") == name and (not version or fields.get("Version") == version):
                size = fields.get("Size", "")
                return Package(
                    name=name,
                    version=fields.get("Version", ""),
                    architecture=fields.get("Architecture", self.architecture),
                    depends=fields.get("Depends", ""),
                    size=int(size) if size.isascii() and size.isdigit() else 0,
                    sha256=fields.get("SHA256", ""),
                )
        return None

    def names(self, prefix: str) -> list[str]:
        """All packages whose name starts with *prefix*, sorted with numbers by their value."""
        done = self._run("apt-cache", "pkgnames", prefix)
        names = done.stdout.decode("utf-8", "replace").split()
        return sorted(
            names,
            key=lambda name: [
                (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name) if part
            ],
        )

    def origin(self, package: Package) -> str:
        """Suite, version and archive that a package comes from, for a person."""
        done = self._run("apt-cache", "madison", package.name)
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            columns = [column.strip() for column in line.split("|")]
            words = columns[-1].split()
            if len(columns) == 3 and columns[1] == package.version and len(words) >= 2:
                return f"{words[1].partition('/')[0]} {package.version} ({words[0]})"
        return package.version

    def download(self, packages: Iterable[Package], directory: Path, progress: Progress | None) -> None:
        """Put the packages into the empty *directory*, hashes checked by apt. Raises FetchError."""
        wanted = list(packages)
        with _watched(directory, sum(package.size for package in wanted), progress):
            words = [f"{package.name}={package.version}" for package in wanted]
            done = self._run("apt-get", "download", *words, cwd=directory, timeout=DOWNLOAD_TIMEOUT)
        if done.returncode:
            raise _explained(done.errors)
        for package in wanted:
            if not (directory / package.file_name).is_file():
                raise FetchError(f"{package.file_name}: apt-get did not fetch it", f"replay: {done.command}")

    def _run(self, *argv: str, cwd: Path | None = None, timeout: float = 120.0) -> Completed:
        tool, *rest = argv
        try:
            return run([tool, "-q", "-c", self._conf, *rest], cwd=cwd, timeout=timeout, check=False)
        except ToolError as error:
            raise FetchError(error.what, error.hint) from error

    def _prepare(self, entries: Iterable[Entry]) -> None:
        """Write the private configuration; it is read last, so that proxies and the like of the system hold."""
        directory = self._directory
        lines = {
            "Dir::State": directory,
            "Dir::State::lists": directory / "lists",
            "Dir::State::status": directory / "status",
            "Dir::Cache": directory / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::sourcelist": directory / "suites.sources",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": self.architecture,
            "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",  # _apt could not write here
            "APT::Update::Error-Mode": "any",  # else a suite that cannot be reached is only a warning
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "Acquire::Languages": "none",
            "Acquire::PDiffs": "false",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "30",
            "Acquire::https::Timeout": "30",
        }
        if self._sysroot != Path("/"):
            lines["Dir::Etc::trusted"] = resolve(self._sysroot, "/etc/apt/trusted.gpg")
            lines["Dir::Etc::trustedparts"] = resolve(self._sysroot, "/etc/apt/trusted.gpg.d")
        text = [f'{name} "{value}";' for name, value in lines.items()]
        text += [f"#clear {name};" for name in ("APT::Architectures", *_HOOKS)]
        text += [
            f'APT::Architectures {{ "{self.architecture}"; }};',
            'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
        ]
        try:
            for name in ("lists/partial", "cache/archives/partial"):
                (directory / name).mkdir(parents=True, exist_ok=True)
            (directory / "status").write_bytes(b"")
            (directory / "suites.sources").write_text(render(entries, self._sysroot), "utf-8")
            self._conf.write_text("\n".join([*text, ""]), "utf-8")
        except OSError as error:
            raise StoreError(
                f"{directory}: cannot be written to ({error.strerror})", "name another directory"
            ) from error


_HOOKS = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
"""Commands of the system's configuration that would act upon the system."""


def _gone(errors: str) -> set[tuple[str, str]]:
    """Archive and name of each suite that apt says is not there."""
    return {(uri.rstrip("/"), suite) for pattern in _GONE for uri, suite in pattern.findall(errors)}


def _blamed(entry: Entry, errors: str) -> str:
    """What apt says of the suite *entry*, in one line; empty if it says nothing of it."""
    marks = (f"{entry.uri}/dists/{entry.suite}/", f"{entry.uri} {entry.suite} ")
    lines = (line for line in errors.splitlines() if line.startswith(("E:", "Err:")))
    found = next((line for line in lines if any(mark in line for mark in marks)), "")
    return _reason(found.removeprefix("E:").strip()) if found else ""


def _reason(line: str) -> str:
    """A line of apt's, and what it means for who reads it where that is known."""
    if _INCONSISTENT.search(line):
        return f"its lists do not fit together ({line})"
    return line


def _explained(errors: str) -> FetchError:
    """The error for what apt-get printed."""
    key = _KEY.search(errors)
    lines = [line.strip() for line in errors.splitlines() if line.startswith(("E:", "Err:"))] or errors.splitlines()
    last = lines[0].removeprefix("E:").strip() if lines else "apt-get failed and said nothing"
    if key:
        return FetchError(
            f"the archive is signed with the key {key[1]}, which this system does not have",
            "install a newer debian-archive-keyring or ubuntu-keyring, or name another suite",
        )
    for uri, suite in sorted(_gone(errors)):
        return FetchError(f"{uri} has no suite {suite}", "name a suite that it has")
    if "is not signed" in errors:
        return FetchError(f"apt-get: {last}", "name an archive that is signed, with the keyring that it is signed by")
    if _INCONSISTENT.search(errors):
        return FetchError(
            f"the lists of the archive do not fit together: {last}",
            "its mirror may be in the middle of an update: try again later, or name another suite",
        )
    if re.search(
        r"Could not (?:resolve|connect)|Temporary failure|Unable to connect|timed out|Failed to fetch", errors
    ):
        return FetchError(f"the archive cannot be reached: {last}", "check the network, the proxy and apt's sources")
    return FetchError(f"apt-get: {last}", "check apt's sources")


@contextmanager
def _watched(directory: Path, total: int, progress: Progress | None) -> Iterator[None]:
    """Report every moment how many bytes lie in *directory*, then that all do."""
    if progress is None:
        yield
        return
    end = threading.Event()

    def watch() -> None:
        while not end.wait(_POLL):
            progress("packages", _held(directory), total)

    progress("packages", 0, total)
    thread = threading.Thread(target=watch, name="kheaders-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
    progress("packages", total, total)


def _held(directory: Path) -> int:
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total
