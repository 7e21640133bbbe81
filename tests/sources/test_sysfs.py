"""The running kernel's own archive, in sysfs and in procfs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.archive import archive
from builders.root import FakeRoot, header_files
from builders.unprivileged import unprivileged
from kheaders import kernel
from kheaders.archive import members
from kheaders.errors import ArchiveError
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.sysfs import ProcfsSource, SysfsSource

SOURCES = [(SysfsSource, "sysfs", "/sys/kernel/kheaders.tar.xz"), (ProcfsSource, "procfs", "/proc/kheaders.tar.xz")]
every_source = pytest.mark.parametrize(("source", "name", "path"), SOURCES, ids=["sysfs", "procfs"])


def ask(source: type[SysfsSource], root: FakeRoot, release: str = "") -> Candidate | Rejection:
    known = kernel.named(release, sysroot=root.path) if release else kernel.running(root.path)
    (answer,) = source().offers(Request(known, root.path))
    assert answer.source == source.name
    assert answer.location == source.location
    return answer


def refusal(answer: Candidate | Rejection) -> Rejection:
    assert isinstance(answer, Rejection)
    return answer


def offer(answer: Candidate | Rejection) -> Candidate:
    assert isinstance(answer, Candidate), str(answer)
    return answer


@pytest.fixture
def open_root() -> Iterator[FakeRoot]:
    """A fake root that every user can walk to, unlike pytest's own directories."""
    directory = Path(tempfile.mkdtemp(prefix="root-"))
    directory.chmod(0o755)
    yield FakeRoot(directory)
    shutil.rmtree(directory)


@every_source
def test_the_offer(source: type[SysfsSource], name: str, path: str, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.write(path, archive())
    found = offer(ask(source, root))
    assert (found.source, found.location) == (name, path)
    assert isinstance(found.content, ArchiveContent)
    for _ in range(2):
        with found.content.open() as stream:
            files = {member.path: member.data for member in members(stream) if not member.directory}
        assert files == header_files()


@every_source
def test_the_fingerprint_tells_kernels_and_boots_apart(
    source: type[SysfsSource], name: str, path: str, tmp_path: Path
) -> None:
    def fingerprint(**identity: str) -> str:
        directory = tmp_path / str(len(os.listdir(tmp_path)))
        root = FakeRoot(directory, **identity)  # type: ignore[arg-type]
        root.write(path, b"an archive of the same size")
        return offer(ask(source, root)).fingerprint

    first = fingerprint()
    assert first
    assert fingerprint() == first
    others = [
        fingerprint(boot_id="99999999-2222-4333-8444-555555555555"),
        fingerprint(build_id="ff" * 20),
        fingerprint(version="#2 SMP Debian"),
        fingerprint(release="6.2.0-1-amd64"),
    ]
    assert len({first, *others}) == 5


@every_source
def test_absent(source: type[SysfsSource], name: str, path: str, tmp_path: Path) -> None:
    answer = refusal(ask(source, FakeRoot(tmp_path)))
    assert answer.reason == "is not there"
    assert "modprobe kheaders" in answer.hint


@every_source
def test_another_kernel_than_the_running_one(source: type[SysfsSource], name: str, path: str, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.write(path, archive())
    assert "not about 5.10.0-1-amd64" in refusal(ask(source, root, "5.10.0-1-amd64")).reason
    offer(ask(source, root, root.release))


@every_source
def test_permission_denied_is_not_absence(source: type[SysfsSource], name: str, path: str, open_root: FakeRoot) -> None:
    open_root.write(path, archive(), mode=0)
    answer = refusal(unprivileged(lambda: ask(source, open_root)))
    assert answer.reason == "permission denied"
    assert answer.hint == "run as root"


@every_source
def test_permission_denied_on_the_way(source: type[SysfsSource], name: str, path: str, open_root: FakeRoot) -> None:
    directory = open_root.write("/locked/archive", archive()).parent
    open_root.link(path, "/locked/archive")
    directory.chmod(0)
    try:
        answer = refusal(unprivileged(lambda: ask(source, open_root)))
    finally:
        directory.chmod(0o755)
    assert answer.reason == "permission denied on the way to it"


@every_source
def test_what_is_no_file(source: type[SysfsSource], name: str, path: str, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.at(path).mkdir(parents=True)
    assert refusal(ask(source, root)).reason == "is not a regular file"
    root.at(path).rmdir()
    os.mkfifo(root.at(path))
    assert refusal(ask(source, root)).reason == "is not a regular file"
    os.unlink(root.at(path))
    root.write(path, b"")
    assert refusal(ask(source, root)).reason == "is empty"


@every_source
def test_links_stay_in_the_sysroot(source: type[SysfsSource], name: str, path: str, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    outside = tmp_path / "outside.tar.xz"
    outside.write_bytes(archive())
    root.link(path, str(outside))
    assert refusal(ask(source, root)).reason == "is not there"
    root.remove(path)
    root.link(path, path)
    assert "symbolic links" in refusal(ask(source, root)).reason


@every_source
def test_a_file_that_goes_away_before_it_is_read(
    source: type[SysfsSource], name: str, path: str, tmp_path: Path
) -> None:
    root = FakeRoot(tmp_path)
    root.write(path, archive())
    content = offer(ask(source, root)).content
    assert isinstance(content, ArchiveContent)
    root.remove(path)
    with pytest.raises(ArchiveError, match=r"kheaders\.tar\.xz: cannot be read \(No such file"):
        content.open()
    os.mkfifo(root.at(path))
    with pytest.raises(ArchiveError, match="not a regular file any more"):
        content.open()
