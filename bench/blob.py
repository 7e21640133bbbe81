"""What a blob and its slices cost and save, as ratios within one run.

    python bench/blob.py [--runs N] [--json FILE] [--svg FILE]

For each example program, with the same compiler, in turn: the compile step from the full headers (everything that they
include, from a directory on tmpfs), from the whole ``vmlinux.h`` that bpftool prints of this machine's BTF, from the
slice, and of an empty program (a function that does nothing); then the whole process ``kheaders compile`` by slice
against ``kheaders compile`` from a tree of the full headers and against that compile step alone; then the slice itself
from a file that is not in the page cache, the compiler's peak memory, and the build of the blob: its time, and the
peak of the memory of all its processes together (each shared page shared out among them).

The headers are the distribution's (tests/builders/kernel_archive.py). Exit status 77: something needed is not here.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests")]

from bars import draw  # noqa: E402
from setting import CANNOT, EXAMPLES, KHEADERS, Missing, arguments, cannot, prepared  # noqa: E402

from kheaders.clang.find import Compiler  # noqa: E402
from kheaders.clang.flags import architecture, slice_flags  # noqa: E402
from kheaders.forms.directory import extract  # noqa: E402
from kheaders.headers.headerset import HeaderSet  # noqa: E402
from kheaders.interface.blob import Blob  # noqa: E402

WAYS = ("full headers", "vmlinux.h", "slice", "empty program")

CUT = """
import os, sys, time
from pathlib import Path
start = time.perf_counter()
from kheaders.forms.slice import SliceForm
from kheaders.interface.blob import Blob
imported = time.perf_counter()
path = Path(sys.argv[2])
text = path.read_bytes()
with Blob(Path(sys.argv[1])) as blob:
    form = SliceForm(blob)
    piece = form.cut(form.program(text, str(path.parent), ()))
    print(time.perf_counter() - imported, piece.lines)
"""


PEAK = """
import os, sys
null = os.open(os.devnull, os.O_RDWR)
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ,
    file_actions=[(os.POSIX_SPAWN_DUP2, null, n) for n in (1, 2)])
print(os.wait4(child, 0)[2].ru_maxrss)
"""
"""Run by a small process: a child's peak starts with its parent's, and this program is larger than a compiler."""


def peak(argv: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Peak memory in MiB of the largest process of one run."""
    command = [sys.executable, "-S", "-E", "-c", PEAK, *argv]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **(env or {})})
    return int(done.stdout) / 1024


def peak_of_all(argv: Sequence[str], env: Mapping[str, str]) -> float:
    """Peak memory in MiB of a command and all its children together, each shared page counted in parts (PSS)."""
    highest = 0
    with subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **env}
    ) as child:
        try:
            while child.poll() is None:
                highest = max(highest, sum(map(proportional, family(child.pid))))
                time.sleep(0.05)
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise Missing(f"{' '.join(argv[:3])} …: status {child.returncode}")
    return highest / 1024


def family(parent: int) -> list[int]:
    """A process and all that descend from it."""
    found = [parent]
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue  # it has ended
    return found


def proportional(pid: int) -> int:
    """KiB of memory of a process, of each shared page its part; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def once(argv: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Seconds of wall time of one run, its output thrown away."""
    null = os.open(os.devnull, os.O_RDWR)
    log = os.memfd_create("log")
    try:
        actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        start = time.perf_counter()
        child = os.posix_spawnp(argv[0], list(argv), {**os.environ, **(env or {})}, file_actions=actions)
        _, status = os.waitpid(child, 0)
        seconds = time.perf_counter() - start
        if status != 0:
            errors = os.pread(log, 4000, 0).decode(errors="replace")
            raise Missing(f"{' '.join(argv[:3])} …: status {os.waitstatus_to_exitcode(status)}: {errors}")
        return seconds
    finally:
        os.close(null)
        os.close(log)


