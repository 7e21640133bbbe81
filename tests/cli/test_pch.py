"""``kheaders pch``, and the commands that use what it makes, on a machine whose headers then go away."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from builders import need
from builders.archive import archive
from builders.cli import run_main
from builders.compilers import compilers
from builders.mini import mini_root
from builders.precompiled import headers
from builders.root import RELEASE
from kheaders.clang.find import find

PROGRAM = "#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n"
FAULTY = "#include <linux/sched.h>\nint f(struct task_struct *t) { return t->no_such_member; }\n"


@pytest.fixture
def machine(tmp_path: Path) -> tuple[str, ...]:
    """Options for a machine that shows headers, and a store of its own."""
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    root = mini_root(tmp_path, archive(dict(headers())))
    return ("--sysroot", str(root.path), "--store", str(tmp_path / "s"), "--cache", str(tmp_path / "c"))


@pytest.fixture
def without(machine: tuple[str, ...], tmp_path: Path) -> tuple[str, ...]:
    """The same machine after ``pch build``, its headers gone."""
    done = run_main("pch", "build", *machine)
    assert done.status == 0, done.err
    os.unlink(tmp_path / "root/sys/kernel/kheaders.tar.xz")
    assert run_main("locate", *machine).status == 3
    return machine


def written(text: str, name: str = "p.bpf.c") -> str:
    Path(name).write_text(text)
    return name


def test_build_and_info(machine: tuple[str, ...], own_surroundings: Path) -> None:
    assert "has no PCH" in run_main("pch", "info", *machine).error
    done = run_main("pch", "build", *machine)
    assert done.status == 0 and f"PCH of {RELEASE} for " in done.out
    assert "finding and verifying headers" in done.err and "precompiling the headers" in done.err
    assert "left out: linux/rbtree.h" in done.err
    facts = run_main("pch", "build", "--json", *machine).json
    assert facts["built"] is False and facts["release"] == RELEASE and facts["options"] == "-O2"
    assert sum(map(os.path.getsize, facts["layers"])) == facts["size"] and facts["layers"][-1] == facts["path"]
    assert run_main("pch", "info", "--json", *machine).json["others"] == []
    run_main("pch", "build", "-O", "s", "--with", "linux/usb.h", *machine)
    assert len(run_main("pch", "info", "--json", *machine).json["others"]) == 1
    told = run_main("pch", "info", *machine).out
    assert re.search(r"^others +1 PCH$", told, re.M) and "-Os" in told


def test_everything_without_headers(without: tuple[str, ...]) -> None:
    facts = run_main("compile", "--json", "-g", written(PROGRAM), *without).json
    assert facts["form"] == "pch" and facts["release"] == RELEASE
    assert Path("p.bpf.o").read_bytes()[:4] == b"\x7fELF"
    done = run_main("compile", "-v", "--form", "pch", written(PROGRAM), *without)
    assert done.status == 0 and "pch form" in done.err
    done = run_main("compile", "--form", "pch", written(FAULTY), *without)
    assert done.status == 7 and "no member named 'no_such_member'" in done.err
    done = run_main("compile", "--form", "pch", written("struct request { int x; };\n"), *without)
    assert done.status == 7 and "declares request itself" in done.err and "use --form auto" in done.err


def test_default_order(machine: tuple[str, ...], tmp_path: Path) -> None:
    run_main("pch", "build", *machine)
    collides = written(
        "#include <linux/types.h>\nstruct request { int x; };\nint f(struct request *r) { return r->x; }\n"
    )
    done = run_main("compile", "-v", collides, *machine)
    assert done.status == 0 and "not from a PCH: it declares request itself" in done.err and "memory form" in done.err
    assert run_main("compile", "--form", "pch", collides, *machine).status == 7
    # the program is at fault: the messages are those of the compile from full headers
    done = run_main("compile", "--form", "pch", written(FAULTY), *machine)
    assert done.status == 7 and "p.bpf.c:2:" in done.err and done.err.count("no member named") == 1


def test_form_pch_builds_what_is_missing(machine: tuple[str, ...]) -> None:
    assert run_main("compile", "--json", written(PROGRAM), *machine).json["form"] == "memory"
    assert run_main("compile", "--json", "--form", "pch", written(PROGRAM), *machine).json["form"] == "pch"
    assert run_main("compile", "--json", written(PROGRAM), *machine).json["form"] == "pch"
    # with other words there is none, and the default does not make one
    assert run_main("compile", "--json", "-O", "3", written(PROGRAM), *machine).json["form"] == "memory"


def test_flags_for_a_build_of_ones_own(without: tuple[str, ...], own_surroundings: Path) -> None:
    flags = run_main("cflags", "--form", "pch", "--json", *without).json
    source = written("#include <linux/errno.h>\n#include <linux/sched.h>\nint f(void) { return ENOENT; }\n")
    subprocess.run([*find().argv, *flags, "-g", "-c", source, "-o", "own.o"], check=True)
    assert Path("own.o").read_bytes()[:4] == b"\x7fELF"


def test_export(without: tuple[str, ...], own_surroundings: Path) -> None:
    facts = run_main("pch", "export", "--json", "-o", "out", *without).json
    assert facts["directory"] == str(own_surroundings / "out")
    assert set(os.listdir("out")) >= {"kernel.pch", "layer-0.pch", "layer-1.pch", "overlay.json"}
    subprocess.run([*find().argv, "@out/flags", "-c", written(PROGRAM), "-o", "own.o"], check=True)
    assert run_main("pch", "export", "-o", "out", *without).status == 2


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("export",), "where to is not said"),
        (("build", "-o", "x"), "takes no -o"),
        (("info", "--with", "x.h"), "takes no --with"),
    ],
)
def test_usage(words: tuple[str, ...], error: str) -> None:
    done = run_main("pch", *words)
    assert done.status == 2 and error in done.error
