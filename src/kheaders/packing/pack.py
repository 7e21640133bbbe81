"""From material to ``kheaders.tar.xz``: read, strip, write the tar, compress on every processor, publish."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kheaders.errors import PackError, UsageError
from kheaders.newfile import Destination
from kheaders.packing import comments, tarball, xz
from kheaders.packing.material import Material

LEVEL = 2
"""Default level of xz. The script's own is 6: a seventh smaller, at five times the time."""

FIXED_TIME = 315532800
"""1980-01-01: the time of all members where the environment names none; GNU tar wonders at older ones."""


class Packed(NamedTuple):
    """What was packed."""

    path: Path
    release: str
    srcarch: str
    headers: int
    links: int
    unpacked: int
    """Bytes of the tar."""
    size: int
    """Bytes of the archive."""


def pack(
    material: Material,
    path: Path,
    *,
    keep_comments: bool = False,
    level: int | None = None,
    threads: int | None = None,
    mtime: int = FIXED_TIME,
) -> Packed:
    """Write the archive of *material* to *path*; it appears whole or not at all, over an older one if there is one.

    The bytes depend on nothing but the headers, *keep_comments*, *level* and *mtime*. Raises PackError.
    """
    unpacked = 0

    def counted() -> Iterator[bytes]:
        nonlocal unpacked
        for piece in tarball.blocks(_items(material, keep_comments), mtime):
            unpacked += len(piece)
            yield piece

    with Destination(path, PackError) as place:
        size = place.write(
            xz.compress(counted(), level=LEVEL if level is None else level, threads=threads or xz.processors())
        )
    return Packed(path, material.release, material.srcarch, len(material.files), len(material.links), unpacked, size)


def timestamp(environ: Mapping[str, str]) -> int:
    """The time that members get: SOURCE_DATE_EPOCH, else KBUILD_BUILD_TIMESTAMP, else a fixed one; seconds.

    SOURCE_DATE_EPOCH is that of reproducible-builds.org; KBUILD_BUILD_TIMESTAMP is what the script hands to tar: of the
    many forms that GNU date takes, ``@SECONDS``, ISO 8601, RFC 5322 and what ``date`` prints are understood. Without a
    zone it is UTC. Raises UsageError.
    """
    if epoch := environ.get("SOURCE_DATE_EPOCH", ""):
        return _seconds("SOURCE_DATE_EPOCH", epoch)
    if text := environ.get("KBUILD_BUILD_TIMESTAMP", "").strip():
        return _seconds("KBUILD_BUILD_TIMESTAMP", text[1:]) if text.startswith("@") else _date(text)
    return FIXED_TIME


def _seconds(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,11}", text):
        raise UsageError(f"{name}={text!r} is no number of seconds", "unset it, or set it as date +%s prints it")
    return int(text)


def _date(text: str) -> int:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    # date(1) in the C locale: "Mon Jan  1 00:00:00 UTC 2024"
    printed = re.fullmatch(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) ([\d:]{8}) (?:UTC|GMT) (\d{4})", text)
    if printed:
        text = f"{printed[2]} {printed[1]} {printed[4]} {printed[3]} +0000"
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
        except (ValueError, TypeError, IndexError):
            continue
        return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    raise UsageError(f"KBUILD_BUILD_TIMESTAMP={text!r} is no date that is understood", "set it as date -R prints it")


def _items(material: Material, keep_comments: bool) -> Iterator[tarball.Item]:
    for path in tarball.order([*material.files, *material.links]):
        link = material.links.get(path)
        if link is not None:
            yield tarball.Item(path, link=link)
            continue
        data = material.files[path]()
        yield tarball.Item(path, data if keep_comments else comments.strip(data))
