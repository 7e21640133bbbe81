"""The archive against that of the kernel's own script, run here on Debian's source: every member, every byte."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import kernel_script
from builders.kernel_archive import Unobtainable
from kheaders.packing import named
from kheaders.packing.pack import pack

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def trees() -> kernel_script.Trees:
    try:
        return kernel_script.trees()
    except Unobtainable as error:
        pytest.skip(f"no source of a real kernel: {error}")


@pytest.fixture(scope="module")
def theirs(trees: kernel_script.Trees, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kernel_script.run(trees, tmp_path_factory.mktemp("script"))


def members(path: Path) -> Iterator[tuple[object, ...]]:
    """All that tar says of each member, but for its time, and its bytes."""
    with tarfile.open(path) as tar:
        for m in tar:
            stream = tar.extractfile(m) if m.isreg() else None
            data = stream.read() if stream else b""
            yield m.name, m.type, m.mode, m.uid, m.gid, m.uname, m.gname, m.linkname, m.size, data


@pytest.fixture
def tools(need_tool: Callable[[str], Path]) -> None:
    for name in kernel_script.TOOLS:
        need_tool(name)


def test_every_member_is_the_same(tools: None, trees: kernel_script.Trees, theirs: Path, tmp_path: Path) -> None:
    done = pack(named.material([trees.source], build=trees.build), tmp_path / "ours.tar.xz")
    number = 0
    for ours, script in zip(members(done.path), members(theirs), strict=True):
        assert ours == script
        number += 1
    assert number > 6000


def test_header_directory_and_source_give_one_archive(tools: None, trees: kernel_script.Trees, tmp_path: Path) -> None:
    """The distribution's pair of header directories has the same headers as the source that it was made from."""
    one = pack(named.material([trees.source], build=trees.build), tmp_path / "1.tar.xz", level=0)
    two = pack(named.material([trees.build]), tmp_path / "2.tar.xz", level=0)
    assert one.path.read_bytes() == two.path.read_bytes()
