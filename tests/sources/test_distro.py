"""The distributions' own header directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.root import FakeRoot, header_files
from kheaders import kernel
from kheaders.sources.candidate import Candidate, Rejection, Request, TreeContent
from kheaders.sources.distro import DistroSource

SUSE = "6.4.0-150600.21-default"


def answers(fake: FakeRoot) -> list[Candidate | Rejection]:
    return list(DistroSource().offers(Request(kernel.running(fake.path), fake.path)))


def layers(answer: Candidate | Rejection) -> tuple[Path, ...]:
    assert isinstance(answer, Candidate), answer
    assert isinstance(answer.content, TreeContent)
    return answer.content.layers


@pytest.mark.parametrize(
    ("release", "directory"),
    [
        ("6.1.0-9-amd64", "/usr/src/linux-headers-6.1.0-9-amd64"),
        ("6.6.8-200.fc39.x86_64", "/usr/src/kernels/6.6.8-200.fc39.x86_64"),
        ("5.14.0-70.el9", "/usr/src/kernels/5.14.0-70.el9.x86_64"),
        ("6.6.9-gentoo", "/usr/src/linux-6.6.9-gentoo"),
        ("6.6.9_1", "/usr/src/kernel-headers-6.6.9_1"),
        ("5.15.90.1-microsoft-standard-WSL2", "/usr/src/WSL2-Linux-Kernel"),
        ("6.6.9-anything", "/usr/src/linux"),
    ],
)
def test_whole_trees_are_found_by_name(tmp_path: Path, release: str, directory: str) -> None:
    fake = FakeRoot(tmp_path, release=release)
    tree = fake.headers(directory)
    (answer,) = answers(fake)
    assert layers(answer) == (tree,)
    assert isinstance(answer, Candidate)
    assert (answer.source, answer.location) == ("distro", directory)


def split(fake: FakeRoot, source: str, build: str) -> tuple[Path, Path]:
    files = header_files(fake.release, fake.srcarch)
    made = {path: data for path, data in files.items() if "/generated/" in path}
    return fake.files(source, {p: d for p, d in files.items() if p not in made}), fake.files(build, made)


@pytest.mark.parametrize(
    ("release", "common"),
    [
        ("6.1.0-56-cloud-amd64", "6.1.0-56-common"),
        ("6.1.0-56-rt-amd64", "6.1.0-56-common-rt"),
        ("6.12.9+deb13-amd64", "6.12.9+deb13-common"),
    ],
)
def test_debian_pairs_are_put_together_without_links_or_makefile(tmp_path: Path, release: str, common: str) -> None:
    fake = FakeRoot(tmp_path, release=release)
    for other in ("6.1.0-5-common", "6.1.0-56-common", "6.1.0-56-common-rt", "6.12.9+deb13-common"):
        split(fake, f"/usr/src/linux-headers-{other}", f"/usr/src/linux-headers-{release}")
    (answer,) = answers(fake)
    assert [layer.name for layer in layers(answer)] == [f"linux-headers-{common}", f"linux-headers-{release}"]


def test_suse_trees_are_put_together(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path, release=SUSE)
    source, build = split(fake, "/usr/src/linux-6.4.0-150600.21", "/usr/src/linux-6.4.0-150600.21-obj/x86_64/default")
    answer, *_ = answers(fake)
    assert layers(answer) == (source, build)


def test_nothing_there_is_one_refusal_that_lists_the_names(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    (answer,) = answers(fake)
    assert isinstance(answer, Rejection)
    assert f"/usr/src/linux-headers-{fake.release}" in answer.reason
    assert f"/usr/src/kernels/{fake.release}" in answer.reason


def test_what_is_there_but_wrong_is_named_and_the_next_one_offered(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    fake.files(f"/usr/src/linux-headers-{fake.release}", {"README": b""})
    tree = fake.headers("/usr/src/linux")
    first, second = answers(fake)
    assert isinstance(first, Rejection)
    assert first.location == f"/usr/src/linux-headers-{fake.release}"
    assert layers(second) == (tree,)


def test_usr_src_linux_of_another_release_is_refused(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    fake.headers("/usr/src/linux", release="6.0.1")
    (answer,) = answers(fake)
    assert f"/usr/src/linux: holds headers of 6.0.1, not of {fake.release}" in str(answer)


def test_a_dangling_link_is_told(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    fake.link("/usr/src/linux", "linux-9")
    (answer,) = answers(fake)
    assert "/usr/src/linux: is a link to linux-9, which does not exist" in str(answer)


def test_one_tree_under_two_names_is_offered_once(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path)
    fake.headers(f"/usr/src/linux-headers-{fake.release}")
    fake.link("/usr/src/linux", f"linux-headers-{fake.release}")
    (answer,) = answers(fake)
    assert isinstance(answer, Candidate)
