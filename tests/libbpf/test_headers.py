"""Our headers for BPF programs do what libbpf's do: the same objects, of each macro and of the kernel's programs."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builders import corpus, libbpf, need
from builders import libbpf_headers as objects
from builders import libbpf_macros as macros
from builders.compilers import Clang, compilers
from builders.debian import kept
from builders.kernel_archive import Unobtainable
from builders.libbpf_headers import OURS, compiled, declared, differences, refused_lines
from kheaders.clang.find import find
from kheaders.clang.job import Job, execute
from kheaders.forms.memory import MemoryForm
from kheaders.headers.headerset import HeaderSet
from kheaders.libbpf import texts

SILENT = ("-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
"""The programs of builders.libbpf_macros leave parameters unused."""
QUIET = ("-Wno-everything", "-Werror=implicit-function-declaration")
"""Nothing but errors; to an older clang, a macro that a header lacks is a function."""
LACKING = {
    "x86": {"pt_regs_parm7", "pt_regs_parm8", "pt_regs_parm7_syscall"},
    "x86-user": {"pt_regs_parm7", "pt_regs_parm8", "pt_regs_parm7_syscall"},
    "arm64": {"pt_regs_parm7_syscall"},
    "arm": {f"pt_regs_parm{number}" for number in (5, 6, 7, 8)},
    "s390": {"pt_regs_parm6", "pt_regs_parm7", "pt_regs_parm8", "pt_regs_parm7_syscall"},
    "powerpc": {"pt_regs_fp"},
    "riscv": {"pt_regs_parm7_syscall"},
    "mips": {"pt_regs_parm7_syscall"},
    "loongarch": {"pt_regs_parm7_syscall"},
    "sparc": {"pt_regs_parm7", "pt_regs_parm8", "pt_regs_fp", "pt_regs_parm7_syscall"},
    "arc": {"pt_regs_parm7_syscall"},
}
"""Registers that an architecture's calling convention does not have."""
NEEDING = {
    "pt_regs_parm5": "kprobe5",
    "pt_regs_parm8": "kprobe8",
    "pt_regs_parm7_syscall": "ksyscall7",
}
"""Register → the program that uses it as a parameter."""
RETYPED = {"bpf_d_path", "bpf_dynptr_from_mem", "bpf_dynptr_read", "bpf_dynptr_write", "bpf_dynptr_data"}
"""Helpers of which parameters became const, or 64 bits wide, after libbpf 1.5; the kernel took the values before."""
CONTEXTS = {"sk_buff": "__sk_buff", "sk_msg_buff": "sk_msg_md", "xdp_buff": "xdp_md"}
"""What the kernel calls the context of a program, and what a program calls it."""
NAMELESS = {"pt_regs_ret", "pt_regs_ret_core", "pt_regs_sp", "pt_regs_sp_core"}
"""Registers of powerpc for which libbpf names members (regs, sp) that the kernel's struct pt_regs does not have."""
CHANGED = ("bitfield", "probe_read", "probe_into", "probe_str")
"""Programs for which libbpf 1.1 has other instructions: bit fields, and helper 4 where 113 and 115 are now."""
EVERY = 24
"""Of the kernel's programs, one in so many is taken."""


def clangs() -> tuple[Clang, ...]:
    found = compilers()
    if not found:
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    return found


def core(clang: Clang) -> macros.Programs:
    """The programs that a compiler can compile at all: clang 14 ends in its backend for BPF_TYPE_MATCHES."""
    programs = macros.core()
    done = subprocess.run(
        [*clang.argv, "-E", "-P", "-x", "c", "-"], input=b"__clang_major__", capture_output=True, check=True
    )
    if int(done.stdout) >= 15:
        return programs
    return programs._replace(lines={name: line for name, line in programs.lines.items() if name != "type_matches"})


def debians(version: str) -> Path:
    """libbpf's headers, or the test is skipped."""
    if kept(f"libbpf-dev-{version}") is None:
        need.network()
    try:
        return objects.theirs(version)
    except Unobtainable as error:
        pytest.skip(f"no libbpf-dev: {error}")


