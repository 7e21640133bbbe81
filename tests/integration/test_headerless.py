"""After ``blob build`` the headers can go: programs still compile, and no header file is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders import need
from builders.need import CHECKOUT
from kheaders.clang.find import find
from kheaders.headers.headerset import HeaderSet
from kheaders.interface.build import build
from kheaders.objects import compare

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.bpf.c"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def blob(debian_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blob of a real kernel."""
    path = tmp_path_factory.mktemp("blob") / "real.kheaders"
    with open(debian_archive, "rb") as stream:
        build(HeaderSet.from_archive(stream), find(None), path)
    return path


def run(environ: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kheaders", *map(str, words)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_compiles_with_no_source_of_headers_and_opens_none(
    example: Path, blob: Path, debian_archive: Path, tmp_path: Path
) -> None:
    strace = need.tool("strace")
    environ = {
        **os.environ,
        "KHEADERS_STORE": str(tmp_path / "store"),
        "KHEADERS_CACHE": str(tmp_path / "cache"),
        "KHEADERS_ORDER": "build",
    }
    (tmp_path / "root").mkdir()
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "kheaders",
        "compile",
        "--form",
        "slice",
        "--blob",
        blob,
        "--sysroot",
        tmp_path / "root",
    ]
    command: list[str | Path] = [
        strace,
        "-f",
        "-qq",
        "-s",
        "4096",
        "-e",
        "trace=/^open(at2?)?$",
        "-o",
        tmp_path / "log",
        *words,
    ]
    command += ["-o", tmp_path / "slice.o", example]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    if "ptrace" in done.stderr and "Operation not permitted" in done.stderr:
        pytest.skip("this machine does not let strace trace")
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "log").read_text(errors="replace")
    opened = {line.split('"')[1] for line in log.splitlines() if '.h"' in line and "ENOENT" not in line}
    assert {path for path in opened if "/lib/clang/" not in path and "/lib/include/" not in path} <= {
        str(CHECKOUT / "examples/bpf_support.h"),
        "examples/bpf_support.h",
    }
    full = run(environ, "compile", "--form", "memory", "--headers", debian_archive, "-o", tmp_path / "full.o", example)
    assert full.returncode == 0, full.stderr
    assert compare((tmp_path / "slice.o").read_bytes(), (tmp_path / "full.o").read_bytes()) == []
