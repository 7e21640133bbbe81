"""The library's front door: contexts, and each call on a machine built for it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import context, mini, mini_archive, mini_root
from builders.root import RELEASE, FakeRoot
from kheaders.api import Context
from kheaders.clang.job import Job, execute
from kheaders.errors import HeadersNotFound, KheadersError, StoreError, UsageError
from kheaders.forms.directory import DirectoryForm

PROGRAM = b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n"


@pytest.fixture
def opened(tmp_path: Path, clang: Clang) -> Context:
    return context(mini_root(tmp_path), tmp_path, cc=" ".join(clang.argv))


class TestOpen:
    def test_running_kernel_of_a_sysroot(self, tmp_path: Path) -> None:
        made = context(mini_root(tmp_path), tmp_path)
        assert made.kernel.release == RELEASE and made.kernel.running and not made.named

    def test_named_kernel_and_machine(self, tmp_path: Path) -> None:
        made = context(mini_root(tmp_path), tmp_path, kernel="5.10.0-1-arm64", machine="arm64")
        assert (made.kernel.release, made.kernel.srcarch, made.kernel.running) == ("5.10.0-1-arm64", "arm64", False)

    @pytest.mark.parametrize(
        "words", [{"sysroot": "/no/such"}, {"kernel": "../../etc"}, {"machine": "pdp11"}, {"kernel": ""}]
    )
    def test_what_cannot_be_meant(self, tmp_path: Path, words: dict[str, str]) -> None:
        with pytest.raises(UsageError):
            context(mini_root(tmp_path), tmp_path, **words)

    def test_unknown_setting(self, tmp_path: Path) -> None:
        with pytest.raises(KheadersError):
            context(mini_root(tmp_path), tmp_path, colour="red")

    def test_makes_nothing(self, tmp_path: Path) -> None:
        context(mini_root(tmp_path), tmp_path / "place")
        assert not (tmp_path / "place").exists()


class TestCalls:
    def test_find(self, opened: Context) -> None:
        found = opened.find()
        assert found.candidate.source == "sysfs" and found.facts.release == RELEASE and found.approved
        assert dict(found.headers) == mini()

    def test_directory_is_made_once(self, opened: Context) -> None:
        _, first = opened.directory()
        stamp = os.stat(first.path).st_ino
        found, again = opened.directory()
        assert again.path == first.path and os.stat(again.path).st_ino == stamp and found.entry is not None

    def test_cflags_work_in_another_directory(self, opened: Context, tmp_path: Path) -> None:
        flags = opened.cflags()
        result = execute(opened.compiler, Job(PROGRAM), flags)
        assert result.ok, result.diagnostics

    def test_extract(self, opened: Context, tmp_path: Path) -> None:
        found = opened.extract(tmp_path / "out")
        assert (tmp_path / "out/include/linux/sched.h").read_bytes() == mini()["include/linux/sched.h"]
        flags = DirectoryForm(tmp_path / "out", found.facts).flags(opened.compiler)
        assert execute(opened.compiler, Job(PROGRAM), flags).ok
        with pytest.raises(UsageError, match="not empty"):
            opened.extract(tmp_path / "out")

    def test_compile_and_no_thread_or_child_stays(self, opened: Context) -> None:
        before = set(threading.enumerate())
        assert opened.compile(PROGRAM).object
        assert set(threading.enumerate()) == before
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    def test_nothing_found_says_where_it_looked(self, tmp_path: Path) -> None:
        bare = context(FakeRoot(tmp_path), tmp_path)
        for call in (bare.find, bare.directory, bare.cflags, lambda: bare.extract(tmp_path / "x")):
            with pytest.raises(HeadersNotFound) as caught:
                call()
            assert len(caught.value.reasons) >= 7 and "\n" not in str(caught.value)
        assert not (tmp_path / "x").exists()


class TestNamedHeaders:
    def test_of_any_kernel(self, tmp_path: Path) -> None:
        (tmp_path / "k.tar.xz").write_bytes(mini_archive("5.4.0-1"))
        made = context(mini_root(tmp_path), tmp_path, headers=tmp_path / "k.tar.xz")
        assert made.find().facts.release == "5.4.0-1"

    def test_with_a_named_kernel_must_be_its(self, tmp_path: Path) -> None:
        (tmp_path / "k.tar.xz").write_bytes(mini_archive("5.4.0-1"))
        made = context(mini_root(tmp_path), tmp_path, headers=tmp_path / "k.tar.xz", kernel="5.5.0-1")
        with pytest.raises(HeadersNotFound, match=r"headers of 5\.4\.0-1, not of 5\.5\.0-1"):
            made.find()

    @pytest.mark.parametrize(
        "data", [b"", b"junk" * 300, mini_archive()[:-9], mini_archive(without=["include/linux/types.h"])]
    )
    def test_damaged_are_named_and_nothing_else_is_tried(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "k.tar.xz").write_bytes(data)
        made = context(mini_root(tmp_path), tmp_path, headers=tmp_path / "k.tar.xz")
        with pytest.raises(HeadersNotFound, match=r"k\.tar\.xz: .*; "):
            made.compile(PROGRAM)
        with pytest.raises(HeadersNotFound):
            made.directory()
        assert not (tmp_path / "run/trees").exists()

    def test_limit_on_unpacked_size(self, tmp_path: Path) -> None:
        data = mini_archive(extra={"include/linux/big.h": b"x" * (4 << 20)})
        made = context(mini_root(tmp_path, data), tmp_path, unpack_limit=1 << 20, order=("sysfs",))
        with pytest.raises(HeadersNotFound) as caught:
            made.find()
        assert "limit" in caught.value.reasons[0]


class TestUnusableStore:
    def test_compile_works_and_directory_says_why(self, tmp_path: Path, clang: Clang) -> None:
        (tmp_path / "run").touch()
        (tmp_path / "cache").touch()
        made = context(mini_root(tmp_path), tmp_path, cc=" ".join(clang.argv))
        assert made.find().facts.release == RELEASE
        assert made.compile(PROGRAM).form == "memory"
        with pytest.raises(StoreError, match=str(tmp_path / "run")):
            made.directory()

    def test_no_place_at_all(self, tmp_path: Path, clang: Clang) -> None:
        root = mini_root(tmp_path)
        made = Context.open(
            sysroot=root.path, store=Path("/proc/none"), cache=Path("/proc/none"), cc=" ".join(clang.argv), environ={}
        )
        assert made.compile(PROGRAM).object
        with pytest.raises(StoreError):
            made.cflags()
