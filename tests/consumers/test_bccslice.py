"""The directory for a program of bcc, from the blob of a made-up kernel and a bcc as small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kheaders.consumers.bccfiles import BccFiles
from kheaders.consumers.bccslice import BccSlice
from kheaders.interface.blob import Blob

FILES = BccFiles(
    bpf=b"enum bpf_thing { BPF_THING };\nstruct bpf_insn { __u32 x; };\n",
    helpers=b"#define WEIGH(a) animal_weight(a)\n#define UNUSED ANIMAL_LIMIT\nint helper(u32 x);\n",
    proto=b"#include <uapi/linux/birds.h>\nstruct proto { struct bird b; };\n",
    bpf_includes=("linux/types.h",),
    helper_includes=("linux/animals.h",),
)


@pytest.fixture
def blob(small_blob: Path) -> Iterator[Blob]:
    with Blob(small_blob) as opened:
        yield opened


def test_the_slice_is_where_the_helpers_include_first(blob: Blob) -> None:
    texts = BccSlice(blob, FILES, b"int f(struct animal *a) { return a->kind; }\n").texts()
    assert b"enum animal_kind" in texts["linux/animals.h"]
    assert b"enum animal_kind" not in texts["linux/kconfig.h"]
    assert b"extern int animal_feed" not in texts["linux/animals.h"]


def test_what_a_macro_of_bcc_means_comes_with_its_use_only(blob: Blob) -> None:
    used = BccSlice(blob, FILES, b"int f(struct animal *a) { return WEIGH(a); }\n").texts()["linux/animals.h"]
    unused = BccSlice(blob, FILES, b"int f(void) { return 0; }\n").texts()["linux/animals.h"]
    assert b"animal_weight" in used and b"animal_weight" not in unused
    assert b"ANIMAL_LIMIT" not in used


def test_what_bcc_prints_is_learned(blob: Blob) -> None:
    piece = BccSlice(blob, FILES, b"int f(void) { return 0; }\n")
    assert b"int animal_feed" not in piece.texts()["linux/animals.h"]
    assert piece.learn("main.c:1:1: error: use of undeclared identifier 'animal_feed'\n")
    assert b"int animal_feed" in piece.texts()["linux/animals.h"]
    assert not piece.learn("main.c:1:1: error: use of undeclared identifier 'animal_feed'\n")
    assert not piece.learn("main.c:1:1: error: expected expression\n")


def test_bccs_own_headers_are_part_of_a_program_that_includes_them(blob: Blob) -> None:
    texts = BccSlice(blob, FILES, b"#include <bcc/proto.h>\nint f(struct proto *p) { return p->b.wings; }\n").texts()
    assert "uapi/linux/birds.h" in texts
    assert b"struct bird { int wings; };" in texts["linux/animals.h"]


def test_flags_are_seen(blob: Blob) -> None:
    texts = BccSlice(blob, FILES, b"int f(void) { return LIMIT; }\n", ["-DLIMIT=ANIMAL_LIMIT"]).texts()
    assert b"#define ANIMAL_LIMIT" in texts["linux/animals.h"]
