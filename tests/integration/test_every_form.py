"""Every form gives the object that the full headers give, or an error: programs × forms × spellings of options."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import every_form, need
from builders.compilers import compilers
from builders.every_form import FORMS, MACROS, SPELLINGS, USES, Machine, Outcome, Variant, defined

VARIANTS = every_form.variants()
GROUPS = 12
"""Tests over which the variants are spread, so that a failure is found without all others."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    return Machine(tmp_path_factory.mktemp("machine"))


def complaints(machine: Machine, variant: Variant) -> Iterator[str]:
    """What is wrong with the objects that the forms make of one program."""
    program, words = machine.written(variant)
    full = machine.full(program, words)
    for form in FORMS:
        made = machine.form(form, program, words)
        if not made.agrees(full):
            why = "differs from that of the full headers" if full.object else f"should be an error: {full.why[:300]}"
            yield f"the object of the form {form} {why}\n{variant}"


@pytest.mark.parametrize("group", range(GROUPS))
def test_the_same_object_or_an_error(group: int, machine: Machine) -> None:
    wrong = [told for variant in VARIANTS[group::GROUPS] for told in complaints(machine, variant)]
    assert not wrong, "\n\n".join([f"{len(wrong)} objects are wrong", *wrong[:5]])


def test_there_are_enough_combinations_to_mean_something() -> None:
    assert len(VARIANTS) * len(FORMS) >= 2000


def test_plain_programs_are_refused_by_no_form(machine: Machine) -> None:
    for name, (header, use) in USES.items():
        program, words = machine.written(Variant(f"#include <{header}>\n{use}"))
        full = machine.full(program, words)
        assert (full.object is None) == (name == "assembly")
        for form in FORMS:
            made = machine.form(form, program, words)
            assert (made.object is None) == (full.object is None), f"{name} by {form}: {made.why}"


def test_a_plain_clang_within_exec_gives_the_same(machine: Machine, tmp_path: Path) -> None:
    spellings: tuple[tuple[str, ...], ...] = (("-DDEBUG=1",), ("-D", "DEBUG=1"))
    for words in spellings:
        variant = Variant(
            f"#include <mine.h>\n#include <linux/debug.h>\n{USES['debug'][1]}",
            {"inc/mine.h": "/**/#define WIDE 2\n"},
            words,
        )
        program, words = machine.written(variant._replace(words=(*words, "-I{dir}/inc")))
        output = tmp_path / "made.o"
        command = [shutil.which(machine.compiler.argv[0]) or machine.compiler.argv[0], *machine.compiler.argv[1:]]
        script = 'eval "exec \\"\\$@\\" $KHEADERS_CFLAGS -O2 -c -o $OUTPUT $WORDS $PROGRAM"'
        environ = {
            **os.environ,
            **machine.environ,
            "OUTPUT": str(output),
            "WORDS": " ".join(words),
            "PROGRAM": str(program),
        }
        done = subprocess.run(
            [sys.executable, "-m", "kheaders", "exec", *machine.words, "--", "sh", "-c", script, "sh", *command],
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert Outcome(output.read_bytes()).agrees(machine.full(program, words))


_NAMES = st.sampled_from(sorted(USES))


@st.composite
def programs(draw: st.DrawFn) -> Variant:
    """A program that defines macros of several headers, in any spelling, anywhere around its include lines."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=3, unique=True).filter(lambda found: "assembly" not in found))
    lines: list[str] = []
    files: dict[str, str] = {}
    words: list[str] = []
    for name in names:
        macro, value = MACROS[name]
        definition = draw(st.sampled_from([*defined(macro, value), f"#undef {macro.partition('(')[0]}\n", ""]))
        include = f"#include <{USES[name][0]}>\n"
        where = draw(st.sampled_from(("before", "after", "own", "both", "option")))
        if where == "own":
            spelling = draw(st.sampled_from(SPELLINGS))
            files.update({f"inc/own_{name}.h": definition, "words": "-I {dir}/inc\n"})
            words += spelling
            lines.append(f'#include "own_{name}.h"\n{include}')
        elif where == "option" and "(" not in macro:
            words += draw(st.sampled_from(((f"-D{macro}={value}",), ("-D", f"{macro}={value}"), (f"-U{macro}",))))
            lines.append(include)
        else:
            lines.append(f"{definition if where != 'after' else ''}{include}{definition if where != 'before' else ''}")
    lines = draw(st.permutations(lines))
    uses = "".join(USES[name][1].replace(" use(", f" use_{name}(") for name in names)
    return Variant("".join((*lines, uses)), files, tuple(words))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(variant=programs())
def test_whatever_a_program_defines_where(machine: Machine, variant: Variant) -> None:
    assert not list(complaints(machine, variant))
