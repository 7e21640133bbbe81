from __future__ import annotations

import pytest

from kheaders.c.conditionals import counting, included


def on(option: str) -> bool:
    return option == "CONFIG_ON"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#include <a.h>\n", {"a.h"}),
        ('#  include "a.h"\n', {"a.h"}),
        ("#ifdef CONFIG_ON\n#include <a.h>\n#else\n#include <b.h>\n#endif\n#include <c.h>\n", {"a.h", "c.h"}),
        ("#ifdef CONFIG_OFF\n#include <a.h>\n#else\n#include <b.h>\n#endif\n", {"b.h"}),
        ("#ifndef CONFIG_ON\n#include <a.h>\n#endif\n", set()),
        ("#if defined(CONFIG_ON)\n#include <a.h>\n#elif X\n#include <b.h>\n#endif\n", {"a.h"}),
        ("#if !defined CONFIG_ON\n#include <a.h>\n#else\n#include <b.h>\n#endif\n", {"b.h"}),
        ("#if VERSION > 3\n#include <a.h>\n#else\n#include <b.h>\n#endif\n", {"a.h", "b.h"}),
        ("#ifdef OTHER\n#include <a.h>\n#endif\n", {"a.h"}),
        ("#ifdef CONFIG_OFF\n#ifdef X\n#include <a.h>\n#endif\n#endif\n", set()),
        ("#if defined(CONFIG_ON) && \\\n X\n#include <a.h>\n#endif\n", {"a.h"}),
        ("#endif\n#else\n#include <a.h>\n", {"a.h"}),
    ],
)
def test_lines_that_may_count(text: str, expected: set[str]) -> None:
    assert included(text.encode(), on) == expected


@pytest.mark.parametrize(
    ("text", "with_btf", "without"),
    [
        ("a\n#ifndef BTF\nb\n#else\nc\n#endif\nd\n", "acd", "abd"),
        ("#ifdef BTF // a word\nb\n#endif\nd\n", "bd", "d"),
        ("#if defined(BTF)\nb\n#elif X\nc\n#else\nd\n#endif\n", "b", "cd"),
        ("#ifdef OTHER\nb\n#ifdef BTF\nc\n#endif\n#else\nd\n#endif\n", "bcd", "bd"),
        ("#ifndef BTF\n#include <b>\n#ifdef X\nc\n#else\nd\n#endif\n#endif\n", "", "#include <b>cd"),
        ("#define a\nb\n", "#define ab", "#define ab"),
        ("#ifndef BTF\nb", "", "b"),
    ],
)
def test_what_may_count(text: str, with_btf: str, without: str) -> None:
    found = [counting(text.encode(), {"BTF": defined}.get).decode() for defined in (True, False)]
    assert [part.replace("\n", "") for part in found] == [with_btf, without]
