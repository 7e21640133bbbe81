"""The recipes of docs/libbpf.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from builders import need
from builders.root import FakeRoot

PROGRAM = """\
#include "vmlinux.h"
__attribute__((section("socket"))) int f(struct animal *animal) { return animal->kind + ANIMAL_LIMIT; }
"""
RECIPES = dict(
    re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", (need.CHECKOUT / "docs/libbpf.md").read_text(), re.M | re.S)
)


@pytest.fixture
def project(tmp_path: Path, small_blob: Path) -> Path:
    """A program, and a command ``kheaders`` that cuts from the made-up kernel's blob."""
    place = tmp_path / "project"
    place.mkdir()
    (place / "prog.bpf.c").write_text(PROGRAM)
    command = tmp_path / "bin/kheaders"
    command.parent.mkdir()
    where = f"--blob '{small_blob}' --sysroot '{FakeRoot(tmp_path).path}' --store '{tmp_path}/s' --cache '{tmp_path}/c'"
    command.write_text(f'#!/bin/sh\nname=$1; shift\nexec \'{sys.executable}\' -m kheaders "$name" {where} "$@"\n')
    command.chmod(0o755)
    return place


def built(project: Path, recipe: str, *commands: Sequence[str | Path]) -> None:
    (project / recipe).write_text(RECIPES[recipe])
    env = {**os.environ, "PATH": f"{project.parent}/bin:{os.environ['PATH']}"}
    need.tool("clang")
    for command in commands:
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    objects = list(project.rglob("prog.bpf.o"))
    assert len(objects) == 1
    assert objects[0].read_bytes().startswith(b"\x7fELF")


def test_make(project: Path) -> None:
    built(project, "Makefile", [need.tool("make"), "prog.bpf.o"])


def test_cmake(project: Path) -> None:
    cmake = need.tool("cmake")
    built(project, "CMakeLists.txt", [cmake, "-S", ".", "-B", "build"], [cmake, "--build", "build"])


def test_meson(project: Path) -> None:
    meson = need.tool("meson")
    built(project, "meson.build", [meson, "setup", "build"], [meson, "compile", "-C", "build"])
