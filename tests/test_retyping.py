"""Slices with other types: marked for CO-RE, out of BTF, and those that no header has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from builders import btf as build
from builders import interface
from builders.cli import run_main
from builders.compilers import Clang
from builders.loading import core_relocations, load
from builders.mini import context
from builders.need import CHECKOUT
from builders.root import FakeRoot
from kheaders import vmlinux
from kheaders.btf.table import Btf
from kheaders.clang.find import examine
from kheaders.clang.job import Job
from kheaders.errors import CompileFailed, UsageError
from kheaders.interface.blob import Blob
from kheaders.retyping import Retyper
from kheaders.slicing import attempt_slice

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.bpf.c"))
PROGRAM = b"""\
#include <linux/animals.h>
__attribute__((section("socket"))) int f(struct animal *a) { return a->next->kind + animal_weight(a); }
"""


def compiled(blob: Path, clang: Clang, text: bytes, core: bool, btf: Btf | None = None, prefer: bool = False) -> bytes:
    with Blob(blob) as opened:
        rework = Retyper(opened, core, btf, prefer)
        attempt = attempt_slice(opened, examine(clang.argv), Job(text, debug=True), text, rework.apply)
    assert attempt.ok, attempt.result and attempt.result.diagnostics
    assert attempt.result is not None
    return attempt.result.output


def animals(moved: int = 0) -> Btf:
    """BTF of the made-up kernel, where ``next`` lies *moved* bytes further on, and a struct that no header has."""
    b = build.Btf()
    number = b.integer("unsigned int", 4)
    kind = b.enum("animal_kind", {"ANIMAL_CAT": 0, "ANIMAL_DOG": 7, "ANIMAL_OWL": 8})
    u32 = b.typedef("u32", b.typedef("__u32", number))
    char = b.integer("char", 1, char=True)
    identity = b.union("animal_id", 4, [("number", u32, 0), ("tag", b.array(char, 4), 0)])
    paws = b.array(b.struct("paw", 4, [("size", u32, 0)]), 4)
    animal = b.next_id + 1
    pointer = b.pointer(animal)
    at = 24 + moved
    b.struct("animal", at + 8, [("kind", kind, 0), ("id", identity, 32), ("paws", paws, 64), ("next", pointer, 8 * at)])
    b.struct("ghost", 8, [("seen", u32, 32)])
    return Btf.parse(b.write())


def test_core_notes_each_access(small_blob: Path, clang: Clang) -> None:
    """Without it there is nothing to relocate."""
    assert core_relocations(compiled(small_blob, clang, PROGRAM, True)) > 0
    assert core_relocations(compiled(small_blob, clang, PROGRAM, False)) == 0


@pytest.mark.parametrize(("moved", "offset"), [(0, 24), (64, 88)])
def test_types_of_btf(small_blob: Path, clang: Clang, moved: int, offset: int) -> None:
    """What both declare lies as BTF says; functions of the headers use it."""
    text = PROGRAM + b'_Static_assert(__builtin_offsetof(struct animal, next) == %d, "");\n' % offset
    compiled(small_blob, clang, text, False, animals(moved), True)
    if moved:
        with pytest.raises(AssertionError):
            compiled(small_blob, clang, text, False, animals(moved), False)


def test_types_that_only_btf_has(small_blob: Path, clang: Clang) -> None:
    """The headers' own stay as they are."""
    text = PROGRAM + b"int g(struct ghost *ghost) { return ghost->seen; }\n"
    with pytest.raises(AssertionError):
        compiled(small_blob, clang, text, True)
    compiled(small_blob, clang, text, True, animals(64))


def test_a_program_of_its_own_types(small_blob: Path, clang: Clang) -> None:
    """What the program defines is not taken from elsewhere."""
    text = PROGRAM + b"struct ghost { int mine; };\nint g(struct ghost *ghost) { return ghost->mine; }\n"
    compiled(small_blob, clang, text, True, animals(), True)


def test_through_the_context(small_blob: Path, clang: Clang, tmp_path: Path) -> None:
    """Only slices can be changed; BTF must be that of the blob's kernel."""
    asked = context(FakeRoot(tmp_path), tmp_path, cc=" ".join(clang.argv))
    done = asked.compile(PROGRAM, blob=small_blob, debug=True, core=True)
    assert done.form == "slice" and core_relocations(done.object) > 0
    with pytest.raises(UsageError, match="in slices only"):
        asked.compile(PROGRAM, blob=small_blob, core=True, form="memory")
    with pytest.raises(CompileFailed):
        asked.compile(PROGRAM + b"int g(struct nowhere *n) { return n->x; }\n", blob=small_blob, core=True)
    root = FakeRoot(tmp_path / "other", release="5.4.0-1-amd64")
    with pytest.raises(UsageError, match=r"is of 5\.4\.0-1-amd64 \(x86\), and the blob .* is of 6\.1\.0-99-amd64"):
        context(root, tmp_path, cc=" ".join(clang.argv)).compile(PROGRAM, blob=small_blob, types="btf")


