"""What a compiler must be told about a kernel: architecture, byte order, include directories, in clang's words."""

from __future__ import annotations

from typing import NamedTuple

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
    # arch/arm64/Makefile alone defines KASAN_SHADOW_SCALE_SHIFT, which asm/memory.h uses
    "arm64": Architecture("arm64", ("__aarch64__", "KASAN_SHADOW_SCALE_SHIFT=3")),
    "arm": Architecture("arm", ("__arm__",), bits=32),
    "riscv": Architecture("riscv", ("__riscv", "__riscv_xlen=64")),
    "s390": Architecture("s390", ("__s390__", "__s390x__"), big_endian=True),
    "powerpc": Architecture("powerpc", ("__powerpc__", "__powerpc64__", "_CALL_ELF=2")),
    "loongarch": Architecture("loongarch", ("__loongarch__", "__loongarch64", "__loongarch_grlen=64")),
    "mips": Architecture(
        "mips",
        ("__mips__", "__mips64", "_MIPS_ISA=_MIPS_ISA_MIPS64", "_MIPS_SIM=_ABI64", "_MIPS_SZLONG=64"),
        machine_includes=("arch/mips/include/asm/mach-generic",),
    ),
}

COMMON = ("-fno-stack-protector", "-fno-jump-tables", "-fno-asynchronous-unwind-tables")
"""Code generation that the BPF verifier or loader cannot live with is off, as in bcc."""

RELEVANT_OPTIONS = frozenset({b"CONFIG_64BIT", b"CONFIG_CPU_BIG_ENDIAN"})
"""The options of a kernel that flags depend on."""

MS_EXTENSIONS_SINCE = (6, 19)
"""Kernels from here on are built with -fms-extensions and use it in their headers (tagged anonymous members)."""


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
    return Architecture(srcarch, tuple(defines), big, bits, known.machine_includes)


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


def header_flags(arch: Architecture, root: str, compiler_include: str, version: tuple[int, int] | None) -> list[str]:
    """Flags that make clang read the kernel's headers below *root*, and no others but its own.

    *version* is (major, minor) of the kernel that the headers belong to. Kernel headers are system headers to clang:
    what they do is no fault of the program, so clang does not warn of it.
    """
    directories = [f"{root}/{directory}" for directory in include_directories(arch)]
    return _flags(arch, [*directories, compiler_include], ("-include", f"{root}/include/linux/kconfig.h"), version)


def slice_flags(
    arch: Architecture, stubs: str, text: str, compiler_include: str, version: tuple[int, int] | None
) -> list[str]:
    """As :func:`header_flags`, but *text* is all that is included, and include lines find the files below *stubs*."""
    return _flags(arch, [stubs, compiler_include], ("-include", text), version)


def pch_flags(
    arch: Architecture, stubs: str, pch: str, compiler_include: str, version: tuple[int, int] | None
) -> list[str]:
    """As :func:`header_flags`, but the headers come from the precompiled header *pch*.

    The compiler refuses a precompiled header that was made with other flags of those that matter, so these are the
    same.
    """
    return _flags(arch, [stubs, compiler_include], ("-include-pch", pch), version)


def vmlinux_flags(arch: Architecture, stubs: str, compiler_include: str, version: tuple[int, int] | None) -> list[str]:
    """Flags for a program that takes the kernel's types from a ``vmlinux.h`` below *stubs*, as a build with libbpf has
    them: nothing that the kernel's own headers would want to know is defined, lest the program's or libbpf's headers
    take this for a compile of the kernel."""
    flags = ["-target", target(arch), "-nostdinc", "-isystem", stubs, "-isystem", compiler_include]
    return [*flags, f"-D__TARGET_ARCH_{arch.srcarch}", *_always(version)]


def _flags(
    arch: Architecture, directories: list[str], first: tuple[str, str], version: tuple[int, int] | None
) -> list[str]:
    flags = ["-target", target(arch), "-nostdinc"]
    for directory in directories:
        flags += ["-isystem", directory]
    flags += first
    flags += ["-D__KERNEL__", "-D__BPF_TRACING__", "-DCC_USING_FENTRY", '-DKBUILD_MODNAME="kheaders"']
    flags += [f"-D{define}" for define in arch.defines]
    flags.append(f"-D__TARGET_ARCH_{arch.srcarch}")
    return [*flags, *_always(version)]


def _always(version: tuple[int, int] | None) -> list[str]:
    extensions = ["-fms-extensions"] if version is not None and version >= MS_EXTENSIONS_SINCE else []
    return [*extensions, *COMMON, "-Werror=implicit-function-declaration"]


def version_of(release: str | None) -> tuple[int, int] | None:
    """(major, minor) at the head of a release such as ``6.1.0-56-cloud-amd64``, or None."""
    parts = (release or "").split(".", 2)
    if len(parts) < 2 or not parts[0].isdigit():
        return None
    minor = parts[1][: len(parts[1]) - len(parts[1].lstrip("0123456789"))]
    return (int(parts[0]), int(minor)) if minor else None
