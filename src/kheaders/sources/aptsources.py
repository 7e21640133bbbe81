"""Where a Debian or Ubuntu system gets packages from: apt's own lists of sources, read, and bent to another suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from kheaders.debpkg import paragraphs
from kheaders.errors import FetchError
from kheaders.sysroot import resolve

SUFFIXES = ("-backports-sloppy", "-proposed-updates", "-backports", "-proposed", "-security", "-updates")
"""What follows a release's code name in the names of suites that complement it."""

_PATHS = ("debian", "debian-security", "debian-archive", "ubuntu", "ubuntu-ports")
_KEYRINGS = ("debian-archive", "ubuntu-archive")
_COMPONENTS = ("main", "universe", "restricted")
_ROLLING = ("sid", "unstable", "experimental", "devel")
_OPTIONS = ("Signed-By", "Trusted", "Check-Valid-Until", "Check-Date", "By-Hash", "InRelease-Path", "Snapshot")
_SCHEMES = ("http", "https", "file", "copy", "ftp", "tor+http", "tor+https", "mirror", "mirror+file", "mirror+http")
_PORTS = "http://ports.ubuntu.com/ubuntu-ports"


class Entry(NamedTuple):
    """One suite of one archive."""

    uri: str
    suite: str
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    """Fields of deb822(5), such as ``Signed-By``."""

    @property
    def base(self) -> str:
        """The code name of the release that the suite belongs to."""
        return split_suite(self.suite)[0]

    @property
    def security(self) -> bool:
        """Whether it is an archive of security updates."""
        return split_suite(self.suite)[1] in ("-security", "/updates")


def split_suite(suite: str) -> tuple[str, str]:
    """``bookworm-backports`` → ``("bookworm", "-backports")``."""
    for suffix in (*SUFFIXES, "/updates"):
        if suite.endswith(suffix) and suite != suffix:
            return suite.removesuffix(suffix), suffix
    return suite, ""


def system_entries(sysroot: Path) -> list[Entry]:
    """The binary archives of the distribution itself that the system below *sysroot* uses; others are left out.

    Raises FetchError if there are none.
    """
    entries: list[Entry] = []
    for path in _list_files(sysroot):
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        entries += parse_sources(text) if path.suffix == ".sources" else parse_list(text)
    codename = os_release(sysroot).get("VERSION_CODENAME", "")
    own = [
        entry._replace(components=tuple(c for c in entry.components if c in _COMPONENTS))
        for entry in dict.fromkeys(entries)
        if _of_distribution(entry, codename)
    ]
    if not own:
        raise FetchError(
            "no archive of Debian or Ubuntu is named in /etc/apt/sources.list or /etc/apt/sources.list.d",
            "add one, or install the headers yourself and name them with --headers",
        )
    return own


def parse_list(text: str) -> Iterator[Entry]:
    """The entries of a one-line-style ``.list`` file (sources.list(5)); lines that make no sense are passed over."""
    names = {name.lower(): name for name in _OPTIONS}
    for line in text.splitlines():
        kind, _, rest = line.partition("#")[0].strip().partition(" ")
        rest = rest.strip()
        if kind != "deb":
            continue
        bracket = ""
        if rest.startswith("["):
            bracket, _, rest = rest[1:].partition("]")
        words = rest.split()
        pairs = (word.partition("=") for word in bracket.split())
        options = tuple(
            (names[key.lower()], value.replace(",", " ") if key.lower() == "signed-by" else value)
            for key, _, value in pairs
            if key.lower() in names
        )
        if len(words) >= 3:
            yield from _entries([words[0]], [words[1]], words[2:], options)


def parse_sources(text: str) -> Iterator[Entry]:
    """The entries of a deb822-style ``.sources`` file (sources.list(5))."""
    for paragraph in paragraphs(text):
        fields = {name.lower(): value for name, value in paragraph.items()}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        options = tuple((name, fields[name.lower()]) for name in _OPTIONS if name.lower() in fields)
        uris, suites, components = (fields.get(name, "").split() for name in ("uris", "suites", "components"))
        yield from _entries(uris, suites, components, options)


