"""BTF out of raw files, sysfs, ELF files of every class and order, compressed modules and kernel images."""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import btf as build
from builders import elf
from builders.archive import compress
from builders.compilers import Clang
from builders.image import bzimage
from kheaders.btf import container
from kheaders.btf.container import btf_bytes, parse_sections, read_btf
from kheaders.btf.kinds import Kind
from kheaders.btf.table import Btf
from kheaders.errors import ArchiveError, BtfError

ORDERS = ("<", ">")
ELVES = list(itertools.product((32, 64), ORDERS))
REAL = Path("/sys/kernel/btf/vmlinux")


def small(order: str = "<", name: str = "point") -> build.Btf:
    """One struct of two numbers."""
    b = build.Btf(big_endian=order == ">")
    number = b.integer("int", 4, signed=True)
    b.struct(name, 8, [("x", number, 0), ("y", number, 32)])
    return b


def module_of(kernel: build.Btf) -> build.Btf:
    """Split BTF: a struct of the module that holds one of the kernel."""
    split = build.Btf(kernel.big_endian, base=kernel)
    split.struct("device", 8, [("at", 2, 0)])
    return split


def with_elf(sections: dict[str, bytes], bits: int = 64, order: str = "<") -> bytes:
    """An ELF file that has *sections* and others."""
    return elf.Elf(bits, order).write({".text": b"\xc3" * 8, **sections}, {"main": (".text", 0)})


def names(btf: Btf) -> list[str]:
    return [btf.type_name(i) for i in btf.ids(Kind.STRUCT)]


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# ---- each container -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("layouts", [None, build.LAYOUTS], ids=["24", "32"])
def test_a_raw_file(order: str, layouts: dict[int, tuple[int, int]] | None, tmp_path: Path) -> None:
    found = read_btf(written(tmp_path / "vmlinux", small(order).write(layouts=layouts)))
    assert names(found) == ["point"]
    assert found.big_endian == (order == ">")
    assert found.name == str(tmp_path / "vmlinux")


@pytest.mark.parametrize(("bits", "order"), ELVES)
def test_an_elf_file(bits: int, order: str, tmp_path: Path) -> None:
    data = with_elf({".BTF": small(order).write(), ".data": b"x"}, bits, order)
    assert names(read_btf(written(tmp_path / "prog.bpf.o", data))) == ["point"]


@pytest.mark.parametrize("kind", ["xz", "gz", "zst"])
def test_a_compressed_module(kind: str, tmp_path: Path) -> None:
    kernel = small()
    data = with_elf({".BTF": module_of(kernel).write()}) + elf.SIGNATURE
    path = written(tmp_path / f"device.ko.{kind}", compress(data, kind))
    found = read_btf(path, base=Btf.parse(kernel.write()))
    assert names(found) == ["device"]
    assert [found.type_name(i) for i in found.find("point")] == ["point"]


def test_sysfs_puts_modules_on_the_vmlinux_beside_them(tmp_path: Path) -> None:
    kernel = small()
    sysfs = tmp_path / "host/sys/kernel/btf"
    written(sysfs / "vmlinux", kernel.write())
    module = written(sysfs / "device", module_of(kernel).write())
    found = read_btf(module)
    assert found.base is not None
    assert (found.first_id, names(found), names(found.base)) == (3, ["device"], ["point"])


def test_what_stands_alone_is_put_on_no_base(tmp_path: Path) -> None:
    sysfs = tmp_path / "kernel/btf"
    written(sysfs / "vmlinux", small().write())
    program = written(sysfs / "program.btf", small(name="own").write())
    found = read_btf(program)
    assert (found.base, names(found)) == (None, ["own"])
    with pytest.raises(BtfError, match=r"program\.btf: stands alone.*leave the base out"):
        read_btf(program, base=Btf.parse(small().write()))


def test_a_module_without_its_kernel_says_what_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path / "device", module_of(small()).write())
    with pytest.raises(BtfError, match=r"device: goes on from another BTF.*name that as its base"):
        read_btf(path)


