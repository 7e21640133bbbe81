"""The proof by compiling."""

from __future__ import annotations

import pytest

from builders.compilers import Clang
from builders.mini import mini
from kheaders.clang.find import Compiler, examine
from kheaders.errors import CompilerError, UsageError
from kheaders.headers.headerset import HeaderSet
from kheaders.trial import approver, try_compile


@pytest.fixture
def compiler(clang: Clang) -> Compiler:
    return examine(clang.argv)


def test_good_headers(compiler: Compiler) -> None:
    verdict = try_compile(HeaderSet(mini()), compiler)
    assert [(c.name, c.state) for c in verdict.checks] == [("compiles", "ok")]
    assert compiler.name in verdict.checks[0].detail


@pytest.mark.parametrize(
    ("extra", "without", "message"),
    [
        ({"include/linux/mm.h": b"struct page {"}, [], "expected"),
        ({}, ["include/linux/skbuff.h"], "'linux/skbuff.h' file not found"),
        ({"include/linux/sched.h": b"struct task_struct { int nopid; };"}, [], "no member named 'pid'"),
    ],
)
def test_headers_that_do_not_hold_together(
    compiler: Compiler, extra: dict[str, bytes], without: list[str], message: str
) -> None:
    verdict = try_compile(HeaderSet(mini(extra=extra, without=without)), compiler)
    assert not verdict.ok and message in verdict.reason
    assert f"does not compile with {compiler.name}" in verdict.reason and "\n" not in verdict.reason


def test_computed_include_in_the_headers(compiler: Compiler) -> None:
    extra = {
        "include/linux/mm.h": b"#define W <linux/w.h>\n#include W\n",
        "include/linux/w.h": b"struct page { int w; };\n",
    }
    assert try_compile(HeaderSet(mini(extra=extra)), compiler).ok


def test_32_bit_kernel_is_skipped(compiler: Compiler) -> None:
    verdict = try_compile(HeaderSet(mini(options={"CONFIG_X86": "y", "CONFIG_SMP": "y"})), compiler)
    assert verdict.ok and verdict.checks[0].state == "skipped" and "32-bit" in verdict.checks[0].detail


def test_compiler_that_went_away_proves_nothing(compiler: Compiler) -> None:
    with pytest.raises(CompilerError):
        try_compile(HeaderSet(mini()), compiler._replace(argv=("/gone",)))


def test_unknown_architecture(compiler: Compiler) -> None:
    with pytest.raises(UsageError):
        try_compile(HeaderSet(mini(srcarch="sparc", options={"CONFIG_64BIT": "y"})), compiler)


def test_approvers_of_two_compilers_differ(compiler: Compiler) -> None:
    assert approver(compiler).name == approver(compiler).name != approver(compiler._replace(identity="other")).name
