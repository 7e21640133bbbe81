"""What was asked for and what is served are of one kernel, in every command; and every answer names its kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builders import btf as build
from builders.cli import Run
from builders.mini import mini_archive
from builders.root import RELEASE, FakeRoot

OTHER = "6.9.9-other"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.c"
    path.write_text("#include <linux/animals.h>\nint f(struct animal *a) { return sizeof(*a); }\n")
    return path


@pytest.fixture
def registers_of_arm64(tmp_path: Path) -> Path:
    """BTF that only an arm64 kernel can have."""
    b = build.Btf()
    b.struct("pt_regs", 8, [("pstate", b.integer("long", 8), 0)])
    b.struct("animal", 8, [("legs", b.integer("int", 4), 0)])
    path = tmp_path / "arm64.btf"
    path.write_bytes(b.write())
    return path


Words = Callable[[Path, Path, Path], list[str]]
COMMANDS: dict[str, Words] = {
    "compile": lambda blob, small, out: ["compile", "--blob", f"{blob}", f"{small}", "-o", f"{out}"],
    "compile slice": lambda blob, small, out: [
        *("compile", "--form", "slice", "--blob", f"{blob}", f"{small}", "-o", f"{out}")
    ],
    "compile core": lambda blob, small, out: ["compile", "--core", "--blob", f"{blob}", f"{small}", "-o", f"{out}"],
    "slice": lambda blob, small, out: ["slice", "--blob", f"{blob}", f"{small}", "-o", f"{out}"],
    "show": lambda blob, small, out: ["show", "--blob", f"{blob}", "animal"],
    "show layout": lambda blob, small, out: ["show", "--blob", f"{blob}", "animal", "--layout"],
    "show users": lambda blob, small, out: ["show", "--blob", f"{blob}", "animal", "--users"],
    "blob info": lambda blob, small, out: ["blob", "info", "--blob", f"{blob}"],
    "blob verify": lambda blob, small, out: ["blob", "verify", "--blob", f"{blob}"],
    "blob export": lambda blob, small, out: ["blob", "export", "--blob", f"{blob}", "-o", f"{out}"],
    "exec": lambda blob, small, out: ["exec", "--blob", f"{blob}", "--", "true"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("asked", ["machine", "kernel", "sysroot", "headers", "target-arch", "btf"])
def test_a_blob_of_another_kernel_is_refused(
    run: Run, small_blob: Path, small: Path, tmp_path: Path, registers_of_arm64: Path, command: str, asked: str
) -> None:
    out = tmp_path / "out"
    words = COMMANDS[command](small_blob, small, out)
    if asked == "machine":
        more, named = ["--machine", "arm64"], "arm64"
    elif asked == "target-arch":
        if words[0] != "compile":
            pytest.skip("only compile has --target-arch")
        more, named = ["--target-arch", "arm64"], "arm64"
    elif asked == "kernel":
        more, named = ["--kernel", OTHER], OTHER
    elif asked == "sysroot":
        more, named = ["--sysroot", str(FakeRoot(tmp_path, release=OTHER).path)], OTHER
    elif asked == "btf":
        if (words[0] not in ("show", "slice") and command != "compile core") or "--users" in words:
            pytest.skip("takes no BTF here")
        more, named = ["--btf", str(registers_of_arm64)], "arm64"
    else:
        (tmp_path / "other.tar.xz").write_bytes(mini_archive(OTHER))
        more, named = ["--headers", str(tmp_path / "other.tar.xz")], OTHER
    at = words.index("--") if "--" in words else len(words)
    done = run(*words[:at], *more, *words[at:])
    assert done.status == 2, done.err
    assert str(small_blob) in done.err and f"{RELEASE} (x86)" in done.err and named in done.err
    assert not out.exists()


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "exec"])
def test_a_blob_that_fits_what_was_asked_is_used(
    run: Run, small_blob: Path, small: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "same.tar.xz").write_bytes(mini_archive())
    words = COMMANDS[command](small_blob, small, tmp_path / "out")
    for more in ([], ["--machine", "x86_64"], ["--kernel", RELEASE], ["--headers", str(tmp_path / "same.tar.xz")]):
        done = run(*words, *more)
        assert done.status == 0, (more, done.err)


WITHOUT_BLOB = {
    "compile": ["compile", "--form", "memory", "PROG", "-o", "OUT"],
    "cflags": ["cflags"],
    "locate": ["locate"],
    "extract": ["extract", "OUT"],
    "pch": ["pch", "build"],
    "blob build": ["blob", "build", "-o", "OUT"],
    "verify": ["verify"],
    "mount": ["mount", "OUT"],
}


@pytest.mark.parametrize("command", WITHOUT_BLOB)
@pytest.mark.parametrize("asked", [["--machine", "arm64"], ["--kernel", OTHER]], ids=["machine", "kernel"])
def test_headers_of_another_kernel_are_refused(
    run: Run, small: Path, tmp_path: Path, command: str, asked: list[str]
) -> None:
    (tmp_path / "headers.tar.xz").write_bytes(mini_archive())
    if command == "mount":
        (tmp_path / "out").mkdir()
    stands_for = {"PROG": str(small), "OUT": str(tmp_path / "out")}
    words = [stands_for.get(word, word) for word in WITHOUT_BLOB[command]]
    done = run(*words, "--headers", str(tmp_path / "headers.tar.xz"), *asked)
    assert done.status == 3, done.err
    assert "headers.tar.xz" in done.err and asked[1] in done.err
    assert ("x86" if asked[0] == "--machine" else RELEASE) in done.err


@pytest.mark.parametrize("words", [["types"], ["show", "animal"], ["show", "animal", "--layout"]])
def test_btf_of_another_architecture_is_refused(run: Run, registers_of_arm64: Path, words: list[str]) -> None:
    done = run(*words, "--btf", str(registers_of_arm64), "--machine", "riscv64")
    assert done.status == 2 and "riscv" in done.error and f"{registers_of_arm64} is of arm64" in done.error
    assert run(*words, "--btf", str(registers_of_arm64), "--machine", "arm64").status == 0


class TestAnswersNameTheirKernel:
    def test_a_layout_is_that_of_the_blob(self, run: Run, small_blob: Path) -> None:
        """Whatever the kernel that runs here has under that name."""
        done = run("show", "--blob", str(small_blob), "struct sk_buff", "--layout")
        lines = done.out.splitlines()
        assert lines[0] == f"kernel {RELEASE} (x86), from {small_blob}:"
        assert lines[1] == "struct sk_buff {" and "/* size: 4," in done.out  # only len, in the made-up kernel
        told = run("show", "--json", "--blob", str(small_blob), "sk_buff", "--layout").json
        assert (told["release"], told["srcarch"], told["from"]) == (RELEASE, "x86", str(small_blob))
        assert told["layouts"][0]["size"] == 4

    def test_a_name_that_the_blob_lacks_is_not_looked_up_elsewhere(self, run: Run, small_blob: Path) -> None:
        for words in (["task_group"], ["task_group", "--layout"], ["list_lru", "--layout"]):
            done = run("show", "--blob", str(small_blob), *words)
            assert done.status == 10 and RELEASE in done.error

    def test_what_is_no_record_has_no_layout(self, run: Run, small_blob: Path) -> None:
        done = run("show", "--blob", str(small_blob), "ANIMAL_DOG", "--layout")
        assert done.status == 10 and "is no struct or union; it is: constant" in done.error
        assert run("show", "--blob", str(small_blob), "animal_t", "--layout").out.count("struct animal {") == 1

    def test_declarations(self, run: Run, small_blob: Path) -> None:
        assert run("show", "--blob", str(small_blob), "bird").out.splitlines()[0] == (
            f"kernel {RELEASE} (x86), from {small_blob}:"
        )
        told = run("show", "--json", "--blob", str(small_blob), "bird").json
        assert (told["release"], told["srcarch"], told["from"]) == (RELEASE, "x86", str(small_blob))

    def test_btf_in_a_file(self, run: Run, registers_of_arm64: Path) -> None:
        done = run("show", "--btf", str(registers_of_arm64), "animal")
        assert done.out.splitlines()[0] == f"from {registers_of_arm64}:"
        assert run("show", "--json", "--btf", str(registers_of_arm64), "animal").json["srcarch"] == "arm64"
