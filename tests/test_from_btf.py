"""Programs that include a vmlinux.h which they do not have, compiled for whatever form is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import btf as build
from builders.compilers import Clang
from builders.loading import core_relocations
from builders.mini import context, mini_root
from builders.root import FakeRoot
from kheaders.api import Context
from kheaders.btf.table import Btf
from kheaders.errors import BtfError, CompileFailed, UsageError

PROGRAM = b"""\
#include "vmlinux.h"
__attribute__((section("socket"), used)) bool f(struct animal *a) { return a->next->kind == ANIMAL_DOG ? true : false; }
"""
PLAIN = b"""\
#include "vmlinux.h"
__attribute__((section("socket"), used)) int f(struct animal *a) { return a->next->kind == ANIMAL_DOG; }
"""
LIBRARY = b"""\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
SEC("kprobe/animal_feed") int BPF_KPROBE(animal_feed, struct animal *a) { return BPF_CORE_READ(a, next, kind); }
"""


def animals() -> Btf:
    """Types of the made-up kernel, and those that libbpf's headers count on."""
    b = build.Btf()
    number = b.integer("unsigned int", 4)
    for bits, name in ((1, "unsigned char"), (2, "unsigned short"), (8, "unsigned long long")):
        known = b.integer(name, bits)
        b.typedef(f"__u{bits * 8}", known)
        if bits > 1:
            b.typedef(f"__be{bits * 8}", known)
    u32 = b.typedef("__u32", number)
    b.typedef("u32", u32)
    b.typedef("__be32", u32)
    b.typedef("__wsum", u32)
    for size, name in ((1, "signed char"), (2, "short"), (4, "int"), (8, "long long")):
        b.typedef(f"__s{size * 8}", b.integer(name, size, signed=True))
    b.typedef("bool", b.integer("_Bool", 1, boolean=True))
    b.enum("", {"false": 0, "true": 1})
    word = b.integer("unsigned long", 8)
    registers = [*(f"r{number}" for number in range(8, 16)), *("bp", "bx", "ax", "cx", "dx", "si", "di", "ip", "sp")]
    b.struct("pt_regs", 8 * len(registers), [(name, word, 64 * n) for n, name in enumerate(registers)])
    kind = b.enum("animal_kind", {"ANIMAL_CAT": 0, "ANIMAL_DOG": 7, "ANIMAL_OWL": 8})
    animal = b.next_id + 1
    pointer = b.pointer(animal)
    b.struct("animal", 16, [("kind", kind, 0), ("next", pointer, 64)])
    return Btf.parse(b.write())


def machine(tmp_path: Path, clang: Clang) -> Context:
    return context(FakeRoot(tmp_path / "root"), tmp_path, cc=" ".join(clang.argv))


@pytest.mark.parametrize("form", ["auto", "slice", "pch", "memory", "directory"])
def test_a_program_without_blob_and_headers(tmp_path: Path, clang: Clang, form: str) -> None:
    """The form is of no importance; accesses are noted for CO-RE though nobody asked for debug information."""
    done = machine(tmp_path, clang).compile(PROGRAM, btf=animals(), form=form)  # type: ignore[arg-type]
    assert done.form == "btf" and core_relocations(done.object) > 0


def test_from_a_blob(tmp_path: Path, clang: Clang, small_blob: Path) -> None:
    """Macros and inline functions are there too."""
    text = PLAIN + b"int g(struct animal *a) { return animal_weight(a) + ANIMAL_LIMIT; }\n"
    asked = machine(tmp_path, clang)
    objects = [asked.compile(text, blob=small_blob, form=form) for form in ("auto", "memory")]
    assert {done.form for done in objects} == {"slice"}
    assert objects[0].object == objects[1].object
    assert core_relocations(objects[0].object) > 0
    with pytest.raises(CompileFailed, match=r"'ANIMAL_LIMIT' is not among the types.*blob build"):
        asked.compile(text, btf=animals())


@pytest.mark.parametrize("standard", ["gnu11", "gnu17", "gnu2x"])
def test_standards(tmp_path: Path, clang: Clang, small_blob: Path, standard: str) -> None:
    """``bool``, ``true`` and ``false`` are keywords of the last."""
    asked = machine(tmp_path, clang)
    asked.compile(PROGRAM, btf=animals(), extra=[f"-std={standard}"])
    asked.compile(b"#include <stdbool.h>\n" + PROGRAM, btf=animals(), extra=[f"-std={standard}"])


