"""Measure commands against each other: A B A B …, so that a machine's moods fall on both alike.

Each run is a whole process, from fork to exit: wall time by a monotonic clock, user and system time by wait4(2). A
ratio is the median of the ratios pair by pair, which a slow minute does not move as it would move a ratio of medians.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True)
class Command:
    """Something to measure: a name, the words that start it, and what to do before each run (not measured)."""

    name: str
    argv: Sequence[str]
    prepare: Callable[[], object] = lambda: None
    env: Mapping[str, str] = field(default_factory=dict)
    reports: bool = False
    """The command prints the seconds that count (of a library call, without the interpreter's start)."""


@dataclass(frozen=True)
class Times:
    """What one run took, in seconds."""

    wall: float
    user: float
    system: float


@dataclass(frozen=True)
class Comparison:
    """Medians of each command, and how the first compares with the sum of the others."""

    name: str
    limit: float | None
    """The ratio (or, for a command alone, the wall seconds) that is wanted at most."""
    runs: int
    medians: Mapping[str, Times]
    ratio: float | None
    spread: tuple[float, float] | None
    """Quartiles of the ratios pair by pair."""

    @property
    def value(self) -> float:
        """What is held against the limit."""
        return self.ratio if self.ratio is not None else next(iter(self.medians.values())).wall

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        return None if self.limit is None else self.value <= self.limit


class CommandFailed(Exception):
    """A measured command ended with a status other than zero, so its time means nothing."""


def once(command: Command) -> Times:
    """Run *command* once, its output thrown away but for errors, and return what it took."""
    command.prepare()
    null = os.open(os.devnull, os.O_RDWR)
    log, out = os.memfd_create("log"), os.memfd_create("out")
    try:
        output = out if command.reports else null
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        start = time.perf_counter()
        child = os.posix_spawnp(command.argv[0], list(command.argv), os.environ | command.env, file_actions=actions)
        try:
            _, status, usage = os.wait4(child, 0)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        wall = time.perf_counter() - start
        if status != 0:
            errors = os.pread(log, 1 << 16, 0).decode(errors="replace").strip()
            raise CommandFailed(f"{command.name}: status {os.waitstatus_to_exitcode(status)}: {errors}")
        if command.reports:
            wall = float(os.pread(out, 64, 0))
    finally:
        for descriptor in (null, log, out):
            os.close(descriptor)
    return Times(wall, usage.ru_utime, usage.ru_stime)


def compare(name: str, commands: Sequence[Command], *, runs: int = 7, limit: float | None = None) -> Comparison:
    """Run *commands* in turn, *runs* times each after one warm-up, and compare the first with the sum of the others."""
    for command in commands:
        once(command)
    rounds = [[once(command) for command in commands] for _ in range(runs)]
    medians = {c.name: _median([r[i] for r in rounds]) for i, c in enumerate(commands)}
    ratio = spread = None
    if len(commands) > 1:
        ratios = [r[0].wall / sum(t.wall for t in r[1:]) for r in rounds]
        ratio = statistics.median(ratios)
        low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratio, ratio, ratio)
        spread = (low, high)
    return Comparison(name, limit, runs, medians, ratio, spread)


def table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as a table for people."""
    lines = []
    for c in comparisons:
        unit = "x" if c.ratio is not None else "s"
        wanted = "" if c.limit is None else f", wanted at most {c.limit:g} {unit}: {'kept' if c.met else 'MISSED'}"
        around = f" ({c.spread[0]:.2f} to {c.spread[1]:.2f})" if c.spread else ""
        lines.append(f"{c.name}: {c.value:.3f} {unit}{around}{wanted}")
        lines += [
            f"    {n:<44} {t.wall:8.3f} s wall {t.user:8.3f} s user {t.system:7.3f} s system"
            for n, t in c.medians.items()
        ]
    return "\n".join(lines)


def report(comparisons: Sequence[Comparison], *, as_json: bool) -> int:
    """Print the comparisons; the exit status is 1 if a limit was missed."""
    if as_json:
        cpus = os.cpu_count()
        load = os.getloadavg()[0]
        rows = [asdict(c) | {"value": c.value, "met": c.met} for c in comparisons]
        print(json.dumps({"cpus": cpus, "load": load, "comparisons": rows}, indent=1))
    else:
        print(table(comparisons))
    return int(any(c.met is False for c in comparisons))


def python(code: str, *arguments: str | os.PathLike[str]) -> list[str]:
    """The words that run *code* in this interpreter."""
    return [sys.executable, "-c", code, *(os.fspath(a) for a in arguments)]


@contextmanager
def workspace() -> Iterator[Path]:
    """A private directory, on tmpfs where there is one, for the time of the body.

    It does not outlive a bench that is told to end: SIGTERM and SIGHUP leave the body as SystemExit.
    """

    def end(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    shm = Path("/dev/shm")
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with tempfile.TemporaryDirectory(prefix="kheaders-bench-", dir=shm if shm.is_dir() else None) as name:
            yield Path(name)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def fresh_directory(path: Path) -> Callable[[], None]:
    """A preparation that makes *path* an empty, private directory."""

    def prepare() -> None:
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(mode=0o700)

    return prepare


def _median(times: Sequence[Times]) -> Times:
    columns = ([getattr(t, name) for t in times] for name in ("wall", "user", "system"))
    return Times(*(statistics.median(column) for column in columns))
