"""The numbers that the foundation is held to, each as a ratio within one run.

    python bench/foundation.py [--runs N] [--only PART] [--json]

1. archive to a HeaderSet in memory, in the library: at most 1.20 x `xz -dc archive`
2. archive to the first object, memory form, nothing cached:
   at most 1.15 x (`xz -dc archive` + the same compile from a directory on tmpfs)
3. warm `kheaders cflags` and `kheaders locate`: at most 0.15 s of wall time, imports included
4. extraction to a directory on tmpfs, all checks on: at most 1.25 x `tar xf`

The archive is made at run time from the distribution's packages (tests/builders/kernel_archive.py) and kept between
runs. Exit status 1 means that a number was missed, 77 that something needed is not here.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests")]

from builders.kernel_archive import Unobtainable, obtain  # noqa: E402
from harness import Command, CommandFailed, Comparison, compare, fresh_directory, python, report, workspace  # noqa: E402

EXAMPLE = CHECKOUT / "examples/tcp_rtt.bpf.c"
KHEADERS = str(Path(sys.executable).with_name("kheaders"))

HEADERSET = """
import sys, time
from kheaders.headers.headerset import HeaderSet
start = time.perf_counter()
with open(sys.argv[1], "rb") as stream:
    headers = HeaderSet.from_archive(stream)
print(time.perf_counter() - start)
"""

EXTRACT = """
import os, sys, time
from kheaders.extraction import extract
directory = os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY)
start = time.perf_counter()
with open(sys.argv[1], "rb") as stream:
    extract(stream, directory)
print(time.perf_counter() - start)
"""


def headerset(archive: Path, work: Path, runs: int) -> Iterator[Comparison]:
    """Archive to memory against the decompression alone."""
    ours = Command("HeaderSet.from_archive", python(HEADERSET, archive), reports=True)
    yield compare("archive to HeaderSet", [ours, decompress(archive)], runs=runs, limit=1.2)


def first_object(archive: Path, work: Path, runs: int) -> Iterator[Comparison]:
    """Archive to the first object with nothing cached, against decompression and a compile that has it all laid out."""
    places = {"KHEADERS_STORE": str(work / "cold-store"), "KHEADERS_CACHE": str(work / "cold-cache")}
    zig = zig_clang()
    compiler = ["--cc", shlex.join(zig)] if zig else []
    tree = work / "tree"
    environ = os.environ | {"KHEADERS_STORE": str(work / "store"), "KHEADERS_CACHE": str(work / "cache")}
    subprocess.run(
        [KHEADERS, "extract", "--headers", archive, tree], check=True, env=environ, stdout=subprocess.DEVNULL
    )
    flags = subprocess.run(
        [KHEADERS, "cflags", "--json", *compiler, "--headers", tree],
        check=True,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout

    def cold() -> None:
        for place in places.values():
            fresh_directory(Path(place))()

    out = work / "out.o"
    wanted = ["-O2", "-g", "-o", str(out), str(EXAMPLE)]
    ours = Command(
        "kheaders compile --form memory",
        [KHEADERS, "compile", *compiler, "--headers", str(archive), "--form", "memory", *wanted],
        prepare=cold,
        env=places,
    )
    plain = Command("the same compile from a directory", [*(zig or ["clang"]), *json.loads(flags), "-c", *wanted])
    yield compare("archive to first object", [ours, decompress(archive), plain], runs=runs, limit=1.15)


def warm(archive: Path, work: Path, runs: int) -> Iterator[Comparison]:
    """The commands that build systems call often, with everything found already."""
    env = {"KHEADERS_STORE": str(work / "store"), "KHEADERS_CACHE": str(work / "cache")}
    for verb in ("cflags", "locate"):
        command = Command(f"kheaders {verb}", [KHEADERS, verb, "--headers", str(archive)], env=env)
        yield compare(f"warm kheaders {verb}", [command], runs=runs, limit=0.15)


def extraction(archive: Path, work: Path, runs: int) -> Iterator[Comparison]:
    """Extraction with all checks against tar's without."""
    a, b = work / "a", work / "b"
    ours = Command("extraction.extract", python(EXTRACT, archive, a), prepare=fresh_directory(a), reports=True)
    theirs = Command("tar xf", ["tar", "-xf", str(archive), "-C", str(b)], prepare=fresh_directory(b))
    yield compare("extraction on tmpfs", [ours, theirs], runs=runs, limit=1.25)


def decompress(archive: Path) -> Command:
    """The decompression alone, its output thrown away."""
    return Command("xz -dc", ["xz", "-dc", str(archive)])


def zig_clang() -> list[str]:
    """The clang inside the ziglang wheel, or nothing."""
    spec = importlib.util.find_spec("ziglang")
    return [str(Path(spec.origin).parent / "zig"), "clang"] if spec and spec.origin else []


PARTS = {"headerset": headerset, "object": first_object, "warm": warm, "extraction": extraction}


def main() -> int:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description="Measure the foundation, as ratios in one run.")
    parser.add_argument("--runs", type=int, default=7, help="rounds after one warm-up (default 7)")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this part; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    absent = [name for name in ("xz", "tar") if not shutil.which(name)]
    try:
        if absent:
            raise Unobtainable(f"no {' and no '.join(absent)} here")
        archive = obtain().archive
    except Unobtainable as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 77
    with workspace() as work:
        on_tmpfs = Path(shutil.copy(archive, work))
        comparisons: list[Comparison] = []
        failed = False
        for part in args.only or PARTS:
            try:
                comparisons += PARTS[part](on_tmpfs, work, args.runs)
            except (CommandFailed, subprocess.CalledProcessError) as error:
                print(f"{part}: not measured: {error}", file=sys.stderr)
                failed = True
        return int(report(comparisons, as_json=args.json) or failed)


if __name__ == "__main__":
    sys.exit(main())
