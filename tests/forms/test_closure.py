"""Which headers a program can reach: never fewer than the compiler opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kheaders.forms.closure import Closure
from kheaders.headers.headerset import HeaderSet

SEARCH = ("arch/x86/include", "include", "include/uapi")


def reach(files: dict[str, bytes], program: bytes, links: dict[str, str] | None = None, *user: Path) -> set[str]:
    return set(Closure(program, [str(u) for u in user]).texts(HeaderSet(files, links), SEARCH))


@pytest.mark.parametrize(
    "line",
    [
        b"#include <linux/a.h>",
        b'#include "linux/a.h"',
        b"  #  include\t<linux/a.h>",
        b"#include<linux/a.h>",
        b"#include_next <linux/a.h>",
        b"#import <linux/a.h>",
        b"#if __has_include(<linux/a.h>)",
        b'#if defined(X) && __has_include ( "linux/a.h" )',
        b"int x;\r\n#include <linux/a.h>\r\n",
        b"#if 0\n#include <linux/a.h>\n#endif",
        b"#include <linux/../linux/a.h>",
        b"\xff\xfe\n#include <linux/a.h>",
    ],
)
def test_spellings(line: bytes) -> None:
    assert reach({"include/linux/a.h": b"", "include/linux/b.h": b""}, line + b"\n") == {"include/linux/a.h"}


@pytest.mark.parametrize(
    "line",
    [
        b"#include NAME",
        b"#  include_next HEADER(x)",
        b"#if __has_include(NAME)",
        b"#if defined(__has_include) && __has_include ( NAME )",
        b"#define HAS(x) __has_include(x)\n#if HAS(<linux/a.h>)",
    ],
)
def test_a_program_that_computes_names_may_reach_everything(line: bytes, tmp_path: Path) -> None:
    files = {"include/linux/a.h": b"", "include/linux/b.h": b""}
    assert reach(files, line + b"\n", {"include/l": "linux"}) == {*files, "include/l/a.h", "include/l/b.h"}
    (tmp_path / "mine.h").write_bytes(line + b"\n")
    assert reach(files, b'#include "mine.h"\n', None, tmp_path) == set(files)


@pytest.mark.parametrize("line", [b"#ifdef __has_include", b"#if defined(__has_include)", b"#if defined __has_include"])
def test_asking_whether_names_can_be_asked_for_reaches_nothing(line: bytes) -> None:
    assert reach({"include/linux/a.h": b""}, line + b"\n#endif\n") == set()


def test_is_transitive_and_relative() -> None:
    files = {
        "include/linux/a.h": b'#include "near.h"\n#include "sub/b.h"\n',
        "include/linux/near.h": b"",
        "include/linux/sub/b.h": b'#include "../c.h"\n#include <linux/a.h>\n',
        "include/linux/c.h": b"",
        "include/linux/unused.h": b"",
    }
    assert reach(files, b"#include <linux/a.h>\n") == set(files) - {"include/linux/unused.h"}


def test_each_place_where_a_name_is_found() -> None:
    files = {"arch/x86/include/asm/x.h": b"", "include/asm/x.h": b"", "include/uapi/asm/x.h": b""}
    assert reach(files, b"#include <asm/x.h>\n") == set(files), "include_next may want the others"


def test_through_links() -> None:
    files = {"include/real/a.h": b'#include "b.h"\n', "include/real/b.h": b""}
    reached = reach(
        files, b"#include <alias/a.h>\n#include <one.h>\n", {"include/alias": "real", "include/one.h": "real/b.h"}
    )
    assert reached == {"include/alias/a.h", "include/alias/b.h", "include/one.h"}


def test_always() -> None:
    headers = HeaderSet({"include/k.h": b"#include <l.h>\n", "include/l.h": b"", "include/m.h": b""})
    assert set(Closure(b"", (), ("include/k.h", "include/none.h")).texts(headers, SEARCH)) == {
        "include/k.h",
        "include/l.h",
    }


class TestUsersOwnHeaders:
    FILES: ClassVar = {"include/linux/a.h": b"", "include/linux/b.h": b""}

    def test_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "mine.h").write_text('#include "sub/more.h"\n#include <linux/a.h>\n')
        (tmp_path / "sub/more.h").write_text('#include "beside.h"\n')
        (tmp_path / "sub/beside.h").write_text("#include <linux/b.h>\n")
        assert reach(self.FILES, b'#include "mine.h"\n', None, tmp_path) == set(self.FILES)

    def test_loops_end(self, tmp_path: Path) -> None:
        (tmp_path / "mine.h").write_text('#include "mine.h"\n#include <linux/a.h>\n')
        assert reach(self.FILES, b'#include "mine.h"\n', None, tmp_path) == {"include/linux/a.h"}

    def test_unreadable_and_directories(self, tmp_path: Path) -> None:
        (tmp_path / "mine.h").mkdir()
        assert reach(self.FILES, b'#include "mine.h"\n#include <linux/a.h>\n', None, tmp_path) == {"include/linux/a.h"}


@pytest.mark.parametrize("name", [b"a\0b.h", b"\xff\xfe.h", b"/dev/null", b"../../../etc/passwd", b"a" * 5000, b"."])
def test_names_that_lead_nowhere(tmp_path: Path, name: bytes) -> None:
    assert reach({"include/a.h": b""}, b"#include <" + name + b">\n", None, tmp_path) == set()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_program(text: bytes, name: bytes) -> None:
    files = {"include/a.h": text, "include/b.h": b""}
    program = b"#include <a.h>\n#include <" + name + b">\n" + text
    assert reach(files, program, None, Path(os.devnull)) <= set(files)
