"""Own headers and functions with the names of the kernel's: they hide these in a slice, or the slice is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import context, mini_archive, mini_root
from kheaders.api import Context
from kheaders.errors import CompileFailed

EXTRA = {
    "include/linux/old.h": b"#ifndef _OLD\n#define _OLD\nstruct old { int kernels; };\nenum { OLD_ONE = 1, OLD_TWO };\n"
    b"#define OLD_SIZE 8\n#define OLD_LIST(x) x(1) x(2)\nint old_feed(struct old *);\n#endif\n",
    "include/linux/holder.h": b"#include <linux/old.h>\n#ifndef _HOLDER\n#define _HOLDER\n"
    b"struct holder { struct old *old; int here; };\n"
    b"static inline int size_of_holder(struct holder *h) { return h->here + OLD_SIZE; }\n#endif\n",
    "include/linux/calls.h": b"struct cache;\nvoid *cache_alloc(struct cache *c, int flags);\n"
    b"static inline int cache_two(int x) { return x; }\n"
    b"static inline int uses_cache(struct cache *c) { return c ? 1 : 0; }\n",
}
OWN = "#ifndef _MY_OLD\n#define _MY_OLD\nstruct old { int mine; char more; };\nenum { OLD_ONE = 1 };\n%s\n#endif\n"
PROGRAM = b"""\
#include <linux/old.h>
#include <linux/holder.h>
__attribute__((section("socket"), used)) int f(struct holder *h)
{
	return h->here + h->old->mine + OLD_ONE;
}
"""


@pytest.fixture
def machine(tmp_path: Path, clang: Clang) -> Context:
    root = mini_root(tmp_path / "root", mini_archive(extra=EXTRA))
    return context(root, tmp_path, cc=" ".join(clang.argv))


@pytest.fixture
def blob(tmp_path: Path, machine: Context) -> Path:
    return machine.build_blob(tmp_path / "blob")


def own(tmp_path: Path, more: str = "#define OLD_SIZE 8") -> list[str]:
    """A directory for -I with a header that has the name of one of the kernel's."""
    (tmp_path / "inc/linux").mkdir(parents=True, exist_ok=True)
    (tmp_path / "inc/linux/old.h").write_text(OWN % more)
    return [str(tmp_path / "inc")]


def test_an_own_header_takes_the_place_of_the_kernels(tmp_path: Path, machine: Context, blob: Path) -> None:
    """In whatever order; none of what the kernel's declares is there."""
    for text in (PROGRAM, b"\n".join(sorted(PROGRAM.split(b"\n")[:2])) + b"\n" + PROGRAM.split(b"\n", 2)[2]):
        sliced = machine.compile(text, form="slice", blob=blob, includes=own(tmp_path))
        assert sliced.object == machine.compile(text, form="memory", includes=own(tmp_path)).object


def test_the_kernels_headers_read_it_though_the_program_does_not(tmp_path: Path, machine: Context, blob: Path) -> None:
    text = PROGRAM.replace(b"#include <linux/old.h>\n", b"")
    with pytest.raises(CompileFailed, match=r"include <linux/old\.h>, which .*inc/linux/old\.h answers"):
        machine.compile(text, form="slice", blob=blob, includes=own(tmp_path))
    assert machine.compile(text, blob=blob, includes=own(tmp_path)).form == "memory"
    assert machine.compile(text.replace(b"mine", b"kernels"), form="slice", blob=blob).form == "slice"


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ("#define OLD_SIZE 8", False),
        ("#define OLD_SIZE 4", True),
        ("#define OLD_SIZE 8\n#define OLD_LIST(x) x(1)", False),
    ],
)
def test_a_constant_that_the_kernels_functions_may_hold(
    tmp_path: Path, machine: Context, blob: Path, more: str, refused: bool
) -> None:
    """A slice has functions with the kernel's value in them; with the program's header they would have its own."""
    text = PROGRAM.replace(b"h->here", b"size_of_holder(h)")
    if refused:
        with pytest.raises(CompileFailed, match="OLD_SIZE"):
            machine.compile(text, form="slice", blob=blob, includes=own(tmp_path, more))
    else:
        sliced = machine.compile(text, form="slice", blob=blob, includes=own(tmp_path, more))
        assert sliced.object == machine.compile(text, form="memory", includes=own(tmp_path, more)).object


MACROS = b"""\
#include <linux/calls.h>
#define HANDLER(name, args...) name(void *ctx); static int ____##name(void *ctx, ##args); \\
	int name(void *ctx) { return ____##name(ctx, 0); } static int ____##name(void *ctx, ##args)
#define ALIAS HANDLER
#define MADE(name) int cache_##name(void *ctx)
"""


@pytest.mark.parametrize(
    "text",
    [
        b"int HANDLER(cache_alloc, int flags) { return uses_cache(ctx) + flags; }",
        b"int ALIAS(cache_alloc, int flags) { return flags; }",
        b"MADE(two) { return 0; }",
        b"MADE(alloc) { return (long)&cache_two; }",
    ],
)
def test_a_function_that_a_macro_names(tmp_path: Path, machine: Context, blob: Path, text: bytes) -> None:
    """It has the name of one of the kernel's, of which the slice then has no declaration."""
    assert machine.compile(MACROS + text + b"\n", form="slice", blob=blob).object
