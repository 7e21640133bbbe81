"""Tar archives as a checked stream of members.

The header archive of a kernel is a tar made by ``kernel/gen_kheaders.sh``: sorted names that start with ``./``,
regular files, directories and (in some vendors' builds) symbolic links, compressed as a whole. Formats read: POSIX
ustar and pax (IEEE Std 1003.1, *pax*) and GNU tar's long names. Anything that could reach outside the tree, or that has
no business in a header archive, makes the whole archive unusable: nothing of it is yielded twice, repaired or skipped.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from struct import Struct
from time import sleep
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from zlib import adler32

from kheaders.compression import MAX_UNPACKED, chunks
from kheaders.errors import ArchiveError, KheadersError

if TYPE_CHECKING:
    import queue

BLOCK = 512
MAX_NAME = 4096
MAX_DEPTH = 100
"""Levels of directories; kernel headers have about ten."""
HINT = "get the archive anew from where it came"

_PIECE = 2 << 20
_GRACE = 0.003
"""Seconds that the reader leaves to the decompressor; a piece of that size takes it some five times as long."""

_HEADER = Struct("100s24x12s12x8s1s188x1s")
"""Name, size, checksum, kind and the first byte of the name's prefix, in a header of 512 bytes."""
_REGULAR = (b"0", b"\0", b"7")
_PLAIN = re.compile(r"\./(?:[^/.\0\n][^/\0\n]*/)*[^/.\0\n][^/\0\n]*").fullmatch
"""Whether a name is one of those that the kernel's script writes, with nothing in it that needs a closer look."""
_KINDS = {b"3": "a character device", b"4": "a block device", b"6": "a named pipe", b"S": "sparse"}


class Limits(NamedTuple):
    """What an archive may hold at most: bytes when unpacked, and members."""

    unpacked: int = MAX_UNPACKED
    members: int = 500_000


class Member(NamedTuple):
    """One member: a relative path without ``./``, and its bytes, or its link target, or a directory.

    ``same_as`` is the path of an earlier file of the archive that this one is a hard link to.
    """

    path: str
    whole: bytes = b""
    """The bytes, from ``start`` to ``end`` of something that may hold other members too."""
    start: int = 0
    end: int | None = None
    link: str | None = None
    directory: bool = False
    same_as: str | None = None

    @property
    def data(self) -> bytes:
        """The bytes alone."""
        return self.whole if self.end is None else self.whole[self.start : self.end]


def members(
    stream: BinaryIO, *, limits: Limits = Limits(), name: str = "archive", outside_links: bool = False
) -> Generator[Member, None, None]:
    """Every member of the tar *stream* (compressed or not), checked, in the archive's order.

    Links are checked to stay inside the tree whatever they pass through: ``..`` may only lead a target, and no member
    may lie below a link. With *outside_links* (packages, which are never extracted) targets are passed on unchecked.

    Decompression runs ahead in a thread of its own, which ends with the generator: a caller that may stop early closes
    it. Raises ArchiveError, which names *name*.
    """
    ahead = _Ahead(chunks(stream, limit=limits.unpacked, name=name, piece=_PIECE))
    try:
        yield from _Reader(ahead, limits, name, outside_links).members()
    finally:
        ahead.close()


