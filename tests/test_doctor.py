"""The report: every source and compiler is told, the good and the bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import context, mini, mini_archive, mini_root
from builders.root import RELEASE, FakeRoot
from kheaders.errors import CompilerError


def test_all_answers_also_after_the_first_good_one(tmp_path: Path, clang: Clang) -> None:
    root = mini_root(tmp_path, mini_archive()[:-500])
    root.files(f"{root.modules}/build", mini())
    root.link("/usr/src/linux-headers-" + RELEASE, "/gone")
    report = context(root, tmp_path, cc=" ".join(clang.argv)).doctor()
    by_source = {answer.source: answer for answer in report.sources}
    assert not by_source["sysfs"].ok and "broken off" in by_source["sysfs"].reason
    assert by_source["build"].ok and {check.name for check in by_source["build"].checks} >= {
        "files",
        "release",
        "compiles",
    }
    assert set(by_source) >= {"sysfs", "procfs", "module", "image", "build", "distro", "store"}
    assert report.chosen == by_source["build"]
    assert all(answer.reason and "\n" not in answer.reason for answer in report.sources if not answer.ok)
    assert report.compiler is not None and report.compiler.argv == clang.argv
    assert report.kernel.release == RELEASE and report.btf_digest is not None
    assert report.store == {"boot": None, "persistent": None}


def test_nothing_at_all(tmp_path: Path) -> None:
    report = context(FakeRoot(tmp_path), tmp_path).doctor()
    assert report.chosen is None and report.config is None
    assert all(not answer.ok and answer.reason for answer in report.sources)


def test_compiler_that_is_not_there(tmp_path: Path) -> None:
    report = context(mini_root(tmp_path), tmp_path, cc="/no/such/clang").doctor()
    assert report.compiler is None
    assert any(isinstance(c, CompilerError) and "/no/such/clang" in str(c) for c in report.compilers)
    assert report.chosen is not None, "identity is told without a proof"


@pytest.mark.parametrize("damaged", ["include/linux/sched.h", "include/linux/types.h"])
def test_damaged_directory_names_the_file(tmp_path: Path, damaged: str) -> None:
    root = FakeRoot(tmp_path)
    root.files(f"{root.modules}/build", mini(extra={damaged: b""}))
    report = context(root, tmp_path).doctor()
    assert any(answer.source == "build" and f"{damaged} is emptied" in answer.reason for answer in report.sources)


def test_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    report = context(mini_root(tmp_path), tmp_path).doctor()
    assert report.store["boot"] and report.store["persistent"] is None
    assert report.chosen is not None
