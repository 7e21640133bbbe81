from __future__ import annotations

import pytest

from kheaders.consumers.branches import included


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
