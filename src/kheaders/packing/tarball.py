"""The tar that kernel/gen_kheaders.sh has GNU tar write: members, their order, names, owners and modes.

``tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rw,go=r,a+X -C DIR .``: the directory ``./`` first, each
directory before what is in it, names of one directory in the order of their bytes; directories 0755, all else 0644.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

BLOCK = 512
RECORD = 20 * BLOCK
"""GNU tar fills its archives up to a multiple of this."""

_HEADER = Struct("100s8s8s8s12s12s8s1s100s8s247x")
_MAGIC = b"ustar  \0"
_LONG = b"././@LongLink"
_MAX_NUMBER = 0o77777777777


class Item(NamedTuple):
    """A member that is no directory: its path without ``./``, and its bytes or its link target."""

    path: str
    data: bytes = b""
    link: str | None = None


def order(paths: Iterable[str]) -> list[str]:
    """*paths* as tar meets them: by their components, not by their whole text."""
    return sorted(paths, key=lambda path: path.encode("utf-8", "surrogateescape").split(b"/"))


def blocks(items: Iterable[Item], mtime: int) -> Iterator[bytes]:
    """The tar of *items*, which come in the order of :func:`order`, in pieces; *mtime* in seconds is everybody's."""
    seconds = b"%011o\0" % min(max(mtime, 0), _MAX_NUMBER)
    above: list[str] = []
    total = 0
    for piece in _pieces(items, seconds, above):
        total += len(piece)
        yield piece
    yield bytes(2 * BLOCK + -(total + 2 * BLOCK) % RECORD)


def _pieces(items: Iterable[Item], mtime: bytes, above: list[str]) -> Iterator[bytes]:
    yield _header("./", b"5", b"0000755\0", 0, mtime)
    for item in items:
        *directories, _ = item.path.split("/")
        if directories != above:
            same = 0
            for ours, theirs in zip(directories, above, strict=False):
                if ours != theirs:
                    break
                same += 1
            for depth in range(same, len(directories)):
                yield _header(f"./{'/'.join(directories[: depth + 1])}/", b"5", b"0000755\0", 0, mtime)
            above = directories
        name = f"./{item.path}"
        if item.link is not None:
            yield _header(name, b"2", b"0000644\0", 0, mtime, item.link)
            continue
        size = len(item.data)
        yield _header(name, b"0", b"0000644\0", size, mtime)
        yield item.data
        if size % BLOCK:
            yield bytes(-size % BLOCK)


def _header(name: str, kind: bytes, mode: bytes, size: int, mtime: bytes, link: str = "") -> bytes:
    """One header, with GNU tar's extra members before it for a name or target of more than 100 bytes."""
    raw, target = (text.encode("utf-8", "surrogateescape") for text in (name, link))
    extra = b""
    for value, mark in ((target, b"K"), (raw, b"L")):
        if len(value) > 100:
            length = len(value) + 1
            extra += _plain(_LONG, mark, b"0000644\0", length, b"00000000000\0") + value + bytes(1 + -length % BLOCK)
    return extra + _plain(raw[:100], kind, mode, size, mtime, target[:100])


def _plain(name: bytes, kind: bytes, mode: bytes, size: int, mtime: bytes, link: bytes = b"") -> bytes:
    nobody = b"0000000\0"
    fields = (name, mode, nobody, nobody, b"%011o\0" % size, mtime)
    header = _HEADER.pack(*fields, b" " * 8, kind, link, _MAGIC)
    return _HEADER.pack(*fields, b"%06o\0 " % sum(header), kind, link, _MAGIC)
