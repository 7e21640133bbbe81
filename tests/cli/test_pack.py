"""``kheaders pack``, from words to an archive that other commands use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from builders import built, deb
from builders.cli import Run
from kheaders.api import Context
from kheaders.errors import FetchError


def test_an_archive_that_headers_are_found_in(run: Run, own_surroundings: Path) -> None:
    tree = built.whole(own_surroundings)
    done = run("pack", str(tree), "-o", "k.tar.xz")
    assert done.status == 0, done.err
    assert done.out.startswith(f"k.tar.xz: 13 headers of {built.RELEASE} (x86), ")
    assert "k.tar.xz" in run("doctor", "--headers", "k.tar.xz").out


def test_json(run: Run, own_surroundings: Path) -> None:
    source, build = built.split(own_surroundings)
    answer = run("pack", str(source), "--build", str(build), "-o", "k.tar.xz", "--level", "0", "--json").json
    assert set(answer) == {"path", "release", "srcarch", "headers", "links", "unpacked", "size", "seconds"}
    assert answer["path"] == str(own_surroundings / "k.tar.xz")
    assert (answer["release"], answer["headers"], answer["size"]) == (built.RELEASE, 13, os.path.getsize("k.tar.xz"))


def test_a_failure_leaves_nothing(run: Run, own_surroundings: Path) -> None:
    tree = built.whole(own_surroundings)
    (tree / "include/linux/link.h").symlink_to("/etc/passwd")
    done = run("pack", str(tree), "-o", "k.tar.xz")
    assert done.status == 12
    assert "is a link out of the tree" in done.error
    assert sorted(os.listdir(".")) == ["linux"]


def test_a_late_failure_leaves_the_older_archive(run: Run, own_surroundings: Path) -> None:
    tree = built.whole(own_surroundings)
    Path("k.tar.xz").write_bytes(b"old")
    os.mkfifo(tree / "include/linux/zz.h")
    assert run("pack", str(tree), "-o", "k.tar.xz").status == 12
    assert Path("k.tar.xz").read_bytes() == b"old"
    assert sorted(os.listdir(".")) == ["k.tar.xz", "linux"]


@pytest.mark.parametrize(
    "words",
    [
        ("linux", "-o", ""),
        ("", "-o", "k"),
        ("linux", "-o", "k", "--threads", "0"),
        ("linux", "-o", "k", "--level", "10"),
        ("linux",),
        ("-o", "k"),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], run: Run) -> None:
    assert run("pack", *words).status == 2


def test_a_bad_time(run: Run, own_surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert run("pack", str(built.whole(own_surroundings)), "-o", "k").status == 2


# ---- the release of a kernel ----------------------------------------------------------------------------------------


def test_a_kernel_that_cannot_be_had(run: Run, monkeypatch: pytest.MonkeyPatch, empty_root: tuple[str, ...]) -> None:
    def fetch(_: Context, **words: Any) -> None:
        raise FetchError("no package linux-headers-6.1.0-9-amd64", "name another")

    monkeypatch.setattr(Context, "fetch", fetch)
    done = run("pack", "6.1.0-9-amd64", "-o", "k", *empty_root)
    assert (done.status, done.error) == (8, "no package linux-headers-6.1.0-9-amd64; name another")


def test_a_kernel_whose_packages_are_fetched(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_root: tuple[str, ...], tmp_path: Path
) -> None:
    import hashlib

    from kheaders.sources.stored import FETCHED, PACKAGE, fetched_key

    calls = []

    def fetch(context: Context, **_: Any) -> None:
        calls.append(context.kernel.release)
        keys = []
        for data in deb.debian().values():
            keys.append(hashlib.sha256(data).hexdigest())
            context.store.publish_file(PACKAGE, keys[-1], data, suffix=".deb", meta={})
        key = fetched_key(context.kernel.release, context.kernel.srcarch)
        context.store.put_record(FETCHED, key, {"packages": keys}, boot=False)

    monkeypatch.setattr(Context, "fetch", fetch)
    for _ in range(2):  # the second time they are in the store
        done = run("pack", deb.RELEASE, "-o", "k.tar.xz", *empty_root)
        assert done.status == 0, done.err
    assert calls == [deb.RELEASE]


def test_a_kernel_with_a_build_directory_here(run: Run, tmp_path: Path) -> None:
    from builders.root import RELEASE, FakeRoot

    root = FakeRoot(tmp_path)
    built.write(
        tmp_path / "root/lib/modules" / RELEASE / "build", {**built.source_files(), **built.made_files(RELEASE)}
    )
    done = run("pack", RELEASE, "-o", "k.tar.xz", "--sysroot", str(root.path))
    assert done.status == 0, done.err
    assert f"headers of {RELEASE} (x86)" in done.out
