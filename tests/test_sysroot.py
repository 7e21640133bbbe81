from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.root import FakeRoot
from kheaders.sysroot import MAX_LINKS, resolve


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path, proc=False, sys=False)


def test_plain_paths(root: FakeRoot) -> None:
    file = root.write("/usr/src/x", b"")
    for path in ("/usr/src/x", "usr/src/x", "//usr/./src//x/", "/usr/lib/../src/x", Path("/usr/src/x")):
        assert resolve(root.path, path) == file


def test_the_root_itself(root: FakeRoot) -> None:
    for path in ("/", "", ".", "..", "/../.."):
        assert resolve(root.path, path) == root.path


def test_an_absolute_link_starts_at_the_sysroot(root: FakeRoot) -> None:
    tree = root.build_tree("/usr/src/linux-headers-x")
    link = f"{root.modules}/build"
    assert resolve(root.path, link) == tree
    assert resolve(root.path, f"{link}/include/linux") == tree / "include/linux"


def test_a_relative_link_starts_beside_itself(root: FakeRoot) -> None:
    file = root.write("/usr/lib/modules/R/config", b"")
    root.link("/lib", "usr/lib")
    root.link("/usr/lib/modules/R/alias", "../R/config")
    assert resolve(root.path, "/lib/modules/R/alias") == file


def test_no_link_leads_out(root: FakeRoot, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    root.link("/up", "../../../../secret")
    root.link("/away", str(tmp_path / "secret"))
    assert resolve(root.path, "/up") == root.path / "secret"
    assert resolve(root.path, "/away") == root.path / str(tmp_path / "secret").lstrip("/")


def test_what_does_not_exist(root: FakeRoot) -> None:
    root.link("/dangling", "/usr/src/gone")
    assert resolve(root.path, "/dangling/include") == root.at("/usr/src/gone/include")


def test_dots_after_a_link_are_the_targets(root: FakeRoot) -> None:
    root.write("/usr/src/a/file", b"")
    root.link("/b", "/usr/src/a")
    assert resolve(root.path, "/b/../c") == root.at("/usr/src/c")


@pytest.mark.parametrize("target", ["/loop", "loop", "./loop", "loop/x", "/other"])
def test_a_loop_is_an_error(root: FakeRoot, target: str) -> None:
    root.link("/loop", target)
    root.link("/other", "/loop")
    with pytest.raises(OSError) as caught:
        resolve(root.path, "/loop")
    assert caught.value.errno == errno.ELOOP
    assert caught.value.filename == "/loop"


def test_as_many_links_as_the_kernel_follows(root: FakeRoot) -> None:
    file = root.write("/0", b"")
    for number in range(1, MAX_LINKS + 2):
        root.link(f"/{number}", f"/{number - 1}")
    assert resolve(root.path, f"/{MAX_LINKS}") == file
    with pytest.raises(OSError):
        resolve(root.path, f"/{MAX_LINKS + 1}")


def test_this_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert resolve(Path("/"), tmp_path / "link") == (tmp_path / "file").resolve()


_NAMES = st.sampled_from(["a", "b", "c", "..", "."])
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)
_TARGETS = st.tuples(st.sampled_from(["", "/"]), _PATHS).map("".join)


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d/a", "d/b"]), _TARGETS, max_size=5), _PATHS)
@settings(max_examples=60, deadline=None)
def test_whatever_the_links_the_result_is_inside_and_has_none(links: dict[str, str], path: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        sysroot = Path(os.path.realpath(made))
        (sysroot / "d").mkdir()
        for name, target in links.items():
            (sysroot / name).symlink_to(target)
        for wanted in (path, f"d/{path}"):
            try:
                found = resolve(sysroot, wanted)
            except OSError as error:
                assert error.errno == errno.ELOOP
                continue
            assert found.is_relative_to(sysroot)
            assert os.path.realpath(found) == os.fspath(found)
