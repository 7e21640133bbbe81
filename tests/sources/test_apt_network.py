"""Fetching packages by apt from Debian's real archives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builders import need
from builders.root import FakeRoot
from kheaders.debpkg import headers_from_debs, release_of
from kheaders.errors import FetchError
from kheaders.sources.apt import FetchRequest, fetch, plan

CLOUD = "linux-headers-cloud-amd64"


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One directory for all tests, so that lists are fetched once."""
    need.tool("apt-get")
    if "ID=debian" not in Path("/etc/os-release").read_text().splitlines():
        pytest.skip("the suites named here are Debian's")
    return tmp_path_factory.mktemp("apt")


@pytest.mark.network
@pytest.mark.parametrize(
    ("suite", "release"),
    [
        ("bullseye", r"5\.10\.0-\d+-cloud-amd64"),
        ("bookworm", r"6\.1\.0-\d+-cloud-amd64"),
        ("bookworm-backports", r"6\.12\.\d+\+deb12(\.\d+)?-cloud-amd64"),
        ("trixie", r"6\.12\.\d+\+deb13(\.\d+)?-cloud-amd64"),
        ("sid", r"\d+\.\d+\.\d+\+deb\d+(\.\d+)?-cloud-amd64"),
    ],
)
def test_the_suites_of_debian_verify_and_have_headers(real: Path, suite: str, release: str) -> None:
    chosen = plan(FetchRequest(package=CLOUD, suite=suite, architecture="amd64"), real)
    assert re.fullmatch(release, chosen.release)
    arch, common = chosen.packages
    assert arch.name == f"linux-headers-{chosen.release}"
    assert common.name.endswith("-common")
    assert 0 < arch.size < common.size
    assert suite.partition("-")[0] in chosen.origin


@pytest.mark.network
@pytest.mark.parametrize(("architecture", "srcarch"), [("amd64", "x86"), ("arm64", "arm64")])
def test_real_headers_come_whole(real: Path, architecture: str, srcarch: str) -> None:
    wanted = FetchRequest(package=f"linux-headers-cloud-{architecture}", suite="bookworm", architecture=architecture)
    fetched = fetch(wanted, real)
    headers = headers_from_debs(fetched.paths)
    assert release_of(headers) == fetched.release
    assert {path.split("/")[1] for path in headers if path.startswith("arch/")} == {srcarch}
    for path in ("include/linux/sched.h", "include/generated/autoconf.h", f"arch/{srcarch}/include/asm/ptrace.h"):
        assert len(headers[path]) > 1000
    assert len(headers) > 5000


@pytest.mark.network
def test_a_key_that_is_missing_is_named(real: Path, tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path / "root")
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    fake.write(keyring, b"")
    fake.write("/etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
    line = f"deb [signed-by={keyring}] http://deb.debian.org/debian bookworm main\n"
    fake.write("/etc/apt/sources.list", line)
    with pytest.raises(FetchError, match=r"signed with the key [0-9A-F]{16}") as caught:
        plan(FetchRequest(package=CLOUD, architecture="amd64"), tmp_path / "cache", sysroot=fake.path)
    assert "keyring" in caught.value.hint
