"""Where libbpf's headers for programs are found, and that they come alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import context, mini_root
from builders.root import FakeRoot
from kheaders import bpf_headers
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute
from kheaders.errors import CompileFailed

HELPERS = """\
#define SEC(name) __attribute__((section(name), used))
#include "bpf_helper_defs.h"
"""
DEFS = """\
/* bpf_first: does (void *) 7; */
struct bpf_sock;
static long (*bpf_first)(void *map, __u32 key, struct bpf_sock *sk) = (void *) 1;
static void *(* const bpf_second)(__u64 flags) = (void *) 2;
"""
PROGRAM = b"""\
#include <linux/sched.h>
typedef unsigned long long __u64;
#include <bpf/bpf_helpers.h>
SEC("socket") int f(struct task_struct *t) { return t->pid + bpf_first(0, 1, 0); }
"""


def system(root: Path, place: str = "usr/include") -> Path:
    """libbpf's headers of a system, and beside them a copy of a kernel header."""
    for name, text in {
        "bpf/bpf_helpers.h": HELPERS,
        "bpf/bpf_helper_defs.h": DEFS,
        "linux/leak.h": "int leak;\n",
    }.items():
        path = root / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / place / "bpf"


def found(root: Path) -> bpf_headers.BpfHeaders:
    headers = bpf_headers.find(root)
    assert headers is not None
    return headers


def test_the_order_of_places(tmp_path: Path) -> None:
    """What the administrator installed comes before the distribution's, as for a compiler, and ours come last."""
    ours = found(tmp_path)
    assert ours.alone and "bpf/bpf_helpers.h" in ours.names
    (tmp_path / "usr/include/bpf").mkdir(parents=True)
    assert found(tmp_path).alone  # a directory without headers for programs
    assert found(tmp_path / "x").directory == ours.directory
    distribution = system(tmp_path)
    assert found(tmp_path).directory == distribution
    local = system(tmp_path, "usr/local/include")
    assert found(tmp_path).directory == local


def test_what_a_reader_is_told(tmp_path: Path) -> None:
    """The names of helpers, and types by value; names of parameters are no words of a program."""
    system(tmp_path)
    text = found(tmp_path).told("bpf/bpf_helper_defs.h")
    assert text is not None
    assert b"bpf_first" in text and b"bpf_second" in text and b"__u32" in text and b"__u64" in text
    assert b"flags" not in text and b"does" not in text
    assert found(tmp_path).told("bpf/bpf_helpers.h") == HELPERS.encode()
    assert found(tmp_path).told("linux/leak.h") is None


@pytest.mark.parametrize("where", ["system", "ours"])
def test_a_compiler_finds_them_and_nothing_beside(tmp_path: Path, clang: Clang, where: str) -> None:
    if where == "system":
        system(tmp_path)
    text = b"typedef unsigned int __u32; typedef unsigned long long __u64; typedef __u32 __be32, __wsum;\n"
    text += b"typedef unsigned short __u16, __be16; typedef long long __s64; typedef int __s32; typedef short __s16;\n"
    text += b"typedef unsigned char __u8; typedef signed char __s8; typedef __u64 __be64;\nenum bpf_map_type { X };\n"
    with found(tmp_path).shown() as last:
        flags = ("-target", "bpf", "-nostdinc")
        good = Job(text + b"#include <bpf/bpf_helpers.h>\nint f(void) { return 1; }\n", last=last)
        bad = Job(text + b"#include <linux/leak.h>\n", last=last)
        done = execute(examine(clang.argv), good, flags)
        assert done.ok, done.diagnostics
        assert "leak.h' file not found" in execute(examine(clang.argv), bad, flags).diagnostics


def test_a_directory_that_lasts(tmp_path: Path) -> None:
    """It holds the headers of the system and no others."""
    root = FakeRoot(tmp_path / "root")
    system(root.path)
    asked = context(root, tmp_path)
    word, place = asked.bpf_flags()
    assert word == "-idirafter"
    names = sorted(str(path.relative_to(place)) for path in Path(place).rglob("*") if path.is_file())
    assert names == ["bpf/bpf_helper_defs.h", "bpf/bpf_helpers.h"]
    assert asked.bpf_flags() == ["-idirafter", place]


def test_all_forms_give_the_same_object(tmp_path: Path, clang: Clang) -> None:
    root = mini_root(tmp_path / "root")
    system(root.path)
    asked = context(root, tmp_path, cc=" ".join(clang.argv))
    blob = asked.build_blob(tmp_path / "blob")
    objects = {
        "slice": asked.compile(PROGRAM, form="slice", blob=blob).object,
        "memory": asked.compile(PROGRAM, form="memory").object,
        "directory": asked.compile(PROGRAM, form="directory").object,
        "pch": asked.compile(PROGRAM, form="pch").object,
    }
    (tmp_path / "p.c").write_bytes(PROGRAM)
    argv = [*clang.argv, *asked.cflags(), "-O2", "-c", str(tmp_path / "p.c"), "-o", str(tmp_path / "p.o")]
    subprocess.run(argv, check=True, capture_output=True)
    objects["cflags"] = (tmp_path / "p.o").read_bytes()
    symbols = {name: data.replace(b"p.c", b"-") for name, data in objects.items()}
    assert len({len(data) for name, data in symbols.items() if name != "cflags"}) == 1
    assert objects["slice"] == objects["memory"] == objects["directory"] == objects["pch"]


def test_the_users_own_come_first(tmp_path: Path, clang: Clang) -> None:
    root = mini_root(tmp_path / "root")
    system(root.path)
    own = tmp_path / "own/bpf"
    own.mkdir(parents=True)
    (own / "bpf_helpers.h").write_text('#define SEC(name) __attribute__((section("mine"), used))\n')
    asked = context(root, tmp_path, cc=" ".join(clang.argv))
    text = b'#include <linux/types.h>\n#include <bpf/bpf_helpers.h>\nSEC("socket") int f(void) { return 1; }\n'
    for form in ("memory", "directory"):
        assert b"mine" in asked.compile(text, form=form, includes=[str(tmp_path / "own")]).object
        assert (
            b"mine"
            not in asked.compile(
                text.replace(b"<linux/types.h>", b"<linux/sched.h>").replace(
                    b"#include <bpf", b"typedef unsigned long long __u64;\n#include <bpf"
                ),
                form=form,
            ).object
        )


def test_one_that_is_not_there(tmp_path: Path, clang: Clang) -> None:
    """It is said whose header it is, where one looked, and what to do."""
    asked = context(mini_root(tmp_path / "root"), tmp_path, cc=" ".join(clang.argv))
    with pytest.raises(CompileFailed, match=r"bpf/nowhere\.h: a header of libbpf's.*-I"):
        asked.compile(b"#include <bpf/nowhere.h>\n")