def rounds(commands: Mapping[str, Sequence[str]], runs: int, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Median milliseconds and peak MiB of each command, run in turn after a warm-up, and their ratios pair by pair."""
    for argv in commands.values():
        once(argv, env)
    taken = [{name: once(argv, env) for name, argv in commands.items()} for _ in range(runs)]
    names = list(commands)
    return {
        "ms": {name: 1e3 * statistics.median(t[name] for t in taken) for name in names},
        "mib": {name: statistics.median(peak(argv, env) for _ in range(3)) for name, argv in commands.items()},
        "times slice": {name: statistics.median(t[name] / t["slice"] for t in taken) for name in names},
    }


def cut_text(blob: Path, program: Path) -> tuple[bytes, tuple[str, ...], int]:
    """The slice of *program*: text, the include lines that it answers, lines."""
    from kheaders.forms.slice import SliceForm

    with Blob(blob) as opened:
        form = SliceForm(opened)
        piece = form.cut(form.program(program.read_bytes(), str(program.parent), ()))
        return piece.text, piece.includes, piece.lines


def prepare(work: Path, compiler: Compiler, headers: HeaderSet) -> tuple[list[str], list[str]]:
    """A tree of the headers and a ``vmlinux.h``; returns the flags for the tree and those for the header."""
    from kheaders.forms.directory import DirectoryForm

    tree = work / "tree"
    if not tree.exists():
        extract(headers, tree)
    bpftool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin")
    btf = Path("/sys/kernel/btf/vmlinux")
    if bpftool is None or not btf.exists():
        raise Missing("no bpftool, or no BTF on this kernel, to make a vmlinux.h with")
    text = subprocess.run(
        [bpftool, "btf", "dump", "file", str(btf), "format", "c"], check=True, stdout=subprocess.PIPE
    ).stdout
    (work / "vmlinux.h").write_bytes(text)
    (work / "vmlinux.c").write_text('#include "vmlinux.h"\n')
    (work / "empty.c").write_text("int program(void *context)\n{\n\treturn 0;\n}\n")
    full = [*compiler.argv, *DirectoryForm(tree, headers).flags(compiler)]
    plain = [*compiler.argv, "-target", "bpfel", "-fms-extensions", "-Wno-everything"]
    return full, plain


def compile_step(work: Path, blob: Path, compiler: Compiler, headers: HeaderSet, runs: int) -> Iterator[dict[str, Any]]:
    """One row a program: the compiler alone, four ways."""
    full, plain = prepare(work, compiler, headers)
    arch = architecture(headers.srcarch or "", headers.config)
    tail = ["-O2", "-g", "-c", "-o", str(work / "out.o")]
    for program in EXAMPLES:
        text, includes, lines = cut_text(blob, program)
        stubs = work / f"stubs-{program.name}"
        for name in includes:
            (stubs / name).parent.mkdir(parents=True, exist_ok=True)
            (stubs / name).touch()
        (stubs / "slice.h").write_bytes(text)
        sliced = slice_flags(arch, str(stubs), str(stubs / "slice.h"), compiler.include)
        commands = {
            "full headers": [*full, *tail, str(program)],
            "vmlinux.h": [*plain, *tail, str(work / "vmlinux.c")],
            "slice": [*compiler.argv, *sliced, *tail, str(program)],
            "empty program": [*plain, *tail, str(work / "empty.c")],
        }
        yield {"program": program.name.removesuffix(".bpf.c"), "lines": lines, **rounds(commands, runs)}


def whole_process(
    work: Path, blob: Path, archive: Path, compiler: Compiler, headers: HeaderSet, runs: int
) -> Iterator[dict[str, Any]]:
    """``kheaders compile`` from start to end, by slice and from the full headers; one row a program."""
    env = {"KHEADERS_STORE": str(work / "store"), "KHEADERS_CACHE": str(work / "cache")}
    full, _ = prepare(work, compiler, headers)
    for program in EXAMPLES:
        command = [KHEADERS, "compile", "-g", "--cc", shlex.join(compiler.argv), "-o", str(work / "o.o")]
        command += ["--headers", str(archive), str(program)]
        commands = {
            "slice": [*command, "--form", "slice", "--blob", str(blob)],
            "full headers": [*command, "--form", "directory"],
            "compile step, full headers": [*full, "-O2", "-g", "-c", "-o", str(work / "o.o"), str(program)],
        }
        yield {"program": program.name.removesuffix(".bpf.c"), **rounds(commands, runs, env)}


def cold_cut(blob: Path, runs: int) -> list[float]:
    """Milliseconds of cutting a slice, the blob's file not in the page cache; imports are not counted."""
    taken = []
    for number in range(runs * len(EXAMPLES)):
        with blob.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        argv = [sys.executable, "-c", CUT, str(blob), str(EXAMPLES[number % len(EXAMPLES)])]
        out = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout
        taken.append(1e3 * float(out.split()[0]))
    return taken


def build(work: Path, archive: Path) -> tuple[Path, dict[str, Any]]:
    """Build the blob by the command, and tell what it took."""
    blob = work / "blob.kheaders"
    env = {"KHEADERS_STORE": str(work / "store"), "KHEADERS_CACHE": str(work / "cache")}
    command = [KHEADERS, "blob", "build", "--headers", str(archive), "-o", str(blob)]
    seconds = statistics.median(once(command, env) for _ in range(2))
    memory = peak_of_all(command, env)
    exported = work / "exported"
    once([KHEADERS, "blob", "export", "--blob", str(blob), "-o", str(exported)], env)
    sizes = {"file": blob.stat().st_size, "exported": exported.stat().st_size, "archive": archive.stat().st_size}
    return blob, {"seconds": seconds, "peak_mib": memory, **sizes}


def table(found: dict[str, Any]) -> str:
    """The measurements for people."""
    rows = found["programs"]
    lines = [
        f"{'compile step, ms':<18}"
        + "".join(f"{way:>15}" for way in WAYS)
        + f"{'lines':>8}{'x full':>8}{'x vmlinux':>10}"
    ]
    for row in rows:
        cells = "".join(f"{row['ms'][way]:>15.1f}" for way in WAYS)
        ratios = f"{row['times slice']['full headers']:>8.1f}{row['times slice']['vmlinux.h']:>10.1f}"
        lines.append(f"{row['program']:<18}{cells}{row['lines']:>8}{ratios}")
    built = found["build"]
    lines += [
        "",
        f"{'whole process, ms':<18}{'kheaders by slice':>22}{'from the tree':>16}{'compile step':>15}{'x tree':>8}",
    ]
    for row in found["processes"]:
        ms = row["ms"]
        lines.append(
            f"{row['program']:<18}{ms['slice']:>22.0f}{ms['full headers']:>16.0f}"
            f"{ms['compile step, full headers']:>15.0f}{row['times slice']['full headers']:>8.1f}"
        )
    full, vmlinux = ([row["times slice"][way] for row in rows] for way in ("full headers", "vmlinux.h"))
    whole = [row["times slice"]["full headers"] for row in found["processes"]]
    memory = [row["mib"]["slice"] / row["mib"]["empty program"] for row in rows]
    lines += [
        "",
        f"compile step by slice: {statistics.median(full):.1f} x as fast as from full headers in the median "
        f"({min(full):.1f} to {max(full):.1f}), {statistics.median(vmlinux):.1f} x as from vmlinux.h "
        f"({min(vmlinux):.1f} to {max(vmlinux):.1f})",
        f"whole kheaders compile by slice: {statistics.median(whole):.1f} x as fast as from full headers in the median "
        f"({min(whole):.1f} to {max(whole):.1f})",
        f"slice: median {statistics.median(row['lines'] for row in rows):.0f} lines; from a cold file "
        f"{statistics.median(found['cold_cut_ms']):.1f} ms (worst {max(found['cold_cut_ms']):.1f})",
        f"compiler's peak memory by slice: {max(memory):.2f} x an empty program's at most",
        f"blob: built in {built['seconds']:.1f} s, with {built['peak_mib']:.0f} MiB at most; "
        f"{built['file'] / 1e6:.1f} MB, exported "
        f"{built['exported'] / 1e6:.2f} MB (archive {built['archive'] / 1e6:.2f} MB)",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    args = arguments("Measure blobs and slices, as ratios in one run.", 7).parse_args()
    try:
        with prepared(args.cc) as (work, archive, compiler):
            with archive.open("rb") as stream:
                headers = HeaderSet.from_archive(stream)
            blob, built = build(work, archive)
            disk = Path(tempfile.mkdtemp(prefix="kheaders-bench-", dir=CHECKOUT / "bench"))
            try:
                cold = cold_cut(Path(shutil.copy(blob, disk)), max(2, args.runs // 2))
            finally:
                shutil.rmtree(disk)
            found: dict[str, Any] = {
                "cpus": os.cpu_count(),
                "load": os.getloadavg()[0],
                "compiler": compiler.name,
                "kernel": headers.release,
                "build": built,
                "programs": list(compile_step(work, blob, compiler, headers, args.runs)),
                "processes": list(whole_process(work, blob, archive, compiler, headers, args.runs)),
                "cold_cut_ms": cold,
            }
    except CANNOT as error:
        return cannot(error)
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    if args.svg:
        title = f"Compile step with {compiler.name}, headers of {headers.release} (median of {args.runs}, milliseconds)"
        args.svg.write_text(
            draw(title, [(row["program"], [row["ms"][way] for way in WAYS]) for row in found["programs"]], WAYS)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
