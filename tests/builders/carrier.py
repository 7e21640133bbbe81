"""Files of the module that carries an archive, and the programs that load it, as far as tests need them."""

from __future__ import annotations

import shlex
from pathlib import Path

from builders import archive, elf
from builders.root import RELEASE, FakeRoot

NAME = "kheaders_archive"
SHOWN = "/sys/kernel/kheaders.tar.xz"


def module(release: str = RELEASE, *, name: str = NAME, carried: bytes | None = None) -> bytes:
    """The bytes of a module file for the kernel *release* that carries *carried*, or a small archive."""
    return elf.module(carried if carried is not None else archive.archive(), release=release, name=name)


def tool(directory: Path, name: str, script: str) -> Path:
    """An executable shell script *name* in *directory*."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def loading(root: FakeRoot, directory: Path) -> str:
    """insmod and rmmod that do to *root* what the real ones do to a kernel; the directory to look for them in."""
    shown, listed = (shlex.quote(str(root.at(path))) for path in (SHOWN, "/proc/modules"))
    tool(directory, "insmod", f"echo '{NAME} 5000000 0 - Live 0x0 (OE)' >{listed}; echo archive >{shown}")
    tool(directory, "rmmod", f"rm {shown}; : >{listed}")
    return str(directory)


def failing(directory: Path, name: str, message: str) -> str:
    """A program that prints *message* and fails; the directory to look for it in."""
    tool(directory, name, f"echo {shlex.quote(message)} >&2; exit 1")
    return str(directory)
