"""What a compiler is told: per architecture, byte order, 32-bit kernels, include order."""

from __future__ import annotations

import itertools

import pytest

from builders.compilers import Clang
from kheaders.clang.find import examine
from kheaders.clang.flags import (
    RELEVANT_OPTIONS,
    architecture,
    header_flags,
    include_directories,
    slice_flags,
    target,
)
from kheaders.clang.job import Job, execute
from kheaders.errors import CompilerError, UsageError

B64 = frozenset({b"CONFIG_64BIT", b"CONFIG_MIPS_GENERIC"})  # what names no platform is refused for MIPS alone
BIG = B64 | {b"CONFIG_CPU_BIG_ENDIAN"}
SRCARCHES = ("x86", "arm64", "riscv", "s390", "powerpc", "loongarch", "mips")


def test_unknown_architecture() -> None:
    with pytest.raises(UsageError, match=r"'sparc' is not known; known are arm, arm64"):
        architecture("sparc")


@pytest.mark.parametrize("srcarch", [*SRCARCHES, "arm"])
def test_32_bit_kernels_are_refused(srcarch: str) -> None:
    with pytest.raises(CompilerError, match=rf"32-bit {srcarch} kernel.*BTF"):
        architecture(srcarch, frozenset({b"CONFIG_SMP"}))


def test_arm_is_32_bit_even_where_nothing_is_told() -> None:
    with pytest.raises(CompilerError):
        architecture("arm")


@pytest.mark.parametrize(
    ("srcarch", "config", "triple", "define"),
    [
        ("x86", B64, "bpfel", "__x86_64__"),
        ("arm64", B64, "bpfel", "__aarch64__"),
        ("s390", B64, "bpfeb", "__s390x__"),
        ("powerpc", B64, "bpfel", "__LITTLE_ENDIAN__"),
        ("powerpc", BIG, "bpfeb", "__BIG_ENDIAN__"),
        ("mips", B64, "bpfel", "__MIPSEL__"),
        ("mips", BIG, "bpfeb", "__MIPSEB__"),
        ("riscv", B64, "bpfel", "__riscv_xlen=64"),
        ("loongarch", B64, "bpfel", "__loongarch64"),
    ],
)
def test_byte_order_and_macros(srcarch: str, config: frozenset[bytes], triple: str, define: str) -> None:
    known = architecture(srcarch, config)
    assert (target(known), known.big_endian) == (triple, triple == "bpfeb")
    assert define in known.defines


def test_include_order_is_the_kernels() -> None:
    """LINUXINCLUDE in the kernel's Makefile: the architecture's own first, uapi last."""
    assert include_directories(architecture("x86", B64)) == (
        "arch/x86/include",
        "arch/x86/include/generated",
        "include",
        "arch/x86/include/uapi",
        "arch/x86/include/generated/uapi",
        "include/uapi",
        "include/generated/uapi",
    )


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("CONFIG_MIPS_MALTA",), ["mach-malta"]),  # Debian's 5kc-malta
        (("CONFIG_MACH_LOONGSON64",), ["mach-loongson64"]),  # loongson-3
        (("CONFIG_CAVIUM_OCTEON_SOC",), ["mach-cavium-octeon"]),  # octeon
        (("CONFIG_MIPS_GENERIC",), []),
        (("CONFIG_MIPS_DB1XXX", "CONFIG_MIPS_ALCHEMY"), ["mach-db1x00", "mach-au1x00"]),
        (("CONFIG_LANTIQ", "CONFIG_SOC_FALCON"), ["mach-lantiq", "mach-lantiq/falcon"]),
        (("CONFIG_SIBYTE_BCM1x80", "CONFIG_SIBYTE_SB1250"), ["mach-sibyte"]),
    ],
)
def test_a_mips_platform_comes_before_the_generic_one(options: tuple[str, ...], wanted: list[str]) -> None:
    known = architecture("mips", frozenset({b"CONFIG_64BIT", *(option.encode() for option in options)}))
    machines = [d for d in include_directories(known) if "/mach-" in d]
    assert machines == [f"arch/mips/include/asm/{name}" for name in [*wanted, "mach-generic"]]
    assert RELEVANT_OPTIONS.issuperset(option.encode() for option in options), "or a blob would not know them"


def test_a_mips_platform_that_is_not_known_is_refused() -> None:
    with pytest.raises(CompilerError, match=r"platform that kheaders does not know.*mach-\*.*BTF"):
        architecture("mips", frozenset({b"CONFIG_64BIT", b"CONFIG_MACH_OF_TOMORROW"}))


def test_flags_name_the_tree_and_nothing_of_the_host() -> None:
    flags = header_flags(architecture("arm64", B64), "/tree", "/cc/include")
    directories = [value for flag, value in itertools.pairwise(flags) if flag == "-isystem"]
    assert directories[-1] == "/cc/include" and all(d.startswith("/tree/") for d in directories[:-1])
    assert "-nostdinc" in flags and "-DKASAN_SHADOW_SCALE_SHIFT=3" in flags and "-D__TARGET_ARCH_arm64" in flags
    assert flags[flags.index("-include") + 1] == "/tree/include/linux/kconfig.h"
    assert "-Werror=implicit-function-declaration" in flags


def test_the_dialect_of_the_kernel_is_that_of_all_headers() -> None:
    """No version number decides: distributions backport, and members without a name would be lost in silence."""
    flags = header_flags(architecture("x86", B64), "/t", "/c"), slice_flags(architecture("x86", B64), "/s", "/t", "/c")
    assert all("-fms-extensions" in one for one in flags)


@pytest.mark.parametrize("srcarch", SRCARCHES)
def test_clang_takes_them(clang: Clang, srcarch: str) -> None:
    """The macros that only the processor's own target predefines are there, and those of the build host are not."""
    known = architecture(srcarch, B64)
    compiler = examine(clang.argv)
    flags = header_flags(known, "/nowhere", compiler.include)
    at = flags.index("-include")
    checks = "".join(f"#ifndef {d.partition('=')[0]}\n#error {d}\n#endif\n" for d in known.defines)
    if srcarch != "x86":
        checks += "#ifdef __x86_64__\n#error host\n#endif\n"
    order = "__ORDER_BIG_ENDIAN__" if known.big_endian else "__ORDER_LITTLE_ENDIAN__"
    text = (
        f'{checks}_Static_assert(__BYTE_ORDER__ == {order}, "");\n#include <stddef.h>\nsize_t f(void) {{ return 8; }}\n'
    )
    result = execute(compiler, Job(text.encode()), flags[:at] + flags[at + 2 :])
    assert result.ok, result.diagnostics
    assert result.output[5] == (2 if known.big_endian else 1)  # EI_DATA
