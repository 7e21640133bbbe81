"""Steps that a guest goes through: each is recorded with what it found; after one that fails the others still run."""

from __future__ import annotations

import json
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PYTHON = "/usr/bin/python3.11"
PAYLOAD = "/payload"
USER = 1000
RESULTS = "/run/results"


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class Failed(Exception):
    """What a step found is not what it must be."""


def run(argv: Sequence[str], *, user: bool = False, expect: int | None = 0, cwd: str | None = None) -> Done:
    """Run a command as root or as the plain user; any status but *expect* fails the step, unless that is None."""
    home = "/home/user" if user else "/root"
    env = {"PATH": "/usr/sbin:/usr/bin", "HOME": home, "LC_ALL": "C.UTF-8", "PYTHONPATH": f"{PAYLOAD}/python:/opt"}
    if user:
        env["XDG_RUNTIME_DIR"] = f"/run/user/{USER}"
    done = subprocess.run(
        argv,
        env=env,
        cwd=cwd or home,
        capture_output=True,
        text=True,
        timeout=400,
        user=USER if user else None,
        group=USER if user else None,
        extra_groups=[] if user else None,
    )
    if expect is not None and done.returncode != expect:
        shown = " ".join(argv)
        raise Failed(f"{shown}: status {done.returncode}, not {expect}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return Done(done.returncode, done.stdout, done.stderr)


def kheaders(*words: str, user: bool = False, expect: int | None = 0) -> Done:
    """Run kheaders."""
    return run([PYTHON, "-m", "kheaders", *words], user=user, expect=expect)


def check(holds: object, what: object) -> None:
    """Fail the step with *what* unless *holds*."""
    if not holds:
        raise Failed(str(what))


def headers_anywhere() -> list[str]:
    """Every kconfig.h in the guest: no kernel headers are without it."""
    places = ("/boot", "/etc", "/home", "/lib/modules", "/root", "/run", "/tmp", "/usr/src", "/usr/lib/modules", "/var")
    found = (os.path.join(d, "kconfig.h") for place in places for d, _, names in os.walk(place) if "kconfig.h" in names)
    return sorted(found)


class Steps:
    """Runs steps in order and writes what became of them to the results."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._records: list[dict[str, object]] = []

    def step(self, function: Callable[[], object]) -> None:
        """Run one step; its name is the function's."""
        name = function.__name__
        print(f"guest: {name} …", flush=True)
        start = time.monotonic()
        try:
            detail, ok = function(), True
        except Exception as error:
            detail, ok = str(error) if isinstance(error, Failed) else traceback.format_exc(), False
            print(detail, flush=True)
        seconds = round(time.monotonic() - start, 1)
        print(f"guest: {name}: {'ok' if ok else 'FAILED'}, {seconds} s", flush=True)
        self._records.append({"name": name, "ok": ok, "detail": detail, "seconds": seconds})
        os.makedirs(RESULTS, exist_ok=True)
        with open(f"{RESULTS}/{self._name}.json", "w") as file:
            json.dump(self._records, file)

    @property
    def ok(self) -> bool:
        """Whether every step so far held."""
        return all(record["ok"] for record in self._records)