def kernels_headers(version: str) -> HeaderSet:
    """The headers of a kernel of Debian's, or the test is skipped."""
    need.network()
    try:
        return corpus.headers(version, "amd64")
    except Unobtainable as error:
        pytest.skip(f"no headers of {version}: {error}")


# ---- the package ----


def test_every_header_that_is_here_is_named() -> None:
    found = {path.relative_to(OURS).as_posix(): path.read_bytes() for path in OURS.rglob("*.h")}
    assert dict(texts()) == found
    assert len(texts()) == 5


def test_a_name_that_is_none_of_them() -> None:
    assert "bpf/libbpf.h" not in texts()
    with pytest.raises(KeyError):
        texts()["bpf/../__init__.py"]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    code = "import sys; from kheaders.libbpf import texts; 'bpf/bpf_helpers.h' in texts(); list(texts())"
    check = "assert 'importlib.resources' not in sys.modules"
    subprocess.run([sys.executable, "-I", "-c", f"{code}; {check}"], check=True)


def test_quoted_includes_stay_among_them() -> None:
    for name, text in texts().items():
        for other in re.findall(rb"^#include (.*)$", text, re.M):
            assert name.rpartition("/")[0] + "/" + other.decode().strip('"') in texts()


# ---- by themselves ----


@pytest.mark.parametrize("standard", ["gnu11", "gnu17", "gnu2x"])
def test_no_warning(standard: str) -> None:
    for clang in clangs():
        result = compiled(clang.argv, core(clang).text(), f"-std={standard}", *SILENT, includes=[OURS])
        assert isinstance(result, bytes), f"{clang.name}: {result}"


@pytest.mark.parametrize("architecture", macros.REGISTERS)
def test_every_register_that_there_is(architecture: str) -> None:
    programs = macros.tracing(architecture)
    words = (f"-D__TARGET_ARCH_{architecture.partition('-')[0]}",)
    argv = clangs()[0].argv
    refused = refused_lines(argv, programs.text(), *words, includes=[OURS])
    lacking = LACKING[architecture]
    lacking = lacking | {name.replace("_syscall", "_core_syscall" if "_syscall" in name else "") for name in lacking}
    lacking |= {f"{name}_core" for name in lacking if not name.endswith("_syscall")}
    expected = lacking | {NEEDING[name] for name in lacking & NEEDING.keys()}
    assert programs.names(refused) == expected
    result = compiled(argv, programs.text(refused), *words, *SILENT, includes=[OURS])
    assert isinstance(result, bytes), result


def test_without_an_architecture_the_error_says_what_to_define() -> None:
    programs = macros.tracing("x86")
    argv = clangs()[0].argv
    done = compiled(argv, programs.text(), includes=[OURS])
    assert isinstance(done, str)
    assert "which architecture's registers? define __TARGET_ARCH_x86 or another" in done
    lines = refused_lines(argv, programs.text(), includes=[OURS])
    assert programs.names(lines) == programs.lines.keys() - {"kprobe0", "kretprobe0"}


# ---- helpers ----


@pytest.mark.parametrize("version", corpus.SUITES)
def test_numbers_are_the_kernels(version: str) -> None:
    """``enum bpf_func_id`` of the kernel's own header; the newest kernel has no other."""
    program = kernels_headers(version)["include/uapi/linux/bpf.h"]
    program += b"\nconst int numbers[] = { __BPF_FUNC_MAPPER(__ENUMERATED) };\n"
    argv = [*clangs()[0].argv, "-E", "-P", "-D__ENUMERATED(name, ...)=<name>", "-x", "c", "-"]
    text = re.sub(rb"^[ \t]*#[ \t]*include[^\n]*", b"", program, flags=re.M)
    done = subprocess.run(argv, input=text, capture_output=True, check=True)
    names = re.findall(r"<\s*(\w+)\s*>", done.stdout.decode().partition("numbers[]")[2])
    assert names[0] == "unspec"
    kernels = {f"bpf_{name}": number for number, name in enumerate(names) if number}
    ours = declared(OURS)
    assert kernels.items() <= ours.items()
    if version in ("6.12", "7.2"):
        assert kernels == ours


