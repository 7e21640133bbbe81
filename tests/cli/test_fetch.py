from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import deb
from builders.cli import Run
from kheaders.api import Context
from kheaders.clang.job import Result
from kheaders.compile import Compiled
from kheaders.errors import FetchError
from kheaders.fetching import FetchedHeaders
from kheaders.sources.apt import Fetched

HERE = os.uname().release


def bringing(release: str, *, stand_in: bool, srcarch: str = "") -> Callable[..., FetchedHeaders]:
    """A stand-in for the download: it reports its stages and says what it brought."""

    def fetch(self: Context, progress: Callable[[str, int | None, int | None], None], **_: Any) -> FetchedHeaders:
        progress("lists", None, None)
        for done in (0, 500_000, 1_500_000):
            progress("packages", done, 1_500_000)
        arch = srcarch or self.kernel.srcarch
        return FetchedHeaders(release, arch, "bookworm 6.1.9-1", ("a.deb", "b.deb"), 1_500_000, stand_in)

    return fetch


def test_what_came_and_how_to_use_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "fetch", bringing(HERE, stand_in=False))
    done = run("fetch")
    assert done.status == 0
    assert "2 packages, 1.5 MB" in done.out and "stand-in" not in done.out
    assert done.out.endswith("To use them: kheaders compile PROGRAM.bpf.c\n")


def test_a_stand_in_is_called_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "fetch", bringing("6.1.0-9-amd64", stand_in=True))
    done = run("fetch")
    assert f"These are a stand-in: they belong to another kernel than {HERE}" in done.out
    assert done.out.splitlines()[-2:] == [
        "  kheaders blob build --kernel 6.1.0-9-amd64",
        "  kheaders compile --core -g --kernel 6.1.0-9-amd64 PROGRAM.bpf.c",
    ]


def test_another_architecture_is_part_of_the_use(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "fetch", bringing("6.1.0-9-riscv64", stand_in=True, srcarch="mips"))
    assert run("fetch", "--json").json["use"] == ["--kernel", "6.1.0-9-riscv64", "--machine", "mips"]


def test_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "fetch", bringing("6.1.0-9-amd64", stand_in=True))
    answer = run("fetch", "--json").json
    assert set(answer) == {"release", "srcarch", "origin", "packages", "size", "stand_in", "running", "use"}
    assert (answer["stand_in"], answer["running"]) == (True, HERE)
    assert answer["use"] == ["--kernel", "6.1.0-9-amd64"]


def test_one_line_a_stage_where_nobody_watches(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "fetch", bringing(HERE, stand_in=False))
    assert run("fetch").err.splitlines() == [
        "kheaders: reading the archive's lists of packages",
        "kheaders: downloading packages (1.5 MB)",
    ]


def test_options_reach_the_library(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def fetch(_: Context, **words: Any) -> FetchedHeaders:
        given.update(words)
        raise FetchError("p: no such package", "name another")

    monkeypatch.setattr(Context, "fetch", fetch)
    done = run("fetch", "--package", "p", "--suite", "s", "--arch", "a")
    assert (done.status, done.error) == (8, "p: no such package; name another")
    assert (given["package"], given["suite"], given["architecture"]) == ("p", "s", "a")


def test_progress_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch, own_surroundings: object) -> None:
    pytest.importorskip("rich")
    import io
    import sys

    from kheaders.cli import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    seen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", seen)
    with progress.stages() as report:
        report("lists", None, None)
        report("packages", 0, 100)
        report("packages", 100, 100)
    assert "downloading packages" in seen.getvalue()


def test_a_compile_with_a_stand_in_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members lie as in the kernel that the headers are of; with --core a loader moves each access."""
    data = deb.debian()
    paths = deb.write(tmp_path / "packages", data)
    release = deb.RELEASE
    monkeypatch.setattr("kheaders.fetching.download", lambda *_, **__: Fetched(release, tuple(paths), "bookworm"))
    context = Context.open()
    fetched = context.fetch(architecture="amd64")
    assert fetched.stand_in and fetched.release == release
    assert context.stand_in(release) == (HERE if context.kernel.srcarch == "x86" else None)
    assert context.stand_in(HERE) is None and context.stand_in(None) is None
    if context.kernel.srcarch == "x86":
        result = Compiled(b"", Result((), 0, b"", "", 0.0), "memory", release)
        monkeypatch.setattr(Context, "compile", lambda *_, **__: result)
        (tmp_path / "p.c").write_text("")
        words = ("compile", "--kernel", release, str(tmp_path / "p.c"), "-o", str(tmp_path / "p.o"))
        told = run(*words).err
        assert f"headers of {release}, a stand-in" in told and HERE in told and "--core" in told
        assert run(*words, "--core").err == ""


def test_headers_that_were_asked_for_are_no_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = deb.write(tmp_path / "packages", deb.debian())
    monkeypatch.setattr("kheaders.fetching.download", lambda *_, **__: Fetched(deb.RELEASE, tuple(paths), "bookworm"))
    context = Context.open(kernel=deb.RELEASE)
    assert not context.fetch(architecture="amd64").stand_in
    assert context.stand_in(deb.RELEASE) is None
