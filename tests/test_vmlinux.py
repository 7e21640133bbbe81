"""The ``vmlinux.h`` of one program: what programs that were written for bpftool's count on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builders import btf as build
from kheaders import vmlinux
from kheaders.btf.table import Btf
from kheaders.interface.blob import Blob
from kheaders.retyping import Retyper

Cut = Callable[[str], bytes]


@pytest.fixture
def cut(small_blob: Path) -> Cut:
    """The header for a program's text, with BTF that has two types which share a third with the headers."""
    b = build.Btf()
    number = b.integer("unsigned int", 4)
    size = b.typedef("u32", b.typedef("__u32", number))
    b.struct("ghost", 4, [("age", size, 0)])
    btf = Btf.parse(b.write())

    def header(text: str) -> bytes:
        with Blob(small_blob) as blob:
            program = b'#include "vmlinux.h"\n' + text.encode()
            return vmlinux.cut(blob, Retyper(blob, False, btf), program, None).text

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
