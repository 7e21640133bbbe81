"""Header archives as kernel/gen_kheaders.sh makes them: sorted, owned by root, every member below ``./``.

archive()                                        # a small whole header tree, xz
archive({"include/linux/a.h": b""}, kind="zst")  # other members, another compression
tar(files, links={"include/asm": "../arch/x86"}) # not compressed
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Mapping

from builders.root import RELEASE, header_files

KINDS = ("xz", "gz", "zst", "lz4", "bz2", "lzma", "")
"""What :func:`compress` makes with a library; ``lzo`` it makes as stored blocks."""


def tar(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """A ustar archive of *files* and *links* (relative path → target) with the directories that they need."""
    members: dict[str, bytes | str | None] = {**files, **(links or {})}
    for path in [*members]:
        while path := path.rpartition("/")[0]:
            members[path] = None
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in sorted(members.items()):
            member = tarfile.TarInfo(f"./{path}")
            member.mode = 0o644
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def archive(
    files: Mapping[str, bytes] | None = None,
    *,
    links: Mapping[str, str] | None = None,
    kind: str = "xz",
    release: str = RELEASE,
    srcarch: str = "x86",
) -> bytes:
    """A header archive of *files* (a small whole tree of *release* by default), compressed as *kind*."""
    return compress(tar(header_files(release, srcarch) if files is None else files, links=links), kind)


def compress(data: bytes, kind: str) -> bytes:
    """*data* as the kernel's build compresses it (scripts/Makefile.lib); ``""`` leaves it as it is."""
    if kind == "xz":
        return lzma.compress(data, preset=1)
    if kind == "gz":
        return gzip.compress(data, mtime=0)
    if kind == "bz2":
        return bz2.compress(data)
    if kind == "lzma":
        return lzma.compress(data, lzma.FORMAT_ALONE, preset=1)
    if kind == "zst":
        import zstandard

        return zstandard.ZstdCompressor(write_checksum=True).compress(data)
    if kind == "lz4":
        return lz4_legacy(data)
    if kind == "lzo":
        return lzop_stored(data)
    return data


def lz4_legacy(data: bytes) -> bytes:
    """``lz4 -l``: a magic, then blocks of 8 MiB, each after its compressed size."""
    import lz4.block

    out = b"\x02\x21\x4c\x18"
    for at in range(0, len(data), 8 << 20):
        block = lz4.block.compress(data[at : at + (8 << 20)], store_size=False)
        out += struct.pack("<I", len(block)) + block
    return out


def lzop_stored(data: bytes, size: int = 256 * 1024) -> bytes:
    """An lzop file whose blocks are stored, as lzop stores what does not shrink: no LZO library is needed."""
    header = struct.pack(">HHHBBIIIIB", 0x1040, 0x20A0, 0x0940, 3, 9, 0x03000001, 0o100644, 0, 0, 0)
    out = b"\x89LZO\0\r\n\x1a\n" + header + struct.pack(">I", zlib.adler32(header))
    for at in range(0, len(data), size):
        block = data[at : at + size]
        out += struct.pack(">III", len(block), len(block), zlib.adler32(block)) + block
    return out + bytes(4)
