"""The command line as tests run it: within this process, as a process of its own, and on a terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from builders.cli import Run, run_main


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options that name a store and a cache of the tests' own, shared so that trees are made once."""
    base = tmp_path_factory.mktemp("cli")
    return ("--store", str(base / "store"), "--cache", str(base / "cache"))


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting of the machine or user counts, and the working directory is empty."""
    for name in [name for name in os.environ if name.startswith("KHEADERS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("COLUMNS", "100")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def run(places: tuple[str, ...]) -> Run:
    """Run a command within this process, with the tests' own store."""
    return lambda name, *words: run_main(name, *places, *words)


@pytest.fixture
def process(places: tuple[str, ...]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a command as a process of its own, with the tests' own store."""

    def start(name: str, *words: str | bytes, **more: Any) -> subprocess.CompletedProcess[bytes]:
        if not {"stdout", "capture_output"} & set(more):
            more["capture_output"] = True
        return subprocess.run(
            [sys.executable, "-m", "kheaders", name, *places, *words], check=False, timeout=120, **more
        )

    return start


@pytest.fixture
def terminal(places: tuple[str, ...]) -> Callable[..., tuple[int, str]]:
    """Run a command on a terminal of 100 columns: status, and all that appeared there."""

    def start(name: str, *words: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        argv = [sys.executable, "-m", "kheaders", name, *places, *words]
        surroundings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
        surroundings |= {"TERM": "xterm", **(env or {})}
        with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings) as child:
            os.close(theirs)
            seen = b""
            with open(ours, "rb", buffering=0) as stream:
                while piece := _read(stream):
                    seen += piece
        return child.returncode, seen.decode()

    return start


def _read(stream: io.FileIO) -> bytes:
    try:
        return stream.read(65536) or b""
    except OSError:  # EIO: the other end was closed
        return b""


@pytest.fixture
def empty_root(tmp_path: Path) -> tuple[str, ...]:
    """Options for a system that has a kernel, and no headers anywhere."""
    from builders.root import FakeRoot

    return ("--sysroot", str(FakeRoot(tmp_path).path), "--order", "sysfs,module,build,distro,store")


@pytest.fixture
def program(own_surroundings: Path) -> Path:
    """A program that needs the kernel's headers, in the working directory."""
    path = own_surroundings / "prog.bpf.c"
    path.write_text(
        "#include <linux/sched.h>\n"
        "int pid(struct task_struct *task) { return task->pid; }\n"
        'char l[] __attribute__((section("license"))) = "GPL";\n'
    )
    return path
