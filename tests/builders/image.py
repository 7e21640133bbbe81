"""Boot images around a kernel: bzImage, EFI zboot, and a program that unpacks itself.

bzimage(vmlinux(archive), "zst")
"""

from __future__ import annotations

import struct

from builders.archive import compress

CODE = b"\x90\xeb\xfe" * 700
"""Stands for the code around the payload."""


def payload(kernel: bytes, kind: str) -> bytes:
    """*kernel* compressed as the kernel's build does: all but gzip are followed by the size (scripts/Makefile.lib)."""
    return compress(kernel, kind) + (b"" if kind in ("gz", "") else struct.pack("<I", len(kernel)))


def bzimage(kernel: bytes, kind: str, *, protocol: int = 0x020F, setup_sectors: int = 27) -> bytes:
    """An x86 image; the fields are those of Documentation/arch/x86/boot.rst."""
    packed = payload(kernel, kind)
    image = bytearray(((setup_sectors or 4) + 1) * 512)
    image[:2] = b"MZ"
    image[0x1F1] = setup_sectors
    struct.pack_into("<H4sH", image, 0x1FE, 0xAA55, b"\xebfHd", 0)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, protocol)
    struct.pack_into("<II", image, 0x248, len(CODE), len(packed))
    return bytes(image) + CODE + packed + CODE


def zboot(kernel: bytes, kind: str) -> bytes:
    """An EFI image that unpacks itself (drivers/firmware/efi/libstub/zboot-header.S)."""
    names = {"gz": "gzip", "zst": "zstd22", "xz": "xzkern"}
    packed = payload(kernel, kind)
    header = struct.pack(
        "<4s4sII8x32s", b"MZ\0\0", b"zimg", 64 + len(CODE), len(packed), names.get(kind, kind).encode()
    )
    return header.ljust(64, b"\0") + CODE + packed + CODE


def self_unpacking(kernel: bytes, kind: str) -> bytes:
    """A program with the kernel somewhere inside, and with bytes that only look like a compressed kernel before it."""
    decoys = b"\x1f\x8b\x08 no gzip" + b"\xfd7zXZ\0 no xz" + b"\x28\xb5\x2f\xfd no zstd" + b"\x5d\0\0\0" * 30
    return CODE + decoys + CODE + payload(kernel, kind) + CODE
