"""The header: every bound that it states is held against the bytes that are there."""

from __future__ import annotations

import struct

import pytest

from builders import btf as build
from kheaders.btf import header
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

DATA = build.everything().write()


def changed(offset: int, value: int, form: str = "<I") -> bytes:
    data = bytearray(DATA)
    struct.pack_into(form, data, offset, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "byte 0: the header ends here"),
        (changed(0, 0x1234, "<H"), "no magic number at byte 0"),
        (changed(2, 2, "B"), "version 2 at byte 2"),
        (changed(4, 8), "byte 4: a header of 8 bytes"),
        (changed(4, 1 << 31), "byte 4: a header of"),
        (changed(8, 2), "byte 8: types at 2"),
        (changed(8, 0xFFFFFFFC), "byte 8: types go to byte"),
        (changed(12, 0xFFFFFFFC), "byte 8: types go to byte"),
        (changed(16, 0xFFFFFFFF), "byte 16: strings go to byte"),
        (changed(20, 0xFFFFFFFF), "byte 16: strings go to byte"),
        (DATA[:-1] + b"x", f"byte {len(DATA) - 1}: the last string has no end"),
    ],
)
def test_damage(data: bytes, reason: str) -> None:
    """The error names the byte."""
    with pytest.raises(BtfError) as caught:
        Btf.parse(data, name="vmlinux")
    assert str(caught.value).startswith("vmlinux: ")
    assert reason in str(caught.value)


def test_layouts_beyond_the_end() -> None:
    """The header of 2026 has a third section."""
    data = bytearray(build.everything().write(layouts=build.LAYOUTS))
    struct.pack_into("<I", data, 28, 1 << 30)
    with pytest.raises(BtfError, match="byte 24: layouts go to byte"):
        Btf.parse(bytes(data))


def test_a_longer_header_of_later_kernels() -> None:
    """Of what is added, nothing needs to be known."""
    data = DATA[:4] + struct.pack("<I", 40) + DATA[8:24] + bytes(16) + DATA[24:]
    assert Btf.parse(data).find("node")


def test_layouts_in_odd_bytes_are_left_out() -> None:
    """All of BTF lies in whole words."""
    data = build.Btf().write(layouts={20: (3, 4), 21: (4, 8)})
    assert header.read(memoryview(data), "x").layout.get(20) is None
    assert header.read(memoryview(data), "x").layout[21] == (1, 2)
