"""Reading what lies between two symbols, from files of this test's writer and of real assemblers and linkers."""

from __future__ import annotations

import itertools
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.compilers import Clang
from builders.elf import ET_EXEC, SIGNATURE, Elf, module, vmlinux
from kheaders.elf import HEADER_SYMBOLS, section_of_symbols
from kheaders.errors import ArchiveError

PAYLOAD = b"\xfd7zXZ\0 not a real archive, but the bytes must come out as they went in"

KINDS = list(itertools.product((32, 64), "<>"))


def read(data: bytes) -> bytes | None:
    return section_of_symbols(data, *HEADER_SYMBOLS, "kheaders.ko")


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_module(bits: int, order: str) -> None:
    data = module(PAYLOAD, bits=bits, order=order)
    assert read(data) == PAYLOAD
    assert read(data + SIGNATURE) == PAYLOAD


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_kernel(bits: int, order: str) -> None:
    assert read(vmlinux(PAYLOAD, bits=bits, order=order)) == PAYLOAD


@pytest.mark.parametrize(("bits", "order"), KINDS)
def test_symbols_that_are_not_there(bits: int, order: str) -> None:
    assert read(module(None, bits=bits, order=order)) is None
    assert read(vmlinux(None, bits=bits, order=order)) is None
    assert read(vmlinux(PAYLOAD, bits=bits, order=order, symbols=False)) is None
    assert read(vmlinux(PAYLOAD, bits=bits, order=order, headers=False)) is None


def test_undefined_symbols_do_not_count() -> None:
    symbols = {"kernel_headers_data": ("", 0), "kernel_headers_data_end": ("", 8)}
    assert read(Elf().write({".rodata": PAYLOAD}, symbols)) is None


def test_names_that_only_resemble() -> None:
    symbols = {"my_kernel_headers_data": (".rodata", 4), "kernel_headers_data_end2": (".rodata", 8)}
    assert read(Elf().write({".rodata": PAYLOAD}, symbols)) is None


def test_an_empty_range() -> None:
    assert read(module(b"")) == b""


SOURCE = """
__asm__("       .pushsection .rodata, \\"a\\"            \\n"
        "       .global kernel_headers_data            \\n"
        "kernel_headers_data:                          \\n"
        "       .incbin \\"{archive}\\"                  \\n"
        "       .global kernel_headers_data_end        \\n"
        "kernel_headers_data_end:                      \\n"
        "       .popsection                            \\n");
extern char kernel_headers_data[], kernel_headers_data_end[];
const char *volatile begin = kernel_headers_data, *volatile end = kernel_headers_data_end;
int before(void) {{ return 1; }}
"""
"""What kernel/kheaders.c does, with two references that keep the symbols in use."""


