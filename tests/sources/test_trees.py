"""What is asked of every header directory: trust, completeness, layers, fingerprint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders.root import FakeRoot, header_files
from kheaders.sources.candidate import Candidate, Rejection, TreeContent
from kheaders.sources.trees import examine, fingerprint, present, read_small, resolved, untrusted


def look(fake: FakeRoot, build: Path, *, release: str | None = None, beside: str = "") -> Candidate | Rejection:
    return examine("build", "here", build, sysroot=fake.path, srcarch="x86", release=release, beside=beside)


def reason(answer: Candidate | Rejection) -> str:
    assert isinstance(answer, Rejection), answer
    return str(answer)


@pytest.fixture
def fake(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


def test_a_whole_tree_is_offered(fake: FakeRoot) -> None:
    tree = fake.headers("/usr/src/t")
    answer = look(fake, tree, release=fake.release)
    assert isinstance(answer, Candidate)
    assert answer.content == TreeContent((tree,))


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("include/generated/autoconf.h", b"", "autoconf.h is empty"),
        ("include/generated/autoconf.h", None, "is damaged: include/generated/autoconf.h is missing"),
        ("include/generated/utsrelease.h", None, "is damaged: include/generated/utsrelease.h is missing"),
        ("include/generated/utsrelease.h", b"", "states no release"),
        ("include/generated/utsrelease.h", bytes(40), "states no release"),
        ("include/linux/kconfig.h", None, "has only generated headers, and no source tree is named"),
        ("include/linux/kconfig.h", b"", "has only generated headers"),
    ],
)
def test_a_damaged_tree_is_refused(fake: FakeRoot, path: str, content: bytes | None, expected: str) -> None:
    tree = fake.headers("/usr/src/t")
    (tree / path).unlink()
    if content is not None:
        (tree / path).write_bytes(content)
    assert expected in reason(look(fake, tree))


def test_an_unconfigured_source_is_told_as_that(fake: FakeRoot) -> None:
    files = {path: data for path, data in header_files().items() if "/generated/" not in path}
    tree = fake.files("/usr/src/t", files)
    assert "was never configured" in reason(look(fake, tree))


def test_empty_absent_and_headerless_directories_have_reasons_of_their_own(fake: FakeRoot) -> None:
    empty = fake.at("/empty")
    empty.mkdir()
    file = fake.write("/file", b"x")
    other = fake.files("/other", {"README": b""})
    assert "is an empty directory" in reason(look(fake, empty))
    assert "is not a directory" in reason(look(fake, file))
    assert "does not exist" in reason(look(fake, fake.at("/none")))
    assert "has no directory include" in reason(look(fake, other))


def test_another_release_is_refused_where_one_is_asked_for(fake: FakeRoot) -> None:
    tree = fake.headers("/usr/src/t", release="6.0.0-1-amd64")
    assert f"holds headers of 6.0.0-1-amd64, not of {fake.release}" in reason(look(fake, tree, release=fake.release))
    assert isinstance(look(fake, tree), Candidate)


def test_another_architecture_is_refused(fake: FakeRoot) -> None:
    tree = fake.headers("/usr/src/t")
    answer = examine("build", "here", tree, sysroot=fake.path, srcarch="arm64", release=None)
    assert "has no headers of the architecture arm64 (of x86)" in reason(answer)


@pytest.mark.parametrize("makefile", ["include /usr/src/s/Makefile\n", "include ../s/Makefile\n"])
def test_the_makefile_leads_to_the_source(fake: FakeRoot, makefile: str) -> None:
    source, build = fake.split_tree("/usr/src/s", "/usr/src/b")
    fake.write("/usr/src/b/Makefile", makefile)
    answer = look(fake, build)
    assert isinstance(answer, Candidate)
    assert answer.content == TreeContent((source, build))


def test_a_source_link_in_the_build_directory_leads_to_the_source(fake: FakeRoot) -> None:
    source, build = fake.split_tree("/usr/src/s", "/usr/src/b")
    fake.link("/usr/src/b/source", "/usr/src/s")
    answer = look(fake, build)
    assert isinstance(answer, Candidate)
    assert answer.content == TreeContent((source, build))


def test_a_source_that_does_not_exist_is_named_and_the_next_one_taken(fake: FakeRoot) -> None:
    source, build = fake.split_tree("/usr/src/s", "/usr/src/b")
    fake.write("/usr/src/b/Makefile", "include /usr/src/gone/Makefile\n")
    assert "/usr/src/gone does not exist" in reason(look(fake, build))
    answer = look(fake, build, beside=f"/lib/modules/{fake.release}/source")
    assert isinstance(answer, Candidate)
    assert answer.content == TreeContent((source, build))


def test_a_makefile_with_nul_bytes_is_harmless(fake: FakeRoot) -> None:
    _, build = fake.split_tree("/usr/src/s", "/usr/src/b")
    fake.write("/usr/src/b/Makefile", b"include /usr\0/src/Makefile\n")
    assert "has only generated headers" in reason(look(fake, build))


@pytest.mark.root
def test_a_tree_of_another_user_is_refused(fake: FakeRoot) -> None:
    tree = fake.headers("/usr/src/t")
    os.chown(tree, 65534, 65534)
    assert "belongs to user 65534, who could change what is read as root" in reason(look(fake, tree))


@pytest.mark.root
def test_a_tree_below_the_directory_of_another_user_is_refused(fake: FakeRoot) -> None:
    tree = fake.headers("/home/u/t")
    os.chown(fake.at("/home/u"), 65534, 65534)
    assert "above it, belongs to user 65534" in reason(look(fake, tree))


@pytest.mark.root
def test_a_source_of_another_user_is_refused(fake: FakeRoot) -> None:
    source, build = fake.split_tree("/usr/src/s", "/usr/src/b")
    os.chown(source, 65534, 65534)
    answer = look(fake, build, beside=f"/lib/modules/{fake.release}/source")
    assert "belongs to user 65534" in reason(answer)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
def test_a_tree_that_everybody_can_write_is_refused(fake: FakeRoot, mode: int) -> None:
    tree = fake.headers("/usr/src/t")
    tree.chmod(mode)
    assert "can be written by everybody" in reason(look(fake, tree))


def test_above_the_tree_the_sticky_bit_is_enough(fake: FakeRoot) -> None:
    tree = fake.headers("/tmp/t")
    fake.at("/tmp").chmod(0o1777)
    assert untrusted(tree, fake.path) == ""
    fake.at("/tmp").chmod(0o777)
    assert "above it, can be written by everybody" in untrusted(tree, fake.path)


def test_a_linked_part_that_everybody_can_write_is_refused(fake: FakeRoot) -> None:
    tree = fake.headers("/usr/src/t")
    fake.at("/usr/src/t/include/linux").rename(fake.at("/usr/src/linux"))
    fake.link("/usr/src/t/include/linux", "../../linux")
    assert isinstance(look(fake, tree), Candidate)
    fake.at("/usr/src/linux").chmod(0o777)
    assert "its include/linux leads to" in reason(look(fake, tree))


def test_a_part_that_is_linked_out_of_the_sysroot_is_refused(tmp_path: Path) -> None:
    fake = FakeRoot(tmp_path / "root")
    tree = fake.headers("/usr/src/t")
    fake.at("/usr/src/t/include/linux").rename(tmp_path / "linux")
    fake.link("/usr/src/t/include/linux", str(tmp_path / "linux"))
    assert "outside of" in reason(look(fake, tree))


def test_the_fingerprint_is_stable_and_sees_what_matters(fake: FakeRoot) -> None:
    tree = fake.build_tree()
    seen = {fingerprint([tree], "x86")}
    assert fingerprint([tree], "x86") in seen
    for path, data in (
        (".config", b"CONFIG_SMP=n\n"),
        ("include/generated/autoconf.h", b"#define CONFIG_OTHER 1\n"),
        ("include/config/auto.conf", b"CONFIG_SMP=y\n"),
        ("include/linux/sched.h", b""),
        ("include/linux/new.h", b""),
        ("Module.symvers", b"0x0\n"),
        ("arch/x86/include/asm/page.h", b""),
    ):
        fake.write(f"/lib/modules/{fake.release}/build/{path}", data)
        now = fingerprint([tree], "x86")
        assert now not in seen, path
        seen.add(now)


def test_the_fingerprint_does_not_depend_on_times(fake: FakeRoot) -> None:
    tree = fake.headers("/usr/src/t")
    before = fingerprint([tree], "x86")
    for path in [tree, *tree.rglob("*")]:
        os.utime(path, (1, 1))
    assert fingerprint([tree], "x86") == before


def test_the_fingerprint_tells_equal_directories_apart(fake: FakeRoot) -> None:
    first, second = fake.headers("/usr/src/t"), fake.headers("/usr/src/u")
    assert fingerprint([first], "x86") != fingerprint([second], "x86")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_small(tmp_path / "pipe") is None
    assert read_small(tmp_path) is None
    assert read_small(tmp_path / "none") is None
    (tmp_path / "file").write_bytes(b"x")
    assert read_small(tmp_path / "file") == b"x"


def test_loops_and_odd_names_resolve_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert resolved(tmp_path, "/a") is None
    assert resolved(tmp_path, "/a\0b") is None
    assert not present(tmp_path / "a\0b")
    assert present(tmp_path / "a")
