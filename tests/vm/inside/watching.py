"""Tools that watch a system, run by ``kheaders exec`` at once while events are made, until each has seen its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from steps import PAYLOAD, PYTHON, check

BLOB = f"{PAYLOAD}/blob.kheaders"
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "PYTHONPATH": f"{PAYLOAD}/python",
    "PYTHONUNBUFFERED": "1",  # a tool's output is read while it runs
}
EXEC = (PYTHON, "-m", "kheaders", "exec", "-v", "--blob", BLOB, "--")
LIMIT = 600.0
"""Seconds after which a tool that has not seen its events, or does not end, fails its step."""
READY = "Tracing "
"""What a tool that prints at its end says when it is ready."""
STAGING = "/run/kheaders/staging"

Facts = Mapping[str, str]
"""What events tell about themselves: the names that a tool's pattern may use."""


@dataclass(frozen=True)
class Tool:
    """A tool, what it must print, and how it is ended."""

    words: Sequence[str]
    seen: str
    """Pattern of a line, with the ``{names}`` of facts."""
    end: signal.Signals = signal.SIGINT
    """What is sent to kheaders, which passes it on."""
    status: int = 0
    """How kheaders must end then: below zero the signal."""
    programs: int | None = 1
    """Programs of bcc that are compiled, at least; None for bpftrace."""
    late: bool = False
    """Whether it prints only when it is ended."""


class Watch:
    """One tool while it runs. Its output lies in files, so that nobody waits for anybody."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.name = os.path.basename(tool.words[-1] if tool.words[0] == "bpftrace" else tool.words[0])
        self._out, self._err = f"/run/{self.name}.out", f"/run/{self.name}.err"
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                [*EXEC, *tool.words], env=ENVIRONMENT, cwd="/root", stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        """What it printed so far."""
        return _read(self._out)

    @property
    def err(self) -> str:
        """What it and kheaders said so far."""
        return _read(self._err)

    def saw(self, rounds: Sequence[Mapping[str, str]]) -> str | None:
        """The line that one of the *rounds* of events must lead to, if it is there."""
        out = self.out
        for facts in reversed(rounds):
            quoted = {name: re.escape(fact) for name, fact in facts.items()}
            if found := re.search(self.tool.seen.format_map(quoted), out, re.MULTILINE):
                return found[0]
        return None

    def wait(self) -> None:
        """Wait for the end that was asked for; it is asked for again where a tool did not hear.

        Python drops what a signal raises while a callback of bcc runs (ctypes); at a terminal one presses ^C again.
        """
        for _ in range(5):
            try:
                self.process.wait(30)
                return
            except subprocess.TimeoutExpired:
                self.process.send_signal(self.tool.end)
        check(False, f"does not end: {self.told}")

    def children(self) -> list[int]:
        """The processes that kheaders started: the tool."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return [int(number) for number in file.read().split()]

    @property
    def told(self) -> str:
        """For a person: how it ended, and its last words."""
        return f"{self.name}: status {self.process.poll()}\n{self.out[-1500:]}\n{self.err[-2500:]}"


def until_all_saw(running: Sequence[Watch], events: Callable[[], Facts]) -> list[Facts]:
    """Make *events* until each tool has told of some; those that print at their end must have begun."""
    start = said = time.monotonic()
    rounds: list[Facts] = []
    waiting = list(running)
    while waiting:
        rounds.append(events())
        time.sleep(0.3)
        for one in list(waiting):
            check(one.process.poll() is None, f"ended by itself: {one.told}")
            if READY in one.out if one.tool.late else one.saw(rounds):
                waiting.remove(one)
                print(f"guest:   {one.name}, {time.monotonic() - start:.0f} s", flush=True)
        if waiting:
            if time.monotonic() > said + 60:
                said = time.monotonic()
                print(f"guest:   waiting for {', '.join(one.name for one in waiting)}", flush=True)
            check(time.monotonic() < start + LIMIT, "\n".join(["saw nothing:", *(one.told for one in waiting)]))
    return rounds


def watch(tools: Sequence[Tool], events: Callable[[], Facts]) -> dict[str, str]:
    """Run *tools*, make *events* until each tool has told of them, and end it; tool → the line that told.

    Each must end as it has to, and must have compiled from slices alone. Nothing may be left behind.
    """
    running = [Watch(tool) for tool in tools]
    told: dict[str, str] = {}
    try:
        rounds = [*until_all_saw(running, events), events()]
        time.sleep(2)  # until they have told of these, too
        for one in running:
            one.process.send_signal(one.tool.end)
        for one in running:
            one.wait()
            line = one.saw(rounds)
            check(line and one.process.returncode == one.tool.status, one.told)
            check("headers: none: no headers of kernel" in one.err, one.told)
            if one.tool.programs is not None:
                forms = re.findall(r"a program of bcc, form (\w+)", one.err)
                check(len(forms) >= one.tool.programs and set(forms) == {"slice"}, one.told)
            told[one.name] = line or ""
    finally:
        for one in running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
    check(not os.listdir(STAGING), f"left in {STAGING}: {os.listdir(STAGING)}")
    return told


def _read(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()
