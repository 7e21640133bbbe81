"""Fetching packages by apt: against archives made here, and against the real ones."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from builders import deb, need
from builders.root import FakeRoot
from kheaders import kernel
from kheaders.debpkg import headers_from_debs, release_of
from kheaders.errors import FetchError, StoreError, UnsafePath, UsageError
from kheaders.sources.apt import AptSource, FetchRequest, debian_architecture, default_package, fetch, plan
from kheaders.sources.aptrun import _blamed
from kheaders.sources.aptsources import Entry
from kheaders.sources.candidate import Candidate, FilesContent, Rejection, Request

CLOUD = "linux-headers-cloud-amd64"

PACKAGES = {
    **deb.debian(),
    **deb.debian("6.1.0-98-cloud-amd64", version="6.1.998-1"),
    **deb.meta(CLOUD, f"linux-headers-{deb.RELEASE} (= {deb.VERSION})"),
    **deb.meta("linux-headers-6.1-cloud-amd64", f"linux-headers-{deb.RELEASE} (= {deb.VERSION})"),
    **deb.meta("linux-headers-hollow", "libc6"),
    **deb.meta("linux-headers-lost", "linux-headers-6.1.0-97-cloud-amd64 (= 6.1.997-1)"),
    **deb.ubuntu(),
    **deb.meta("linux-headers-generic", "linux-headers-5.15.0-91-generic", version="5.15.0.91"),
}


@pytest.fixture
def apt(tmp_path: Path) -> FakeRoot:
    """A system whose only archive is one made here; this machine's apt reads it."""
    need.tool("apt-get")
    return system(tmp_path)