@pytest.mark.parametrize("version", objects.SUITES)
def test_prototypes_are_libbpfs(version: str) -> None:
    theirs = debians(version)
    numbers = declared(theirs)
    assert numbers.items() <= declared(OURS).items()
    # the helper, not the struct that is called the same
    text = re.sub(r"(\(\s*\*\s*(?:const\s+)?)(\w+\)\()", r"\1libbpf_\2", (theirs / objects.HELPERS).read_text())
    assert retyped(text, list(numbers), "libbpf_") == RETYPED


def test_prototypes_are_those_of_the_newest_kernels_manual() -> None:
    """The comments in the kernel's header of which bpf-helpers(7) is made, but for helpers that are there twice."""
    text = kernels_headers("7.2")["include/uapi/linux/bpf.h"].decode()
    found = re.findall(r"^ \* ((?:const )?(?:struct )?\w+ \**)(bpf_\w+)(\((?:[^()]|\n)*\))$", text, re.M)
    names = [name for _, name, _ in found]
    once = {name: (kind, parameters.replace("\n *", " ")) for kind, name, parameters in found if names.count(name) == 1}
    assert len(once) > 190
    lines = [f"#define {name} {other}" for name, other in CONTEXTS.items()]
    lines += [f"typedef __{sign}{bits} {sign}{bits};" for sign in "us" for bits in (8, 16, 32, 64)]
    lines.append("typedef unsigned long size_t;")
    # a program's map is a variable of a type of its own
    tags = {tag for _, parameters in once.values() for tag in re.findall(r"struct (\w+)", parameters)}
    lines += [f"struct {tag};" for tag in sorted(tags)]
    lines += [
        f"{kind}(*manual_{name}){parameters.replace('struct bpf_map *', 'void *')};"
        for name, (kind, parameters) in once.items()
    ]
    assert retyped("\n".join(lines) + "\n", list(once), "manual_") == set()


def retyped(declarations: str, names: list[str], prefix: str) -> set[str]:
    """Those of the helpers *names* that *declarations*, where their names begin with *prefix*, give another type."""
    lines = [macros.TYPES, declarations, f'#include "{OURS / objects.HELPERS}"', "#define SAME(a, b) \\"]
    lines += ["_Static_assert(__builtin_types_compatible_p(__typeof__(a), __typeof__(b)), #a)", ""]
    head = "\n".join(lines)
    first = head.count("\n") + 1
    text = head + "\n".join(f"SAME({name}, {prefix}{name});" for name in names) + "\n"
    wrong = refused_lines(clangs()[0].argv, text.encode())
    assert min(wrong, default=first) >= first, "the declarations themselves are wrong"
    return {names[number - first] for number in wrong}


# ---- the same objects ----


def same(argv: tuple[str, ...], programs: macros.Programs, theirs: Path, *words: str) -> set[str]:
    """Compiles all that libbpf's headers can, with both; what only ours can is returned, by name."""
    left = refused_lines(argv, programs.text(), *words, *QUIET, includes=[theirs])
    right = refused_lines(argv, programs.text(), *words, *QUIET, includes=[OURS])
    assert programs.names(right - left) == set(), "refused with ours only"
    text = programs.text(left)
    one, other = (compiled(argv, text, *words, *QUIET, includes=[place]) for place in (theirs, OURS))
    assert isinstance(one, bytes), one
    assert isinstance(other, bytes), other
    assert differences(one, other) == []
    return programs.names(left - right)


