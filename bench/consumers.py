"""bcc's tools headerless against bcc with the full headers: how many compile, to the same code, in what time.

    python bench/consumers.py [--tools opensnoop,tcplife] [--runs N] [--json]

Each of bpfcc-tools' programs is run until it has compiled its first program, once from the full headers and once from
its slice, in turn; what is measured is the time inside the compile. Wanted: each that compiles from full headers
compiles headerless to the same code, in a fifth of the time in the median. Beside it, how much of the headerless time
is spent in bcc itself, and what a program of one line takes, which no slice can undercut. The store lies in memory, as
/run does. Nothing is loaded or attached. Needs root, for maps, and tracefs for tools with tracepoints. Exit status 1:
missed; 77: something needed is not here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests"), str(CHECKOUT / "src")]

from builders import bcc, kernel_archive  # noqa: E402
from builders.kernel_archive import Unobtainable  # noqa: E402
from harness import workspace  # noqa: E402

WANTED = 0.2
ARGUMENTS: Mapping[str, str] = {
    "argdist": "-C p::vfs_read():int:$retval",
    "biolatpcts": "0:0",
    "dbslower": "mysql -x /bin/ls",
    "deadlock": "1",
    "dirtop": "-d /tmp",
    "funccount": "t:sched:sched_switch",
    "funcinterval": "vfs_read",
    "funclatency": "vfs_read",
    "funcslower": "vfs_read",
    "inject": "kmalloc -v bio_alloc()",
    "netqtop": "-n lo",
    "stackcount": "vfs_read",
    "trace": "vfs_read",
    "ttysnoop": "/dev/null",
}
"""What tools want to be told before they compile."""

EMPTY = """#!/usr/bin/python3
from bcc import BPF
BPF(text="int f(void *ctx) { return 0; }")
"""

PRIVATE = 'mount -t tracefs t /sys/kernel/tracing; mount -t debugfs d /sys/kernel/debug; exec "$@"'

ONE = """
import json, os, runpy, sys, time
exec(sys.argv[1])
import bcc
from bcc import lib
os.getpid = lambda: 7  # some tools leave themselves out, by number
bcc.BPF.ksymname = staticmethod(lambda name: 1)
bcc.BPF.get_kprobe_functions = staticmethod(lambda pattern: {b"vfs_read"})
bcc.BPF.support_kfunc = staticmethod(lambda: False)
create = lib.bpf_module_create_c_from_string
way = sys.argv[2]
if way == "slice":
    from kheaders.consumers import bcc as consumer
    create = consumer.install()
    original = create._original
    inside = []

    def timed(*words):
        start = time.monotonic()
        try:
            return original(*words)
        finally:
            inside.append(time.monotonic() - start)

    create._original = timed

def first(*words):
    start = time.monotonic()
    module = create(*words)
    seconds = time.monotonic() - start
    names = [lib.bpf_function_name(module, i) for i in range(lib.bpf_num_functions(module))] if module else []
    codes = {name.decode(): code(module, name) for name in names}
    form, own = (create.last.form, sum(inside)) if way == "slice" else ("full", seconds)
    print("\\nMEASURED" + json.dumps([seconds, bool(module), form, codes, own]), flush=True)
    os._exit(0)

lib.bpf_module_create_c_from_string = first
sys.argv[:] = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def main() -> int:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", default="")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root: bcc makes maps", file=sys.stderr)
        return 77
    try:
        root, headers = bcc.root(), kernel_archive.obtain()
    except (Unobtainable, OSError) as error:
        print(f"no bcc or no headers: {error}", file=sys.stderr)
        return 77
    with workspace() as work:
        rows = measured(work, root, headers.archive, args.tools.split(",") if args.tools else [], args.runs)
    return report(rows, as_json=args.json)