@pytest.mark.network
@pytest.mark.parametrize("source", EXAMPLES, ids=lambda path: path.name.split(".")[0])
def test_examples_load_on_the_running_kernel(debian_blob: Path, clang: Clang, source: Path, tmp_path: Path) -> None:
    """Compiled once, for another kernel: libbpf finds each member where this one has it."""
    root = FakeRoot(tmp_path, release=interface.release(debian_blob))
    asked = context(root, tmp_path, cc=" ".join(clang.argv))
    data = asked.compile(source, blob=debian_blob, debug=True, core=True).object
    target = tmp_path / "program.o"
    target.write_bytes(data)
    load(target)


# ---- vmlinux.h ----

LIBBPF = b"""\
#include "vmlinux.h"
#include "support.h"

#define MAX 10
struct event { u32 pid; char comm[TASK_COMM_LEN]; u16 family; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX);
	__type(key, u32);
	__type(value, struct event);
} events SEC(".maps");

SEC("tp_btf/sched_switch")
int switched(u64 *ctx)
{
	struct task_struct *prev = (struct task_struct *)ctx[1];
	struct event event = {.family = AF_INET, .pid = prev->pid};

	if (prev->flags & PF_KTHREAD)
		event.pid = jhash_2words(event.pid, 2, 3);
	event.pid += prev->__state & TASK_UNINTERRUPTIBLE;
	bpf_map_update_elem(&events, &event.pid, &event, BPF_ANY);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""
SMALL = b"int f(struct animal *a) { return animal_weight(a) + ANIMAL_LIMIT; }\n"
SUPPORT = b"""\
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
"""


@pytest.mark.network
def test_the_vmlinux_h_of_a_libbpf_program(debian_blob: Path, clang: Clang, tmp_path: Path) -> None:
    """Types, macros and inline functions; clang needs nothing else, and the object loads on the running kernel."""
    (tmp_path / "prog.bpf.c").write_bytes(LIBBPF)
    (tmp_path / "support.h").write_bytes(SUPPORT)
    header, target = tmp_path / "vmlinux.h", tmp_path / "prog.bpf.o"
    for _ in range(2):  # the one that is there is not read as a part of the program
        done = run_main("slice", "--blob", str(debian_blob), str(tmp_path / "prog.bpf.c"), "-o", str(header))
        assert done.status == 0, done.err
    text = header.read_text()
    assert "struct task_struct {" in text and "jhash_2words(" in text and "#define AF_INET" in text
    flags = ("-target", "bpf", "-g", "-O2", "-Wall", "-Werror")
    argv = [*clang.argv, *flags, "-c", str(tmp_path / "prog.bpf.c"), "-o", str(target)]
    done_ = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done_.returncode == 0, done_.stderr
    assert core_relocations(target.read_bytes()) > 0
    load(target)


def test_what_asks_for_vmlinux_h() -> None:
    """However it is included; a comment does not count."""
    assert vmlinux.wanted(b'#include "vmlinux.h"\n')
    assert vmlinux.wanted(b"  # include <vmlinux.h>\n")
    assert vmlinux.wanted(b'int x;\n#include "x86/vmlinux.h" // types\n')
    assert not vmlinux.wanted(b'#include "my_vmlinux.h"\n')


def test_the_vmlinux_h_of_a_small_kernel(small_blob: Path, clang: Clang, tmp_path: Path) -> None:
    """The headers are found by what the program names."""
    (tmp_path / "p.c").write_bytes(b'#include "vmlinux.h"\n' + SMALL)
    done = run_main("slice", "--blob", str(small_blob), str(tmp_path / "p.c"), "-o", str(tmp_path / "vmlinux.h"))
    assert done.status == 0, done.err
    argv = [*clang.argv, "-target", "bpf", "-g", "-O2", "-c", str(tmp_path / "p.c"), "-o", str(tmp_path / "p.o")]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0
    assert core_relocations((tmp_path / "p.o").read_bytes()) > 0