def test_a_module_with_a_distilled_base_stands_alone_or_on_its_kernel(tmp_path: Path) -> None:
    distilled = build.Btf()
    distilled.struct("point", 8)
    split = build.Btf(base=distilled)
    split.struct("device", 8, [("at", 1, 0)])
    data = with_elf({".BTF": split.write(), ".BTF.base": distilled.write()})
    path = written(tmp_path / "device.ko", data)
    alone = read_btf(path)
    assert alone.type(1) == (1, "point", 8, ())
    kernel = Btf.parse(small().write())
    moved = read_btf(path, base=kernel)
    (device,) = moved.find("device")
    (member,) = moved.type(device).members  # type: ignore[union-attr]
    assert (device, member.type, moved.type_name(member.type)) == (3, 2, "point")


@pytest.mark.parametrize("bits", [32, 64])
def test_a_boot_image(bits: int, tmp_path: Path) -> None:
    kernel = elf.Elf(bits, "<", elf.ET_EXEC, 0x80000000).write({".text": b"\x90" * 64, ".BTF": small().write()})
    path = written(tmp_path / "vmlinuz", bzimage(kernel, "gz"))

    def unpack(image: bytes, name: str) -> bytes:
        assert (image, name) == (path.read_bytes(), str(path))
        return kernel

    assert names(read_btf(path, unpack=unpack)) == ["point"]
    with pytest.raises(BtfError, match="there is no BTF in it"):
        read_btf(path)


def test_a_boot_image_that_cannot_be_unpacked(tmp_path: Path) -> None:
    def unpack(image: bytes, name: str) -> bytes:
        raise ArchiveError(f"{name}: is damaged", "install it again")

    with pytest.raises(BtfError, match=r"vmlinuz: is damaged; install it again"):
        read_btf(written(tmp_path / "vmlinuz", b"MZ" * 100), unpack=unpack)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("layouts", [None, build.LAYOUTS], ids=["24", "32"])
def test_a_raw_image_holds_the_largest_btf(order: str, layouts: dict[int, tuple[int, int]] | None) -> None:
    """As arm64's Image does: programs of the kernel's own carry BTF too, and the magic alone occurs by chance."""
    decoys = b"\x9f\xeb\x01\0\x18\0\0\0" + b"\xff" * 40 + b"\xeb\x9f\x01\0\0\0\0\x18" + bytes(3)
    big = build.everything(big_endian=order == ">").write(layouts=layouts)
    image = b"\x90" * 999 + decoys + small(order).write() + b"\x90" * 77 + big + b"\x90" * 1000 + decoys
    assert bytes(btf_bytes(image, "Image").btf) == big
    assert bytes(btf_bytes(compress(image, "gz"), "Image.gz").btf) == big


# ---- real ones ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.exists(), reason="this kernel has no BTF")
def test_the_running_kernel() -> None:
    found = read_btf(REAL)
    assert found.find("task_struct", Kind.STRUCT)
    copied = btf_bytes(REAL.read_bytes(), "copy")
    assert parse_sections(copied).end_id == found.end_id


@pytest.mark.parametrize("target", ["bpfel", "bpfeb"])
def test_objects_of_a_real_compiler(clang: Clang, target: str, tmp_path: Path) -> None:
    source, made = tmp_path / "p.c", tmp_path / "p.o"
    source.write_text("struct point { int x; long y; } p;")
    done = subprocess.run(
        [*clang.argv, f"--target={target}", "-g", "-O2", "-c", source, "-o", made], capture_output=True, check=False
    )
    if b"unable to create target" in done.stderr or b"No available targets" in done.stderr:
        pytest.skip(f"{clang.name} was built without the target {target}")
    assert done.returncode == 0, done.stderr
    found = read_btf(made)
    (point,) = found.find("point", Kind.STRUCT)
    assert found.size_of(point) == 16
    assert found.big_endian == (target == "bpfeb")


# ---- what cannot be read --------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BtfError, match=r"nothing: cannot be read \(No such file"):
        read_btf(tmp_path / "nothing")
    with pytest.raises(BtfError, match="CONFIG_DEBUG_INFO_BTF"):
        read_btf(tmp_path / "sys/kernel/btf/vmlinux")
    with pytest.raises(BtfError, match="is not a regular file"):
        read_btf(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BtfError, match="is not a regular file"):
        read_btf(tmp_path / "fifo")
    with pytest.raises(BtfError, match="cannot be read"):
        read_btf(Path(f"{tmp_path}/a\0b"))


@pytest.mark.parametrize("data", [b"", b"\x9f", b"\x9f\xeb\x01", b"hello, world", b"MZ" + bytes(1000)])
def test_what_is_no_btf(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "file", data)
    with pytest.raises(BtfError, match="file: ") as caught:
        read_btf(path)
    assert "\n" not in str(caught.value)


