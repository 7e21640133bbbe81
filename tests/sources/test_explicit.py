"""What the user named, told apart by content."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from builders import archive, deb
from builders.elf import module
from builders.root import RELEASE, FakeRoot, header_files
from kheaders import kernel
from kheaders.debpkg import release_of
from kheaders.errors import KheadersError
from kheaders.headers.headerset import HeaderSet
from kheaders.sources.candidate import ArchiveContent, Candidate, FilesContent, Rejection, Request, TreeContent
from kheaders.sources.explicit import ExplicitSource, is_tar, kind_of


def request(path: Path | None, release: str = RELEASE) -> Request:
    return Request(kernel.named(release), headers=path)


def offer(path: Path | None, release: str = RELEASE) -> Candidate | Rejection:
    (answer,) = ExplicitSource().offers(request(path, release))
    assert answer.source == "explicit"
    return answer


def headers(answer: Candidate | Rejection) -> HeaderSet:
    assert isinstance(answer, Candidate), answer
    if isinstance(answer.content, ArchiveContent):
        with answer.content.open() as stream:
            return HeaderSet.from_archive(stream)
    if isinstance(answer.content, TreeContent):
        return HeaderSet.from_trees(answer.content.layers, "x86")
    assert isinstance(answer.content, FilesContent)
    return HeaderSet(answer.content.read())


def refusal(answer: Candidate | Rejection) -> str:
    if isinstance(answer, Candidate):
        with pytest.raises(KheadersError) as caught:
            headers(answer)
        assert str(caught.value).count(answer.location) == 1 and "\n" not in str(caught.value)
        return str(caught.value)
    assert isinstance(answer, Rejection), answer
    assert "\n" not in str(answer)
    return f"{answer.reason}; {answer.hint}"


def test_nothing_named_is_a_quiet_refusal() -> None:
    assert "no headers were named" in refusal(offer(None))


@pytest.mark.parametrize("kind", [*archive.KINDS, "lzo"])
@pytest.mark.parametrize("name", ["kheaders.tar.xz", "plain", "linux.deb", "module.ko"])
def test_an_archive_whatever_its_name(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(archive.archive(kind=kind))
    answer = offer(path)
    if kind == "lzo" and isinstance(answer, Rejection):
        pytest.skip(f"nothing here reads lzo: {answer.reason}")
    assert dict(headers(answer)) == header_files()


def test_a_changed_archive_has_another_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(archive.archive())
    first = offer(path)
    path.write_bytes(archive.archive({"include/linux/a.h": b""}))
    second = offer(path)
    assert isinstance(first, Candidate)
    assert isinstance(second, Candidate)
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint


@pytest.mark.parametrize("kind", ["", "xz", "gz", "zst"])
def test_a_module(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    path.write_bytes(archive.compress(module(archive.archive()), kind))
    assert headers(offer(path)).release == RELEASE


def test_a_module_without_archive(tmp_path: Path) -> None:
    path = tmp_path / "thing.ko"
    path.write_bytes(module(b""))
    assert "without a header archive" in refusal(offer(path))


def test_a_build_directory(tmp_path: Path) -> None:
    tree = FakeRoot(tmp_path).headers("/t")
    assert headers(offer(tree)).release == RELEASE


def test_headers_of_another_release_are_offered_as_they_are(tmp_path: Path) -> None:
    tree = FakeRoot(tmp_path).headers("/t", release="5.0.1")
    assert headers(offer(tree)).release == "5.0.1"


def test_a_split_build_directory(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    source, build = fake.split_tree("/s", "/b")
    fake.write("/b/Makefile", "include ../s/Makefile\n")
    answer = offer(build)
    assert isinstance(answer, Candidate)
    assert answer.content == TreeContent((source, build))


def test_a_split_build_directory_that_was_moved_with_its_source(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    source, build = fake.split_tree("/moved/s", "/moved/b")
    fake.write("/moved/b/Makefile", "include /usr/src/s/Makefile\n")
    answer = offer(build)
    assert isinstance(answer, Candidate)
    assert answer.content == TreeContent((source, build))


def test_an_unpacked_root(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    source, build = fake.split_tree("/usr/src/s", "/usr/src/b")
    answer = offer(fake.path)
    assert isinstance(answer, Candidate)
    assert answer.content == TreeContent((source, build))
    assert answer.location.startswith(str(fake.path))


def test_an_unpacked_root_without_links(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    tree = fake.headers(f"/usr/src/linux-headers-{fake.release}")
    assert headers(offer(fake.path)).release == RELEASE
    assert tree.exists()


def test_an_unpacked_root_of_one_other_kernel_offers_that(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path, release="5.0.1")
    fake.build_tree("/usr/src/linux-headers-5.0.1")
    assert headers(offer(fake.path)).release == "5.0.1"


def test_an_unpacked_root_of_several_other_kernels_needs_a_choice(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    for release in ("5.0.1", "5.0.2"):
        fake.headers(f"/usr/src/linux-headers-{release}", release=release)
    assert "5.0.1, 5.0.2" in refusal(offer(fake.path))
    assert headers(offer(fake.path, "5.0.2")).release == "5.0.2"


def test_a_package_finds_its_sibling(tmp_path: Path) -> None:
    arch, _ = deb.write(tmp_path, deb.debian())
    assert headers(offer(arch)).release == deb.RELEASE


def test_a_package_without_its_sibling_names_the_file(tmp_path: Path) -> None:
    arch, common = deb.write(tmp_path, deb.debian())
    common.unlink()
    assert "linux-headers-6.1.0-99-common_6.1.999-1_all.deb" in refusal(offer(arch))


def test_a_sibling_of_another_version_does_not_count(tmp_path: Path) -> None:
    arch, common = deb.write(tmp_path, deb.debian())
    common.unlink()
    _, other = deb.write(tmp_path, deb.debian(version="6.1.998-1"))
    assert other.exists()
    assert "6.1.999-1_all.deb" in refusal(offer(arch))


def test_a_directory_of_packages(tmp_path: Path) -> None:
    deb.write(tmp_path, {**deb.debian(), **deb.debian("6.1.0-98-cloud-amd64"), **deb.meta("linux-libc-dev", "")})
    assert headers(offer(tmp_path, deb.RELEASE)).release == deb.RELEASE
    answer = offer(tmp_path, "1.2.3")
    assert isinstance(answer, Candidate)
    assert isinstance(answer.content, FilesContent)
    with pytest.raises(KheadersError, match="none of 1"):
        answer.content.read()


def test_a_single_foreign_package_is_offered_for_its_own_release(tmp_path: Path) -> None:
    (path,) = deb.write(tmp_path, deb.whole())
    answer = offer(path, "1.2.3")
    assert isinstance(answer, Candidate)
    assert isinstance(answer.content, FilesContent)
    assert release_of(answer.content.read()) == "6.9.0-custom"


def test_a_package_of_something_else(tmp_path: Path) -> None:
    (path,) = deb.write(tmp_path, deb.meta("linux-libc-dev", ""))
    assert "is the package linux-libc-dev, which holds no headers" in refusal(offer(path))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"hello", "is not headers in any form"),
        (bytes(4096), "is not headers in any form"),
        (b"\xed\xab\xee\xdb\3\0", "is an RPM package"),
        (b"!<arch>\n", "not a usable Debian package"),
        (archive.compress(b"hello", "xz"), "is xz data, but neither"),
        (archive.archive()[:40], "is broken off"),
        (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\1\0", "is a damaged ELF file"),
        (b"MZ" + bytes(600), "there is no kernel in it"),
    ],
    ids=["empty", "text", "zeros", "rpm", "ar", "xz of text", "cut", "bad ELF", "bad image"],
)
def test_files_that_are_nothing_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "kheaders.tar.xz"
    path.write_bytes(data)
    assert reason in refusal(offer(path))


def test_a_missing_path_and_a_dangling_link(tmp_path: Path) -> None:
    assert "does not exist" in refusal(offer(tmp_path / "none"))
    (tmp_path / "link").symlink_to("gone")
    assert "does not exist (a link to gone)" in refusal(offer(tmp_path / "link"))
    assert "does not exist" in refusal(offer(Path("/dev/null/x")))


def test_devices_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path / "s"):
            assert "is neither a file nor a directory" in refusal(offer(path))


def test_directories_without_headers(tmp_path: Path) -> None:
    assert "is an empty directory" in refusal(offer(tmp_path))
    (tmp_path / "README").touch()
    assert "without kernel headers" in refusal(offer(tmp_path))


def test_the_include_directory_itself_is_answered_with_the_right_one(tmp_path: Path) -> None:
    tree = FakeRoot(tmp_path).files("/t", {p: d for p, d in header_files().items() if "/generated/" not in p})
    assert f"name the directory above it, {tree}" in refusal(offer(tree / "include"))


def test_headers_for_user_programs_are_told_as_that(tmp_path: Path) -> None:
    directory = FakeRoot(tmp_path).files("/usr", {"include/linux/version.h": b""})
    assert "headers for user programs" in refusal(offer(directory))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(archive.archive())
    real_open = os.open

    def refuse(name: object, *args: object, **kwargs: object) -> int:
        if name == path:
            raise PermissionError(13, "Permission denied")
        return real_open(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    assert "cannot be read (Permission denied)" in refusal(offer(path))


def test_kinds_are_told_by_content() -> None:
    assert kind_of(archive.tar({"a": b""})) == "tar"
    assert kind_of(archive.archive(kind="zst")) == "zst"
    assert kind_of(module(b"x")) == "module"
    assert kind_of(b"") == ""
    assert not is_tar(bytes(512))


def test_every_refusal_is_no_exception(tmp_path: Path) -> None:
    for name in ("\0", "a" * 5000, "\udcff"):
        refusal(offer(tmp_path / name))
