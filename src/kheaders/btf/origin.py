"""Of which kernel BTF is, as far as it, or the file that holds it, tells: its architecture and its release."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path

from kheaders.btf import model
from kheaders.btf.kinds import Kind
from kheaders.btf.table import Btf

_REGISTERS = {
    "orig_ax": "x86",
    "pstate": "arm64",
    "uregs": "arm",
    "epc": "riscv",
    "orig_gpr2": "s390",
    "orig_gpr3": "powerpc",
    "csr_era": "loongarch",
    "cp0_epc": "mips",
}
"""A member of ``struct pt_regs`` that only one architecture's has (arch/*/include/asm/ptrace.h) → SRCARCH."""
_DEPTH = 4
_RELEASE = re.compile(
    # linux_banner (init/version.c); vermagic of a module (include/linux/vermagic.h)
    rb"Linux version ([0-9][^ \0\n]{0,63}) \(|\0vermagic=([0-9][^ \0\n]{0,63}) "
)
_ELF = b"\x7fELF"


def srcarch(btf: Btf) -> str | None:
    """SRCARCH of the kernel whose types *btf* holds, told by its ``struct pt_regs``; None where that is not in it."""
    found = {
        _REGISTERS[name]
        for type_id in btf.find("pt_regs", Kind.STRUCT)
        for name in _members(btf, type_id, _DEPTH)
        if name in _REGISTERS
    }
    return found.pop() if len(found) == 1 else None


def release(path: Path) -> str | None:
    """Release of the kernel that the ELF file *path* is, or a module of; None for any other file."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if file.read(4) != _ELF:
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                match = _RELEASE.search(data)
                return (match[1] or match[2]).decode("utf-8", "replace") if match else None
    except (OSError, ValueError):
        return None


def _members(btf: Btf, type_id: int, depth: int) -> set[str]:
    found = btf.type(type_id)
    if not isinstance(found, model.Struct | model.Union):
        return set()
    names = {member.name for member in found.members if member.name}
    for member in found.members:
        if not member.name and depth:
            names |= _members(btf, member.type, depth - 1)
    return names
