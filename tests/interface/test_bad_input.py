"""Texts that are no programs: they are read in a time that grows as they do, and nothing breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kheaders.c.conditionals import counting, groups, guard, included, is_list
from kheaders.c.directives import mentioned, scan
from kheaders.interface.program import read

CASES: dict[str, Callable[[int], bytes]] = {
    "calls that never end": lambda n: b"a(" * n,
    "calls in calls": lambda n: b"".join(b"f%d(x, " % i for i in range(n)) + b")" * n,
    "comments that never end": lambda n: b"/*" * n,
    "include lines with comments that never end": lambda n: b"include/*" * n,
    "stars in a comment": lambda n: b"/*" + b"*" * n,
    "strings that never end": lambda n: b'"\\' * n,
    "an open string on each line": lambda n: b'"a\n' * n,
    "raw strings that never end": lambda n: b"".join(b'R"a%d(' % i for i in range(n)),
    "raw strings": lambda n: b'R"(\n)" ' * n,
    "splices": lambda n: b"\\\n" * n,
    "splices in a word": lambda n: b"a\\\n" * n,
    "backslashes": lambda n: b"\\ " * n,
    "NUL bytes": lambda n: b"\0" * n,
    "hashes": lambda n: b"#" * n,
    "hashes behind blanks": lambda n: b" # " * n,
    "hashes behind comments": lambda n: b"/**/#\n" * n,
    "percent signs": lambda n: b"%:" * n,
    "macros": lambda n: b"".join(b"#define M%d M%d(a) ## b\n" % (i, i + 1) for i in range(n)),
    "one macro, again and again": lambda n: b"#define A(x) a##x\n#undef A\n" * n,
    "macros before many headers": lambda n: b"".join(b"#define M%d\n#include <h%d.h>\n" % (i, i) for i in range(n)),
    "saved macros": lambda n: b'#pragma push_macro("A")\n' * n,
    "conditions": lambda n: b"#if A\n" * n,
    "alternatives": lambda n: b"#if A\n" + b"#elif B\n" * n,
    "conditions that end": lambda n: b"#endif\n#else\n" * n,
    "one include line": lambda n: b"#include <" + b"a" * n,
    "include lines": lambda n: b"".join(b"#include <a%d.h>\n" % i for i in range(n)),
    "names that macros make": lambda n: b"".join(b"#define H%d <a>\n#include H%d\n" % (i, i) for i in range(n)),
    "questions": lambda n: b"#if " + b"__has_include(<a.h>) || " * n,
    "questions that never end": lambda n: b"#if " + b"__has_include(" * n,
    "structs": lambda n: b"struct s const " * n,
    "members": lambda n: b".a->b" * n,
    "numbers": lambda n: b"1e+" * n,
    "one word": lambda n: b"a" * n,
    "blanks": lambda n: b" " * n,
    "every byte": lambda n: bytes(range(256)) * (n // 256),
}


def readings(text: bytes) -> None:
    """Everything that reads a text of C as it is written, but for its declarations."""
    found = scan(text)
    guard(found)
    groups(found)
    is_list(found)
    mentioned(text)
    included(text, lambda name: True)
    counting(text, {}.get)
    read(text, None, ())


def seconds(text: bytes) -> float:
    """The processor's time that the readings take at least."""
    times = []
    for _ in range(3):
        start = time.process_time()
        readings(text)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", CASES)
def test_twice_the_text_takes_twice_the_time(case: str) -> None:
    """A reading whose time grows with the square takes four times as long; doubled once more, sixteen times."""
    make = CASES[case]
    size = 1 << 11
    while (short := seconds(make(size))) < 0.02 and size < 1 << 19:
        size *= 2
    assert seconds(make(4 * size)) < 10 * short


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200) | st.lists(st.sampled_from([make(3) for make in CASES.values()])).map(b"".join))
def test_no_text_breaks_anything(text: bytes) -> None:
    readings(text)


@pytest.mark.timeout(120)
def test_ten_megabytes_of_no_c_are_read() -> None:
    readings(b"This isn't C: it's \"prose, with (parens {and} braces, /* and more */ #of it.\n" * (10 << 20 >> 6))


def test_headers_that_include_each_other_in_every_way_end(tmp_path: Path) -> None:
    names = [f"h{number}.h" for number in range(12)]
    for name in names:
        (tmp_path / name).write_text("".join(f'#include "{other}"\n#define A_{name[:-2]}\n' for other in names))
    program = read(b'#include "h0.h"\n#include <linux/a.h>\n', str(tmp_path), ())
    assert program.files == {str(tmp_path / name) for name in names}
    assert set(program.early) == {f"A_h{number}" for number in range(12)}
