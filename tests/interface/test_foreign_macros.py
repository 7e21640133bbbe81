"""Macros that a header names and does not include: each order gives the full headers' code, or a reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from builders import need
from builders.compilers import compilers
from builders.differential import Kernel, kernel
from builders.small_kernel import small_kernel
from kheaders.clang.find import find

PAIRS = {
    # name: (the header that names the macro, the header that defines it, a use)
    "member": ("struct queue { int other; char q_flags; };", "#define q_flags t.flags", "sizeof(struct queue)"),
    "body": ("static inline int body_is(void) { return FOREIGN_VALUE; }", "#define FOREIGN_VALUE 7", "body_is()"),
    "constant": ("enum { BUSY = 4, BUSY_TOO };", "#define BUSY 9", "BUSY_TOO"),
    "renamed": ("struct named_one { char a[3]; };", "#define named_one named_other", "sizeof(struct named_one)"),
    "extent": (
        "#define OWN_LENGTH 2\nstruct long_one { int a[LENGTH_OR]; };",
        "#define LENGTH_OR 5",
        "sizeof(struct long_one)",
    ),
    "called": (
        "static inline int doubled(int x) { return 2 * x; }\nstatic inline int by_call(int x) { return doubled(x); }",
        "#define doubled(x) ((x) * 3)",
        "by_call(5)",
    ),
    "itself": (
        "extern int known_self;\nstruct selfish { int known_self; };",
        "#define known_self known_self",
        "sizeof(struct selfish)",
    ),
    "tested": (
        "#ifdef WIDE_ONE\nstruct wide { long a[4]; };\n#else\nstruct wide { char a; };\n#endif",
        "#define WIDE_ONE",
        "sizeof(struct wide)",
    ),
    "declared_once": (
        "#ifndef small_t\ntypedef char small_t;\n#endif\nstruct of_small { small_t a[3]; };",
        "typedef long small_t;\n#define small_t small_t",
        "sizeof(struct of_small)",
    ),
    "default": (
        "#ifndef EXTENT\n#define EXTENT 3\n#endif\nstruct has_extent { char a[EXTENT]; };",
        "#undef EXTENT\n#define EXTENT 6",
        "sizeof(struct has_extent)",
    ),
    "attribute": (
        "struct tight { char a; int b; } __foreign_packed;",
        "#define __foreign_packed __attribute__((packed))",
        "sizeof(struct tight)",
    ),
}


def _headers() -> dict[str, bytes]:
    found = {}
    for name, (uses, defines, _) in PAIRS.items():
        for end, text in (("uses", uses), ("defines", defines)):
            guard = f"_FOREIGN_{name}_{end}".upper()
            found[f"{end}_{name}"] = f"#ifndef {guard}\n#define {guard}\n{text}\n#endif\n".encode()
        # others include both, so that either may be read first, and nothing is private to one
        found[f"both_{name}"] = f"#include <linux/uses_{name}.h>\n#include <linux/defines_{name}.h>\n".encode()
        found[f"defines_first_{name}"] = f"#include <linux/defines_{name}.h>\nextern int first_{name};\n".encode()
    found["redefined_a"] = b"#ifndef A\n#define A\n#define SPEED 1\n#endif\n"
    found["redefined_b"] = b"#ifndef B\n#define B\n#undef SPEED\n#define SPEED 2\n#endif\n"
    found["uses_speed"] = b"#include <linux/redefined_a.h>\nstruct speed { char a[SPEED]; };\n"
    found["wants_b"] = b"#include <linux/redefined_b.h>\n"
    return found


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    place = tmp_path_factory.mktemp("foreign") / "foreign.kheaders"
    with kernel(small_kernel(**_headers()), find(), place) as found:
        yield found


ORDERS = [("uses",), ("defines", "uses"), ("uses", "defines"), ("both",), ("both", "uses"), ("defines_first", "both")]


def program(*names: str, use: str) -> bytes:
    lines = [f"#include <linux/{name}.h>" for name in names]
    return "\n".join([*lines, f"int f(void) {{ return {use}; }}", ""]).encode()


@pytest.mark.parametrize(("name", "order"), [*itertools.product(PAIRS, ORDERS)], ids=str)
def test_the_same_as_full_headers_or_refused(opened: Kernel, name: str, order: tuple[str, ...]) -> None:
    outcome = opened.both(program(*(f"{one}_{name}" for one in order), use=PAIRS[name][2]))
    if outcome.verdict == "slice fails":
        assert f"uses_{name}.h:" in outcome.sliced.reason
        assert "depends on" in outcome.sliced.reason
    else:
        assert outcome.verdict in ("same", "both fail", "full fails"), str(outcome)


@pytest.mark.parametrize("name", PAIRS)
def test_a_header_by_itself_is_what_it_is_without_the_others(opened: Kernel, name: str) -> None:
    """But for what is C only with the macro, which the full headers refuse as well."""
    outcome = opened.both(program(f"uses_{name}", use=PAIRS[name][2]))
    needs = ("body", "extent", "attribute")
    assert outcome.verdict == "same" or name in needs, str(outcome)


def test_a_refusal_names_the_macro_and_both_headers(opened: Kernel) -> None:
    outcome = opened.both(program("defines_tested", "uses_tested", use=PAIRS["tested"][2]))
    assert outcome.verdict == "slice fails"
    assert outcome.sliced.reason == (
        "include/linux/uses_tested.h:3 depends on WIDE_ONE, "
        "which include/linux/defines_tested.h may change for this program"
    )


@pytest.mark.parametrize(
    "names",
    [
        ("uses_speed",),
        ("redefined_b", "uses_speed"),
        ("redefined_a", "redefined_b", "uses_speed"),
        ("wants_b", "uses_speed"),
    ],
    ids=str,
)
def test_a_macro_that_is_defined_anew(opened: Kernel, names: tuple[str, ...]) -> None:
    outcome = opened.both(program(*names, use="sizeof(struct speed)"))
    if outcome.verdict != "same":
        assert outcome.verdict == "slice fails"
        assert "SPEED" in outcome.sliced.reason
    else:
        assert len(names) < 3