@pytest.mark.parametrize("standard", ["gnu11", "gnu17", "gnu2x"])
def test_standards_with_headers(tmp_path: Path, clang: Clang, standard: str) -> None:
    """What the kernel's headers declare of them, in its own spelling."""
    from builders.mini import mini_archive

    files = {
        "include/linux/stddef.h": b'enum {\n\tfalse\t= 0,\n\ttrue\t= 1\n};\n_Static_assert(__LINE__ == 5, "");\n',
        "include/linux/types.h": b"#ifndef _T\n#define _T\n#include <uapi/linux/types.h>\n#include <linux/stddef.h>\n"
        b'typedef __u32 u32;\ntypedef _Bool\t\t\tbool;\n_Static_assert(__LINE__ == 7, "");\n#endif\n',
    }
    asked = context(mini_root(tmp_path / "root", mini_archive(extra=files)), tmp_path, cc=" ".join(clang.argv))
    text = b"#include <linux/types.h>\n__attribute__((used)) bool f(u32 x) { return x ? true : false; }\n"
    blob = asked.build_blob(tmp_path / "blob")
    assert asked.compile(text, form="memory", extra=[f"-std={standard}"]).object
    assert asked.compile(text, form="directory", extra=[f"-std={standard}"]).object
    assert asked.compile(text, form="slice", blob=blob, extra=[f"-std={standard}"]).object


def test_libbpfs_headers_beside_it(tmp_path: Path, clang: Clang, small_blob: Path) -> None:
    """Those that come with kheaders; a handler that a macro names like a function of the kernel is the program's."""
    asked = machine(tmp_path, clang)
    done = asked.compile(LIBRARY, btf=animals())
    assert core_relocations(done.object) > 0
    wrong = LIBRARY.replace(b"struct animal *a)", b"struct nowhere *a)")
    with pytest.raises(CompileFailed):
        asked.compile(wrong, btf=animals())


def test_one_of_the_users_own_wins(tmp_path: Path, clang: Clang, small_blob: Path) -> None:
    """Beside the program, by -I, or through a header of its own."""
    asked = machine(tmp_path, clang)
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc/vmlinux.h").write_text("struct animal { int mine; };\n")
    (tmp_path / "inc/common.h").write_text('#include "vmlinux.h"\n')
    for name in ("vmlinux.h", "common.h"):
        text = f'#include "{name}"\n_Static_assert(sizeof(struct animal) == 4, "");\n'.encode()
        text += b"int f(struct animal *a) { return a->mine; }\n"
        asked.compile(text, includes=[str(tmp_path / "inc")], blob=small_blob)
    (tmp_path / "inc/vmlinux.h").unlink()
    text = b'#include "common.h"\nint f(struct animal *a) { return a->kind; }\n'
    assert asked.compile(text, includes=[str(tmp_path / "inc")], blob=small_blob).form == "slice"
    assert asked.compile(text, includes=[str(tmp_path / "inc")], btf=animals()).form == "btf"


def test_where_nothing_can_be_had(tmp_path: Path, clang: Clang, small_blob: Path) -> None:
    asked = context(FakeRoot(tmp_path / "bare", sys=False), tmp_path, cc=" ".join(clang.argv))
    with pytest.raises(BtfError, match=r"neither a blob nor BTF of kernel .*blob build.*--btf"):
        asked.compile(PROGRAM)
    with pytest.raises(UsageError, match="--check"):
        asked.compile(PROGRAM, blob=small_blob, check=True)


def test_kernel_headers_beside_it(tmp_path: Path, clang: Clang, small_blob: Path) -> None:
    """Their include lines find nothing: all of theirs that the program uses is in vmlinux.h already."""
    text = PLAIN.replace(b'"vmlinux.h"\n', b'"vmlinux.h"\n#include <linux/birds.h>\n')
    text += b"int g(struct bird *b) { return b->wings + BIRD_WINGS; }\n"
    assert machine(tmp_path, clang).compile(text, blob=small_blob).form == "slice"
