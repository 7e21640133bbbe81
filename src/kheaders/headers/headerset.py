"""A header set: every header of one kernel, in memory, read-only."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from kheaders.archive import HINT, Limits, Member, members
from kheaders.c import generated
from kheaders.errors import ArchiveError, VerificationError

ARCH_OPTIONS = {
    b"CONFIG_X86": "x86",
    b"CONFIG_ARM64": "arm64",
    b"CONFIG_ARM": "arm",
    b"CONFIG_RISCV": "riscv",
    b"CONFIG_S390": "s390",
    b"CONFIG_PPC": "powerpc",
    b"CONFIG_LOONGARCH": "loongarch",
    b"CONFIG_MIPS": "mips",
}
"""The configuration option that each architecture's Kconfig sets unconditionally, and its SRCARCH."""

PRIVATE = ".bpf"
"""What kheaders adds to a tree lies there; it is no header, and an archive made of such a tree is read without it."""

_FILE_LIMIT = 16 << 20
_ALIAS_LIMIT = 100_000


class HeaderSet(Mapping[str, bytes]):
    """A read-only mapping from relative path (``include/linux/sched.h``) to bytes.

    Paths that are symbolic links are keys as well and give the bytes of what they point to; ``links`` tells them apart.
    """

    def __init__(self, files: Mapping[str, bytes], links: Mapping[str, str] | None = None, *, name: str = "") -> None:
        self._files = files if isinstance(files, Texts) else Texts(files)
        self.links: Mapping[str, str] = MappingProxyType(dict(links or {}))
        self.name = name
        """Where the headers came from, for messages."""

    @classmethod
    def from_archive(
        cls, stream: BinaryIO, *, limits: Limits = Limits(), name: str = "archive", watch: Watch | None = None
    ) -> HeaderSet:
        """Read an archive, compressed or not, straight into memory. Raises ArchiveError.

        *watch* is called with the path of each file that has just been read, and with the mapping that it is in.
        """
        files = Texts()
        links: dict[str, str] = {}
        with closing(members(stream, limits=limits, name=name)) as found:
            for member in found:
                files.add(member, links)
                if watch is not None:
                    watch(member.path, files)
        if not files:
            raise ArchiveError(f"{name}: holds no header", "name an archive made by the kernel or by kheaders")
        return cls(files, links, name=name)

    @classmethod
    def from_trees(cls, layers: tuple[Path, ...], srcarch: str | None = None, *, name: str = "") -> HeaderSet:
        """Read ``include/`` and ``arch/SRCARCH/include/`` of each directory; the last one with a path wins.

        Without *srcarch* the configuration in the trees says which it is.

        Raises VerificationError if a layer cannot be read.
        """
        files: dict[str, bytes] = {}
        name = name or str(layers[-1])
        for layer in layers:
            _read_tree(layer / "include", "include", files, set())
        srcarch = srcarch or cls(files).srcarch
        for layer in layers if srcarch else ():
            _read_tree(layer / f"arch/{srcarch}/include", f"arch/{srcarch}/include", files, set())
        if not files:
            raise VerificationError(f"{name}: holds no header", "name a kernel's build directory or header directory")
        return cls(files, name=name)

    def __getitem__(self, path: str) -> bytes:
        resolved = self.resolve(path)
        if resolved is None:
            raise KeyError(path)
        return self._files[resolved]

    def __iter__(self) -> Iterator[str]:
        yield from self._files
        yield from (path for path in self.links if self.resolve(path) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.resolve(path) is not None

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"HeaderSet({self.name!r}, {len(self._files)} files, release {self.release!r})"

    @property
    def files(self) -> Texts:
        """The regular files alone."""
        return self._files

    def resolve(self, path: str) -> str | None:
        """The path of the regular file that *path* leads to, through links of files and of directories, or None."""
        if path in self._files:
            return path
        found = self._follow(path) if self.links else None
        return found if found in self._files else None

    def _follow(self, path: str) -> str | None:
        """*path* with every link in it followed, whether anything is there or not; None for a loop."""
        for _ in range(40):
            for end in _prefixes(path):
                target = self.links.get(path[:end])
                if target is not None:
                    path = os.path.normpath(os.path.join(os.path.dirname(path[:end]), target) + path[end:])
                    break
            else:
                return path
        return None

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Every path that leads through a link to a file: path → the file's own path. A link below one counts.

        Raises ArchiveError where links make more paths than any kernel has.
        """
        targets = {link: target for link in self.links if (target := self._follow(link)) is not None}
        found = {link: target for link, target in targets.items() if target in self._files}
        for link, target in targets.items():
            if target in self._files:
                continue
            below = f"{target}/"
            known = [*self._files, *(other for other, end in targets.items() if end in self._files)]
            for path in known:
                if path.startswith(below):
                    found[link + path[len(target) :]] = targets.get(path, path)
            if len(found) > _ALIAS_LIMIT:
                raise ArchiveError(
                    f"{self.name}: its links make more than {_ALIAS_LIMIT} paths", "name another archive"
                )
        return MappingProxyType(found)

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the sorted paths and the sha256 of each content: equal headers have equal digests."""
        sha256 = hashlib.sha256
        lines = [f"{path}\0f{sha256(data).hexdigest()}\n" for path, data in self._files.items()]
        lines += [f"{path}\0l{target}\n" for path, target in self.links.items()]
        return sha256("".join(sorted(lines)).encode()).hexdigest()

    @cached_property
    def release(self) -> str | None:
        """UTS_RELEASE of ``include/generated/utsrelease.h``, or None where that is missing or damaged."""
        found = generated.release(self.get("include/generated/utsrelease.h", b""))
        return found.decode("utf-8", "replace") if found else None

    @cached_property
    def config(self) -> frozenset[bytes]:
        """The options that ``include/generated/autoconf.h`` sets to 1, as ``CONFIG_SMP``; modules as ``…_MODULE``."""
        return generated.options(self.get("include/generated/autoconf.h", b""))

    @cached_property
    def srcarch(self) -> str | None:
        """SRCARCH that the headers were configured for, by autoconf.h, or by the only directory below arch/."""
        for option, arch in ARCH_OPTIONS.items():
            if option in self.config:
                return arch
        arches = self.arches
        return arches[0] if len(arches) == 1 else None

    @cached_property
    def arches(self) -> tuple[str, ...]:
        """Every SRCARCH that has headers in the set."""
        return tuple(sorted({p.split("/", 2)[1] for p in self._files if p.startswith("arch/") and p.count("/") > 1}))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self._files.values()))


