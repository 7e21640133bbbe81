"""Compiling from a slice: the same program, repaired where the slice lacked something, explained where it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builders.compilers import Clang
from builders.mini import mini
from kheaders import Context, slicing
from kheaders.clang.find import Compiler, examine
from kheaders.clang.job import Result
from kheaders.errors import BlobError, CompileFailed, HostAssembly
from kheaders.headers.headerset import HeaderSet
from kheaders.interface.build import build
from kheaders.objects import compare

EXTRA = {
    "include/linux/skbuff.h": (
        b"#include <linux/types.h>\n#include <linux/dev.h>\n"
        b"struct sk_buff { u32 len; struct device *dev; };\n"
        b"static inline u32 skb_len(const struct sk_buff *skb) { return skb->len; }\n"
    ),
    "include/linux/switch.h": b"struct switch_ { int one;\n#ifdef SWITCH\nint more;\n#endif\nint last; };\n",
    "include/linux/early.h": b"#ifndef EARLY\n#define EARLY 2\n#endif\n",
    "include/linux/dev.h": b"struct device { int index; char name[16]; };\n",
    "include/linux/sums.h": b"#define ADD(a, b) ((a) + (b))\n\n#define ADD1(x) ADD(x, 1)\nint summed;\n",
    "include/linux/broken.h": b"#include <asm/nowhere.h>\n",
    "include/linux/deep.h": (
        b"#include <linux/host.h>\nstatic inline unsigned long deeper(void) { return host_flags(); }\n"
        b"#define deepest() (deeper() + 1)\n"
    ),
}


@pytest.fixture
def compiler(clang: Clang) -> Compiler:
    """Each compiler of this machine in turn."""
    return examine(clang.argv)


@pytest.fixture
def blob(tmp_path: Path, compiler: Compiler) -> Path:
    """The blob of a small tree."""
    path = tmp_path / "mini.kheaders"
    build(HeaderSet(mini(extra=EXTRA)), compiler, path)
    return path


@pytest.fixture
def context(tmp_path: Path, compiler: Compiler) -> Context:
    """A machine without any headers."""
    (tmp_path / "root").mkdir()
    environ = {"KHEADERS_STORE": str(tmp_path / "store"), "KHEADERS_CACHE": str(tmp_path / "cache")}
    cc = " ".join(compiler.argv)
    return Context.open(sysroot=tmp_path / "root", environ=environ, cc=cc, order=("build",))


def test_compiles_without_any_headers(context: Context, blob: Path) -> None:
    program = b"#include <linux/skbuff.h>\nint f(struct sk_buff *skb) { return skb_len(skb) + skb->dev->index; }\n"
    compiled = context.compile(program, blob=blob)
    assert compiled.form == "slice"
    assert compiled.slice is not None
    assert b"struct device {" in compiled.slice.text
    whole = b"struct device { int index; char name[16]; };\nstruct sk_buff { unsigned int len; struct device *dev; };\n"
    by_hand = context.compile(whole + b"int f(struct sk_buff *skb) { return skb->len + skb->dev->index; }\n", blob=blob)
    assert [d.section for d in compare(compiled.object, by_hand.object) if d.kind == "code"] == []


def test_the_compiler_is_started_once_while_the_slice_is_cut(
    context: Context, blob: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = b"#include <linux/skbuff.h>\nint f(struct sk_buff *skb) { return skb_len(skb); }\n"
    afterwards = []

    def later(*given: Any) -> Result:
        afterwards.append(given)
        return compile_now(*given)

    compile_now = slicing._compile
    monkeypatch.setattr(slicing, "_compile", later)
    ahead = context.compile(program, blob=blob)
    assert ahead.form == "slice" and not afterwards
    # a program that defines what its header defines too: what its include line finds is not empty
    both = b"#define EARLY 1\n#include <linux/early.h>\nint f(void) { return EARLY; }\n"
    assert context.compile(both, blob=blob).form == "slice" and not afterwards


def test_struct_that_is_only_pointed_to_is_not_defined(context: Context, blob: Path) -> None:
    program = b"#include <linux/skbuff.h>\nint f(struct sk_buff *skb) { return skb->len; }\n"
    compiled = context.compile(program, blob=blob)
    assert compiled.slice is not None
    assert b"struct device {" not in compiled.slice.text
    assert b"struct device;" in compiled.slice.text


def test_slice_is_repaired_where_arithmetic_needs_the_type(context: Context, blob: Path) -> None:
    program = b"#include <linux/dev.h>\nvoid *f(struct device *a) { return a + 1; }\n"
    assert context.compile(program, blob=blob).form == "slice"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"#include <linux/types.h>\nint f(void) { return no_such_name; }\n", "'no_such_name' is declared nowhere"),
        (b"#include <linux/types.h>\nint f(struct sk_buff *s) { return s->len; }\n", "declared in <linux/skbuff.h>"),
        (b"#include <linux/unheard_of.h>\n", "has no header <linux/unheard_of.h>"),
        (b"#include <linux/broken.h>\nint x;\n", "include/linux/broken.h cannot be included"),
        (b"#define H <linux/none.h>\n#include H\nint x;\n", "has no header <linux/none.h>"),
        (b"int f(void) { return 1 }\n", "refused the program"),
    ],
)
def test_what_is_missing_is_named(context: Context, blob: Path, program: bytes, message: str) -> None:
    with pytest.raises(CompileFailed, match=message) as caught:
        context.compile(program, blob=blob)
    assert "\n" not in str(caught.value)


def test_host_assembly_is_told_with_the_chain_that_leads_to_it(context: Context, blob: Path) -> None:
    program = b"#include <linux/deep.h>\nunsigned long f(void) { return deepest(); }\n"
    with pytest.raises(HostAssembly, match=r"deepest -> deeper -> host_flags \(include/linux/host.h:\d+\)"):
        context.compile(program, blob=blob)


def test_unused_host_assembly_does_no_harm(context: Context, blob: Path) -> None:
    assert context.compile(b"#include <linux/deep.h>\nint f(void) { return 1; }\n", blob=blob).form == "slice"


def test_diagnostics_name_the_users_own_lines(context: Context, blob: Path, tmp_path: Path) -> None:
    program = tmp_path / "prog.bpf.c"
    program.write_text(
        "#include <linux/skbuff.h>\n\nint f(struct sk_buff *skb)\n{\n\treturn skb->lenn + skb_len(5.0);\n}\n"
    )
    with pytest.raises(CompileFailed) as caught:
        context.compile(program, blob=blob)
    assert f"{program}:5:14: error:" in caught.value.diagnostics
    assert "include/linux/skbuff.h:4:" in caught.value.diagnostics


def test_diagnostics_name_the_line_of_a_macro(context: Context, blob: Path) -> None:
    program = b"#include <linux/sums.h>\nstruct s { int a; };\nint f(struct s s) { return summed + ADD1(s); }\n"
    with pytest.raises(CompileFailed) as caught:
        context.compile(program, blob=blob)
    assert "include/linux/sums.h:3:" in caught.value.diagnostics
    assert "include/linux/sums.h:1:" in caught.value.diagnostics


def test_slice_is_demanded_without_a_blob(context: Context) -> None:
    with pytest.raises(BlobError, match="kheaders blob build"):
        context.compile(b"int x;\n", form="slice")


def test_full_headers_answer_where_they_are_at_hand(tmp_path: Path, blob: Path, compiler: Compiler) -> None:
    from builders.mini import mini_archive

    archive = tmp_path / "kheaders.tar.xz"
    archive.write_bytes(mini_archive(extra=EXTRA))
    environ = {"KHEADERS_STORE": str(tmp_path / "store"), "KHEADERS_CACHE": str(tmp_path / "cache")}
    context = Context.open(headers=archive, environ=environ, cc=" ".join(compiler.argv))
    computed = b"#define H(x) <linux/x.h>\n#include H(types)\nu32 x;\n"
    assert context.compile(computed, blob=blob).form == "slice"
    switched = b"#define SWITCH\n#include <linux/switch.h>\nint f(void) { return sizeof(struct switch_); }\n"
    compiled = context.compile(switched, blob=blob)
    assert compiled.form == "memory"
    assert "defines SWITCH before it includes include/linux/switch.h" in compiled.why_not_slice
    with pytest.raises(CompileFailed) as caught:
        context.compile(b"#include <linux/types.h>\nint f(void) { return 1 }\n", blob=blob)
    assert "<stdin>:2:" in caught.value.diagnostics
    checked = context.compile(
        b"#include <linux/skbuff.h>\nu32 f(void *s) { return skb_len(s); }\n", blob=blob, check=True
    )
    assert checked.differences == ()
