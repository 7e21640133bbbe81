"""The user's own headers: found where the compiler would find them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kheaders.c.own_headers import Sources, gather


def gathered(text: str, place: Path | None, *directories: Path) -> Sources:
    """The program *text*, which lies in *place*, with its headers."""
    return gather(text.encode(), str(place) if place else None, [str(path) for path in directories])


def names(sources: Sources, root: Path) -> set[str]:
    """The headers that were read, below *root*."""
    return {os.path.relpath(file.path, root) for file in sources.files if file.path}


def written(root: Path, **files: str) -> Path:
    """*root* with the *files*, whose names have ``_`` for ``/``."""
    for name, text in files.items():
        path = root / (name.replace("_", "/") + ".h")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_quoted_names_are_looked_for_beside_their_includer_first(tmp_path: Path) -> None:
    root = written(tmp_path, a="", sub_a="", sub_b='#include "a.h"\n')
    assert names(gathered('#include "b.h"\n', root, root / "sub"), root) == {"sub/b.h", "sub/a.h"}
    assert names(gathered("#include <a.h>\n", root, root / "sub"), root) == {"sub/a.h"}
    assert names(gathered('#include "a.h"\n', root, root / "sub"), root) == {"a.h"}
    assert names(gathered('#include "a.h"\n', None), root) == set()


def test_include_next_goes_on_behind(tmp_path: Path) -> None:
    root = written(tmp_path, one_a="#include_next <a.h>\n", two_a="#include_next <a.h>\n")
    sources = gathered("#include <a.h>\n", None, root / "one", root / "two")
    assert names(sources, root) == {"one/a.h", "two/a.h"}
    assert sources.foreign == ["a.h"]


def test_what_is_not_found_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    sources = gathered("#include <linux/a.h>\n#include <linux>\n#if __has_include(<b.h>)\n#endif\n", tmp_path, tmp_path)
    assert sources.foreign == ["linux/a.h", "linux", "b.h"]


def test_dots_lead_where_links_lead(tmp_path: Path) -> None:
    """The directory above a link's target, as for the compiler, not the one that the link lies in."""
    root = written(tmp_path, real_deep_x="", real_a="int right;", a="int wrong;")
    (root / "link").symlink_to("real/deep")
    sources = gathered('#include "link/../a.h"\n', root)
    assert [file.scan.text for file in sources.files if file.path] == [b"int right;"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = written(tmp_path, a='#include "here/a.h"\n#include "./a.h"\n')
    (root / "here").symlink_to(".")
    assert len(gathered('#include "a.h"\n', root).files) == 2


def test_only_its_reader_can_read_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h")
    assert gathered('#include "pipe.h"\n', tmp_path).unreadable == str(tmp_path / "pipe.h")
    assert not gathered(f'#include "{os.devnull}"\n', tmp_path).unreadable


def test_names_that_macros_make(tmp_path: Path) -> None:
    root = written(tmp_path, own="#define NAME <made.h>\n", made="")
    sources = gathered('#include "own.h"\n#include NAME\n', root, root)
    assert sources.computed
    assert names(sources, root) == {"own.h", "made.h"}
    assert not gathered('#include "own.h"\n', root, root).computed


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("#define N <a.h>\n#if __has_include(N)\n#endif\n", ""),
        ("#if __has_include(N)\n#endif\n", "N"),
        ("#define N <a.h>\n#define N S(a)\n#if __has_include(N)\n#endif\n", "N"),
        ("#if __has_include(N(a))\n#endif\n", "…"),
        ("#if defined(__has_include) && __has_include(<a.h>)\n#endif\n", ""),
    ],
)
def test_what_has_include_is_asked_for(text: str, question: str) -> None:
    assert gathered(text, None).question == question


def test_lists_are_read_as_the_programs_own() -> None:
    texts = {"list.h": b"#include <more.h>\nHOOK(a)\n"}
    sources = gather(b"#include <list.h>\n#include <list.h>\n", None, (), texts.get)
    assert [file.path for file in sources.files] == ["", "<list.h>"]
    assert sources.foreign == ["list.h", "more.h"]
    assert sources.listed == texts
