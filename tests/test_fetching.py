"""What is kept of a download, and that nothing is kept of one that is no use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from builders.compilers import Clang
from builders.deb import below, deb, fields_of
from builders.mini import context, mini
from builders.root import RELEASE, FakeRoot
from kheaders import fetching
from kheaders.api import Context
from kheaders.errors import FetchError, HeadersNotFound, KheadersError, VerificationError
from kheaders.sources.apt import Fetched, FetchRequest

Serve = Callable[..., list[FetchRequest]]


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """``serve(files)``: what apt would download is one package with these headers; gives the requests."""

    def served(files: Mapping[str, bytes], stated: str = RELEASE, damage: bool = False) -> list[FetchRequest]:
        asked: list[FetchRequest] = []

        def download(request: FetchRequest, directory: Path, **_: Any) -> Fetched:
            asked.append(request)
            name = f"linux-headers-{stated}"
            tree = below(f"usr/src/{name}", files)
            data = deb(fields_of(name, "1-1", "amd64"), tree, {f"lib/modules/{stated}/build": f"/usr/src/{name}"})
            path = directory / f"{name}_1-1_amd64.deb"
            path.write_bytes(data[: len(data) // 2] if damage else data)
            return Fetched(stated, (path,), "bookworm 1-1")

        monkeypatch.setattr(fetching, "download", download)
        return asked

    return served


def opened(root: FakeRoot, tmp_path: Path, **more: object) -> Context:
    return context(root, tmp_path, **more)


def left(tmp_path: Path) -> list[str]:
    return [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file() and "locks" not in p.parts]


def test_kept_for_every_later_command(root: FakeRoot, tmp_path: Path, serve: Serve, clang: Clang) -> None:
    serve(mini())
    told = opened(root, tmp_path).fetch()
    assert (told.release, told.srcarch, told.stand_in, told.origin) == (RELEASE, "x86", False, "bookworm 1-1")
    assert told.packages == (f"linux-headers-{RELEASE}_1-1_amd64.deb",) and told.size > 1000
    found = opened(root, tmp_path, cc=" ".join(clang.argv)).find()
    assert found.candidate.source == "store" and "bookworm" in found.candidate.location
    assert dict(found.headers) == mini()


def test_stand_in_is_told_and_not_taken_for_the_kernels_own(root: FakeRoot, tmp_path: Path, serve: Serve) -> None:
    serve(mini("6.12.0-1-amd64"), "6.12.0-1-amd64")
    assert opened(root, tmp_path).fetch().stand_in
    with pytest.raises(HeadersNotFound):
        next(iter(opened(root, tmp_path).chain().found()), None) or opened(root, tmp_path).chain().first()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({}, (None, None, "amd64")),
        ({"package": "linux-headers-x"}, ("linux-headers-x", None, "amd64")),
        ({"suite": "sid", "architecture": "arm64"}, (None, "sid", "arm64")),
    ],
)
def test_what_is_asked_for(
    root: FakeRoot, tmp_path: Path, serve: Serve, words: dict[str, str], wanted: tuple[str | None, ...]
) -> None:
    asked = serve(mini())
    opened(root, tmp_path).fetch(**words)  # type: ignore[arg-type]
    (request,) = asked
    package = request.package if isinstance(request.package, str) else None
    assert (package, request.suite, request.architecture) == wanted


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (mini(without=["include/linux/sched.h"]), "include/linux/sched.h is missing"),
        (mini(extra={"include/linux/mm.h": bytes(50)}), "zero bytes"),
    ],
)
def test_useless_packages_are_not_kept(
    root: FakeRoot, tmp_path: Path, serve: Serve, files: Mapping[str, bytes], message: str
) -> None:
    serve(files)
    with pytest.raises(VerificationError, match=message):
        opened(root, tmp_path).fetch()
    assert left(tmp_path) == []


def test_package_that_lies_about_its_release(root: FakeRoot, tmp_path: Path, serve: Serve) -> None:
    serve(mini("5.4.0-1-amd64"), RELEASE)
    with pytest.raises(KheadersError, match=r"5\.4\.0-1-amd64"):
        opened(root, tmp_path).fetch()
    assert left(tmp_path) == []


def test_broken_download(root: FakeRoot, tmp_path: Path, serve: Serve) -> None:
    serve(mini(), damage=True)
    with pytest.raises(KheadersError) as caught:
        opened(root, tmp_path).fetch()
    assert "\n" not in str(caught.value) and left(tmp_path) == []


def test_no_network(root: FakeRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: Any, **__: Any) -> Fetched:
        raise FetchError("no route to host", "check the network")

    monkeypatch.setattr(fetching, "download", download)
    with pytest.raises(FetchError):
        opened(root, tmp_path).fetch()
    assert left(tmp_path) == []