def system(directory: Path) -> FakeRoot:
    """A system below *directory*, and the archive that it uses beside it."""
    uri = deb.repository(directory / "archive", PACKAGES)
    fake = FakeRoot(directory / "root", release=deb.RELEASE)
    fake.write("/etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
    fake.write("/etc/apt/sources.list", f"deb [trusted=yes] {uri} bookworm main\n")
    return fake


def listing(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    ("request_", "release"),
    [
        (FetchRequest(release=deb.RELEASE, architecture="amd64"), deb.RELEASE),
        (FetchRequest(release="6.1.0-98-cloud-amd64", architecture="amd64"), "6.1.0-98-cloud-amd64"),
        (FetchRequest(package=CLOUD, architecture="amd64"), deb.RELEASE),
        (FetchRequest(package="linux-headers-6.1-cloud-amd64", architecture="amd64"), deb.RELEASE),
        (FetchRequest(package=("linux-headers-none", CLOUD), architecture="amd64"), deb.RELEASE),
        (FetchRequest(package="linux-headers-generic", architecture="amd64"), "5.15.0-91-generic"),
        (FetchRequest(architecture="amd64"), "5.15.0-91-generic"),
        (FetchRequest(package=CLOUD, suite="bookworm", architecture="amd64"), deb.RELEASE),
    ],
    ids=["release", "older", "meta", "versioned meta", "second", "ubuntu", "any", "suite"],
)
def test_packages_are_found_and_fetched(apt: FakeRoot, tmp_path: Path, request_: FetchRequest, release: str) -> None:
    fetched = fetch(request_, tmp_path / "cache", sysroot=apt.path)
    assert fetched.release == release
    assert len(fetched.paths) == 2
    assert release_of(headers_from_debs(fetched.paths)) == release
    for path in fetched.paths:
        assert path.read_bytes() == PACKAGES[path.name]
    assert fetched.origin.startswith("bookworm ")


def test_nothing_half_done_is_left(apt: FakeRoot, tmp_path: Path) -> None:
    fetched = fetch(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)
    assert listing(tmp_path / "cache/packages") == [f"linux-headers-{deb.RELEASE}_{deb.VERSION}_amd64"]
    assert listing(fetched.paths[0].parent) == sorted([*(path.name for path in fetched.paths), "manifest.json"])


def test_what_is_there_is_used_without_the_archive(apt: FakeRoot, tmp_path: Path) -> None:
    wanted = FetchRequest(release=deb.RELEASE, architecture="amd64")
    first = fetch(wanted, tmp_path / "cache", sysroot=apt.path)
    apt.remove("/etc/apt/sources.list")
    assert fetch(wanted, tmp_path / "cache", sysroot=apt.path) == first


@pytest.mark.parametrize("damage", ["package", "manifest", "gone"])
def test_what_was_damaged_since_is_fetched_again(apt: FakeRoot, tmp_path: Path, damage: str) -> None:
    wanted = FetchRequest(release=deb.RELEASE, architecture="amd64")
    first = fetch(wanted, tmp_path / "cache", sysroot=apt.path)
    victim = first.paths[0].with_name("manifest.json") if damage == "manifest" else first.paths[0]
    victim.write_bytes(b"[1]")
    if damage == "gone":
        victim.unlink()
    again = fetch(wanted, tmp_path / "cache", sysroot=apt.path)
    assert again == first
    assert again.paths[0].read_bytes() == PACKAGES[again.paths[0].name]


def test_a_manifest_cannot_lead_out_of_its_directory(apt: FakeRoot, tmp_path: Path) -> None:
    wanted = FetchRequest(release=deb.RELEASE, architecture="amd64")
    first = fetch(wanted, tmp_path / "cache", sysroot=apt.path)
    evil = tmp_path / "evil.deb"
    evil.write_bytes(b"evil")
    manifest = {"release": deb.RELEASE, "origin": "x", "files": {str(evil): hashlib.sha256(b"evil").hexdigest()}}
    first.paths[0].with_name("manifest.json").write_text(json.dumps(manifest))
    assert fetch(wanted, tmp_path / "cache", sysroot=apt.path) == first


def test_progress_is_told(apt: FakeRoot, tmp_path: Path) -> None:
    told: list[tuple[str, int | None, int | None]] = []
    wanted = FetchRequest(release=deb.RELEASE, architecture="amd64")
    fetched = fetch(wanted, tmp_path / "c", sysroot=apt.path, progress=lambda *args: told.append(args))
    size = sum(path.stat().st_size for path in fetched.paths)
    assert told[0] == ("lists", None, None)
    assert told[1] == ("packages", 0, size)
    assert told[-1] == ("packages", size, size)


def test_a_plan_fetches_no_package(apt: FakeRoot, tmp_path: Path) -> None:
    chosen = plan(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)
    assert chosen.release == deb.RELEASE
    assert [package.architecture for package in chosen.packages] == ["amd64", "all"]
    assert not (tmp_path / "cache/packages").exists()


def missing_release(message: str) -> bool:
    return "6.1.0-99-cloud-amd64" in message and "6.1.0-98-cloud-amd64" in message


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            FetchRequest(release="9.9.9-1-amd64", architecture="amd64"),
            "no package linux-headers-9.9.9-1-amd64 for amd64",
        ),
        (FetchRequest(package="linux-headers-hollow", architecture="amd64"), "holds no headers and leads to none"),
        (FetchRequest(package="linux-headers-lost", architecture="amd64"), "which the archive lacks"),
        (
            FetchRequest(release="6.1.0-98-cloud-amd64", package=CLOUD, architecture="amd64"),
            "is for the kernel 6.1.0-99",
        ),
        (
            FetchRequest(release="5.15.1-microsoft-standard-WSL_2", architecture="amd64"),
            "no package can be named after",
        ),
        (FetchRequest(package=CLOUD, suite="nonesuch", architecture="amd64"), "has no suite nonesuch"),
    ],
    ids=["release", "hollow", "lost", "contradiction", "name", "suite"],
)
def test_what_cannot_be_fetched_is_explained(
    apt: FakeRoot, tmp_path: Path, request_: FetchRequest, message: str
) -> None:
    with pytest.raises(FetchError, match=re.escape(message)) as caught:
        fetch(request_, tmp_path / "cache", sysroot=apt.path)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_what_the_archive_has_instead_is_told(apt: FakeRoot, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(FetchRequest(release="6.1.0-97-cloud-amd64", architecture="amd64"), tmp_path / "c", sysroot=apt.path)
    assert missing_release(str(caught.value))


def test_an_archive_without_signature_is_refused(apt: FakeRoot, tmp_path: Path) -> None:
    listed = apt.at("/etc/apt/sources.list")
    listed.write_text(listed.read_text().replace("[trusted=yes] ", ""))
    with pytest.raises(FetchError, match="is not signed"):
        fetch(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)


def test_a_package_that_is_not_what_the_archive_lists_is_refused(apt: FakeRoot, tmp_path: Path) -> None:
    path = tmp_path / f"archive/pool/linux-headers-6.1.0-99-common_{deb.VERSION}_all.deb"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(FetchError):
        fetch(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)
    assert listing(tmp_path / "cache/packages") == []


def test_an_archive_that_does_not_answer_is_told_as_that(apt: FakeRoot, tmp_path: Path) -> None:
    apt.write("/etc/apt/sources.list", "deb http://127.0.0.1:9/debian bookworm main\n")
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)


