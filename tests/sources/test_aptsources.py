"""apt's lists of sources: read, filtered, and bent to another suite or architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.root import FakeRoot
from kheaders.debpkg import paragraphs
from kheaders.errors import FetchError
from kheaders.sources.aptsources import (
    Entry,
    derive,
    for_architecture,
    os_release,
    parse_list,
    parse_sources,
    render,
    split_suite,
    system_entries,
)

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SIGNED = (("Signed-By", KEYRING),)
DEBIAN = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"

ONE_LINE = f"""\
# a comment
deb {DEBIAN} bookworm main contrib # another
deb [ arch=amd64 signed-by={KEYRING} ] {SECURITY} bookworm-security main
deb-src {DEBIAN} bookworm main
deb cdrom:[Debian]/ bookworm main
deb http://example.org/flat ./
deb broken
"""

DEB822 = f"""\
Types: deb deb-src
# a comment
URIs: {DEBIAN}
Suites: bookworm bookworm-updates
Components: main
Signed-By: {KEYRING}

Types: deb
Enabled: no
URIs: {DEBIAN}
Suites: sid
Components: main

Types: deb-src
URIs: {DEBIAN}
Suites: bookworm
Components: main

types: deb
uris: {SECURITY}/
suites: bookworm-security
components: main
signed-by: -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""


def test_one_line_style() -> None:
    assert list(parse_list(ONE_LINE)) == [
        Entry(DEBIAN, "bookworm", ("main", "contrib")),
        Entry(SECURITY, "bookworm-security", ("main",), SIGNED),
    ]


def test_deb822_style() -> None:
    entries = list(parse_sources(DEB822))
    assert entries[:2] == [
        Entry(DEBIAN, "bookworm", ("main",), SIGNED),
        Entry(DEBIAN, "bookworm-updates", ("main",), SIGNED),
    ]
    assert (entries[2].uri, entries[2].suite) == (SECURITY, "bookworm-security")
    assert len(entries) == 3


def test_what_is_rendered_is_read_back_the_same() -> None:
    entries = list(parse_sources(DEB822))
    assert list(parse_sources(render(entries))) == entries
    assert "\n .\n mQINBF\n" in render(entries)


def test_keyrings_are_taken_from_the_sysroot(tmp_path: Path) -> None:
    text = render([Entry(DEBIAN, "sid", ("main",), SIGNED)], tmp_path)
    assert next(paragraphs(text))["Signed-By"] == f"{tmp_path}{KEYRING}"


def system(tmp_path: Path, files: dict[str, str], codename: str = "bookworm") -> list[Entry]:
    fake = FakeRoot(tmp_path)
    fake.write("/etc/os-release", f'ID=debian\nVERSION_CODENAME="{codename}"\n')
    for name, text in files.items():
        fake.write(f"/etc/apt/{name}", text)
    return system_entries(fake.path)


def test_every_file_that_apt_reads_is_read(tmp_path: Path) -> None:
    entries = system(
        tmp_path,
        {
            "sources.list": f"deb {DEBIAN} bookworm main\n",
            "sources.list.d/a.list": f"deb {DEBIAN} bookworm-updates main\n",
            "sources.list.d/b.sources": f"Types: deb\nURIs: {SECURITY}\nSuites: bookworm-security\nComponents: main\n",
            "sources.list.d/c.sources.bak": f"Types: deb\nURIs: {DEBIAN}\nSuites: sid\nComponents: main\n",
        },
    )
    assert [entry.suite for entry in entries] == ["bookworm", "bookworm-updates", "bookworm-security"]


def test_the_archives_of_others_are_left_out(tmp_path: Path) -> None:
    entries = system(
        tmp_path,
        {
            "sources.list": (
                f"deb {DEBIAN} bookworm main non-free\n"
                "deb http://mirror.local/whatever bookworm main\n"
                "deb https://download.docker.com/linux/debian bookworm stable\n"
                "deb [signed-by=/etc/nodesource.gpg] https://deb.nodesource.com/node_20.x nodistro main\n"
                "deb https://apt.postgresql.org/pub/repos/apt bookworm-pgdg main\n"
                "deb https://packages.cloud.google.com/apt cloud-sdk-bookworm main\n"
            )
        },
    )
    assert [(entry.uri, entry.components) for entry in entries] == [
        (DEBIAN, ("main",)),
        ("http://mirror.local/whatever", ("main",)),
    ]


def test_no_archive_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no archive of Debian or Ubuntu"):
        system(tmp_path, {})


@pytest.mark.parametrize(
    ("suite", "expected"),
    [
        ("bookworm", ("bookworm", "")),
        ("bookworm-backports", ("bookworm", "-backports")),
        ("bookworm-backports-sloppy", ("bookworm", "-backports-sloppy")),
        ("noble-proposed", ("noble", "-proposed")),
        ("buster/updates", ("buster", "/updates")),
        ("sid", ("sid", "")),
    ],
)
def test_suites_are_taken_apart(suite: str, expected: tuple[str, str]) -> None:
    assert split_suite(suite) == expected


OWN = [
    Entry(DEBIAN, "bookworm", ("main",), SIGNED),
    Entry(DEBIAN, "bookworm-updates", ("main",), SIGNED),
    Entry(SECURITY, "bookworm-security", ("main",), SIGNED),
]


@pytest.mark.parametrize(
    ("suite", "required", "optional"),
    [
        (None, [(entry.uri, entry.suite) for entry in OWN], []),
        ("trixie", [(DEBIAN, "trixie")], [(DEBIAN, "trixie-updates"), (SECURITY, "trixie-security")]),
        ("bookworm-backports", [(DEBIAN, "bookworm-backports")], []),
        ("sid", [(DEBIAN, "sid")], []),
        ("bullseye-security", [(SECURITY, "bullseye-security")], []),
    ],
)
def test_another_suite(suite: str | None, required: list[tuple[str, str]], optional: list[tuple[str, str]]) -> None:
    must, may = derive(OWN, suite, "bookworm")
    assert [(entry.uri, entry.suite) for entry in must] == required
    assert [(entry.uri, entry.suite) for entry in may] == optional
    assert all(entry.options == SIGNED for entry in [*must, *may])


def test_security_updates_are_guessed_where_the_system_has_none() -> None:
    _, optional = derive(OWN[:1], "trixie", "bookworm")
    assert (SECURITY, "trixie-security") in [(entry.uri, entry.suite) for entry in optional]


def test_ubuntu_has_another_archive_for_other_architectures() -> None:
    main = Entry("http://archive.ubuntu.com/ubuntu", "noble", ("main",))
    ports = Entry("http://ports.ubuntu.com/ubuntu-ports", "noble", ("main",))
    assert for_architecture([main], "arm64") == [ports]
    assert for_architecture([main], "amd64") == [main]
    assert for_architecture([ports], "amd64") == [main]
    assert for_architecture(OWN, "arm64") == OWN


def test_os_release(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    assert os_release(fake.path) == {}
    fake.write("/usr/lib/os-release", "# c\nID=debian\nVERSION_CODENAME='trixie'\n\nbroken\n")
    assert os_release(fake.path) == {"ID": "debian", "VERSION_CODENAME": "trixie"}
