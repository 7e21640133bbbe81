"""``kheaders boot``: files written and removed, and the store warmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.cli import Run
from builders.compilers import compilers


def test_install_and_remove(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "image"
    (root / "usr/bin").mkdir(parents=True)
    assert "is not installed there" in run("boot", "install", "--sysroot", str(root)).error
    (root / "usr/bin/kheaders").write_text("")
    done = run("boot", "install", "--sysroot", str(root))
    assert done.status == 0, done.err
    assert done.out.splitlines() == [
        str(root / "etc/systemd/system/kheaders.service"),
        str(root / "etc/tmpfiles.d/kheaders.conf"),
    ]
    assert len(run("boot", "remove", "--sysroot", str(root), "--json").json["paths"]) == 2
    assert run("boot", "remove", "--sysroot", str(root)).out == ""


def test_warm(run: Run, debian_archive: Path) -> None:
    if not compilers():
        pytest.skip("no clang here")
    done = run("boot", "warm", "--headers", str(debian_archive), "--json")
    assert done.status == 0, done.err
    assert (done.json["source"], done.json["blob"]) == ("explicit", None)
    assert (Path(done.json["path"]) / "include/linux/kconfig.h").exists()
    assert done.json["path"] in run("boot", "warm", "--headers", str(debian_archive)).out


def test_warm_without_headers(run: Run, empty_root: tuple[str, ...]) -> None:
    assert run("boot", "warm", *empty_root).status == 3


def test_words_that_make_no_sense(run: Run) -> None:
    assert [run("boot", *words).status for words in ((), ("up",), ("remove", "--blob"))] == [2, 2, 2]
