"""What a compiler must be told about a kernel: architecture, byte order, include directories, in clang's words."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

from kheaders.clang.arguments import Arguments
from kheaders.errors import CompilerError, UsageError


class Architecture(NamedTuple):
    """What clang predefines when it compiles for the kernel's own processor and the BPF target lacks."""

    srcarch: str
    defines: tuple[str, ...]
    big_endian: bool = False
    bits: int = 64
    machine_includes: tuple[str, ...] = ()
    """Directories that only the architecture's Makefile adds to the search."""


ARCHITECTURES = {
    "x86": Architecture("x86", ("__x86_64__", "__amd64__")),
    # arch/arm64/Makefile alone defines KASAN_SHADOW_SCALE_SHIFT, which asm/memory.h uses; 4 with CONFIG_KASAN_SW_TAGS
    "arm64": Architecture("arm64", ("__aarch64__", "KASAN_SHADOW_SCALE_SHIFT=3")),
    "arm": Architecture("arm", ("__arm__",), bits=32),
    "riscv": Architecture("riscv", ("__riscv", "__riscv_xlen=64")),
    "s390": Architecture("s390", ("__s390__", "__s390x__"), big_endian=True),
    "powerpc": Architecture("powerpc", ("__powerpc__", "__powerpc64__", "_CALL_ELF=2")),
    "loongarch": Architecture("loongarch", ("__loongarch__", "__loongarch64", "__loongarch_grlen=64")),
    "mips": Architecture(
        "mips",
        ("__mips__", "__mips64", "_MIPS_ISA=_MIPS_ISA_MIPS64", "_MIPS_SIM=_ABI64", "_MIPS_SZLONG=64"),
    ),
}

MIPS_GENERIC = "arch/mips/include/asm/mach-generic"
"""Searched after the platform's own directory (arch/mips/Makefile: "keep the asm/mach-generic include last")."""
MIPS_PLATFORMS = {
    b"CONFIG_MIPS_DB1XXX": ("mach-db1x00",),
    b"CONFIG_MIPS_ALCHEMY": ("mach-au1x00",),
    b"CONFIG_AR7": ("mach-ar7",),
    b"CONFIG_ATH25": ("mach-ath25",),
    b"CONFIG_ATH79": ("mach-ath79",),
    b"CONFIG_BCM47XX": ("mach-bcm47xx",),
    b"CONFIG_BCM63XX": ("mach-bcm63xx",),
    b"CONFIG_BMIPS_GENERIC": ("mach-bmips",),
    b"CONFIG_CAVIUM_OCTEON_SOC": ("mach-cavium-octeon",),
    b"CONFIG_MIPS_COBALT": ("mach-cobalt",),
    b"CONFIG_MACH_DECSTATION": ("mach-dec",),
    b"CONFIG_MACH_INGENIC_SOC": ("mach-ingenic",),
    b"CONFIG_MACH_INGENIC": ("mach-jz4740",),
    b"CONFIG_MIPS_GENERIC": (),
    b"CONFIG_MACH_JAZZ": ("mach-jazz",),
    b"CONFIG_LANTIQ": ("mach-lantiq",),
    b"CONFIG_SOC_TYPE_XWAY": ("mach-lantiq/xway",),
    b"CONFIG_SOC_FALCON": ("mach-lantiq/falcon",),
    b"CONFIG_MACH_LOONGSON2EF": ("mach-loongson2ef",),
    b"CONFIG_MACH_LOONGSON32": ("mach-loongson32",),
    b"CONFIG_MACH_LOONGSON64": ("mach-loongson64",),
    b"CONFIG_MIPS_MALTA": ("mach-malta",),
    b"CONFIG_MACH_NINTENDO64": ("mach-n64",),
    b"CONFIG_PIC32MZDA": ("mach-pic32",),
    b"CONFIG_RALINK": ("mach-ralink",),
    b"CONFIG_SOC_RT288X": ("mach-ralink/rt288x",),
    b"CONFIG_SOC_RT305X": ("mach-ralink/rt305x",),
    b"CONFIG_SOC_RT3883": ("mach-ralink/rt3883",),
    b"CONFIG_SOC_MT7620": ("mach-ralink/mt7620",),
    b"CONFIG_SOC_MT7621": ("mach-ralink/mt7621",),
    b"CONFIG_MIKROTIK_RB532": ("mach-rc32434",),
    b"CONFIG_SGI_IP22": ("mach-ip22",),
    b"CONFIG_SGI_IP28": ("mach-ip28",),
    b"CONFIG_SGI_IP27": ("mach-ip27",),
    b"CONFIG_SGI_IP30": ("mach-ip30",),
    b"CONFIG_SGI_IP32": ("mach-ip32",),
    b"CONFIG_SIBYTE_BCM112X": ("mach-sibyte",),
    b"CONFIG_SIBYTE_SB1250": ("mach-sibyte",),
    b"CONFIG_SIBYTE_BCM1x55": ("mach-sibyte",),
    b"CONFIG_SIBYTE_BCM1x80": ("mach-sibyte",),
    b"CONFIG_SNI_RM": ("mach-rm",),
    b"CONFIG_MACH_TX49XX": ("mach-tx49xx",),
}
"""Option of a MIPS platform → its directories below arch/mips/include/asm, in the order of search.

From the ``cflags-$(CONFIG_…) += -I…`` of arch/mips/Kbuild.platforms and arch/mips/*/Platform of 5.10 to 6.12: no header
tells, and those files are not in the archive of headers. A platform's headers override mach-generic's.
"""

