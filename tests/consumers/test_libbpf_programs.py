"""libbpf programs of the kernel's source: the same code with their own ``vmlinux.h`` as with bpftool's.

These are samples; bench/libbpf.py takes all.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builders import libbpf, need
from builders.compilers import compilers
from builders.debian import kept
from builders.kernel_archive import Unobtainable

EVERY = 16
FROM_BTF = ("bpf_iter_task_vma.c", "pid_iter.bpf.c", "profiler1.c")
"""Types that no header has."""
NAMES = ("exhandler_kern.c", "lru_bug.c", "test_task_pt_regs.c", "test_ksyms_btf.c")
"""Functions, variables and locals with names of the kernel's functions and macros."""
PACKETS = ("xdp_router_ipv4.bpf.c", "xdp_synproxy_kern.c", "bpf_cubic.c")
COPIES = ("bpf_dctcp.c", "bpf_iter_tcp6.c", "bpf_iter_unix.c", "xdp_synproxy_kern.c", "runqslower.bpf.c")
"""Some that copy macros of the kernel's."""


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory, debian_blob: Path) -> libbpf.Comparison:
    if kept("libbpf-programs") is None:
        need.network()
    need.tool("bpftool")
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    try:
        source, btf = libbpf.sources(), libbpf.kernel_btf()
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no programs or no kernel: {error}")
    return libbpf.with_blob(tmp_path_factory.mktemp("libbpf"), source, debian_blob, btf, compilers()[0].argv)


def outcomes(how: Callable[[Path], libbpf.Outcome], programs: list[Path]) -> dict[str, libbpf.Outcome]:
    with ThreadPoolExecutor(2) as threads:
        return dict(zip((path.name for path in programs), threads.map(how, programs), strict=True))


@pytest.mark.slow
def test_programs_as_they_stand(comparison: libbpf.Comparison) -> None:
    programs = libbpf.programs(comparison.source)
    chosen = programs[::EVERY] + [path for path in programs if path.name in (*FROM_BTF, *NAMES, *PACKETS)]
    found = outcomes(comparison.whole, sorted(set(chosen)))
    assert {name: one for name, one in found.items() if one.verdict not in ("same", "both fail")} == {}
    assert sum(one.verdict == "same" for one in found.values()) >= len(found) * 3 // 4


@pytest.mark.slow
def test_programs_without_the_macros_that_they_copied(comparison: libbpf.Comparison) -> None:
    programs = [path for path in libbpf.programs(comparison.source) if path.name in COPIES]
    found = outcomes(comparison.without_copies, programs)
    assert {name: one for name, one in found.items() if one.verdict != "same"} == {}
    assert all(one.deleted for one in found.values())
