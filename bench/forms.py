"""Every form beside the others: what it takes to the first object and to each further one, and what it holds.

    python bench/forms.py [--runs N] [--cc CC] [--json FILE] [--svg FILE] [--page FILE]

For each form: the time from nothing (headers as an archive, nothing cached) to the first object; the time of each
further ``kheaders compile`` (of the compiler alone where a build uses flags, as it does with a mount); memory held
while nothing is compiled; bytes on disk. Then what the forms are held to, as ratios within one run:

1. a PCH is built in at most 2 x one compile from full headers: of a program that includes the same headers, of the
   longest and of the median example, and as whole commands
2. a compile with it is at least 5 x as fast as from full headers with -g, 10 x without
3. first read from a mount: at most 1.1 x `xz -dc archive`
4. a compile from full headers through the mount: at most 1.5 x the same from tmpfs
5. resident memory of a mount while idle: under 60 MB, and none after unmounting

Exit status 1 means that a number was missed, 77 that something needed is not here.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests")]

from bars import draw  # noqa: E402
from setting import CANNOT, EXAMPLES, KHEADERS, arguments, cannot, prepared  # noqa: E402

from harness import fresh_directory  # noqa: E402
from kheaders import Context  # noqa: E402
from kheaders.clang.find import Compiler  # noqa: E402
from kheaders.errors import KheadersError, ToolMissing  # noqa: E402

PROGRAM = CHECKOUT / "examples/tcp_rtt.bpf.c"
FORGOTTEN = 62
"""Seconds after which a mount's server has given up what it unpacked."""
NEEDS = {
    "memory": "headers at each compile; memfd",
    "directory": "headers; a place to write",
    "mount": "FUSE (root, or fusermount3)",
    "image": "root, erofs, loop devices",
    "PCH": "the same compiler and options; headers once",
    "slice": "headers once, to build the blob",
}


