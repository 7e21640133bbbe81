"""Which headers say nothing when they are included again."""

from __future__ import annotations

import pytest

from kheaders.c.conditionals import guarded


@pytest.mark.parametrize(
    "text",
    [
        "#ifndef X\n#define X\nint a;\n#endif\n",
        "/* first */\n#if !defined(X)\n#define X\n#ifdef Y\nint b;\n#else\nint c;\n#endif\n#endif /* X */\n",
        "#if ! defined X\n#define X 1\n#endif",
        "// said\n  #  ifndef X // once\n#define X\n#define LONG \\\n#else\n#endif\n",
        "#pragma once\nint a;\n",
        "\n \n",
    ],
)
def test_guarded(text: str) -> None:
    assert guarded(text.encode(), {b"X"})


@pytest.mark.parametrize(
    "text",
    [
        "int a;\n",
        "#include <asm-generic/errno.h>\n",
        "#ifndef X\n#define X\n#endif\nint after;\n",
        "int before;\n#ifndef X\n#define X\n#endif\n",
        "#ifndef X\n#define X\n#else\nint again;\n#endif\n",
        "#ifndef X\n#define X\n#elif defined(Y)\nint again;\n#endif\n",
        "#ifndef OTHER\n#endif\n",
        "#ifdef X\n#endif\n",
        "#if !defined(X) || defined(MULTI)\n#endif\n",
        "#ifndef X\n#define X\n#endif\n#ifndef X\n#endif\n",
        "#ifndef X\n#define X\n",
    ],
)
def test_not_guarded(text: str) -> None:
    assert not guarded(text.encode(), {b"X"})
