"""What a complaint of clang means, whatever options change of how it is printed."""

from __future__ import annotations

import subprocess

import pytest

from builders.compilers import Clang
from kheaders.clang import diagnostics
from kheaders.clang.diagnostics import Diagnostic

PROGRAM = b"""\
struct incomplete;
int f(struct incomplete *p) { return p->member + missing; }
#include <nowhere.h>
"""
STYLES = [
    [],
    ["-fcolor-diagnostics"],
    ["-fdiagnostics-format=msvc"],
    ["-fdiagnostics-format=vi"],
    ["-fno-show-column"],
    ["-fno-show-source-location"],
    ["-fno-caret-diagnostics"],
    ["-fdiagnostics-show-category=name"],
    ["-Weverything"],
]


@pytest.mark.parametrize("style", STYLES, ids=" ".join)
def test_every_way_of_printing(clang: Clang, style: list[str]) -> None:
    command = [*clang.argv, "-target", "bpf", *style, "-x", "c", "-c", "-", "-o", "/dev/null"]
    missing = subprocess.run(command, input=PROGRAM, capture_output=True).stderr.decode()
    assert diagnostics.missing_file(missing) == "nowhere.h"
    told = subprocess.run(command, input=PROGRAM.replace(b"#include", b"//"), capture_output=True).stderr.decode()
    assert diagnostics.lacking(told) == (frozenset({"missing"}), frozenset({"incomplete"}))
    assert diagnostics.missing_file(told) is None
    assert "incomplete definition of type 'struct incomplete'" in diagnostics.first_error(told)


def test_a_warning_is_no_error() -> None:
    printed = "a.c:1:1: warning: use of undeclared identifier 'x' error: 'y.h' file not found\nb.c:2:3: error: bad\n"
    assert diagnostics.first_error(printed) == "bad (b.c:2)"
    assert diagnostics.missing_file(printed) is None
    assert diagnostics.lacking(printed).names == frozenset()


def test_what_is_no_diagnostic() -> None:
    assert diagnostics.first_error("Segmentation fault\n") == "Segmentation fault"
    assert diagnostics.first_error("") == "no message"
    assert list(diagnostics.read("    1 | int x = y; // error: no\n      |         ^\n1 error generated.\n")) == []


def test_places_and_include_lines() -> None:
    printed = (
        "In file included from <stdin>:3:\n"
        "In file included from /k/a.h:4:\n"
        "/k/b.h:5:6: fatal error: 'c.h' file not found\n"
        "   5 | #include <c.h>\n"
        "/k/b.h:7:8: error: again\n"
        "<stdin>:9:1: error: here\n"
        "clang: error: no such file or directory: 'x'\n"
    )
    chain = (("<stdin>", 3), ("/k/a.h", 4))
    assert list(diagnostics.read(printed)) == [
        Diagnostic("fatal error", "'c.h' file not found", "/k/b.h", 5, 6, chain, True),
        Diagnostic("error", "again", "/k/b.h", 7, 8, chain, False),
        Diagnostic("error", "here", "<stdin>", 9, 1),
        Diagnostic("error", "no such file or directory: 'x'"),
    ]
    assert diagnostics.first_error(printed) == "'c.h' file not found (/k/b.h:5)"


def test_a_pch_that_is_refused() -> None:
    printed = "error: PCH file uses an older PCH format that is no longer supported\n1 error generated.\n"
    assert diagnostics.pch_refused(printed) == "PCH file uses an older PCH format that is no longer supported"
    assert diagnostics.pch_refused("a.c:1:1: warning: PCH file is old\n") == ""
