"""Macros that a program defines before a header that tests them, or guards itself by them: the same, or an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import interface, need
from builders.compilers import compilers
from builders.differential import Kernel, kernel
from kheaders.clang.find import find

HEADERS = {
    "default": (b"#ifndef EARLY\n#define EARLY 2\n#endif\n%sstatic inline int f(void) { return EARLY; }\n", "f()"),
    "guard": (b"#ifndef EARLY\n#define EARLY 2\n%sstatic inline int f(void) { return EARLY; }\n#endif\n", "f()"),
    "record": (
        b"#ifndef EARLY\n#define EARLY 3\n#define MORE 4\n#endif\n%sstruct s { int a[EARLY]; };\n",
        "sizeof(struct s)",
    ),
    "else": (
        b"#ifndef ELSE\n#define ELSE\n#ifndef EARLY\n#define EARLY 4\nstruct s { int a; };\n"
        b"#else\nstruct s { int a[5]; };\n#endif\n%s#endif\n",
        "sizeof(struct s)",
    ),
    "macro": (b"#if !defined(EARLY)\n#define EARLY 4\n#endif\n%s#define VALUE (EARLY + 1)\n", "VALUE"),
    "inner": (
        b"#ifndef OTHER\n#define OTHER\n#ifndef EARLY\n#define EARLY 4\nextern int more;\n#endif\n%s#endif\n",
        "EARLY",
    ),
}
"""Name → a header, ``%s`` for what may stand in it besides, and what a program uses of it."""
BEFORE = (
    "",
    "#define EARLY 5\n",
    "#define EARLY\n",
    "#undef EARLY\n",
    "#define EARLY 4\n#undef EARLY\n",
    '#include "own.h"\n',
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with these headers, each of which another one includes as well."""
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    more = {}
    for name, (text, _) in HEADERS.items():
        own = f"EARLY_{name}".encode()
        body = (text % b"").replace(b"EARLY", own).replace(b"struct s", b"struct s_%s" % name.encode())
        more[f"include/linux/{name}.h"] = body.replace(b" f(", b" f_%s(" % name.encode())
        more[f"include/linux/by_{name}.h"] = f"#include <linux/{name}.h>\n".encode()
    more["include/linux/empty.h"] = (
        b"#ifndef EMPTY_H\n#define EMPTY_H\nstatic inline int g(void) { return 1; }\n#endif\n"
    )
    more["include/linux/by_empty.h"] = b"#include <linux/empty.h>\n"
    with kernel(interface.headers(more), find(), tmp_path_factory.mktemp("guards") / "blob.kheaders") as made:
        yield made


@pytest.mark.parametrize("through", ["", "by_"])
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("name", HEADERS)
def test_the_same_or_an_error(name: str, before: str, through: str, opened: Kernel, tmp_path: Path) -> None:
    macro = f"EARLY_{name}"
    use = HEADERS[name][1].replace("EARLY", macro).replace("struct s", f"struct s_{name}")
    use = f"f_{name}()" if use == "f()" else use
    (tmp_path / "own.h").write_text(f"#ifndef {macro}\n#define {macro}\n#endif\n")
    program = f"#include <linux/{through}{name}.h>\nint program(void) {{ return {use}; }}\n"
    tried: list[tuple[str, tuple[str, ...]]] = [(before.replace("EARLY", macro) + program, ())]
    if before.startswith("#define EARLY") and "#undef" not in before:
        value = before.strip().partition("EARLY")[2].strip()
        tried.append((program, (f"-D{macro}={value}",)))
    for text, words in tried:
        outcome = opened.both(text.encode(), *words, includes=(str(tmp_path),))
        assert outcome.verdict in ("same", "both fail", "slice fails"), f"{outcome}\n{text}"
        if not before:
            assert outcome.verdict == "same", outcome.sliced
        if outcome.verdict == "slice fails":
            assert macro in outcome.sliced.reason


def test_a_header_of_the_users_with_the_guard_of_a_kernels(opened: Kernel, tmp_path: Path) -> None:
    """Then the kernel's is empty, wherever it is included, and the user's stands for it."""
    (tmp_path / "own.h").write_text(
        "#ifndef EMPTY_H\n#define EMPTY_H 1\nstatic inline int g(void) { return 9; }\n#endif\n"
    )
    text = b'#include "own.h"\n#include <linux/by_empty.h>\nint program(void) { return g(); }\n'
    outcome = opened.both(text, includes=(str(tmp_path),))
    assert outcome.verdict == "same", outcome
