"""demo/load_bpf.py reads objects strictly, and says which of them it cannot load and why."""

from __future__ import annotations

import importlib.util
import struct
import sys
from types import ModuleType

import pytest

from builders.need import CHECKOUT


@pytest.fixture(scope="module")
def loader() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("load_bpf", CHECKOUT / "demo/load_bpf.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["load_bpf"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


RETURN_7 = struct.pack("<BBhi", 0xB7, 0, 0, 7) + struct.pack("<BBhi", 0x95, 0, 0, 0)
"""r0 = 7; exit (Documentation/bpf/standardization/instruction-set.rst)."""

READ_R1_OUTSIDE = struct.pack("<BBhi", 0x79, 0x10, -8, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)
"""r0 = *(u64 *)(r1 - 8); exit: outside the context, so no verifier lets it pass."""


def elf(sections: dict[str, bytes]) -> bytes:
    """A little-endian ELF64 object for BPF with these *sections*."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in [*sections, ".shstrtab"])
    bodies = [*sections.items(), (".shstrtab", names)]
    data, table = bytearray(64), bytearray(64)
    for name, body in bodies:
        at = names.index(name.encode() + b"\0")
        table += struct.pack("<IIQQQQIIQQ", at, 1, 0, 0, len(data), len(body), 0, 0, 1, 0)
        data += body
    start = len(data)
    data[:64] = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        1,
        247,
        1,
        0,
        0,
        start,
        0,
        64,
        0,
        0,
        64,
        len(bodies) + 1,
        len(bodies),
    )
    return bytes(data + table)


def test_reads_section_code_and_license(loader: ModuleType) -> None:
    program = loader.read_program(elf({"socket": RETURN_7, "license": b"GPL\0"}))
    assert (program.section, program.kind, program.instructions) == ("socket", 1, RETURN_7)
    assert program.license == b"GPL\0"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a little-endian"),
        (b"\x7fELF\x02\x01\x01", "damaged"),
        (elf({"socket": RETURN_7})[:200], "damaged"),
        (elf({".text": RETURN_7}), "0 programs"),
        (elf({"socket": RETURN_7, "xdp": RETURN_7}), "2 programs"),
        (elf({"socket": RETURN_7, ".relsocket": b"\0" * 16}), "relocations"),
    ],
    ids=["empty", "header cut", "table cut", "no program", "two programs", "relocations"],
)
def test_refuses_with_a_reason(loader: ModuleType, data: bytes, reason: str) -> None:
    with pytest.raises(loader.NotLoadable, match=reason):
        loader.read_program(data)


@pytest.mark.root
def test_the_kernel_runs_what_is_loaded(loader: ModuleType) -> None:
    try:
        outcome = loader.load(loader.read_program(elf({"socket": RETURN_7, "license": b"GPL\0"})))
    except loader.NotAllowed as error:
        pytest.skip(str(error))
    assert outcome.instructions == 2
    assert outcome.runs == {"TCP SYN": 7, "TCP ACK": 7, "UDP": 7}


@pytest.mark.root
def test_the_verifiers_refusal_is_shown(loader: ModuleType) -> None:
    try:
        with pytest.raises(loader.NotLoadable, match="invalid bpf_context access"):
            loader.load(loader.read_program(elf({"socket": READ_R1_OUTSIDE, "license": b"GPL\0"})))
    except loader.NotAllowed as error:
        pytest.skip(str(error))
