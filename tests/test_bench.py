"""Benches leave nothing behind, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builders.need import CHECKOUT

BENCH = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
from harness import Command, once, workspace
with workspace() as work:
    (work / "file").write_text("x")
    print(work, flush=True)
    once(Command("waits", ["sleep", "1000"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_told_to_end(number: signal.Signals) -> None:
    words = [sys.executable, "-c", BENCH, str(CHECKOUT / "bench")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as bench:
        assert bench.stdout is not None
        work = Path(bench.stdout.readline().rstrip("\n"))
        assert work.name.startswith("kheaders-bench-") and (work / "file").exists()
        bench.send_signal(number)
        assert bench.wait(60) != 0
    assert not work.exists()
    assert not [pid for pid in filter(str.isdigit, os.listdir("/proc")) if waits(pid, bench.pid)]


def waits(pid: str, parent: int) -> bool:
    """Whether that process is a child of *parent*."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1]) == parent
    except OSError:
        return False
