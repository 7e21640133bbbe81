"""What surrounds a compiler: variables, configuration files, wrappers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders.compilers import Clang
from kheaders.clang.environment import HEADERS, cleaned
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute
from kheaders.clang.predefined import changes
from kheaders.errors import CompilerError

PROGRAM = b"#include <poison.h>\nint f(void) { return 1; }\n"
TARGET = ("-target", "bpfel", "-nostdinc")


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_only_what_a_program_needs_is_kept() -> None:
    environ = {"PATH": "/bin", "HOME": "/root", "LD_LIBRARY_PATH": "/x", "NIX_CFLAGS_COMPILE": "-DX", "FOO": "1"}
    environ |= dict.fromkeys(HEADERS, "/poison")
    kept = {"PATH": "/bin", "HOME": "/root", "LD_LIBRARY_PATH": "/x", "CLANG_NO_DEFAULT_CONFIG": "1"}
    assert cleaned(environ) == kept


@pytest.mark.parametrize("name", ["CPATH", "C_INCLUDE_PATH"])
def test_directories_of_the_environment_are_not_searched(
    clang: Clang, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "poison.h").write_text("")
    monkeypatch.setenv(name, str(tmp_path))
    assert not execute(examine(clang.argv), Job(PROGRAM), TARGET).ok


def test_words_of_the_environment_are_not_added(clang: Clang, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCC_OVERRIDE_OPTIONS", "+-DPOISON")
    assert execute(examine(clang.argv), Job(b"#ifdef POISON\n#error poisoned\n#endif\nint x;\n"), TARGET).ok


@pytest.mark.parametrize("added", ["-flto=thin", "-mbig-endian", "-target x86_64-linux-gnu", "-S"])
def test_what_a_wrapper_adds_later_is_noticed(clang: Clang, added: str, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.write_text("")
    wrapper = script(tmp_path / "clang", f'exec {" ".join(clang.argv)} "$@" $(cat {more})')
    compiler = examine((str(wrapper),))
    assert execute(compiler, Job(b"int x;\n"), TARGET).ok
    more.write_text(added)
    with pytest.raises(CompilerError, match="instead of a BPF object"):
        execute(compiler, Job(b"int x;\n"), TARGET)


def test_the_text_of_a_wrapper_is_part_of_the_identity(clang: Clang, tmp_path: Path) -> None:
    wrapper = script(tmp_path / "clang", f'exec {" ".join(clang.argv)} -DA "$@"')
    before = os.stat(wrapper)
    first = examine((str(wrapper),))
    script(wrapper, f'exec {" ".join(clang.argv)} -DB "$@"')
    os.utime(wrapper, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert examine((str(wrapper),)).identity != first.identity


def test_one_file_by_two_names_is_two_compilers(clang: Clang, tmp_path: Path) -> None:
    script(tmp_path / "ccache", f'exec {" ".join(clang.argv)} "$@"')
    for name in ("clang-a", "clang-b"):
        (tmp_path / name).symlink_to("ccache")
    identities = {examine((f"{tmp_path}/{name}",)).identity for name in ("clang-a", "clang-b")}
    assert len(identities) == 2


def test_nothing_is_printed_for_the_word_against_configuration_files(clang: Clang) -> None:
    result = execute(examine(clang.argv), Job(b"int x;\n", extra=("-Werror", "-Weverything")), TARGET)
    assert "default-config" not in result.diagnostics


def test_macros_that_options_predefine(clang: Clang) -> None:
    compiler = examine(clang.argv)
    directives = {macro.directive() for macro in changes(compiler, TARGET, ("-Os", "-funsigned-char"))}
    assert {"#define __OPTIMIZE_SIZE__ 1", "#define __CHAR_UNSIGNED__ 1"} <= directives
    assert "#undef __OPTIMIZE__" in {macro.directive() for macro in changes(compiler, TARGET, ("-O0",))}
    assert changes(compiler, TARGET, ("-O3", "-fno-builtin")) == ()
    with pytest.raises(CompilerError, match="no-such-option"):
        changes(compiler, TARGET, ("-fno-such-option",))
