"""What a compiler gave, told from what it was to give."""

from __future__ import annotations

import struct

import pytest

from kheaders.clang.output import instead_of_object, order_of


def elf(order: str = "<", kind: int = 1, machine: int = 247, bits: int = 2) -> bytes:
    head = b"\x7fELF" + bytes((bits, 1 if order == "<" else 2, 1)) + bytes(9)
    return head + struct.pack(f"{order}HH", kind, machine) + bytes(44)


def test_objects() -> None:
    assert instead_of_object(elf()) == ""
    assert instead_of_object(elf(), big_endian=False) == ""
    assert instead_of_object(elf(">"), big_endian=True) == ""
    assert instead_of_object(elf(">")) == ""


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (b"", "nothing"),
        (b"BC\xc0\xde" + bytes(100), "LLVM bitcode"),
        (b"\xde\xc0\x17\x0b" + bytes(100), "LLVM bitcode"),
        (b"# 1 text", "what is no ELF file"),
        (elf()[:63], "what is no ELF file"),
        (elf(bits=1), "an ELF file of another class than BPF's"),
        (elf(machine=62), "an ELF file for another processor (e_machine 62)"),
        (elf(kind=3), "an ELF file that is not relocatable (e_type 3)"),
        (elf(">"), "a BPF object of the other byte order (big endian)"),
    ],
)
def test_what_is_none(output: bytes, told: str) -> None:
    assert instead_of_object(output, big_endian=False) == told


def test_the_order_that_flags_ask_for() -> None:
    assert order_of(["-target", "bpfeb", "-O2"]) is True
    assert order_of(["-O2", "-target", "bpfel"]) is False
    assert order_of(["-target", "bpf"]) is None
    assert order_of([]) is None