class Bench:
    """A private directory on tmpfs, an archive in it, a compiler."""

    def __init__(self, work: Path, archive: Path, compiler: Compiler, runs: int) -> None:
        self.work = work
        self.archive = archive
        self.compiler = compiler
        self.runs = runs
        self.env = {"KHEADERS_STORE": str(work / "store"), "KHEADERS_CACHE": str(work / "cache")}
        self.mount = work / "mnt"
        self.mount.mkdir(mode=0o755)
        self._release = ""

    @property
    def release(self) -> str:
        """Release of the kernel whose headers are measured."""
        if not self._release:
            self._release = self.context(headers=True).find().headers.release or ""
        return self._release

    def context(self, *, headers: bool) -> Context:
        """A context with the archive, or for its kernel without any headers."""
        which: dict[str, Any] = {"headers": self.archive} if headers else {"kernel": self.release, "order": "build"}
        which |= {"store": self.work / "store", "cache": self.work / "cache"}
        return Context.open(cc=shlex.join(self.compiler.argv), **which)

    def cold(self) -> None:
        """Forget everything."""
        for name in ("store", "cache"):
            fresh_directory(self.work / name)()

    def command(self, *words: str, headers: bool = True) -> list[str]:
        """The words of a command."""
        which = ["--headers", str(self.archive)] if headers else ["--kernel", self.release, "--order", "build"]
        return [KHEADERS, words[0], "--cc", shlex.join(self.compiler.argv), *which, *words[1:]]

    def compile(self, *more: str, headers: bool = True) -> list[str]:
        """``kheaders compile`` of the program."""
        return self.command("compile", "-g", "-o", str(self.work / "o.o"), *more, str(PROGRAM), headers=headers)

    def once(self, argv: Sequence[str], pass_fds: Sequence[int] = ()) -> float:
        """Seconds of one run. Raises KheadersError with what it printed."""
        start = time.perf_counter()
        env = {**os.environ, **self.env}
        done = subprocess.run(argv, env=env, capture_output=True, check=False, pass_fds=pass_fds)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise KheadersError(f"{shlex.join(argv[:4])} …: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return seconds

    def median(self, run: Callable[[], float]) -> float:
        """Median of several runs."""
        return statistics.median(run() for _ in range(self.runs))

    def turns(self, *runs: Callable[[], float]) -> list[float]:
        """Ratios of the first to each other, median of pairs taken in turn; the first is 1."""
        for run in runs:
            run()
        rounds = [[run() for run in runs] for _ in range(self.runs)]
        return [statistics.median(r[0] / r[i] for r in rounds) for i in range(len(runs))]


@contextmanager
def mounted(bench: Bench, *more: str) -> Iterator[dict[str, Any]]:
    """The archive mounted, for the time of the body; what ``mount --json`` tells."""
    done = subprocess.run(
        [*bench.command("mount", "--json", *more), str(bench.mount)],
        env={**os.environ, **bench.env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ToolMissing(done.stderr.strip())
    try:
        yield json.loads(done.stdout)
    finally:
        bench.once([KHEADERS, "umount", str(bench.mount)])


def resident(pid: int) -> float:
    """MB of memory that a process holds; 0 for one that has ended, also where nobody has waited for it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS:")), 0.0)


def on_disk(*places: Path) -> float:
    """MB that files take."""
    return sum(file.stat().st_size for place in places for file in place.rglob("*") if file.is_file()) / 1e6


def by_flags(bench: Bench, flags: Sequence[str], *more: str) -> list[str]:
    """The compiler alone, as a build would run it."""
    return [*bench.compiler.argv, *flags, "-O2", "-c", *more, "-o", str(bench.work / "o.o"), str(PROGRAM)]


def forms(bench: Bench) -> Iterator[dict[str, Any]]:
    """One row a form."""

    def row(name: str, first: Callable[[], float], further: Callable[[], float], **held: float) -> dict[str, Any]:
        firsts = []
        for _ in range(max(2, bench.runs // 2)):
            bench.cold()
            firsts.append(first())
        facts = {"idle_mb": 0.0, "disk_mb": on_disk(bench.work / "store", bench.work / "cache")} | held
        return {"form": name, "first_ms": 1e3 * statistics.median(firsts), "further_ms": 1e3 * bench.median(further),
                **facts, "needs": NEEDS[name]}  # fmt: skip

    def steps(*commands: Sequence[str]) -> Callable[[], float]:
        return lambda: sum(bench.once(command) for command in commands)

    memory = bench.compile("--form", "memory")
    yield row("memory", steps(memory), steps(memory))
    directory = bench.compile("--form", "directory")
    yield row("directory", steps(directory), steps(directory))
    for name, more in (("mount", ()), ("image", ("--image",))):
        try:
            with mounted(bench, *more):
                pass
        except ToolMissing as error:
            print(f"{name}: not measured: {error}", file=sys.stderr)
            continue
        yield mount_row(bench, name, more)
    yield row(
        "PCH", steps(bench.command("pch", "build"), bench.compile("--form", "pch", headers=False)),
        steps(bench.compile("--form", "pch", headers=False)),
    )  # fmt: skip
    yield row(
        "slice", steps(bench.command("blob", "build"), bench.compile("--form", "slice", headers=False)),
        steps(bench.compile("--form", "slice", headers=False)),
    )  # fmt: skip


def mount_row(bench: Bench, name: str, more: Sequence[str]) -> dict[str, Any]:
    """The row of a mount: a build's own compiler with flags."""
    bench.cold()
    start = time.perf_counter()
    with mounted(bench, *more) as facts:
        flags = bench.context(headers=True).mounted_flags(bench.mount)
        bench.once(by_flags(bench, flags, "-g"))
        first = time.perf_counter() - start
        further = bench.median(lambda: bench.once(by_flags(bench, flags, "-g")))
        if facts["server"]:
            time.sleep(FORGOTTEN)
        idle = resident(facts["server"]) if facts["server"] else 0.0
        disk = on_disk(bench.work / "cache/files") if name == "image" else 0.0
    return {"form": name, "first_ms": 1e3 * first, "further_ms": 1e3 * further, "idle_mb": idle, "disk_mb": disk,
            "needs": NEEDS[name]}  # fmt: skip


def bars_to_keep(bench: Bench) -> Iterator[dict[str, Any]]:
    """What the forms are held to; one row a number, with the limit."""
    bench.cold()
    directory = bench.work / "tree"
    if not directory.exists():
        bench.once(bench.command("extract", str(directory)))
    flags = json.loads(
        subprocess.run(
            [KHEADERS, "cflags", "--json", "--cc", shlex.join(bench.compiler.argv), "--mounted", str(directory)],
            env={**os.environ, **bench.env}, check=True, stdout=subprocess.PIPE,
        ).stdout
    )  # fmt: skip

    def row(name: str, value: float, limit: float, at_least: bool = False) -> dict[str, Any]:
        return {"name": name, "value": value, "limit": limit, "at_least": at_least,
                "met": value >= limit if at_least else value <= limit}  # fmt: skip

    yield from pch_numbers(bench, flags, row)
    try:
        yield from mount_numbers(bench, flags, row)
    except ToolMissing as error:
        print(f"mount: not measured: {error}", file=sys.stderr)


def pch_numbers(bench: Bench, flags: list[str], row: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Building a PCH, and compiling with it."""
    from kheaders.forms.pchbuild import Setting, build
    from kheaders.interface.program import read

    context = bench.context(headers=True)
    headers = context.find().headers

    def built() -> float:
        start = time.perf_counter()
        build(Setting(headers, bench.compiler, ("-O2",)))
        return time.perf_counter() - start

    def full(program: Path) -> Callable[[], float]:
        return lambda: bench.once([*by_flags(bench, flags, "-g", "-I", str(CHECKOUT))[:-1], str(program)])

    ordered = sorted(EXAMPLES, key=lambda path: full(path)())
    usual, longest = ordered[len(ordered) // 2], ordered[-1]
    same = bench.work / "same.c"
    names = build(Setting(headers, bench.compiler, ("-O2",))).names.umbrella
    same.write_text(
        "".join(f"#include <{name}>\n" for name in names) + longest.read_text().replace('"bpf_', '"examples/bpf_')
    )
    ratios = bench.turns(built, full(same), full(longest), full(usual))
    yield row("PCH built, x one compile from full headers of a program that includes the same", ratios[1], 2.0)
    yield row(f"PCH built, x one compile from full headers of {longest.name}, the longest", ratios[2], 2.0)
    yield row(f"PCH built, x one compile from full headers of {usual.name}, the median", ratios[3], 2.0)

    def command(*words: str) -> Callable[[], float]:
        def run() -> float:
            bench.cold()
            return bench.once(words)

        return run

    memory = command(*bench.compile("--form", "memory"))
    ratios = bench.turns(command(*bench.command("pch", "build")), memory)
    yield row(f"whole 'kheaders pch build', x whole 'kheaders compile --form memory' of {PROGRAM.name}", ratios[1], 2.0)
    form = context.build_pch().form
    for debug, limit in (("-g", 5.0), ("", 10.0)):
        ratios = []
        for example in EXAMPLES:
            text = example.read_bytes()
            with form.present(bench.compiler, read(text, str(example.parent), []).includes) as served:
                more = [debug] if debug else []
                plain, quick = (
                    [*by_flags(bench, words, *more)[:-1], str(example)] for words in (flags, list(served.flags))
                )
                ratio = bench.turns(partial(bench.once, plain), partial(bench.once, quick, served.pass_fds))[1]
            ratios.append(ratio)
            print(f"    {example.name} {debug or 'without -g'}: {ratio:.1f} x", file=sys.stderr)
        yield row(f"compile step with the PCH, {debug or 'without -g'}, x as fast as full headers (median program)",
                  statistics.median(ratios), limit, at_least=True)  # fmt: skip


def mount_numbers(bench: Bench, flags: list[str], row: Callable[..., dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Reading through a mount."""

    def first_read() -> float:
        with mounted(bench):
            start = time.perf_counter()
            (bench.mount / "include/linux/sched.h").read_bytes()
            return time.perf_counter() - start

    unpacked = bench.turns(first_read, lambda: bench.once(["xz", "-dc", str(bench.archive)]))[1]
    yield row("first read from the mount, x xz -dc", unpacked, 1.1)
    with mounted(bench) as facts:
        through = bench.context(headers=True).mounted_flags(bench.mount)
        ratio = bench.turns(
            lambda: bench.once(by_flags(bench, through, "-g")), lambda: bench.once(by_flags(bench, flags, "-g"))
        )[1]
        yield row("compile from full headers through the mount, x from tmpfs", ratio, 1.5)
        yield row("resident memory of the mount's server right after use, MB", resident(facts["server"]), 60)
        time.sleep(FORGOTTEN)
        yield row("resident memory of the mount's server while idle, MB", resident(facts["server"]), 60)
        pid = facts["server"]
    yield row("memory of the mount's server after unmounting, MB", resident(pid), 0)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The forms as a table for a document."""
    lines = ["| form | first object | each further | memory idle | on disk | needs |", "|---|---:|---:|---:|---:|---|"]
    lines += [
        f"| {r['form']} | {r['first_ms'] / 1e3:.2f} s | {r['further_ms']:.0f} ms | {r['idle_mb']:.0f} MB "
        f"| {r['disk_mb']:.1f} MB | {r['needs']} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = arguments("Measure every form, and what they are held to.", 5)
    parser.add_argument("--page", type=Path, help="put the table into this document, between its two markers")
    parser.add_argument("--only", choices=("forms", "bars"), help="one half of the measurements")
    args = parser.parse_args()
    try:
        with prepared(args.cc) as (work, archive, compiler):
            bench = Bench(work, archive, compiler, args.runs)
            release = bench.release
            rows = list(forms(bench)) if args.only != "bars" else []
            kept = list(bars_to_keep(bench)) if args.only != "forms" else []
    except CANNOT as error:
        return cannot(error)
    told = f"{compiler.name}, headers of {release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    print(told)
    if rows:
        print(table(rows))
    for r in kept:
        wanted = f"wanted {'at least' if r['at_least'] else 'at most'} {r['limit']:g}"
        print(f"{r['name']}: {r['value']:.2f}, {wanted}: {'kept' if r['met'] else 'MISSED'}")
    if args.json:
        args.json.write_text(json.dumps({"machine": told, "forms": rows, "bars": kept}, indent=1))
    if args.svg and rows:
        title = f"Milliseconds to an object of {PROGRAM.name} with -g, by form"
        drawn = [(r["form"], (r["first_ms"], r["further_ms"])) for r in rows]
        args.svg.write_text(draw(title, drawn, ("first object, nothing cached", "each further object")))
    if args.page and rows:
        text = args.page.read_text()
        head, _, rest = text.partition("<!-- table -->\n")
        tail = rest.partition("<!-- end of table -->\n")[2]
        args.page.write_text(
            f"{head}<!-- table -->\n{table(rows)}\n\nMeasured with {told}.\n<!-- end of table -->\n{tail}"
        )
    return int(any(not r["met"] for r in kept))


if __name__ == "__main__":
    sys.exit(main())
