"""Whether what a compiler made is a BPF object, by the head of the file (elf(5))."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

_ELF = b"\x7fELF"
_CLASS64 = 2
_ORDERS = {1: "<", 2: ">"}
"""EI_DATA → the order of bytes, as :mod:`struct` has it."""
_REL = 1  # ET_REL
_EM_BPF = 247  # include/uapi/linux/elf-em.h
_BITCODE = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")  # llvm/include/llvm/Bitcode/BitcodeReader.h, also in its wrapper


def instead_of_object(output: bytes, big_endian: bool | None = None) -> str:
    """What *output* is if it is no relocatable BPF object of that byte order (None: of either); empty if it is one."""
    if not output:
        return "nothing"
    if output.startswith(_BITCODE):
        return "LLVM bitcode"
    if not output.startswith(_ELF) or len(output) < 64:
        return "what is no ELF file"
    order = _ORDERS.get(output[5])
    if output[4] != _CLASS64 or order is None:
        return "an ELF file of another class than BPF's"
    kind, machine = struct.unpack_from(f"{order}HH", output, 16)
    if machine != _EM_BPF:
        return f"an ELF file for another processor (e_machine {machine})"
    if kind != _REL:
        return f"an ELF file that is not relocatable (e_type {kind})"
    if big_endian is not None and big_endian != (order == ">"):
        return f"a BPF object of the other byte order ({'big' if order == '>' else 'little'} endian)"
    return ""


def order_of(flags: Sequence[str]) -> bool | None:
    """Whether the target that *flags* name is big endian; None where they name none that tells."""
    targets = [after for word, after in pairwise(flags) if word == "-target"]
    return {"bpfeb": True, "bpfel": False}.get(targets[-1]) if targets else None
