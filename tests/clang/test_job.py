"""One compile: the command line, the object in memory, the diagnostics untouched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders.compilers import Clang
from kheaders.clang import job as module
from kheaders.clang.find import Compiler, examine
from kheaders.clang.job import Job, execute
from kheaders.errors import CompilerError

FLAGS = ("-target", "bpf")
PROGRAM = b"int f(int x) { return x + N; }\n"


@pytest.fixture
def compiler(clang: Clang) -> Compiler:
    return examine(clang.argv)


def test_arguments() -> None:
    job = Job(b"", "1", True, "v3", ("A", "B=2"), ("i", "j"), ("-Wall",))
    assert job.arguments() == ["-O1", "-g", "-mcpu=v3", "-DA", "-DB=2", "-Ii", "-Ij", "-Wall"]
    assert Job(b"").arguments() == ["-O2"]


def test_object_comes_back_and_no_file_is_made(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.c").write_bytes(PROGRAM)
    result = execute(compiler, Job(Path("p.c"), defines=("N=1",)), FLAGS)
    assert result.ok and result.output.startswith(b"\x7fELF") and result.diagnostics == ""
    assert os.listdir() == ["p.c"]
    assert result.output[18:20] == b"\xf7\0", "EM_BPF"


def test_same_from_text_and_twice(compiler: Compiler) -> None:
    job = Job(PROGRAM, defines=("N=1",))
    assert execute(compiler, job, FLAGS).output == execute(compiler, job, FLAGS).output


def test_refused_program_is_a_result_with_the_compilers_words(compiler: Compiler, tmp_path: Path) -> None:
    source = tmp_path / "my program.c"
    source.write_text("int a;\nint f(void) {\n  return 1 +;\n}\n")
    result = execute(compiler, Job(source), FLAGS)
    assert not result.ok and result.output == b"" and result.returncode != 0
    assert result.diagnostics.startswith(f"{source}:3:13: error:")
    assert "return 1 +;" in result.diagnostics


def test_warnings_of_a_good_program_are_kept(compiler: Compiler) -> None:
    result = execute(compiler, Job(b"#warning look out\nint x;\n"), FLAGS)
    assert result.ok and "look out" in result.diagnostics


@pytest.mark.parametrize("name", ["-x.c", "@x.c", "a b.c", "-", "x.cpp", "ü.c", "x"])
def test_odd_names(compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"int in_" + name.encode().hex().encode() + b";\n")
    result = execute(compiler, Job(Path(name)), FLAGS)
    assert result.ok, result.diagnostics
    assert b"in_" + name.encode().hex().encode() in result.output


def test_modes(compiler: Compiler) -> None:
    result = execute(compiler, Job(b"#define A 4\nint x = A;\n"), FLAGS, mode=("-E",))
    assert result.ok and b"int x = 4;" in result.output


def test_levels_debug_and_processor_make_a_difference(compiler: Compiler) -> None:
    text = b"int f(unsigned a, unsigned b) { return a < b ? 3 : a * b; }\n"
    plain = Job(text, mcpu="v1")
    jobs = [plain, plain._replace(debug=True), plain._replace(mcpu="v3"), plain._replace(optimise="0")]
    outputs = [execute(compiler, job, FLAGS).output for job in jobs]
    assert len(set(outputs)) == 4 and all(outputs)
    assert (b".BTF" in outputs[0], b".BTF" in outputs[1]) == (False, True)


def test_compiler_that_is_gone(compiler: Compiler) -> None:
    with pytest.raises(CompilerError, match="/gone/clang: no such program"):
        execute(compiler._replace(argv=("/gone/clang",)), Job(b""), FLAGS)


def test_compiler_that_hangs(compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "cc"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with pytest.raises(CompilerError, match=r"did not end within 0\.2 s"):
        execute(compiler._replace(argv=(str(hanging),)), Job(b""), FLAGS)


def test_compiler_that_crashes(compiler: Compiler, tmp_path: Path) -> None:
    crashing = tmp_path / "cc"
    crashing.write_text("#!/bin/sh\necho half an object\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    result = execute(compiler._replace(argv=(str(crashing),)), Job(b""), FLAGS)
    assert not result.ok and result.output == b""