class Texts(Mapping[str, bytes]):
    """Path → text of regular files. What came from an archive is cut out of it when it is first asked for."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[str, bytes] | None = None) -> None:
        self._texts: dict[str, bytes | Member] = dict(texts or {})

    def add(self, member: Member, links: dict[str, str]) -> None:
        """Keep one archive member, in *links* if it is one; directories need no entry. Raises ArchiveError."""
        path = member.path
        if path.startswith(PRIVATE) and path.split("/", 1)[0] == PRIVATE:
            return
        if member.link is not None:
            links[path] = member.link
        elif member.same_as is not None:
            if member.same_as not in self._texts:
                raise ArchiveError(f"{path} is a hard link to {member.same_as}, which is no header", HINT)
            self._texts[path] = self[member.same_as]
        elif not member.directory:
            self._texts[path] = member

    def __getitem__(self, path: str) -> bytes:
        text = self._texts[path]
        return text if isinstance(text, bytes) else text.data

    def __contains__(self, path: object) -> bool:
        return path in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def zeroed(self) -> list[str]:
        """The files that hold a byte of zero, which no header does."""
        return [
            path
            for path, text in self._texts.items()
            if (b"\0" in text if isinstance(text, bytes) else text.whole.find(0, text.start, text.end) >= 0)
        ]


Watch = Callable[[str, Texts], None]


def _prefixes(path: str) -> Iterator[int]:
    at = path.find("/")
    while at >= 0:
        yield at
        at = path.find("/", at + 1)
    yield len(path)


def _read_tree(directory: Path, prefix: str, files: dict[str, bytes], above: set[tuple[int, int]]) -> None:
    """Read the headers below *directory* into *files*; directories reached through links are read once per branch."""
    try:
        here = os.stat(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise VerificationError(f"{directory}: cannot be read ({error.strerror})", "check its permissions") from error
    identity = (here.st_dev, here.st_ino)
    if identity in above or not stat.S_ISDIR(here.st_mode):
        return
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                path = f"{prefix}/{entry.name}"
                if not entry.name.isascii() and not _is_utf8(entry.name):
                    raise VerificationError(f"{directory}: the name {entry.name!r} is not UTF-8", "remove that file")
                if entry.is_dir():
                    _read_tree(Path(entry.path), path, files, above | {identity})
                elif entry.name.endswith(".h") and entry.is_file():
                    files[path] = _read_file(entry.path)
    except OSError as error:
        place = error.filename or directory
        raise VerificationError(f"{place}: cannot be read ({error.strerror})", "check its permissions") from error


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_file(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        size = os.fstat(fd).st_size
        if size > _FILE_LIMIT:
            raise VerificationError(f"{path}: {size} bytes are no header", "restore the directory from its package")
        data = os.read(fd, size + 1)
        while len(data) < size and (more := os.read(fd, size - len(data))):
            data += more
        return data
    finally:
        os.close(fd)
