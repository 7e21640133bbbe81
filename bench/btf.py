"""The numbers that BTF is held to, each as a ratio within one run.

    python bench/btf.py [--runs N] [--only PART] [--json]

1. open vmlinux and look one struct up, from Python's start: at most 0.15 s
2. the closure of one program's types printed, in the library: at most 1 x `bpftool btf dump file ... format c`;
   the same by the command line, Python's start included, is told without a limit
3. the whole dump: at most 5 x the same

What the running kernel shows in /sys/kernel/btf/vmlinux is read, or the file that --btf names. Exit status 1 means that
a number was missed, 77 that something needed is not here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "bench")]

from harness import Command, CommandFailed, Comparison, compare, python, report  # noqa: E402

RUNNING = Path("/sys/kernel/btf/vmlinux")
KHEADERS = str(Path(sys.executable).with_name("kheaders"))

LOOK_UP = """
import sys
from pathlib import Path
from kheaders.btf.container import read_btf
btf = read_btf(Path(sys.argv[1]))
(found, *_) = btf.find("task_struct")
assert btf.type(found).members
"""

WHOLE = """
import sys
from pathlib import Path
from kheaders.btf.container import read_btf
from kheaders.btf.cprint.vmlinux import header
for text in header(read_btf(Path(sys.argv[1]))):
    sys.stdout.write(text)
"""

CLOSURE = """
import sys, time
from pathlib import Path
from kheaders.btf.container import read_btf
from kheaders.btf.cprint.vmlinux import definitions
from kheaders.btf.lookup import find
start = time.perf_counter()
btf = read_btf(Path(sys.argv[1]))
text = "".join(definitions(btf, [i for name in sys.argv[2:] for i in find(btf, name)]))
print(time.perf_counter() - start)
"""

NEEDED = ("task_struct", "sk_buff", "sock", "tcp_sock", "file", "iphdr")
"""What a tracing program of the larger sort reads."""


def look_up(btf: Path, bpftool: str, runs: int) -> Iterator[Comparison]:
    """Python's start, imports, parsing, one struct decoded."""
    yield compare("look one struct up", [Command("python", python(LOOK_UP, btf))], runs=runs, limit=0.15)


def closure(btf: Path, bpftool: str, runs: int) -> Iterator[Comparison]:
    """Some structs with all that they embed, opened and printed, against bpftool's only way."""
    library = Command("vmlinux.definitions()", python(CLOSURE, btf, *NEEDED), reports=True)
    yield compare("closure of a program's types", [library, dump(btf, bpftool)], runs=runs, limit=1)
    ours = Command("kheaders types NAMES", [KHEADERS, "types", "--btf", str(btf), *NEEDED])
    yield compare("the same from Python's start", [ours, dump(btf, bpftool)], runs=runs)


def whole(btf: Path, bpftool: str, runs: int) -> Iterator[Comparison]:
    """Everything, in the library."""
    ours = Command("vmlinux.header()", python(WHOLE, btf))
    yield compare("whole dump", [ours, dump(btf, bpftool)], runs=runs, limit=5)


def dump(btf: Path, bpftool: str) -> Command:
    """bpftool's whole dump as C."""
    return Command("bpftool btf dump", [bpftool, "btf", "dump", "file", str(btf), "format", "c"])


PARTS = {"lookup": look_up, "closure": closure, "whole": whole}


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description="Measure BTF, as ratios in one run.")
    parser.add_argument("--runs", type=int, default=7, help="rounds after one warm-up (default 7)")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this part; may be repeated")
    parser.add_argument("--btf", type=Path, default=RUNNING, help="the BTF to read (default: the running kernel's)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    bpftool = shutil.which("bpftool", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if bpftool is None or not args.btf.exists():
        print(f"cannot measure: no {'bpftool' if bpftool is None else args.btf} here", file=sys.stderr)
        return 77
    comparisons: list[Comparison] = []
    failed = False
    for part in args.only or PARTS:
        try:
            comparisons += PARTS[part](args.btf, bpftool, args.runs)
        except CommandFailed as error:
            print(f"{part}: not measured: {error}", file=sys.stderr)
            failed = True
    return int(report(comparisons, as_json=args.json) or failed)


if __name__ == "__main__":
    sys.exit(main())
