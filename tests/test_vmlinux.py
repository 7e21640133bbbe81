"""The ``vmlinux.h`` of one program: what programs that were written for bpftool's count on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builders import btf as build
from builders import interface
from kheaders import vmlinux
from kheaders.bpf_headers import bundled
from kheaders.btf.table import Btf
from kheaders.interface.blob import Blob
from kheaders.retyping import Retyper

Cut = Callable[[str], bytes]

ZOO = """\
#include <linux/types.h>
struct frame { u32 low; u32 kind; } __attribute__((packed));
struct held { u32 low; u32 kind; } __attribute__((packed));
struct holder { char first; struct held held; };
struct tight { char first; u32 kind; } __attribute__((packed));
#define __builtin_bswap16 _bswap16
"""
KEEPERS = "struct keeper { int age; };\n"
HOUSES = "struct keeper;\nstruct house { struct keeper *keeper; };\n"


@pytest.fixture(scope="module")
def blob(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small blob with more: structs that say packed, and some that point to others in headers that they lack."""
    extra = {"zoo": ZOO, "keepers": KEEPERS, "houses": HOUSES}
    files = {f"include/linux/{name}.h": text.encode() for name, text in extra.items()}
    return interface.built(tmp_path_factory.mktemp("zoo") / "zoo.kheaders", files)


@pytest.fixture
def cut(blob: Path) -> Cut:
    """The header for a program's text, with BTF that has types of the headers, and two that no header has."""
    b = build.Btf()
    number = b.integer("unsigned int", 4)
    size = b.typedef("u32", b.typedef("__u32", number))
    b.struct("ghost", 16, [("age", size, 0), ("master", b.pointer(b.forward("keeper")), 64)])
    for name in ("frame", "held"):
        b.struct(name, 8, [("low", size, 0), ("kind", size, 32)])
    b.struct("tight", 5, [("first", b.integer("char", 1), 0), ("kind", size, 8)])
    btf = Btf.parse(b.write())

    def header(text: str) -> bytes:
        with Blob(blob) as opened:
            program = b'#include "vmlinux.h"\n' + text.encode()
            return vmlinux.cut(opened, Retyper(opened, False, btf), program, None).text

    return header


def test_prototypes_come_with_calls_only(cut: Cut) -> None:
    """A program may give a function of its own the name, which a macro hides."""
    assert b"animal_feed(" in cut("int f(struct animal *a) { return animal_feed(a, 1); }\n")
    assert b"animal_feed(" not in cut("int BPF_PROG(animal_feed, struct animal *a) { return 0; }\n")


def test_variables_come_with_what_refers_to_them(cut: Cut) -> None:
    assert b"extern struct animal first_animal" in cut("int f(void) { return ANIMAL_WEIGHT; }\n")
    assert b"first_animal" not in cut("extern const int first_animal __ksym;\n")


def test_options_that_the_program_declares_are_its_own(cut: Cut) -> None:
    assert b"#define CONFIG_64BIT" in cut("int x = CONFIG_64BIT;\n")
    assert b"#define CONFIG_64BIT" not in cut("extern bool CONFIG_64BIT __kconfig __weak;\n")


def test_what_is_pointed_to_is_defined(cut: Cut) -> None:
    assert b"struct animal {" in cut("int f(struct animal *a) { return (long)(a + 1); }\n")


def test_no_type_is_there_twice(cut: Cut) -> None:
    text = cut("int f(struct ghost *g, struct animal *a) { return g->age + a->kind; }\n")
    assert text.count(b"struct ghost {") == 1
    assert text.count(b"typedef __u32 u32;") == 1
    assert text.count(b"__u32;") == 1


def test_inline_functions_come_with_calls_only(cut: Cut) -> None:
    assert b"animal_weight(" in cut("int f(struct animal *a) { return animal_weight(a); }\n")
    assert b"animal_weight(" in cut("int f(void) { return ANIMAL_WEIGHT; }\n")
    assert b"animal_weight(" not in cut("int BPF_PROG(animal_weight, struct animal *a) { return 0; }\n")


@pytest.mark.parametrize(
    "program",
    [
        "int f(void) { int ANIMAL_SPEED = 1; return ANIMAL_SPEED; }\n",
        "int f(void) { struct animal *ANIMAL_SPEED; return !ANIMAL_SPEED; }\n",
        "int f(int ANIMAL_SPEED) { return ANIMAL_SPEED; }\n",
        "struct own { unsigned long ANIMAL_SPEED; };\n",
        'SEC("fentry/x")\nint ANIMAL_SPEED(void *ctx) { return 0; }\n',
    ],
)
def test_what_the_program_calls_so_itself_is_no_macro(cut: Cut, program: str) -> None:
    assert b"#define ANIMAL_SPEED" not in cut(program)


@pytest.mark.parametrize("expression", ["x * ANIMAL_SPEED", "(x * ANIMAL_SPEED)", "g(x, ANIMAL_SPEED)", "ANIMAL_SPEED"])
def test_an_expression_declares_nothing(cut: Cut, expression: str) -> None:
    assert b"#define ANIMAL_SPEED " in cut(f"int f(int x) {{ return {expression}; }}\n")