COMMON = ("-fno-stack-protector", "-fno-jump-tables", "-fno-asynchronous-unwind-tables")
"""Code generation that the BPF verifier or loader cannot live with is off, as in bcc."""

RELEVANT_OPTIONS = frozenset(
    {b"CONFIG_64BIT", b"CONFIG_CPU_BIG_ENDIAN", b"CONFIG_KASAN_SW_TAGS", b"CONFIG_X86_X32", *MIPS_PLATFORMS}
)
"""The options of a kernel that flags depend on."""

DIALECT = ("-fms-extensions",)
"""Kernels are built with it from 6.19 on (CC_FLAGS_DIALECT in their Makefile), as their headers have members without a
name whose type has a tag. To headers of other kernels it means nothing: they have no such member, and no identifier
that it makes a keyword."""


def architecture(srcarch: str, config: frozenset[bytes] = frozenset()) -> Architecture:
    """The architecture of headers with SRCARCH *srcarch*, configured as *config* says (names of options set to 1).

    Raises UsageError for an architecture that is not known, CompilerError for a 32-bit kernel: BPF is 64-bit, and the
    layout of every struct with a pointer or a long would be wrong.
    """
    known = ARCHITECTURES.get(srcarch)
    if known is None:
        raise UsageError(f"architecture {srcarch!r} is not known", f"known are {', '.join(sorted(ARCHITECTURES))}")
    bits = 64 if b"CONFIG_64BIT" in config else 32 if config else known.bits
    if bits == 32:
        raise CompilerError(
            f"headers of a 32-bit {srcarch} kernel give wrong layouts when compiled for BPF, which is 64-bit",
            "use BTF types for this kernel, or headers of a 64-bit one",
        )
    defines = list(known.defines)
    big = known.big_endian
    if srcarch in ("powerpc", "mips"):
        big = b"CONFIG_CPU_BIG_ENDIAN" in config
        if srcarch == "powerpc":
            defines.append("__BIG_ENDIAN__" if big else "__LITTLE_ENDIAN__")
        else:
            defines.append("__MIPSEB__" if big else "__MIPSEL__")
    if srcarch == "arm64" and b"CONFIG_KASAN_SW_TAGS" in config:
        defines = [define.replace("KASAN_SHADOW_SCALE_SHIFT=3", "KASAN_SHADOW_SCALE_SHIFT=4") for define in defines]
    if srcarch == "x86" and b"CONFIG_X86_X32" in config:
        defines.append("CONFIG_X86_X32_ABI")  # arch/x86/Makefile until 5.17; an option of its own since
    return Architecture(srcarch, tuple(defines), big, bits, _mips(config) if srcarch == "mips" else ())


def _mips(config: frozenset[bytes]) -> tuple[str, ...]:
    """The directories of the platform that *config* names. Raises CompilerError where it names none that is known."""
    chosen = [directories for option, directories in MIPS_PLATFORMS.items() if option in config]
    if not chosen:
        raise CompilerError(
            "headers of a MIPS kernel for a platform that kheaders does not know: which of the directories "
            "arch/mips/include/asm/mach-* is meant cannot be told",
            "use BTF types for this kernel",
        )
    below = MIPS_GENERIC.rpartition("/")[0]
    names = dict.fromkeys(name for directories in chosen for name in directories)
    return (*(f"{below}/{name}" for name in names), MIPS_GENERIC)


