"""libbpf programs with the ``vmlinux.h`` of their slice against bpftool's: how many compile, to the same code.

    python bench/libbpf.py [--only SUBSTRING,...] [--whole] [--clang NAME] [--json]

The programs of Debian's linux-source-6.1 that include ``vmlinux.h``: the kernel's self-tests, those of perf, bpftool
and runqslower, and the samples. Each is compiled as it stands, and (unless --whole) again without the macros that it
copied from the kernel, whose values are compared too. Wanted: the same code, but for those that are EXPLAINED below.
Exit status 1: missed; 77: something needed is not here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests"), str(CHECKOUT / "src")]

from builders import kernel_archive, libbpf  # noqa: E402
from builders.compilers import compilers  # noqa: E402
from builders.kernel_archive import Unobtainable  # noqa: E402
from harness import workspace  # noqa: E402

GOOD = ("same", "both fail", "bpftool's fails")
EXPLAINED: Mapping[str, str] = {
    "timer_crash.c": "bpftool's header loses the alignment of struct bpf_timer, which the kernel asks of map values",
}


def main() -> int:
    """Compare, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--clang", default="")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    clang = next((one for one in compilers() if args.clang in ("", one.name)), None)
    if clang is None or not shutil.which("bpftool"):
        print("needs clang and bpftool", file=sys.stderr)
        return 77
    try:
        source, archive, btf = libbpf.sources(), kernel_archive.obtain().archive, libbpf.kernel_btf()
    except (Unobtainable, OSError) as error:
        print(f"no programs or no kernel: {error}", file=sys.stderr)
        return 77
    wanted = args.only.split(",") if args.only else [""]
    programs = [path for path in libbpf.programs(source) if any(word in path.name for word in wanted)]
    with workspace() as work:
        comparison = libbpf.comparison(work, source, archive, btf, clang.argv)
        whole = compared(comparison.whole, programs)
        bare = {} if args.whole else compared(comparison.without_copies, programs)
    return report(whole, bare, as_json=args.json)


def compared(how: libbpf.How, programs: list[Path]) -> dict[str, libbpf.Outcome]:
    """Program → outcome."""
    with ThreadPoolExecutor(2) as threads:
        return {path.name: outcome for path, outcome in zip(programs, threads.map(how, programs), strict=True)}


def report(whole: Mapping[str, libbpf.Outcome], bare: Mapping[str, libbpf.Outcome], *, as_json: bool) -> int:
    """Print what is not the same, and the counts; return the exit status."""
    missed = False
    for title, outcomes in (("as it stands", whole), ("without copied macros", bare)):
        for name, outcome in outcomes.items():
            bad = outcome.verdict not in GOOD and name not in EXPLAINED
            missed = missed or bad
            if outcome.verdict != "same" and not as_json:
                print(f"{name} {title}: {outcome.verdict}: {EXPLAINED.get(name, outcome.detail)}")
        counts = Counter(outcome.verdict for outcome in outcomes.values())
        if outcomes and not as_json:
            print(f"{title}: {len(outcomes)} programs; " + ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    deleted = Counter(name for outcome in bare.values() for name in outcome.deleted)
    other = Counter(name for outcome in bare.values() for name in outcome.other)
    if as_json:
        rows = {title: {n: asdict(o) for n, o in found.items()} for title, found in (("whole", whole), ("bare", bare))}
        print(json.dumps(rows))
    elif bare:
        print(
            f"copies deleted: {deleted.total()} of {len(deleted)} macros, each with the same value: {' '.join(deleted)}"
        )
        print(f"macros of the programs' own under a name of the kernel's: {' '.join(other)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
