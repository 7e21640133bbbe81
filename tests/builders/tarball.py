"""Tar archives written byte by byte, so that they can be as wrong as a test needs them.

tarball(entry("./a.h", b"text"), entry("l", kind=b"2", link="a.h"))
"""

from __future__ import annotations

BLOCK = 512
END = bytes(2 * BLOCK)


def entry(
    name: str | bytes,
    data: bytes = b"",
    *,
    kind: bytes = b"0",
    link: str | bytes = b"",
    size: int | None = None,
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
) -> bytes:
    """One member (a ustar header, then the data in whole blocks); *size* overrides what the header states."""
    raw = name.encode() if isinstance(name, str) else name
    target = link.encode() if isinstance(link, str) else link
    header = bytearray(BLOCK)
    header[0 : len(raw)] = raw
    header[100:124] = b"0000644\x000000000\x000000000\x00"
    header[124:136] = f"{len(data) if size is None else size:011o}\0".encode()
    header[136:148] = b"00000000000\0"
    header[156:157] = kind
    header[157 : 157 + len(target)] = target
    header[257:265] = magic
    header[345 : 345 + len(prefix)] = prefix
    return bytes(summed(header)) + data + bytes(-len(data) % BLOCK)


def summed(header: bytearray) -> bytearray:
    """The header with its checksum set."""
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return header


def pax(*records: tuple[str, str | bytes], kind: bytes = b"x") -> bytes:
    """A pax extended header with these records."""
    body = b""
    for key, value in records:
        rest = b" " + key.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length += 1
        body += str(length).encode() + rest
    return entry("PaxHeader", body, kind=kind)


def gnu_long(name: str, kind: bytes = b"L") -> bytes:
    """GNU tar's member for a name (``L``) or link target (``K``) that does not fit."""
    return entry("././@LongLink", name.encode() + b"\0", kind=kind, magic=b"ustar  \x00")


def tarball(*entries: bytes, end: bytes = END) -> bytes:
    """The archive."""
    return b"".join(entries) + end
