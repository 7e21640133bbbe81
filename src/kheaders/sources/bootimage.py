"""Kernel images: from what a boot loader takes to the kernel that is in it, and to the header archive in that.

The formats: x86's bzImage (Documentation/arch/x86/boot.rst), EFI zboot (drivers/firmware/efi/libstub/zboot-header.S),
an image compressed as a whole (arm64's Image.gz), ELF, and raw images; in anything else the kernel is searched for by
the magic of its compression, as scripts/extract-vmlinux does.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

from kheaders import compression, elf
from kheaders.errors import ArchiveError

MAX_KERNEL = 1024**3
"""Bytes that a kernel may unpack to; one with debug information has 500 MB."""

_MAX_TRIES = 16
_SEARCH_LIMIT = 256 * 1024**2
_BANNER = b"Linux version "
_RELEASE = re.compile(rb"Linux version ([0-9][^ \0\n]{0,63}) \(")

_PAYLOADS = re.compile(
    rb"\xfd7zXZ\0|\x1f\x8b\x08|\x28\xb5\x2f\xfd|BZh91AY|\x02\x21\x4c\x18|\x89LZO\0\r\n\x1a\n|\x5d\0\0..\xff{8}",
    re.DOTALL,
)
"""What a compressed kernel starts with; an lzma one has its size left open, since it is compressed from a pipe."""

_XZ = re.compile(rb"\xfd7zXZ\0")
_XZ_HEADER = 12
_MAX_INDEX = 64 * 1024
_MAX_FALSE_HITS = 1000


def unpack(image: bytes, name: str, *, limit: int = MAX_KERNEL) -> bytes:
    """The kernel in a boot *image*: an ELF file or a raw image, no longer compressed.

    Raises ArchiveError if there is none, it is damaged, or is compressed in a way that nothing here can read.
    """
    if kind := compression.sniff(image[:16]):
        inner = compression.decompress(image, kind, limit=limit, name=name, trailing=True)
        return unpack(inner, name, limit=limit) if _is_zboot(inner) else inner
    payload = _payload(image, name)
    if payload is not None:
        kind = compression.sniff(bytes(payload[:16]))
        if not kind and bytes(payload[:4]) != elf.MAGIC:
            raise ArchiveError(f"{name}: its kernel is compressed in an unknown way", "unpack it, and name the vmlinux")
        return compression.decompress(payload, kind, limit=limit, name=name, trailing=True)
    banner = _RELEASE.search(image)
    if banner is None or not image.startswith(elf.MAGIC):
        kernel = _search(image, name, limit)  # even where there is a banner: zstd may have stored it as it is
        if kernel is not None:
            return kernel
    if banner is None:
        raise ArchiveError(f"{name}: there is no kernel in it that can be read", "name the vmlinux or another image")
    _fits(len(image), limit, name)
    return image


def release(kernel: bytes, wanted: str) -> str:
    """*wanted* if a banner in the unpacked *kernel* (init/version.c) names it; else the first that one does, or ""."""
    if _BANNER + wanted.encode("utf-8", "surrogateescape") + b" " in kernel:
        return wanted
    found = _RELEASE.search(kernel)
    return found[1].decode("utf-8", "replace") if found else ""


def archive(kernel: bytes, name: str) -> bytes | None:
    """The header archive in an unpacked *kernel*, or None: between its symbols, or, where it has none, by its looks."""
    if kernel.startswith(elf.MAGIC):
        try:
            found = elf.section_of_symbols(kernel, *elf.HEADER_SYMBOLS, name)
        except ArchiveError:
            found = None  # a damaged symbol table does not hide what lies beside it
        if found:
            return found
    return next((found for found in _xz_streams(kernel) if _is_header_archive(found)), None)


def _fits(size: int, limit: int, name: str) -> None:
    if size > limit:
        raise ArchiveError(
            f"{name}: unpacks to more than {limit} bytes",
            "raise the limit, KHEADERS_UNPACK_LIMIT, if it may be trusted",
        )


def _is_zboot(image: bytes) -> bool:
    return image[:2] == b"MZ" and image[4:8] == b"zimg"


def _payload(image: bytes, name: str) -> memoryview | None:
    """The compressed kernel in an EFI zboot image or a bzImage of boot protocol 2.08 or later, else None."""
    if _is_zboot(image) and len(image) >= 16:
        offset, size = struct.unpack_from("<II", image, 8)
    elif image[0x202:0x206] == b"HdrS" and len(image) >= 0x250:
        if struct.unpack_from("<H", image, 0x206)[0] < 0x0208:
            return None
        offset, size = struct.unpack_from("<II", image, 0x248)
        offset += ((image[0x1F1] or 4) + 1) * 512
    else:
        return None
    if not size or offset + size > len(image):
        raise ArchiveError(f"{name}: is broken off, its kernel should end at byte {offset + size}", "install it again")
    return memoryview(image)[offset : offset + size]


def _search(image: bytes, name: str, limit: int) -> bytes | None:
    """The compressed kernel that lies somewhere in *image*, unpacked, or None."""
    view = memoryview(image)
    for hit in islice(_PAYLOADS.finditer(image), _MAX_TRIES):
        part = view[hit.start() :]
        try:
            kernel = compression.decompress(
                part, compression.sniff(bytes(part[:16])), limit=min(limit, _SEARCH_LIMIT), name=name, trailing=True
            )
        except ArchiveError:
            continue
        if _RELEASE.search(kernel):
            return kernel
    return None


def _xz_streams(data: bytes) -> Iterator[bytes]:
    """Every whole xz stream in *data*, by its header, footer and index (xz-file-format 2.1.1, 2.1.2 and 4).

    Nothing is decompressed: checksums tell a stream from bytes that look like its beginning or end.
    """
    for hit in islice(_XZ.finditer(data), _MAX_FALSE_HITS):
        start = hit.start()
        flags = data[start + 6 : start + 8]
        if data[start + 8 : start + 12] == struct.pack("<I", zlib.crc32(flags)) and (
            end := _xz_end(data, start, flags)
        ):
            yield data[start:end]


def _xz_end(data: bytes, start: int, flags: bytes) -> int:
    """Where the stream that starts at *start* ends, or 0."""
    for hit in islice(re.compile(re.escape(flags + b"YZ")).finditer(data, start + _XZ_HEADER), _MAX_TRIES):
        end = hit.end()
        check, backward = struct.unpack_from("<II", data, end - 12)
        size = 4 * (backward + 1)
        index = end - 12 - size
        if (end - start) % 4 or size > _MAX_INDEX or index < start + _XZ_HEADER:
            continue
        if zlib.crc32(data[end - 8 : end - 2]) == check:
            blocks = _xz_blocks(data[index : end - 12])
            if blocks == index - start - _XZ_HEADER:
                return end
    return 0


def _xz_blocks(index: bytes) -> int:
    """The bytes that the blocks of an xz *index* take in all, or -1 if it is none."""
    if index[:1] != b"\0" or struct.pack("<I", zlib.crc32(index[:-4])) != index[-4:]:
        return -1
    numbers = []
    value = shift = 0
    for byte in index[1:-4]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value = shift = 0
        elif shift > 63:
            return -1
    records = numbers[0] if numbers else 0
    return sum(size + 3 & ~3 for size in numbers[1 : 1 + 2 * records : 2])


def _is_header_archive(data: bytes) -> bool:
    """Whether an xz stream holds a tar whose first member lies where headers do (kernel/gen_kheaders.sh)."""
    try:
        first = next(compression.chunks(io.BytesIO(data)), b"")
    except ArchiveError:
        return False
    names = [first[at : at + 100].split(b"\0", 1)[0].removeprefix(b"./") for at in (0, 512)]
    member = names[0] or names[1]  # some versions of the script start with the directory itself
    return first[257:262] == b"ustar" and member.startswith((b"arch", b"include"))