def measured(work: Path, root: Path, archive: Path, tools: list[str], runs: int) -> dict[str, Any]:
    """Tool → what became of it, both ways."""
    from kheaders.clang.find import find
    from kheaders.forms.directory import extract
    from kheaders.headers.headerset import HeaderSet
    from kheaders.interface.build import build

    with archive.open("rb") as stream:
        headers = HeaderSet.from_archive(stream)
    tree = extract(headers, work / "tree")
    build(headers, find(None), work / "blob")
    env = bcc.environment(root)
    env["PYTHONPATH"] += f":{CHECKOUT / 'src'}"
    ours = {"KHEADERS_EXEC_BLOB": str(work / "blob"), "KHEADERS_STORE": str(work), "KHEADERS_CACHE": str(work)}
    ways = {"full": {**env, "BCC_KERNEL_SOURCE": str(tree)}, "slice": {**env, **ours, "KHEADERS_ORDER": "store"}}
    rows: dict[str, Any] = {}
    empty = work / "empty-bpfcc"
    empty.write_text(EMPTY)
    for path in (empty, *sorted((root / "usr/sbin").glob("*-bpfcc"))):
        name = path.name.removesuffix("-bpfcc")
        if (tools and name not in tools) or b"python" not in path.read_bytes().partition(b"\n")[0]:
            continue
        found = [{way: one(path, name, way, ways[way]) for way in ways} for _ in range(runs)]
        rows[name] = row(found)
        print(f"{name}: {rows[name]}", file=sys.stderr)
    return rows


def one(path: Path, name: str, way: str, env: Mapping[str, str]) -> Any:
    """(seconds, whether it compiled, form, codes) of one tool, or None if it compiled nothing."""
    code = bcc.COMPILE.partition("\nwith open")[0]
    words = [str(bcc.PYTHON), "-c", ONE, code, way, str(path), *ARGUMENTS.get(name, "").split()]
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", PRIVATE, "sh", *words]
    try:
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        return None
    _, mark, text = done.stdout.rpartition(b"\nMEASURED")
    return json.loads(text.splitlines()[0]) if mark else None


def row(found: list[dict[str, Any]]) -> dict[str, Any]:
    """One tool's outcome."""
    full, ours = found[0]["full"], found[0]["slice"]
    if full is None or ours is None:
        return {"verdict": "compiles nothing here"}
    if not full[1] or not ours[1]:
        return {"verdict": "headerless only" if ours[1] else "full only" if full[1] else "both fail"}
    ratio = statistics.median(pair["slice"][0] / pair["full"][0] for pair in found)
    verdict = "same" if full[3] == ours[3] else "differs"
    inside = statistics.median(pair["slice"][4] / pair["full"][0] for pair in found)
    seconds = {way: round(statistics.median(pair[way][0] for pair in found), 3) for way in found[0]}
    return {"verdict": verdict, "form": ours[2], "ratio": round(ratio, 3), "bcc": round(inside, 3), "seconds": seconds}


def report(rows: dict[str, Any], *, as_json: bool) -> int:
    """Print the counts, and return the exit status."""
    empty = rows.pop("empty", None)
    verdicts = [row["verdict"] for row in rows.values()]
    counts = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    ratios = [row["ratio"] for row in rows.values() if row["verdict"] == "same" and row["form"] == "slice"]
    ratio = round(statistics.median(ratios), 3) if ratios else None
    inside = [row["bcc"] for row in rows.values() if row["verdict"] == "same" and row["form"] == "slice"]
    if as_json:
        print(json.dumps({"counts": counts, "ratio": ratio, "wanted": WANTED, "tools": rows}))
    else:
        print(", ".join(f"{verdict}: {count}" for verdict, count in counts.items()))
        print(f"time inside the compile, headerless / full headers: median {ratio} (wanted: at most {WANTED})")
        if ratios:
            print(f"of it in bcc itself: {statistics.median(inside):.3f}")
        if ratios and empty and "seconds" in empty:
            floor = empty["bcc"] * empty["seconds"]["full"]
            full = [row["seconds"]["full"] for row in rows.values() if row["verdict"] == "same"]
            print(
                f"bcc for a program of one line, without headers: {floor:.3f} s; if all tools took no more: "
                f"{statistics.median(floor / seconds for seconds in full):.3f}"
            )
    return 0 if ratio is not None and ratio <= WANTED and not {"differs", "full only"} & set(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
