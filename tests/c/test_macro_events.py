"""What a program does to macros before it includes a header of the kernel, however that is spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from kheaders.c.macro_events import Bodies, OwnMacros, mark, own_macros
from kheaders.c.own_headers import gather

KERNEL = "#include <linux/a.h>\n"


def found(text: str, *directories: Path) -> OwnMacros:
    """What the program *text* does."""
    place = str(directories[0]) if directories else None
    return own_macros(gather(text.encode(), place, [str(path) for path in directories]))


def early(text: str, *directories: Path) -> dict[str, set[str | None]]:
    """Macro → what it may be where a header of the kernel is included."""
    bodies: dict[str, Bodies] = dict(found(text, *directories).early)
    return {name: set(body) for name, body in bodies.items()}


@pytest.mark.parametrize(
    "spelling",
    [
        "#define A 5\n",
        "/* x */ #define A 5\n",
        "/* x\n y */ #define A 5\n",
        "# /* x */ define /* y */ A /* z */ 5 // end\n",
        "#def\\\nine A 5\n",
        "#def\\ \t\nine A 5\n",
        "#define \\\nA \\\n 5\n",
        "%:define A 5\n",
        "%\\\n:define A 5\n",
        "#define A 5\r\n",
        "\ufeff#define A 5\n",
        "#ifndef A\n#define A 5\n#endif\n",
        "#define A 4\n#undef A\n#define A 5\n",
        '#define A 5\n#pragma push_macro("A")\n#undef A\n#pragma pop_macro("A")\n',
        '#define A 5\n_Pragma("push_macro(\\"A\\")") _Pragma ( "pop_macro(\\"A\\")" )\n',
        '#include "five.h"\n',
        "#include <five.h>\n",
        '#import "five.h"\n',
        '#define H "five.h"\n#include H\n',
    ],
)
def test_every_spelling_of_a_definition_is_seen(spelling: str, tmp_path: Path) -> None:
    (tmp_path / "five.h").write_text("#define A 5\n")
    assert early(spelling + KERNEL, tmp_path)["A"] == {"5"}


@pytest.mark.parametrize(
    "text",
    [
        "/*\n#define A 5\n*/\n",
        "// \\\n#define A 5\n",
        'char *s = "\\\n#define A 5";\n',
        "??=define A 5\n",
        "int a; #define A 5\n",
        '#pragma push_macro("A")\n#define A 5\n#pragma pop_macro("A")\n',
    ],
)
def test_what_defines_nothing(text: str) -> None:
    assert not early(text + KERNEL)


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        ("#define A 1\n#undef A\n", {None}),
        ("#undef A\n", {None}),
        ("#define A 1\n#if X\n#define A 2\n#endif\n", {"1", "2"}),
        ("#if X\n#define A 1\n#else\n#undef A\n#endif\n", {"1", None}),
        ("#define A 1\n#ifdef X\n#undef A\n#endif\n", {"1", None}),
        ('#define A 1\n#pragma push_macro("A")\n#define A 2\n#if X\n#pragma pop_macro("A")\n#endif\n', {"1", "2"}),
        ("#define A(x)  x +  1\n", {"(x) x + 1"}),
    ],
)
def test_what_may_be_in_force(text: str, bodies: set[str | None]) -> None:
    assert early(text + KERNEL) == {"A": bodies}


def test_what_comes_after_the_last_header_does_not_count() -> None:
    assert early(KERNEL + "#define A 1\n" + KERNEL + "#define B 1\n") == {"A": {"1"}}


def test_a_header_between_push_and_pop_is_undone() -> None:
    """A header that defines it finds it saved: what it makes of it ends with the pop."""
    assert early('#pragma push_macro("A")\n' + KERNEL + '#pragma pop_macro("A")\n' + KERNEL) == {"A": {None}}


def test_own_headers_are_read_where_they_are_included(tmp_path: Path) -> None:
    (tmp_path / "one.h").write_text("#ifndef ONE\n#define ONE\n#define A 1\n#include <two.h>\n#undef B\n#endif\n")
    (tmp_path / "two.h").write_text("#define B 2\n" + KERNEL)
    assert early('#include "one.h"\n#define C 1\n', tmp_path) == {"ONE": {""}, "A": {"1"}, "B": {"2"}}


def test_a_header_without_a_guard_acts_each_time(tmp_path: Path) -> None:
    (tmp_path / "off.h").write_text("#undef A\n")
    text = '#include "off.h"\n#define A 1\n#include "off.h"\n'
    assert early(text + KERNEL, tmp_path) == {"A": {"1", None}}


def test_of_names_that_macros_make_each_counts(tmp_path: Path) -> None:
    (tmp_path / "one.h").write_text("#define A 1\n")
    (tmp_path / "two.h").write_text("#define A 2\n")
    text = '#ifdef X\n#define H "one.h"\n#else\n#define H "two.h"\n#endif\n#include H\n'
    assert early(text + KERNEL, tmp_path)["A"] == {"1", "2"}


def test_headers_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "one.h").write_text('#define A 1\n#include "two.h"\n')
    (tmp_path / "two.h").write_text('#define B 1\n#include "one.h"\n' + KERNEL)
    assert early('#include "one.h"\n#include "two.h"\n', tmp_path) == {"A": {"1"}, "B": {"1"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#pragma pack(1)\n", "pack"),
        ("#pragma pack(push, 1)\n", "pack"),
        ('_Pragma("pack(push, 1)")\n', "pack"),
        ("#pragma clang attribute push(__attribute__((packed)), apply_to = record)\n", "clang attribute"),
        ("#pragma GCC visibility push(hidden)\n", "GCC visibility"),
        ("#pragma pack(push, 1)\nstruct a;\n#pragma pack(pop)\n", ""),
        ("#pragma pack(1)\nstruct a;\n#pragma pack()\n", ""),
        ('#pragma GCC diagnostic ignored "-Wall"\n', ""),
        ("#pragma once\n", ""),
        ("/* #pragma pack(1) */\n", ""),
    ],
)
def test_pragmas_that_change_headers(text: str, wanted: str) -> None:
    assert found(text + KERNEL).pragma == wanted
    assert found(KERNEL + text).pragma == ""


def test_macros_that_save_macros_are_told() -> None:
    assert found('#define SAVE _Pragma("push_macro(\\"A\\")")\nSAVE\n' + KERNEL).hidden
    assert found('#define DO(x) _Pragma(#x)\nDO(push_macro("A"))\n' + KERNEL).hidden
    assert not found('#define QUIET _Pragma("GCC diagnostic push")\nQUIET\n' + KERNEL).hidden


def test_marks_are_the_same_however_a_definition_is_spaced() -> None:
    assert mark(b" 1 + 2") == mark(b"\t1  +  2 ") != mark(b" 12")
    assert mark(b"(x) x") == mark(b"( x )  x") != mark(b" (x) x")
    marks = found("#define A 1\n#define A 2 // c\n#undef A\n").marks
    assert marks == {"A": {mark(b" 1"), mark(b" 2"), 0}}
