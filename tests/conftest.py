"""What all tests share: honest skips, a watch for leaks, the compilers of this machine, and real headers."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders import interface, kernel_archive, need
from builders.compilers import Clang, compilers


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hold the markers to their word."""
    if item.get_closest_marker("root"):
        need.root()
    if item.get_closest_marker("network"):
        need.network()


# ---- leaks ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Possessions:
    """What a test could leave behind: open descriptors, mounts, temporary files and directories of kheaders."""

    descriptors: frozenset[tuple[int, str]]
    mounts: frozenset[str]
    temporary: frozenset[str]


OTHERS = ("kheaders-demo-", "kheaders-bench-")
"""What demonstrations and measurements make, which may run at the same time."""


def possessions() -> Possessions:
    """What this process and machine hold now."""
    open_files = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            open_files.add((int(number), os.readlink(f"/proc/self/fd/{number}")))
        except OSError:  # the descriptor that listed the directory
            continue
    mounts = [
        line
        for line in Path("/proc/self/mounts").read_text(errors="replace").splitlines()
        if not any(f"/{name}" in line for name in OTHERS)
    ]
    places = {tempfile.gettempdir(), "/tmp", "/dev/shm"}
    ours = {
        entry.path
        for place in places
        if os.path.isdir(place)
        for entry in os.scandir(place)
        if entry.name.startswith((".kheaders", "kheaders"))
        and not entry.name.startswith(OTHERS)
        and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    }
    return Possessions(frozenset(open_files), frozenset(mounts), frozenset(ours))


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a descriptor, a mount, or anything named kheaders* in a temporary directory."""
    before = possessions()
    yield
    after = possessions()
    if after.descriptors - before.descriptors:
        gc.collect()
        after = possessions()
    for name in ("descriptors", "mounts", "temporary"):
        left = sorted(getattr(after, name) - getattr(before, name))
        assert not left, f"the test leaves {name}: {left}"


# ---- compilers ------------------------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``clang`` once with each compiler."""
    if "clang" in metafunc.fixturenames:
        metafunc.parametrize(
            "clang", compilers() or [None], ids=[c.name for c in compilers()] or ["none"], indirect=True
        )


@pytest.fixture
def clang(request: pytest.FixtureRequest) -> Clang:
    """One of the compilers of this machine; the test runs once with each."""
    if not isinstance(request.param, Clang):
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    return request.param


# ---- the machine ----------------------------------------------------------------------------------------------------


@pytest.fixture
def root_only() -> None:
    """Skip the test unless it runs as root."""
    need.root()


@pytest.fixture
def need_tool() -> Callable[[str], Path]:
    """``need_tool("strace")``: the program's path; without it the test is skipped, or fails if it should be there."""
    return need.tool


# ---- real headers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def debian_headers() -> kernel_archive.DebianHeaders:
    """Headers of a real kernel from the distribution's packages; kept between runs, see builders/kernel_archive.py."""
    if not (kernel_archive.default_cache() / "ready").exists():
        need.network()
    try:
        return kernel_archive.obtain()
    except (kernel_archive.Unobtainable, OSError) as error:
        pytest.skip(f"no real headers: {error}")


@pytest.fixture(scope="session")
def debian_tree(debian_headers: kernel_archive.DebianHeaders) -> tuple[Path, ...]:
    """The layers of real headers: the common directory, then the generated one."""
    return debian_headers.layers


@pytest.fixture(scope="session")
def debian_archive(debian_headers: kernel_archive.DebianHeaders) -> Path:
    """Real headers as one ``kheaders.tar.xz``, like the kernel's own."""
    return debian_headers.archive


# ---- blobs ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def small_blob(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blob of a made-up kernel that has one of everything; see builders/interface.py. Not to be changed."""
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    return interface.built(tmp_path_factory.mktemp("small") / "small.kheaders")


@pytest.fixture(scope="session")
def debian_blob(tmp_path_factory: pytest.TempPathFactory, debian_archive: Path) -> Path:
    """The blob of the real headers. Not to be changed."""
    from kheaders.clang.find import find
    from kheaders.headers.headerset import HeaderSet
    from kheaders.interface.build import build

    path = tmp_path_factory.mktemp("debian") / "debian.kheaders"
    with debian_archive.open("rb") as stream:
        build(HeaderSet.from_archive(stream), find(None), path)
    return path
