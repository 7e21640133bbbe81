"""The build directory of a kernel, in every layout and every state of decay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders.root import FakeRoot
from kheaders import kernel
from kheaders.headers.headerset import HeaderSet
from kheaders.sources.build import BuildSource
from kheaders.sources.candidate import Candidate, Rejection, Request, TreeContent


@pytest.fixture
def fake(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


def answers(fake: FakeRoot) -> list[Candidate | Rejection]:
    return list(BuildSource().offers(Request(kernel.running(fake.path), fake.path)))


def layers(answer: Candidate | Rejection) -> tuple[Path, ...]:
    assert isinstance(answer, Candidate), answer
    assert isinstance(answer.content, TreeContent)
    return answer.content.layers


def test_a_directory(fake: FakeRoot) -> None:
    tree = fake.build_tree()
    (answer,) = answers(fake)
    assert layers(answer) == (tree,)
    assert isinstance(answer, Candidate)
    assert (answer.source, answer.location) == ("build", f"/lib/modules/{fake.release}/build")


def test_an_absolute_link_stays_in_the_sysroot(fake: FakeRoot) -> None:
    tree = fake.build_tree("/usr/src/kernels/x")
    (answer,) = answers(fake)
    assert layers(answer) == (tree,)


def test_a_split_tree_has_the_source_below_the_build(fake: FakeRoot) -> None:
    source, build = fake.split_tree("/usr/src/common", "/usr/src/flavour")
    (answer,) = answers(fake)
    assert layers(answer) == (source, build)
    headers = HeaderSet.from_trees(layers(answer), "x86")
    assert headers.release == fake.release
    assert "include/linux/sched.h" in headers


def test_a_split_tree_whose_source_link_is_gone_is_found_by_its_makefile(fake: FakeRoot) -> None:
    source, build = fake.split_tree("/usr/src/common", "/usr/src/flavour")
    fake.remove(f"/lib/modules/{fake.release}/source")
    fake.write("/usr/src/flavour/Makefile", "include /usr/src/common/Makefile\n")
    (answer,) = answers(fake)
    assert layers(answer) == (source, build)


def test_a_source_link_to_the_wrong_place_gives_way_to_the_makefile(fake: FakeRoot) -> None:
    source, build = fake.split_tree("/usr/src/common", "/usr/src/flavour")
    fake.remove(f"/lib/modules/{fake.release}/source")
    fake.link(f"/lib/modules/{fake.release}/source", "/usr/src/gone")
    fake.write("/usr/src/flavour/Makefile", "include ../common/Makefile\n")
    (answer,) = answers(fake)
    assert layers(answer) == (source, build)


def test_a_split_tree_without_its_source_names_what_is_missing(fake: FakeRoot) -> None:
    fake.split_tree("/usr/src/common", "/usr/src/flavour")
    fake.at("/usr/src/common").rename(fake.at("/usr/src/renamed"))
    (answer,) = answers(fake)
    assert f"/lib/modules/{fake.release}/source leads to /usr/src/common, which does not exist" in str(answer)


def test_a_dangling_link_names_link_and_target(fake: FakeRoot) -> None:
    fake.link(f"/lib/modules/{fake.release}/build", "/usr/src/gone")
    (answer,) = answers(fake)
    assert isinstance(answer, Rejection)
    assert answer.location == f"/lib/modules/{fake.release}/build"
    assert answer.reason == "is a link to /usr/src/gone, which does not exist"
    assert f"linux-headers-{fake.release}" in answer.hint


def test_a_dangling_link_does_not_hide_the_other_place(fake: FakeRoot) -> None:
    fake.link(f"/lib/modules/{fake.release}/build", "/usr/src/gone")
    tree = fake.headers(f"/usr/lib/modules/{fake.release}/build")
    first, second = answers(fake)
    assert isinstance(first, Rejection)
    assert layers(second) == (tree,)


def test_merged_usr_is_asked_once(fake: FakeRoot) -> None:
    tree = fake.headers(f"/usr/lib/modules/{fake.release}/build")
    fake.link("/lib", "usr/lib")
    (answer,) = answers(fake)
    assert layers(answer) == (tree,)


def test_a_loop_of_links_is_told(fake: FakeRoot) -> None:
    fake.link(f"/lib/modules/{fake.release}/build", "build")
    (answer,) = answers(fake)
    assert "is a loop of links" in str(answer)


def test_nothing_there_is_one_refusal(fake: FakeRoot) -> None:
    (answer,) = answers(fake)
    assert isinstance(answer, Rejection)
    assert "no directory in /lib/modules" in answer.reason
    fake.write(f"/lib/modules/{fake.release}/modules.dep", b"")
    (answer,) = answers(fake)
    assert isinstance(answer, Rejection)
    assert "no link and no directory" in answer.reason


def test_headers_of_another_release_are_refused(fake: FakeRoot) -> None:
    fake.build_tree(release="6.1.0-1-amd64")
    (answer,) = answers(fake)
    assert f"holds headers of 6.1.0-1-amd64, not of {fake.release}" in str(answer)


def test_a_place_that_may_not_be_looked_at_is_told(fake: FakeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = fake.build_tree()
    real_stat = os.stat

    def refuse(path: object, *args: object, **kwargs: object) -> os.stat_result:
        if str(path).startswith(str(tree)):
            raise PermissionError(13, "Permission denied")
        return real_stat(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", refuse)
    (answer,) = answers(fake)
    assert "cannot be examined (Permission denied)" in str(answer)


def test_an_odd_target_does_not_break_the_line(fake: FakeRoot) -> None:
    fake.link(f"/lib/modules/{fake.release}/build", "/usr/src/a b\nc")
    (answer,) = answers(fake)
    assert isinstance(answer, Rejection)
    assert "\n" not in str(answer)
    assert "/usr/src/a b\\nc" in str(answer)
