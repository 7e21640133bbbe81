"""What a source answers: an offer of headers, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from kheaders.kernel import Kernel


class ArchiveContent(NamedTuple):
    """Headers as an archive (tar, compressed or not); ``open`` gives a fresh stream of its bytes each time."""

    open: Callable[[], BinaryIO]


class TreeContent(NamedTuple):
    """Headers as directories, each with ``include/`` and ``arch/``; where a path is in several, the last one wins.

    A distribution's split tree is (common directory, architecture's directory); a kernel's own split tree is
    (source directory, build directory).
    """

    layers: tuple[Path, ...]
    check: Callable[[], None] | None = None
    """Called before the layers are read; raises VerificationError if they are no longer what was kept there."""


class FilesContent(NamedTuple):
    """Headers that only the source itself can unpack (packages); ``read`` gives relative path → bytes."""

    read: Callable[[], Mapping[str, bytes]]


Content = ArchiveContent | TreeContent | FilesContent


class Candidate(NamedTuple):
    """An offer: headers that a source found, not yet read and not yet verified."""

    source: str
    """Name of the source, as in the order setting: ``sysfs``, ``build`` …"""
    location: str
    """Where the headers lie, as a person would look for it."""
    content: Content
    fingerprint: str
    """Changes whenever the content may have changed, and costs microseconds to milliseconds, no decompression.

    A verdict reached in this boot for the same kernel and fingerprint is used again. Empty: never reuse.
    """


class Rejection(NamedTuple):
    """A refusal: why a source has nothing, or why what it offered was not used."""

    source: str
    location: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        return f"{self.source}: {where}{self.reason}" + (f"; {self.hint}" if self.hint else "")


class Request(NamedTuple):
    """What a source is asked: headers for ``kernel``, looked for below ``sysroot``."""

    kernel: Kernel
    sysroot: Path = Path("/")
    headers: Path | None = None
    """What the user named with ``--headers``; only the explicit source looks at it."""

    @property
    def srcarch(self) -> str:
        """SRCARCH of the headers that are wanted."""
        return self.kernel.srcarch

    def path(self, absolute: str) -> Path:
        """*absolute*, a path as the examined system sees it, below the sysroot."""
        return self.sysroot / absolute.lstrip("/")


class Source(Protocol):
    """One place that headers can come from."""

    name: str

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """Every offer of this source, best first, or the reasons why there is none. Never raises for what it finds."""
        ...