def test_commands_of_the_system_do_not_run(apt: FakeRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "ran"
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    config = tmp_path / "hooks.conf"
    config.write_text("".join(f'{hook} {{ "touch {trace}"; }};\n' for hook in hooks))
    monkeypatch.setenv("APT_CONFIG", str(config))
    fetch(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)
    assert not trace.exists()


def test_the_system_is_not_touched(apt: FakeRoot, tmp_path: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        places = [Path(place) for place in ("/var/lib/apt", "/var/lib/apt/lists", "/var/cache/apt", "/var/lib/dpkg")]
        found = [path for place in places if place.is_dir() for path in (place, *place.iterdir())]
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in found}

    before = state()
    fetch(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)
    assert state() == before


def open_to_others(path: Path) -> bool:
    """Whether any user reaches *path*, and it is no interpreter older than 3.11."""
    real = path.resolve()
    if not real.exists() or any(not directory.stat().st_mode & 1 for directory in real.parents):
        return False
    version = re.fullmatch(r"python3\.(\d+)", real.name)
    return version is None or int(version[1]) >= 11


@pytest.mark.root
def test_another_user_can_fetch() -> None:
    need.tool("apt-get")
    python = next((path for path in (Path(sys.executable), Path("/usr/bin/python3")) if open_to_others(path)), None)
    if python is None or not open_to_others(need.CHECKOUT / "src/kheaders"):
        pytest.skip("no Python of at least 3.11, or not this checkout, is open to other users")
    with tempfile.TemporaryDirectory(prefix="apt-", dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        fake = system(Path(place))
        private = Path(place) / "private"
        private.mkdir()
        os.chown(private, 65534, 65534)
        program = (
            "from pathlib import Path; from kheaders.sources.apt import fetch, FetchRequest\n"
            f"f = fetch(FetchRequest(package={CLOUD!r}, architecture='amd64'), Path({str(private)!r}) / 'c',"
            f" sysroot=Path({str(fake.path)!r}))\n"
            "print(f.release, len(f.paths))"
        )
        done = subprocess.run(
            [python, "-B", "-c", program],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(need.CHECKOUT / "src")},
            cwd="/",
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == [deb.RELEASE, "2"], done.stderr


def test_a_directory_that_others_can_write_is_refused(apt: FakeRoot, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(UnsafePath, match="can be written by everybody"):
        fetch(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=apt.path)


def test_a_place_that_is_no_directory_is_refused(apt: FakeRoot, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        fetch(FetchRequest(package=CLOUD), tmp_path / "file/cache", sysroot=apt.path)
    with pytest.raises(StoreError, match="directory of such a name"):
        fetch(FetchRequest(package=CLOUD), tmp_path / 'a"b', sysroot=apt.path)


@pytest.mark.parametrize(
    "request_",
    [
        FetchRequest(package="--help"),
        FetchRequest(package="a b"),
        FetchRequest(package=""),
        FetchRequest(suite="sid\nTrusted: yes"),
        FetchRequest(suite="../x"),
        FetchRequest(architecture="amd64;"),
        FetchRequest(release="../6.1"),
    ],
)
def test_names_that_cannot_be_are_refused_before_anything_runs(tmp_path: Path, request_: FetchRequest) -> None:
    with pytest.raises(UsageError):
        fetch(request_, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_without_apt_the_user_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    fake = FakeRoot(tmp_path / "root")
    for name, command in (("fedora", "dnf install kernel-devel-1.2.3"), ("arch", "pacman -S linux-headers")):
        fake.write("/etc/os-release", f"ID={name}\n")
        with pytest.raises(FetchError, match="only downloads by apt are supported") as caught:
            fetch(FetchRequest(release="1.2.3"), tmp_path / "cache", sysroot=fake.path)
        assert command in caught.value.hint


def test_the_source_offers_the_package_of_the_very_kernel(apt: FakeRoot, tmp_path: Path) -> None:
    (answer,) = AptSource(tmp_path / "cache").offers(Request(kernel.running(apt.path), apt.path))
    assert isinstance(answer, Candidate), answer
    assert isinstance(answer.content, FilesContent)
    assert answer.source == "apt"
    assert answer.location.startswith(f"linux-headers-{deb.RELEASE}_{deb.VERSION}_amd64 from bookworm ")
    assert release_of(answer.content.read()) == deb.RELEASE
    (again,) = AptSource(tmp_path / "cache").offers(Request(kernel.running(apt.path), apt.path))
    assert isinstance(again, Candidate)
    assert again.fingerprint == answer.fingerprint


def test_the_source_refuses_with_a_reason(apt: FakeRoot, tmp_path: Path) -> None:
    wanted = Request(kernel.named("1.2.3-4-amd64", sysroot=apt.path), apt.path)
    (answer,) = AptSource(tmp_path / "cache").offers(wanted)
    assert isinstance(answer, Rejection)
    assert "no package linux-headers-1.2.3-4-amd64" in answer.reason


@pytest.mark.parametrize(
    ("release", "machine", "expected"),
    [
        ("6.1.0-56-cloud-amd64", "x86_64", [CLOUD, "linux-headers-amd64"]),
        ("6.12.9+deb13-rt-amd64", "x86_64", ["linux-headers-rt-amd64", "linux-headers-amd64"]),
        ("6.1.0-0.deb11.48-arm64", "aarch64", ["linux-headers-arm64"]),
        ("5.10.0-46-686-pae", "i686", ["linux-headers-686-pae", "linux-headers-686"]),
        ("5.15.0-91-generic", "x86_64", ["linux-headers-generic", "linux-headers-amd64"]),
        ("6.5.0-1014-aws", "x86_64", ["linux-headers-aws", "linux-headers-amd64"]),
        ("6.18.44-mine-v6", "x86_64", ["linux-headers-amd64"]),
    ],
)
def test_default_packages(release: str, machine: str, expected: list[str]) -> None:
    names = default_package(kernel.named(release, machine=machine))
    assert names[0] == f"linux-headers-{release}"
    assert names[1 : 1 + len(expected)] == expected
    assert "linux-headers-generic" in names


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("ppc64le", "ppc64el"), ("s390x", "s390x"), ("riscv64", "riscv64")],
)
def test_architectures(machine: str, expected: str) -> None:
    assert debian_architecture(machine) == expected


class TestInconsistentLists:
    """A mirror in the middle of an update: lists that are not what its Release file says."""

    @staticmethod
    def damaged(directory: Path, suite: str) -> None:
        deb.repository(directory / "archive", PACKAGES, suite=suite)
        index = directory / f"archive/dists/{suite}/main/binary-amd64/Packages"
        index.write_bytes(index.read_bytes() + b"\nPackage: other\n")

    def test_an_optional_suite_is_left_out(self, apt: FakeRoot, tmp_path: Path) -> None:
        self.damaged(tmp_path, "bookworm-updates")
        wanted = FetchRequest(package=CLOUD, suite="bookworm", architecture="amd64")
        assert fetch(wanted, tmp_path / "cache", sysroot=apt.path).release == deb.RELEASE

    def test_that_it_was_left_out_is_told_where_something_is_missing(self, apt: FakeRoot, tmp_path: Path) -> None:
        self.damaged(tmp_path, "bookworm-updates")
        wanted = FetchRequest(package="linux-headers-none", suite="bookworm", architecture="amd64")
        with pytest.raises(FetchError) as caught:
            fetch(wanted, tmp_path / "cache", sysroot=apt.path)
        assert "bookworm-updates could not be asked: its lists do not fit together" in caught.value.what
        assert "bookworm-security could" not in caught.value.what  # there is none, which is no fault
        assert "reached" not in str(caught.value)

    def test_the_suite_itself_must_be_consistent(self, apt: FakeRoot, tmp_path: Path) -> None:
        self.damaged(tmp_path, "bookworm")
        for suite in ("bookworm", None):
            wanted = FetchRequest(package=CLOUD, suite=suite, architecture="amd64")
            with pytest.raises(FetchError, match=r"do not fit together.*try again later") as caught:
                fetch(wanted, tmp_path / "cache", sysroot=apt.path)
            assert "reached" not in str(caught.value)

    def test_what_names_no_suite_costs_the_optional_ones_first(self) -> None:
        entry = Entry("http://a.example/debian", "bookworm-updates", ("main",))
        said = (
            "E: Failed to fetch http://a.example/debian/dists/bookworm/main/binary-amd64/Packages.xz  Hash Sum mismatch"
        )
        assert _blamed(entry, said) == ""
        assert "do not fit together" in _blamed(entry._replace(suite="bookworm"), said)
        assert _blamed(entry, "E: The repository 'http://a.example/debian bookworm-updates InRelease' is not signed.")
