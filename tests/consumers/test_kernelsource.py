from __future__ import annotations

from pathlib import Path

import pytest

from kheaders.consumers import kernelsource
from kheaders.errors import StoreError


def test_names_become_files_below_include(tmp_path: Path) -> None:
    kernelsource.write(tmp_path, {"linux/sched.h": b"", "uapi/linux/bpf.h": b"int x;\n"})
    found = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        "include/linux/kconfig.h": b"",
        "include/linux/sched.h": b"",
        "include/uapi/linux/bpf.h": b"int x;\n",
    }


def test_names_that_leave_the_directory_are_left_out(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    kernelsource.write(inner, {"../../../evil.h": b"x", "/etc/evil.h": b"x", "a/../../../evil.h": b"x"})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["kconfig.h"]


def test_a_place_that_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        kernelsource.write(tmp_path / "file", {})
