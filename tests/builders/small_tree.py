"""A store below a directory, a small tree to publish in it, and what must be there afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kheaders.store import Store

BOOT = "boot-1"


def write(fd: int, path: str, data: bytes) -> None:
    """Write a file below the directory *fd*."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666, dir_fd=fd), "wb") as stream:
        stream.write(data)


def fill(fd: int) -> Mapping[str, object]:
    """A small tree."""
    write(fd, "a.h", b"int a;")
    os.mkdir("linux", dir_fd=fd)
    write(fd, "linux/b.h", b"int b;")
    return {}


def opened(place: Path) -> Store:
    """A store below *place*."""
    return Store.open(boot=place / "run", cache=place / "cache", boot_id=BOOT)


def publish(place: Path) -> Path:
    """The small tree in that store."""
    return opened(place).publish_tree("k", fill).path


def is_good(tree: Path) -> bool:
    """Whether the tree holds exactly what fill writes."""
    found = {str(p.relative_to(tree)): p.read_bytes() for p in tree.rglob("*") if p.is_file()}
    return found == {"a.h": b"int a;", "linux/b.h": b"int b;"}


def remains(place: Path) -> set[str]:
    """The relative path of everything below *place* that is no directory, or that is in staging."""
    paths = {path.relative_to(place) for path in place.rglob("*")}
    return {str(p) for p in paths if (place / p).is_symlink() or not (place / p).is_dir() or "staging" in p.parts[:-1]}


GOOD = {f"run/trees/k/{name}" for name in ("manifest.json", "used", "root/a.h", "root/linux/b.h")}
"""What remains where nothing but the small tree was published."""
