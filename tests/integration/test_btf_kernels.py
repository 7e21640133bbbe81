"""BTF of real kernels, printed, compiled and read back; and the kernel's own tests of printing.

clang takes half a minute to write the BTF of a whole kernel, hence the marker.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import btf_kernels, need
from builders.btf_compile import all_ids, compiled, round_trip, wrong
from builders.compilers import Clang, compilers
from builders.kernel_archive import Unobtainable
from kheaders.btf.container import read_btf
from kheaders.btf.cprint.printer import Printer
from kheaders.btf.kinds import RECORDS
from kheaders.btf.table import Btf

RUNNING = Path("/sys/kernel/btf/vmlinux")


@pytest.fixture
def newest() -> Clang:
    """One compiler will do: the smaller tests run with all."""
    found = compilers()
    if not found:
        need.missing("no clang", package="clang")
    return found[0]


def running() -> Btf:
    if not RUNNING.exists():
        pytest.skip("the running kernel has no BTF")
    return read_btf(RUNNING)


def exact(btf: Btf, clang: Clang, work: Path) -> None:
    """Every named record and enum has, compiled, the size and the offsets that BTF says."""
    printer, again = round_trip(btf, clang.argv, work)
    assert sum(1 for i in all_ids(btf) if btf.kind(i) in RECORDS) > 5000
    assert wrong(btf, printer, again) == []


@pytest.mark.slow
def test_the_running_kernel(newest: Clang, tmp_path: Path) -> None:
    """0 wrong."""
    exact(running(), newest, tmp_path)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("series", btf_kernels.SERIES)
def test_kernels_of_debian(series: str, newest: Clang, tmp_path: Path) -> None:
    """0 wrong."""
    try:
        path = btf_kernels.vmlinux_btf(series)
    except Unobtainable as error:
        pytest.skip(str(error))
    exact(read_btf(path), newest, tmp_path)


def test_the_same_definitions_as_bpftool() -> None:
    """Each definition that bpftool's unsorted output has, and no other, up to what only ours gets right.

    Ours differ in attributes and padding that bpftool leaves out, and bpftool's in declarations that nothing needs.
    """
    btf = running()
    program = need.tool("bpftool")
    done = subprocess.run(
        [program, "btf", "dump", "file", RUNNING, "format", "c"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"bpftool cannot dump it: {done.stderr.strip()}")
    theirs, ours = set(definitions(done.stdout)), set(definitions("".join(Printer(btf).everything())))
    if "unsorted" in subprocess.run([program, "btf", "help"], capture_output=True, text=True, check=False).stderr:
        assert {name for name, _ in theirs} <= {name for name, _ in ours}
        return
    added = {name for name, _ in ours} ^ {name for name, _ in theirs}
    assert added <= {"typedef __builtin_va_list___2"}  # the kernel's, which is not that of clang for BPF
    differing = {name for name, _ in theirs ^ ours}
    assert len(differing) < 50  # records and enums that bpftool gets wrong, 5 to 21 and those that contain them


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """(title, text) of each definition."""
    for part in text.split("\n\n"):
        found = re.match(r"(?:struct|union|enum) \w+ (?=\{)|enum (?=\{)", part)
        if part.startswith("typedef "):
            names = re.search(r"\(\*+(\w+)", part.splitlines()[-1]) or re.search(r"(\w+)(?:\[\d+\])*;$", part)
            yield f"typedef {names[1] if names else part}", part
        elif found:
            yield found[0] if found[0] != "enum " else part, part.replace(" __attribute__((mode(byte)))", "")


# ---- the kernel's self-tests ----

CASES = ("syntax", "ordering", "padding", "packing", "bitfields", "multidim", "namespacing")
"""tools/testing/selftests/bpf/prog_tests/btf_dump.c runs these."""


def expected(source: str) -> str:
    """The text in the comment of a test case, by the rules of btf_dump.c."""
    lines = []
    inside = False
    for line in source.splitlines():
        if "START-EXPECTED-OUTPUT" in line:
            inside = True
        elif "END-EXPECTED-OUTPUT" in line:
            inside = False
        elif inside and "/*" not in line and "*/" not in line:
            lines.append(re.sub(r"^[ \t]*\*", "", line) + "\n")
    return "".join(lines)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("case", CASES)
def test_cases_of_the_kernel(case: str, clang: Clang, tmp_path: Path) -> None:
    """Each test case, compiled, is printed as its own comment says."""
    try:
        source = (btf_kernels.self_tests() / f"btf_dump_test_case_{case}.c").read_text()
    except Unobtainable as error:
        pytest.skip(str(error))
    (tmp_path / "stdbool.h").write_text("#define bool _Bool\n")  # zig's clang has no headers where it looks
    text = "".join(Printer(compiled(source, clang.argv, tmp_path)).everything())
    assert text == expected(source)


def test_all_cases_are_run() -> None:
    """No file of the package is left out."""
    if not shutil.which("apt-get"):
        pytest.skip("no apt")
    place = btf_kernels.cached_self_tests()
    if place is None:
        pytest.skip("the kernel's source was not fetched yet")
    assert sorted(f"btf_dump_test_case_{case}.c" for case in CASES) == sorted(p.name for p in place.glob("*case*.c"))