class _Ahead:
    """Runs an iterator of bytes in a thread, a few pieces ahead of its reader, and passes its exception on."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        import queue
        import threading

        self._full = queue.Full
        self._queue: queue.Queue[bytes | KheadersError | OSError | None] = queue.Queue(8)
        self._stop = threading.Event()
        self._pieces = pieces
        self._thread = threading.Thread(target=self._run, name="kheaders-decompress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        end: KheadersError | OSError | None = None
        try:
            for piece in self._pieces:
                if not self._put(piece):
                    return
        except (KheadersError, OSError) as error:
            end = error
        except Exception as error:  # a fault of a decompressor must end the reader, not hang it
            end = ArchiveError(f"decompression failed ({type(error).__name__}: {error})", HINT)
        self._put(end)

    def _put(self, item: bytes | KheadersError | OSError | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.05)
            except self._full:
                continue
            return True
        return False

    def get(self) -> bytes:
        """The next piece; empty at the end. Raises what the iterator raised."""
        item = self._queue.get()
        if item is None:
            self._queue.put(None)
            return b""
        if isinstance(item, bytes):
            if self._queue.empty():
                # The decompressor has just begun its next piece, and needs the interpreter's lock a few times while its
                # buffer grows. Each time it would wait for a reader at work, until hardly anything overlapped.
                sleep(_GRACE)
            return item
        self._queue.put(item)
        raise item

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stop.set()
        while not self._queue.empty():
            self._queue.get_nowait()
        self._thread.join()


class _Reader:
    """The walk over 512-byte headers."""

    def __init__(self, ahead: _Ahead, limits: Limits, name: str, outside_links: bool) -> None:
        self._ahead = ahead
        self._limits = limits
        self._name = name
        self._outside_links = outside_links
        self._buffer = b""
        self._at = 0
        self._kinds: dict[str, str] = {"": "directory"}
        self._prefixes: dict[bytes, str] = {}
        self._count = 0

    def members(self) -> Iterator[Member]:
        path = link = ""
        size: int | None = None
        while True:
            if size is None and not path and not link:
                yield from self._plain_files()
            header = self._take(BLOCK)
            if not header[0] and header.count(0) == BLOCK:
                self._end()
                return
            kind = header[156:157]
            length = self._number(header[124:136]) if size is None or kind in b"xgLK" else size
            self._verify_checksum(header)
            if kind in (b"L", b"K", b"x", b"g"):
                if length > 1 << 20:
                    raise self._bad(f"an extended header of {length} bytes")
                value = self._data(length)
                if kind == b"L":
                    path = self._text(value.rstrip(b"\0"))
                elif kind == b"K":
                    link = self._text(value.rstrip(b"\0"))
                elif kind == b"x":
                    records = self._pax(value)
                    path, link = records.get("path", path), records.get("linkpath", link)
                    size = self._pax_size(records) if "size" in records else None
                continue
            self._count += 1
            if self._count > self._limits.members:
                raise self._bad(f"more than {self._limits.members} members", "raise the limit if that is right")
            member = self._member(header, kind, length, path, link)
            path, link, size = "", "", None
            if member is not None:
                yield member

    def _plain_files(self) -> Iterator[Member]:
        """The members that follow as far as each lies whole in the buffer and is just what the kernel's script writes:
        a regular file with a plain name in a directory that is known. Most are; what differs is left where it is."""
        buffer, at, kinds, prefixes = self._buffer, self._at, self._kinds, self._prefixes
        end = len(buffer)
        while at + BLOCK <= end and self._count < self._limits.members:
            name, size, checksum, kind, longer = _HEADER.unpack_from(buffer, at)
            directory, _, base = name.rstrip(b"\0").rpartition(b"/")
            octal, summed = size.rstrip(b" \0"), checksum[:6]
            if kind != b"0" or longer != b"\0" or directory not in prefixes or not (octal + summed).isdigit():
                break
            start = at + BLOCK
            try:
                path = prefixes[directory] + base.decode()
                length, total = int(octal, 8), int(summed, 8) + sum(checksum) - 8 * 0x20
            except ValueError:
                break
            following = start + length + -length % BLOCK
            strange = path in kinds or not path.isprintable() or not base or base[0] == 0x2E
            if strange or following > end or adler32(buffer[at:start]) & 0xFFFF != (total + 1) % 65521:
                break
            kinds[path] = "file"
            self._count += 1
            self._at = at = following
            yield Member(path, buffer, start, start + length)

    def _member(self, header: bytes, kind: bytes, length: int, path: str, link: str) -> Member | None:
        path = self._path(path or self._header_name(header))
        if kind == b"5":
            if path:
                self._register(path, "directory")
                self._prefixes[f"./{path}".encode()] = f"{path}/"
            return Member(path, directory=True) if path else None
        if not path:
            raise self._bad("a member without a name")
        if kind == b"2":
            self._register(path, "link")
            return Member(path, link=self._target(path, link or self._text(header[157:257].split(b"\0", 1)[0])))
        if kind == b"1":
            target = self._path(link or self._text(header[157:257].split(b"\0", 1)[0]))
            if self._kinds.get(target) != "file":
                raise self._bad(f"{path} is a hard link to {target!r}, which is no file before it")
            self._register(path, "file")
            return Member(path, same_as=target)
        if kind not in _REGULAR:
            raise self._bad(f"{path} is {_KINDS.get(kind, 'of unknown type ' + repr(kind))}")
        self._register(path, "file")
        return Member(path, self._data(length))

    def _register(self, path: str, kind: str) -> None:
        """Note *path*; refuse duplicates and members below something that is no directory."""
        before = self._kinds.get(path)
        if before is not None and not (before == kind == "directory"):
            raise self._bad(f"{path} is there twice")
        self._kinds[path] = kind
        parent = path.rpartition("/")[0]
        while parent:
            known = self._kinds.get(parent)
            if known == "directory":
                return
            if known is not None:
                raise self._bad(f"{path} lies below {parent}, which is a {known}")
            self._kinds[parent] = "directory"
            parent = parent.rpartition("/")[0]

    def _path(self, raw: str) -> str:
        if _PLAIN(raw) and len(raw) <= MAX_NAME and raw.count("/") < MAX_DEPTH:
            return raw[2:]
        if raw.startswith("/"):
            raise self._bad(f"{raw!r} is an absolute path")
        parts = [part for part in raw.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self._bad(f"{raw!r} leaves the tree")
        if len(raw) > MAX_NAME or len(parts) > MAX_DEPTH or "\0" in raw or "\n" in raw:
            raise self._bad(f"{raw[:80]!r} is no usable name")
        return "/".join(parts)

    def _target(self, path: str, target: str) -> str:
        if self._outside_links:
            return target
        parts = [part for part in target.split("/") if part not in ("", ".")]
        up = 0
        while up < len(parts) and parts[up] == "..":
            up += 1
        inside = not target.startswith("/") and ".." not in parts[up:] and up <= path.count("/") and "\0" not in target
        if not inside or not target or len(target) > MAX_NAME:
            raise self._bad(f"{path} is a link out of the tree, to {target!r}")
        return target

    def _header_name(self, header: bytes) -> str:
        name = header[:100].split(b"\0", 1)[0]
        if header[257:263] == b"ustar\0":
            prefix = header[345:500].split(b"\0", 1)[0]
            name = prefix + b"/" + name if prefix else name
        return self._text(name)

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._bad(f"the name {raw[:80]!r} is not UTF-8") from error

    def _pax(self, data: bytes) -> dict[str, str]:
        """The records ``LENGTH KEY=VALUE\\n`` of a pax extended header."""
        records = {}
        at = 0
        while at < len(data):
            space = data.find(b" ", at, at + 12)
            digits = data[at:space] if space > 0 else b""
            if not digits.isdigit() or not (space - at + 3 < int(digits) <= len(data) - at):
                raise self._bad("a damaged pax header")
            end = at + int(digits)
            key, equals, value = data[space + 1 : end - 1].partition(b"=")
            if not equals:
                raise self._bad("a damaged pax header")
            if key in (b"path", b"linkpath", b"size"):
                records[self._text(key)] = self._text(value)
            elif key.startswith(b"GNU.sparse"):
                raise self._bad("a sparse member")
            at = end
        return records

    def _pax_size(self, records: dict[str, str]) -> int:
        value = records["size"]
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise self._bad("a damaged pax header")
        return int(value)

    def _number(self, field: bytes) -> int:
        if field[0] & 0x80:
            return int.from_bytes(field, "big") & ((1 << 88) - 1)
        text = field.strip(b" \0")
        if text.strip(b"01234567"):
            raise self._bad("a damaged member header")
        return int(text, 8) if text else 0

    def _verify_checksum(self, header: bytes) -> None:
        field = header[148:156]  # counts as blanks
        total = self._number(field) + sum(field) - 8 * 0x20
        # Adler-32 (RFC 1950) holds the sum of the bytes and 1, modulo 65521, twenty times as fast as sum().
        if adler32(header) & 0xFFFF != (total + 1) % 65521:
            raise self._bad("a damaged member header (checksum)")

    def _data(self, length: int) -> bytes:
        if length > self._limits.unpacked:
            raise self._bad(
                f"a member of {length} bytes", "raise the limit, KHEADERS_UNPACK_LIMIT, if it may be trusted"
            )
        padded = length + -length % BLOCK
        end = self._at + padded
        if end <= len(self._buffer):
            data = self._buffer[self._at : self._at + length]
            self._at = end
            return data
        return self._take(padded)[:length]

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        pieces = [self._buffer[self._at :]]
        missing = length - len(pieces[0])
        while missing:
            self._buffer = self._ahead.get()
            if not self._buffer:
                raise self._bad(f"it ends in the middle, after {self._count} members")
            pieces.append(self._buffer[:missing])
            self._at = len(pieces[-1])
            missing -= self._at
        return b"".join(pieces)

    def _end(self) -> None:
        """Read to the end of the stream: its checksums are only then compared, and nothing may follow."""
        rest = self._buffer[self._at :]
        while rest or (rest := self._ahead.get()):
            if rest.count(0) != len(rest):
                raise self._bad("there is data after its end")
            rest = b""

    def _bad(self, what: str, hint: str = HINT) -> ArchiveError:
        return ArchiveError(f"{self._name}: not a usable header archive: {what}", hint)