def target(arch: Architecture) -> str:
    """The BPF target triple with the kernel's byte order, whatever the host's is."""
    return "bpfeb" if arch.big_endian else "bpfel"


def include_directories(arch: Architecture) -> tuple[str, ...]:
    """The kernel's include directories in search order (LINUXINCLUDE in its Makefile), relative to the tree."""
    a = f"arch/{arch.srcarch}/include"
    return (
        a,
        f"{a}/generated",
        *arch.machine_includes,
        "include",
        f"{a}/uapi",
        f"{a}/generated/uapi",
        "include/uapi",
        "include/generated/uapi",
    )


def header_flags(arch: Architecture, root: str, compiler_include: str) -> list[str]:
    """Flags that make clang read the kernel's headers below *root*, and no others but its own.

    Kernel headers are system headers to clang: what they do is no fault of the program, so clang does not warn of it.
    """
    directories = [f"{root}/{directory}" for directory in include_directories(arch)]
    return _flags(arch, [*directories, compiler_include], ("-include", f"{root}/include/linux/kconfig.h"))


def slice_flags(arch: Architecture, stubs: str, text: str, compiler_include: str) -> list[str]:
    """As :func:`header_flags`, but *text* is all that is included, and include lines find the files below *stubs*."""
    return _flags(arch, [stubs, compiler_include], ("-include", text))


def pch_flags(arch: Architecture, stubs: str, pch: str, compiler_include: str) -> list[str]:
    """As :func:`header_flags`, but the headers come from the precompiled header *pch*.

    The compiler refuses a precompiled header that was made with other flags of those that matter, so these are the
    same.
    """
    return _flags(arch, [stubs, compiler_include], ("-include-pch", pch))


def vmlinux_flags(arch: Architecture, stubs: str, compiler_include: str) -> list[str]:
    """Flags for a program that takes the kernel's types from a ``vmlinux.h`` below *stubs*, as a build with libbpf has
    them: nothing that the kernel's own headers would want to know is defined, lest the program's or libbpf's headers
    take this for a compile of the kernel."""
    flags = ["-target", target(arch), "-nostdinc", "-isystem", stubs, "-isystem", compiler_include]
    return [*flags, f"-D__TARGET_ARCH_{arch.srcarch}", *DIALECT, *COMMON, "-Werror=implicit-function-declaration"]


def _flags(arch: Architecture, directories: list[str], first: tuple[str, str]) -> list[str]:
    flags = ["-target", target(arch), "-nostdinc"]
    for directory in directories:
        flags += ["-isystem", directory]
    flags += first
    flags += ["-D__KERNEL__", "-D__BPF_TRACING__", "-DCC_USING_FENTRY", '-DKBUILD_MODNAME="kheaders"']
    flags += [f"-D{define}" for define in arch.defines]
    flags.append(f"-D__TARGET_ARCH_{arch.srcarch}")
    return [*flags, *DIALECT, *COMMON, "-Werror=implicit-function-declaration"]


def giving_way(flags: Sequence[str], told: Arguments, settled: Container[str], changed: Container[str]) -> bytes:
    """Text for the compiler to read before a program, so that it does not warn of what *flags* define for all programs.

    The kernel's build defines KBUILD_MODNAME and the like too, and a program that is compiled outside of it does so
    itself. *settled* are the macros that the program defines in any case before it includes a header of the kernel,
    *changed* all that it defines or undefines; *told* is the rest of the command line.
    """
    given = {macro.name for macro in told.macros}
    names = [name for name in _defined(flags) if name not in given]
    gone = [name for name in names if name in settled and not told.imacros]
    lines = [f"#undef {name}\n" for name in gone]
    if any(name in changed and name not in gone for name in names):
        lines.append('#pragma clang diagnostic ignored "-Wmacro-redefined"\n')
    return "".join(lines).encode()


def redefined(flags: Sequence[str], told: Arguments) -> list[str]:
    """Words that undefine what *flags* define and the rest of the command line, *told*, defines too."""
    given = {macro.name for macro in told.macros}
    return [f"-U{name}" for name in _defined(flags) if name in given]


def _defined(flags: Sequence[str]) -> list[str]:
    return [word[2:].partition("=")[0] for word in flags if word.startswith("-D")]
