"""What `make demo` shows: this machine, headers for a kernel, and programs of different kinds compiled from them.

    python demo/demo.py [--runs N]

Everything is done through the command line tool, as a user would. Nothing is installed on the machine; what is fetched
goes to kheaders' own store.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kheaders import Context, KheadersError

CHECKOUT = Path(__file__).resolve().parents[1]
KHEADERS = str(Path(sys.executable).with_name("kheaders"))
EXAMPLES = {
    "task_walk": "kprobe walking task_struct",
    "tcp_rtt": "networking, ip_hdr and tcp_sk",
    "sched_time": "tracepoint",
    "children": "list and container_of",
    "refcounts": "atomic",
    "socket_filter": "socket filter",
}
LOADED = "socket_filter"
"""The example that any kernel can load, from whichever kernel's headers it was compiled."""
SKIPPED = 77


@dataclass(frozen=True)
class Run:
    """One finished command: its status, what it printed, how long it took (seconds)."""

    status: int
    output: str
    errors: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """One way to compile one program: the median time (seconds) and the object's size (bytes), or why there is none."""

    seconds: float = 0.0
    size: int = 0
    problem: str = ""

    def __str__(self) -> str:
        return self.problem or f"{self.seconds:6.2f} s {self.size / 1024:5.0f} KiB"


class DemoFailed(Exception):
    """The demonstration cannot go on; the text is one line for the user."""


def run(*words: str, env: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end and keep what it printed."""
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | (env or {}), check=False)
    return Run(done.returncode, done.stdout, done.stderr, time.perf_counter() - start)


def kheaders(*words: str) -> Run:
    """Run the tool; DemoFailed with its own message if it fails."""
    done = run(KHEADERS, *words)
    if done.status != 0:
        last = done.errors.strip().splitlines()[-1:] or [f"status {done.status}"]
        raise DemoFailed(f"`kheaders {shlex.join(words)}` failed: {last[0]}")
    return done


def heading(text: str) -> None:
    """Start a part of the show."""
    print(f"\n== {text}", flush=True)


def show_doctor() -> None:
    """What kheaders sees on this machine; a machine without headers is no failure here."""
    heading("kheaders doctor: what this machine has")
    done = run(KHEADERS, "doctor")
    print((done.output or done.errors).rstrip())


def make_room(work: Path) -> None:
    """A store of the demonstration's own where this user has none that ends with the boot."""
    boot = json.loads(run(KHEADERS, "doctor", "--json").output)["store"]["boot"]
    if not boot["writable"]:
        why = boot["reason"].partition(";")[0]
        print(f"\n{why}; for this demonstration, as with --store, a temporary directory is used")
        os.environ["KHEADERS_STORE"] = str(work / "store")


def get_headers() -> list[str]:
    """The options that select the headers to use: none for the host's own; else the distribution's are fetched."""
    heading("headers")
    found = run(KHEADERS, "locate", "--json")
    if found.status == 0:
        answer = json.loads(found.output)
        print(f"headers of the running kernel, {answer['release']}, from {answer['source']}: {answer['location']}")
        return []
    print(f"no headers of the running kernel, {platform.release()}, here; fetching the distribution's package")
    fetched = json.loads(kheaders("fetch", "--json").output)
    print(f"fetched the headers of {fetched['release']} ({', '.join(fetched['packages'])})")
    if fetched["stand_in"]:
        print(f"They are a STAND-IN: they belong to another kernel than the one that runs here, {platform.release()}.")
        print(
            "What is compiled from them shows how kheaders works; of the objects, only the one that touches no layout"
        )
        print("of a particular kernel is loaded below.")
    return [str(word) for word in fetched["use"]]


def compiler_words() -> list[str]:
    """The compiler that kheaders itself uses here, as the words that start it."""
    try:
        return list(Context.open().compiler.argv)
    except KheadersError as error:
        raise DemoFailed(str(error)) from error


def measure(words: Sequence[str], out: Path, runs: int) -> Measured:
    """Run a compile *runs* times after one that warms up; the median of them."""
    times = []
    for _ in range(runs + 1):
        out.unlink(missing_ok=True)
        done = run(*words)
        if done.status != 0:
            found = re.search(r"error: .*", done.errors)
            return Measured(problem=found[0][:60] if found else f"status {done.status}")
        times.append(done.seconds)
    return Measured(statistics.median(times[1:]), out.stat().st_size)


def compile_all(select: list[str], work: Path, runs: int) -> bool:
    """Compile each example in each form and print the table; whether all of kheaders' compiles succeeded."""
    tree = work / "tree"
    kheaders("extract", *select, str(tree))
    flags = json.loads(kheaders("cflags", "--json", "--headers", str(tree)).output)
    compiler = compiler_words()
    heading("the blob: everything that the headers declare, in one file")
    blob = work / "blob.kheaders"
    print(kheaders("blob", "build", *select, "-o", str(blob)).output.rstrip().replace(str(blob), blob.name))
    heading(f"examples: median of {runs} runs each, and the size of the object (with debug information)")
    print(f"compiler: {shlex.join(compiler)}")
    print("slice (of the blob, without any header), memory, directory: the whole of `kheaders compile`;")
    print("full headers: the compiler alone, on an extracted directory")
    names = ("slice", "memory", "directory", "full headers")
    print(f"{'program':<15}{'what it is':<31}" + "".join(f"{name:>18}" for name in names))
    good = True
    for name, what in EXAMPLES.items():
        source, out = str(CHECKOUT / f"examples/{name}.bpf.c"), work / f"{name}.o"
        plain = measure(
            [*compiler, *flags, "-O2", "-g", "-c", "-o", str(work / "plain.o"), source], work / "plain.o", runs
        )
        command = [KHEADERS, "compile", "-g", "-o", str(out), source]
        forms = [
            measure([*command, *select, "--form", "directory"], out, runs),
            measure([*command, *select, "--form", "memory"], out, runs),
            measure([*command, "--form", "slice", "--blob", str(blob)], out, runs),
        ]
        good = good and not any(m.problem for m in forms)
        print(f"{name:<15}{what:<31}" + "".join(f"{m!s:>18}" for m in (*reversed(forms), plain)), flush=True)
    return good


def load_one(work: Path) -> bool:
    """Load one object into the running kernel; False only if the kernel refused it."""
    heading(f"load {LOADED} into the running kernel")
    done = run(sys.executable, str(CHECKOUT / "demo/load_bpf.py"), str(work / f"{LOADED}.o"))
    print((done.output + done.errors).rstrip())
    return done.status in (0, SKIPPED)


def main() -> int:
    """Run the whole show."""
    parser = argparse.ArgumentParser(description="Show what kheaders does on this machine.")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each compile (default 3)")
    args = parser.parse_args()
    try:
        show_doctor()
        with tempfile.TemporaryDirectory(prefix="kheaders-demo-") as name:
            work = Path(name)
            make_room(work)
            select = get_headers()
            compiled = compile_all(select, work, args.runs)
            loaded = load_one(work)
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0 if compiled and loaded else 1


if __name__ == "__main__":
    sys.exit(main())