@pytest.mark.parametrize("words", [(), ("-DBPF_NO_GLOBAL_DATA",), ("-mcpu=v2",)], ids="".join)
def test_macros(words: tuple[str, ...]) -> None:
    theirs = debians(objects.NEWEST)
    for clang in clangs():
        assert same(clang.argv, core(clang), theirs, *words) == {"likely", "argument_untrusted", "stream_printk"}


def test_macros_on_a_big_endian_machine() -> None:
    theirs = debians(objects.NEWEST)
    assert same(clangs()[0].argv, core(clangs()[0]), theirs, "-target", "bpfeb") >= {"likely"}


@pytest.mark.parametrize("architecture", macros.REGISTERS)
def test_registers(architecture: str) -> None:
    words = (f"-D__TARGET_ARCH_{architecture.partition('-')[0]}",)
    only = same(clangs()[0].argv, macros.tracing(architecture), debians(objects.NEWEST), *words)
    assert only == (NAMELESS if architecture == "powerpc" else set())


def test_macros_of_an_older_libbpf() -> None:
    programs = core(clangs()[0])
    programs = programs._replace(lines={k: v for k, v in programs.lines.items() if not k.startswith(CHANGED)})
    only = same(clangs()[0].argv, programs, debians("1.1"))
    assert only >= {"for", "cast", "stream_printk"}


# ---- programs of the kernel ----


@pytest.mark.slow
def test_self_tests_of_the_kernel(tmp_path: Path) -> None:
    theirs = debians(objects.NEWEST)
    if kept("libbpf-programs") is None:
        need.network()
    bpftool = need.tool("bpftool")
    try:
        source, btf = libbpf.sources(), libbpf.kernel_btf()
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no programs or no kernel: {error}")
    (tmp_path / "btf").write_bytes(btf)
    with (tmp_path / "vmlinux.h").open("wb") as file:
        subprocess.run([bpftool, "btf", "dump", "file", tmp_path / "btf", "format", "c"], stdout=file, check=True)
    below = source / libbpf.SELF_TESTS
    chosen = sorted(below.glob("progs/*.c"))[::EVERY] + sorted(source.rglob("*.bpf.c"))[::2]
    words = ["-w", "-D__TARGET_ARCH_x86", "-idirafter", "/usr/include"]
    words += ["-idirafter", f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}"]
    argv_of = clangs()[-1].argv  # one of the system, if there is one: zig has no headers of C's own for this target

    def both(path: Path) -> tuple[str, str]:
        places = [path.parent, below, tmp_path, source / "tools/include/uapi"]
        left, right = (
            compiled(argv_of, path.read_bytes(), *words, includes=[*places[:2], place, *places[2:]])
            for place in (theirs, OURS)
        )
        if isinstance(left, str):
            return path.name, "" if isinstance(right, str) else "compiles with ours only"
        return path.name, right if isinstance(right, str) else " ".join(differences(left, right)) or "same"

    with ThreadPoolExecutor(2) as threads:
        found = dict(threads.map(both, chosen))
    assert {name: said for name, said in found.items() if said not in ("same", "")} == {}
    assert sum(said == "same" for said in found.values()) >= len(found) * 3 // 4


@pytest.mark.slow
def test_samples_of_the_kernel() -> None:
    theirs = debians(objects.NEWEST)
    clangs()
    headers = kernels_headers("6.1")
    try:
        samples = corpus.samples()
    except Unobtainable as error:
        pytest.skip(f"no samples or no kernel: {error}")
    compiler = find(None)
    rest = samples.includes[1:]
    found: dict[str, object] = {}
    with MemoryForm(headers, everything=True).serve(compiler, b"") as served:
        for path in samples.programs()[::8]:
            jobs = [Job(path, includes=(str(place), *rest), extra=("-g",)) for place in (theirs, OURS)]
            left, right = (execute(compiler, job, served.flags, served.pass_fds, ("-c",)) for job in jobs)
            found[path.name] = left.ok == right.ok and (not left.ok or differences(left.output, right.output) == [])
    assert [name for name, is_same in found.items() if not is_same] == []
    assert len(found) >= 5