def test_an_elf_file_without_btf(tmp_path: Path) -> None:
    with pytest.raises(BtfError, match=r"has no section \.BTF"):
        read_btf(written(tmp_path / "a.o", with_elf({})))
    with pytest.raises(BtfError, match=r"has no section \.BTF"):
        read_btf(written(tmp_path / "b.o", with_elf({".BTF": b""})))
    stripped = elf.vmlinux(None, headers=False)
    with pytest.raises(BtfError, match=r"has no section \.BTF"):
        read_btf(written(tmp_path / "c.o", stripped))


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = small().write()
    monkeypatch.setattr(container, "MAX_BTF", len(data))
    read_btf(written(tmp_path / "fits", data))
    read_btf(written(tmp_path / "fits.o", with_elf({".BTF": data})))
    monkeypatch.setattr(container, "MAX_BTF", len(data) - 1)
    with pytest.raises(BtfError, match="is larger than"):
        read_btf(tmp_path / "fits")
    with pytest.raises(BtfError, match=r"its section \.BTF has"):
        read_btf(tmp_path / "fits.o")
    bomb = compress(bytes(50 << 20), "xz")
    with pytest.raises(BtfError, match="more than 1000000 bytes"):
        btf_bytes(bomb, "bomb", limit=1_000_000)


@pytest.mark.parametrize(("bits", "order"), ELVES)
def test_elf_files_with_more_sections_than_fit_the_header(bits: int, order: str) -> None:
    """The gABI puts the numbers into section 0 then: e_shnum is 0 and e_shstrndx is SHN_XINDEX."""
    data = bytearray(with_elf({".BTF": small(order).write()}, bits, order))
    at_count = 60 if bits == 64 else 48
    table = struct.unpack_from(f"{order}{'Q' if bits == 64 else 'I'}", data, 40 if bits == 64 else 32)[0]
    count, titles = struct.unpack_from(f"{order}HH", data, at_count)
    struct.pack_into(f"{order}HH", data, at_count, 0, 0xFFFF)
    if bits == 64:
        struct.pack_into(f"{order}QI", data, table + 32, count, titles)
    else:
        struct.pack_into(f"{order}II", data, table + 20, count, titles)
    assert names(parse_sections(btf_bytes(bytes(data), "many.o"))) == ["point"]


def test_a_compressed_section_is_named() -> None:
    data = bytearray(with_elf({".BTF": small().write()}))
    table = struct.unpack_from("<Q", data, 40)[0]
    for number in range(1, 6):
        struct.pack_into("<Q", data, table + 64 * number + 8, 1 << 11)  # SHF_COMPRESSED
    with pytest.raises(BtfError, match=r"its section \.BTF is compressed"):
        btf_bytes(bytes(data), "a.o")


# ---- damage ---------------------------------------------------------------------------------------------------------


def outcome(data: bytes) -> str:
    """``read`` or ``refused``; anything but BtfError goes up."""
    try:
        parse_sections(btf_bytes(data, "damaged"))
    except BtfError as error:
        assert "\n" not in str(error)
        return "refused"
    return "read"


@pytest.mark.parametrize(("bits", "order"), ELVES)
def test_truncated_elf_files(bits: int, order: str) -> None:
    data = with_elf({".BTF": small(order).write()}, bits, order)
    for size in range(len(data)):
        assert outcome(data[:size]) == "refused"


@given(st.data(), st.sampled_from(ELVES))
def test_elf_files_with_bytes_changed(data: st.DataObject, kind: tuple[int, str]) -> None:
    bits, order = kind
    whole = bytearray(with_elf({".BTF": small(order).write()}, bits, order))
    table = struct.unpack_from(f"{order}{'Q' if bits == 64 else 'I'}", whole, 40 if bits == 64 else 32)[0]
    place = st.one_of(st.integers(0, 63), st.integers(table, len(whole) - 1), st.integers(0, len(whole) - 1))
    for at in data.draw(st.lists(place, min_size=1, max_size=4)):
        whole[at] = data.draw(st.integers(0, 255))
    outcome(bytes(whole))


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x7fELF\2\1\1", b"\x9f\xeb\x01\0", b"\xfd7zXZ\0", b"MZ"]))
def test_noise(noise: bytes, head: bytes) -> None:
    outcome(head + noise)