def derive(entries: Iterable[Entry], suite: str | None, codename: str) -> tuple[list[Entry], list[Entry]]:
    """The archives to ask for *suite*: those that must answer, and those that need not exist.

    Without *suite* the system's own. A release is asked together with its updates and security updates; a suite with a
    suffix (``bookworm-backports``) and a rolling one (``sid``) alone. URIs and keyrings are those of the system.
    """
    own = list(entries)
    if suite is None:
        return own, []
    base, suffix = split_suite(suite)
    plain = [entry for entry in own if not entry.security]
    secure = [entry for entry in own if entry.security]
    template = next((entry for entry in plain if entry.suite == codename), (plain or own)[0])
    security = secure[0] if secure else template._replace(uri=_security_uri(template.uri))
    if suffix in ("-security", "/updates"):
        return [security._replace(suite=suite)], []
    required = [template._replace(suite=suite)]
    if suffix or base in _ROLLING:
        return required, []
    return required, [template._replace(suite=f"{base}-updates"), security._replace(suite=f"{base}-security")]


def for_architecture(entries: Iterable[Entry], architecture: str) -> list[Entry]:
    """The same archives for another architecture: Ubuntu keeps all but amd64 and i386 at another place."""
    moved = []
    for entry in entries:
        host = urlsplit(entry.uri).hostname or ""
        ubuntu = host.endswith((".ubuntu.com", "ubuntu.com"))
        if ubuntu and architecture not in ("amd64", "i386"):
            entry = entry._replace(uri=_PORTS)
        elif ubuntu and host.startswith("ports."):
            entry = entry._replace(uri="http://archive.ubuntu.com/ubuntu")
        moved.append(entry)
    return list(dict.fromkeys(moved))


def render(entries: Iterable[Entry], sysroot: Path = Path("/")) -> str:
    """The entries as a ``.sources`` file; paths of keyrings are taken below *sysroot*."""
    blocks = []
    for entry in entries:
        lines = [
            "Types: deb",
            f"URIs: {entry.uri}",
            f"Suites: {entry.suite}",
            f"Components: {' '.join(entry.components)}",
        ]
        for name, value in entry.options:
            if name == "Signed-By" and value.startswith("/"):
                value = " ".join(str(resolve(sysroot, path)) for path in value.replace(",", " ").split())
            lines.append(f"{name}: {value}".replace("\n", "\n "))
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def os_release(sysroot: Path) -> dict[str, str]:
    """The fields of os-release(5) below *sysroot*; empty where there is no such file."""
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            lines = resolve(sysroot, name).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
        return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
    return {}


def _entries(
    uris: Iterable[str], suites: Iterable[str], components: Iterable[str], options: tuple[tuple[str, str], ...]
) -> Iterator[Entry]:
    chosen = tuple(components)
    every = list(suites)
    for uri in uris:
        scheme = uri.partition(":")[0]
        for suite in every:
            if scheme in _SCHEMES and not suite.endswith("/") and not any(c.isspace() for c in uri + suite):
                yield Entry(uri.rstrip("/"), suite, chosen, options)


def _of_distribution(entry: Entry, codename: str) -> bool:
    """Whether an entry is the distribution's own archive: its component, and its keyring, path or code name."""
    if "main" not in entry.components:
        return False
    signed = dict(entry.options).get("Signed-By", "")
    if signed.startswith("/"):
        return any(word in signed for word in _KEYRINGS) or entry.base == codename
    return urlsplit(entry.uri).path.rstrip("/").rpartition("/")[2] in _PATHS or entry.base == codename


def _security_uri(uri: str) -> str:
    """Debian's archive of security updates beside *uri*; Ubuntu's lies in the same archive."""
    return f"{uri}-security" if uri.endswith("/debian") else uri


def _list_files(sysroot: Path) -> list[Path]:
    """apt's files of sources, in the order that apt reads them."""
    found = []
    try:
        main = resolve(sysroot, "/etc/apt/sources.list")
        found += [main] if main.is_file() else []
        parts = resolve(sysroot, "/etc/apt/sources.list.d")
        names = sorted(p.name for p in parts.iterdir() if p.suffix in (".list", ".sources")) if parts.is_dir() else []
        found += [resolve(sysroot, f"/etc/apt/sources.list.d/{name}") for name in names]
    except OSError as error:
        raise FetchError(f"/etc/apt: cannot be read ({error.strerror})", "check its permissions") from error
    return found