@pytest.mark.parametrize("target", ["x86_64", "aarch64", "armv7", "i386", "powerpc64", "mips", "riscv64"])
def test_objects_of_a_real_compiler(clang: Clang, target: str, tmp_path: Path) -> None:
    archive, source, made = tmp_path / "archive", tmp_path / "kheaders.c", tmp_path / "kheaders.o"
    archive.write_bytes(PAYLOAD)
    source.write_text(SOURCE.format(archive=archive))
    command: list[str | Path] = [
        *clang.argv,
        f"--target={target}-linux-gnu",
        "-O2",
        "-g",
        "-ffreestanding",
        "-c",
        source,
        "-o",
        made,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No available targets" in done.stderr or "unable to create target" in done.stderr:
        pytest.skip(f"{clang.name} was built without the target {target}")
    assert done.returncode == 0, done.stderr
    assert read(made.read_bytes()) == PAYLOAD


@pytest.mark.parametrize("options", [["-e", "before"], ["-e", "before", "-Ttext=0xffffffff81000000"], ["-pie"]])
def test_programs_of_a_real_linker(
    clang: Clang, need_tool: Callable[[str], Path], options: list[str], tmp_path: Path
) -> None:
    linker = need_tool("ld")
    archive, source, made, linked = (tmp_path / name for name in ("archive", "k.c", "k.o", "vmlinux"))
    archive.write_bytes(PAYLOAD)
    source.write_text(SOURCE.format(archive=archive))
    subprocess.run([*clang.argv, "-mcmodel=large", "-fPIC", "-c", source, "-o", made], check=True, capture_output=True)
    done = subprocess.run([linker, *options, made, "-o", linked], capture_output=True, text=True, check=False)
    assert linked.exists(), done.stderr
    assert read(linked.read_bytes()) == PAYLOAD
    subprocess.run([need_tool("strip"), linked], check=True)
    assert read(linked.read_bytes()) is None


# ---- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x7f", b"\x7fEL", b"MZ" + bytes(100), b"\x1f\x8b\x08"])
def test_what_is_no_elf_file(data: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"kheaders\.ko: is not an ELF file"):
        read(data)


def outcome(data: bytes) -> str:
    """What reading hostile *data* ends in; anything but ArchiveError goes up."""
    try:
        found = read(data)
    except ArchiveError as error:
        assert "\n" not in str(error)
        return "refused"
    assert found is None or len(found) <= len(data)
    return "nothing" if found is None else "found"


@pytest.mark.parametrize("build", [module, vmlinux], ids=["module", "vmlinux"])
def test_truncations(build: Callable[[bytes], bytes]) -> None:
    data = build(PAYLOAD)
    sizes = [*range(200), *range(200, len(data), 7)]
    outcomes = {outcome(data[:size]) for size in sizes}
    assert "refused" in outcomes
    assert "found" not in outcomes, "the section headers are at the end, so something is always missing"


@given(st.data(), st.sampled_from(KINDS), st.sampled_from([module, vmlinux]))
def test_bytes_that_were_changed(data: st.DataObject, kind: tuple[int, str], build: Callable[..., bytes]) -> None:
    elf = bytearray(build(PAYLOAD, bits=kind[0], order=kind[1]))
    headers = 64 if kind[0] == 64 else 52
    tables = struct.unpack_from(f"{kind[1]}{'Q' if kind[0] == 64 else 'I'}", elf, 40 if kind[0] == 64 else 32)[0]
    place = st.one_of(st.integers(4, headers - 1), st.integers(tables, len(elf) - 1), st.integers(4, len(elf) - 1))
    for at in data.draw(st.lists(place, min_size=1, max_size=4)):
        elf[at] = data.draw(st.integers(0, 255))
    outcome(bytes(elf))


@pytest.mark.parametrize("field", ["offset", "size", "link"])
@pytest.mark.parametrize("value", [0xFFFFFFFFFFFFFFFF, 0x7FFFFFFF, 1 << 40, 4])
def test_tables_that_point_anywhere(field: str, value: int) -> None:
    data = bytearray(module(PAYLOAD))
    table = struct.unpack_from("<Q", data, 40)[0]
    where, form = {"offset": (24, "<Q"), "size": (32, "<Q"), "link": (40, "<I")}[field]
    refused = 0
    for number in range(1, 7):
        changed = bytearray(data)
        struct.pack_into(form, changed, table + 64 * number + where, value & (2 ** (8 * struct.calcsize(form)) - 1))
        refused += outcome(bytes(changed)) != "found"
    assert refused


def test_the_number_of_sections_is_bounded() -> None:
    data = bytearray(module(PAYLOAD))
    table = struct.unpack_from("<Q", data, 40)[0]
    struct.pack_into("<H", data, 60, 0)  # e_shnum 0: the number is in sh_size of section 0 (gABI, ELF Header)
    struct.pack_into("<Q", data, table + 32, 7)
    assert read(bytes(data)) == PAYLOAD
    struct.pack_into("<Q", data, table + 32, 1 << 50)
    with pytest.raises(ArchiveError, match="headers in one table"):
        read(bytes(data))


@pytest.mark.parametrize(
    "places",
    [(("a", 8), ("a", 4)), (("a", 0), ("b", 4)), (("a", 0), ("a", 10_000)), (("a", 1 << 60), ("a", (1 << 60) + 4))],
    ids=["backwards", "two sections", "beyond its end", "beyond everything"],
)
def test_symbols_that_make_no_range(places: tuple[tuple[str, int], tuple[str, int]]) -> None:
    for file in (Elf(), Elf(type=ET_EXEC, base=0x10000)):
        data = file.write({"a": PAYLOAD, "b": PAYLOAD}, dict(zip(HEADER_SYMBOLS, places, strict=True)))
        if file.base and places[1][0] == "b":
            continue  # addresses of one segment make a range across sections
        with pytest.raises(ArchiveError, match="damaged ELF file"):
            read(data)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    with pytest.raises(ArchiveError, match=r"pyelftools; pip install kheaders\[formats\]"):
        read(module(PAYLOAD))