def test_what_members_lead_to_is_defined_wherever_it_stands(cut: Cut) -> None:
    read = "#define READ(first, ...) READ_(first, __VA_ARGS__)\n"
    assert b"struct keeper { int age; };" in cut(f"{read}int f(struct house *h) {{ return READ(h, keeper, age); }}\n")
    assert b"struct keeper { int age; };" in cut("int f(struct house *h) { return h->keeper->age; }\n")
    assert b"struct keeper { int age; };" not in cut("int f(struct house *h) { return !h->keeper; }\n")


def test_a_type_of_btf_leads_to_those_of_headers(cut: Cut) -> None:
    text = cut("int f(struct ghost *g) { return g->master->age; }\n")
    assert b"struct ghost {" in text
    assert b"struct keeper { int age; };" in text


def test_packed_only_where_the_layout_needs_it(cut: Cut) -> None:
    """As in bpftool's header: BTF has layouts, no attributes. What is embedded stays, since others lie by it."""
    text = cut(
        "int f(struct frame *a, struct holder *h, struct tight *t) { return a->kind + h->held.kind + t->kind; }\n"
    )
    lines = {line.split()[1]: line for line in text.splitlines() if line.startswith(b"struct") and b"{" in line}
    assert b"packed" not in lines[b"frame"]
    assert b"packed" in lines[b"held"]
    assert b"packed" in lines[b"tight"]


def test_builtins_are_the_compilers(cut: Cut) -> None:
    assert b"_bswap16" not in cut("int f(int x) { return __builtin_bswap16(x); }\n")


def test_a_type_that_the_program_declares_again_is_there_too(cut: Cut) -> None:
    assert b"typedef __u32 u32;" in cut(
        "typedef unsigned int u32;\nint f(union animal_id *id) { return id->number; }\n"
    )


def test_headers_of_the_programs_own(tmp_path: Path, blob: Path) -> None:
    """They may include vmlinux.h, for which no old one is taken, and what they define is no macro of the kernel's."""
    (tmp_path / "own.h").write_text('#include "vmlinux.h"\n#define ANIMAL_SPEED 11\n')
    (tmp_path / "vmlinux.h").write_text("struct animal { int old; };\n")
    program = b'#include "own.h"\nint f(struct animal *a) { return a->kind * ANIMAL_SPEED * ANIMAL_LIMIT; }\n'
    assert vmlinux.wanted(program, str(tmp_path))
    assert not vmlinux.wanted(b'#include "other.h"\n', str(tmp_path))
    with Blob(blob) as opened:
        text = vmlinux.cut(opened, Retyper(opened, False), program, str(tmp_path)).text
    assert b"enum animal_kind kind;" in text
    assert b"#define ANIMAL_LIMIT" in text
    assert b"#define ANIMAL_SPEED" not in text


@pytest.mark.parametrize("header", ["bpf/bpf_helpers.h", "bpf/usdt.bpf.h"])
def test_what_libbpfs_headers_need_is_there(blob: Path, header: str) -> None:
    """Those that come with kheaders ask for it, and one that does not come with it is known."""
    headers = bundled()
    assert headers is not None
    program = f'#include "vmlinux.h"\n#include <{header}>\nint f(void) {{ return 0; }}\n'.encode()
    with Blob(blob) as opened:
        text = vmlinux.cut(opened, Retyper(opened, False), program, None, library=headers.told).text
    assert b"typedef unsigned int __u32;" in text


def test_what_the_systems_headers_declare_is_left_out(blob: Path) -> None:
    """Of a header that the compiler finds by itself; what is like it stays, since types of the kernel may need it."""
    system = {"linux/owls.h": b"struct animal { int mine; };\ntypedef unsigned int u32;\n#define ANIMAL_LIMIT 3\n"}
    program = b'#include "vmlinux.h"\n#include <linux/owls.h>\n'
    program += b"int f(struct animal *a, union animal_id *i) { return a->mine + i->number + ANIMAL_LIMIT; }\n"
    with Blob(blob) as opened:
        text = vmlinux.cut(opened, Retyper(opened, False), program, None, system=system.get).text
    assert b"struct animal {" not in text and b"ANIMAL_LIMIT" not in text
    assert b"union animal_id {" in text and b"typedef __u32 u32;" in text


def test_the_record_that_btf_has_is_chosen(tmp_path: Path) -> None:
    """Of two definitions in headers that no other includes."""
    files = {
        "include/linux/a_cache.h": b"struct cache { int small; int other; };\n",
        "include/linux/long_cache.h": b"#include <linux/types.h>\nstruct cache { u32 flags; struct { u32 size; }; };\n",
    }
    made = interface.built(tmp_path / "two.kheaders", files)
    b = build.Btf()
    u32 = b.typedef("u32", b.integer("unsigned int", 4))
    b.struct("cache", 8, [("flags", u32, 0), ("", b.struct("", 4, [("size", u32, 0)]), 32)])
    program = b'#include "vmlinux.h"\nint f(struct cache *c) { return c->size; }\n'
    with Blob(made) as opened:
        text = vmlinux.cut(opened, Retyper(opened, False, Btf.parse(b.write())), program, None).text
        assert b"u32 flags;" in text and b"int small;" not in text
