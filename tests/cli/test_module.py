"""``kheaders module``: words, answers and statuses; building and loading themselves are tested beside their code."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import carrier
from builders.cli import Run
from builders.root import RELEASE, FakeRoot
from kheaders.kmodule import loading


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    root = FakeRoot(tmp_path)
    root.write("/proc/modules", "")
    root.at(root.modules).mkdir(parents=True)
    return root


def test_status_of_nothing(run: Run, root: FakeRoot) -> None:
    done = run("module", "status", "--sysroot", str(root.path))
    assert done.status == 0
    assert [line.split() for line in done.out.splitlines()] == [
        ["kernel", RELEASE],
        ["installed", "no"],
        ["loaded", "no"],
        ["archive", "none", "is", "shown"],
    ]


def test_status_of_a_loaded_module(run: Run, root: FakeRoot, tmp_path: Path) -> None:
    place = root.module("kheaders_archive.ko", carrier.module(), "updates")
    root.write("/proc/modules", "kheaders_archive 1 0 - Live 0x0\n")
    root.write(carrier.SHOWN, "12345")
    assert run("module", "status", "--sysroot", str(root.path), "--json").json == {
        "kernel": RELEASE,
        "installed": str(place),
        "loaded": True,
        "archive": "ours",
        "size": 5,
        "built_for": RELEASE,
    }


@pytest.mark.parametrize(("modules", "whose"), [("", "kernel"), ("kheaders 1 0 - Live 0x0\n", "module")])
def test_status_of_a_kernel_with_its_own(modules: str, whose: str, run: Run, root: FakeRoot) -> None:
    root.write("/proc/modules", modules)
    root.write(carrier.SHOWN, "12345")
    root.module("kheaders_archive.ko", b"something else", "updates")
    answer = run("module", "status", "--sysroot", str(root.path), "--json").json
    assert (answer["archive"], answer["loaded"], answer["built_for"]) == (whose, False, None)
    assert "which belongs to no kernel" in run("module", "status", "--sysroot", str(root.path)).out


def test_load_and_unload(run: Run, root: FakeRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", carrier.loading(root, tmp_path / "bin") + ":/usr/bin:/bin")
    monkeypatch.setattr(loading, "may_load", lambda: True)
    monkeypatch.setattr(loading.load, "__kwdefaults__", {"tools": None, "allowed": lambda: True})
    monkeypatch.setattr(loading.unload, "__kwdefaults__", {"tools": None, "allowed": lambda: True})
    (tmp_path / "m.ko").write_bytes(carrier.module())
    words = ("--sysroot", str(root.path))
    assert run("module", "load", str(tmp_path / "m.ko"), *words).out == "kheaders_archive: loaded\n"
    assert run("module", "load", str(tmp_path / "m.ko"), *words).out == "kheaders_archive: was loaded already\n"
    assert run("module", "unload", *words, "--json").json == {"changed": True}
    assert run("module", "unload", *words).out == "kheaders_archive: was not loaded\n"


def test_errors_have_their_status(run: Run, root: FakeRoot) -> None:
    done = run("module", "load", "--sysroot", str(root.path))
    assert (done.status, done.error.partition(";")[0]) == (
        13,
        f"the module kheaders_archive is not installed for {RELEASE}",
    )


def test_source(run: Run, own_surroundings: Path) -> None:
    assert run("module", "source", "src").out == "src\n"
    assert (own_surroundings / "src/dkms.conf").exists()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("make",),
        ("build", "file"),
        ("unload", "file"),
        ("status", "-o", "x"),
        ("load", "--archive", "x"),
        ("install", "m.ko", "--archive", "x"),
        ("source",),
        ("build", "-o", ""),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], run: Run) -> None:
    assert run("module", *words).status == 2
