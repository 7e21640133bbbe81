"""``kheaders types`` and ``kheaders show --layout``: types out of BTF, with no blob and no headers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from builders import btf as build
from builders.cli import Run
from builders.compilers import Clang
from builders.elf import Elf
from builders.root import RELEASE, FakeRoot
from kheaders.btf.table import Btf


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A machine whose kernel has BTF, and that has nothing else."""
    root = FakeRoot(tmp_path)
    root.write("/sys/kernel/btf/vmlinux", build.everything().write())
    return root


@pytest.fixture
def on(run: Run, root: FakeRoot) -> Run:
    return lambda name, *words: run(name, "--sysroot", str(root.path), "--order", "sysfs", *words)


def test_a_whole_header(on: Run, clang: Clang, tmp_path: Path) -> None:
    """It compiles, and marks records for CO-RE."""
    target = tmp_path / "vmlinux.h"
    done = on("types", "-o", str(target))
    assert done.status == 0 and not done.out
    text = target.read_text()
    assert (
        text.startswith(f"/* kernel {RELEASE} (x86), from ")
        and "\n#ifndef __VMLINUX_H__\n" in text
        and "struct node {" in text
    )
    (tmp_path / "p.c").write_text('#include "vmlinux.h"\nint f(struct node *n) { return n->a; }\n')
    subprocess.run([*clang.argv, "-target", "bpf", "-g", "-c", tmp_path / "p.c", "-o", tmp_path / "p.o"], check=True)


def test_named_types(on: Run) -> None:
    """Those, and what they embed."""
    out = on("types", "struct node", "size_t").out
    assert "struct node {" in out and "enum color {" in out and "typedef long unsigned int size_t;" in out
    assert "union value" not in out


def test_a_name_that_is_not_there(on: Run) -> None:
    done = on("types", "nothing")
    assert done.status == 11 and "has no type nothing" in done.error


def test_of_a_file(run: Run, tmp_path: Path) -> None:
    """Any file that holds BTF; one that holds none is an error."""
    b = build.Btf()
    b.struct("mine", 4, [("a", b.integer("int", 4), 0)])
    (tmp_path / "x.btf").write_bytes(b.write())
    assert "struct mine {" in run("types", "--btf", str(tmp_path / "x.btf"), "mine").out
    (tmp_path / "y").write_bytes(b"no BTF")
    assert run("types", "--btf", str(tmp_path / "y")).status == 11
    assert run("types", "--btf", str(tmp_path / "none")).status == 11


def test_of_a_module(on: Run, tmp_path: Path) -> None:
    """Its types go on from those of the kernel."""
    kernel = build.everything()
    (node,) = Btf.parse(kernel.write()).find("node")
    module = build.Btf(base=kernel)
    module.struct("device", 48, [("at", node, 0)])
    (tmp_path / "m.btf").write_bytes(module.write())
    assert "struct device {\n\tstruct node at;\n};" in on("types", "--btf", str(tmp_path / "m.btf"), "device").out


def test_of_a_module_of_another_kernel(on: Run, tmp_path: Path, root: FakeRoot) -> None:
    """Refused on this kernel's types, printed on those that are named, or lie where an image of its kernel does."""
    kernel = build.Btf()
    for name in ("a", "point_of_another_kernel"):
        kernel.struct(name, 8, [("x", kernel.integer(f"int_{name}", 4), 0)])
    module = build.Btf(base=kernel)
    module.struct("device", 8, [("at", len(kernel.types), 0)])
    path = tmp_path / "m.ko"
    path.write_bytes(Elf().write({".BTF": module.write(), ".modinfo": b"\0vermagic=9.9-other SMP \0"}))
    missing = on("types", "--btf", str(path), "device")
    assert missing.status == 11 and "goes on from the BTF of kernel 9.9-other, which is not at hand" in missing.err
    wrong = on("types", "--btf", str(path), "--btf-base", str(root.path / "sys/kernel/btf/vmlinux"), "device")
    assert wrong.status == 11 and "does not go on from" in wrong.err and not wrong.out
    root.write("/boot/vmlinux-9.9-other", kernel.write())
    for words in ((), ("--btf-base", str(root.path / "boot/vmlinux-9.9-other"))):
        done = on("types", "--kernel", "9.9-other", "--btf", str(path), *words, "device")
        assert "struct device {\n\tstruct point_of_another_kernel at;\n};" in done.out, done.err
    lone = on("types", "--btf-base", str(path))
    assert lone.status == 2 and "name the module's with --btf" in lone.err


def test_layout(on: Run, root: FakeRoot) -> None:
    """Offsets and sizes; the same as JSON."""
    lines = on("show", "struct", "node", "--layout").out.splitlines()
    assert lines.pop(0) == f"kernel {RELEASE} (x86), from {root.at('/sys/kernel/btf/vmlinux')}:"
    assert lines[0] == "struct node {"
    assert any("name[16]" in line and line.split("/*")[1].split() == ["8", "16", "*/"] for line in lines)
    assert "\t/* size: 48, cachelines: 1, members: 7 */" in lines
    facts = on("show", "node", "--layout", "--json").json
    assert facts["btf"] == str(root.at("/sys/kernel/btf/vmlinux"))
    assert [layout["size"] for layout in facts["layouts"]] == [48]


def test_layout_of_something_else(on: Run) -> None:
    done = on("show", "call", "--layout")
    assert done.status == 11 and "is no struct or union; it is: func" in done.error
    assert on("show", "node", "--layout", "--cacheline", "0").status == 2


def test_layout_without_btf(on: Run, root: FakeRoot) -> None:
    root.remove("/sys/kernel/btf/vmlinux")
    done = on("show", "node", "--layout")
    assert done.status == 11 and "--btf FILE" in done.error


def test_a_name_that_only_btf_has(on: Run, root: FakeRoot) -> None:
    """There is no blob at all, or it does not have the name."""
    done = on("show", "union", "value")
    assert done.out.splitlines()[1:3] == [f"{root.at('/sys/kernel/btf/vmlinux')}: union value", "union value {"]
    (item,) = on("show", "--json", "call").json["items"]
    assert item["kind"] == "function"
    assert item["text"].startswith("extern int call(struct node *node, size_t size, ...)")
    done = on("show", "nowhere")
    assert done.status == 10 and "blob" in done.error
    done = on("show", "struct", "value")
    assert done.status == 10


def test_a_file_is_asked_instead_of_the_blob(run: Run, small_blob: Path, tmp_path: Path) -> None:
    """With --btf, that is meant."""
    b = build.Btf()
    b.struct("bird", 4, [("legs", b.integer("int", 4), 0)])
    (tmp_path / "x.btf").write_bytes(b.write())
    out = run("show", "--blob", str(small_blob), "--btf", str(tmp_path / "x.btf"), "bird").out
    assert "int legs;" in out and "wings" not in out
