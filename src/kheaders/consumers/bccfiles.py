"""The files that bcc puts before every program: they are strings in its library, and a program's slice must serve them.

bcc reads, in this order, ``include/linux/kconfig.h`` of the kernel's tree, its own ``bpf.h`` in place of the kernel's,
its ``helpers.h``, and the program (bcc: ``src/cc/frontends/clang/loader.cc``, ``src/cc/exported_files.cc``).
"""

from __future__ import annotations

import mmap
import os
from typing import NamedTuple

from kheaders.c.directives import INCLUDES, named, scan, without
from kheaders.errors import ToolError

_GUARDS = {
    "bpf": b"#ifndef _UAPI__LINUX_BPF_H__\n",
    "helpers": b"#ifndef __BPF_HELPERS_H\n",
    "proto": b"#ifndef __BCC_PROTO_H\n",
}
_LICENCE = 4096
"""Bytes of comment before a guard at most."""


class BccFiles(NamedTuple):
    """What bcc gives a program to include; of what comes before every program, the include lines are apart."""

    bpf: bytes
    """bcc's copy of ``linux/bpf.h``, which comes before anything else."""
    helpers: bytes
    """Its helper functions and macros."""
    proto: bytes
    """Its packet headers, with include lines, for programs that include ``bcc/proto.h``."""
    bpf_includes: tuple[str, ...]
    helper_includes: tuple[str, ...]
    """The kernel headers that the two include, in order."""


def parse(library: bytes | mmap.mmap) -> BccFiles:
    """The files in the bytes of bcc's *library*. Raises ToolError where they are not as this module knows them."""
    texts = {name: _string(library, guard) for name, guard in _GUARDS.items()}
    scans = {name: scan(text) for name, text in texts.items()}
    includes = {name: tuple(one.shown for one in named(text.directives).included) for name, text in scans.items()}
    if not includes["helpers"]:
        raise _unknown("its helpers.h includes nothing")
    bodies = {name: without(text, INCLUDES) for name, text in scans.items()}
    return BccFiles(bodies["bpf"], bodies["helpers"], texts["proto"], includes["bpf"], includes["helpers"])


def read(path: str | os.PathLike[str]) -> BccFiles:
    """The files in the library at *path*. Raises ToolError."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return parse(data)
    except (OSError, ValueError) as error:
        raise ToolError(f"{path}: cannot be read ({error})", "install libbpfcc again") from error


def loaded() -> str:
    """The path of the libbcc that this process has loaded. Raises ToolError."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if os.path.basename(path).startswith("libbcc.so"):
                return f"/{path}"
    raise ToolError("libbcc is not loaded in this process", "import bcc first")


def _string(library: bytes | mmap.mmap, guard: bytes) -> bytes:
    at = library.find(guard)
    if at < 0:
        raise _unknown(f"it has no text with {guard.strip().decode()!r}")
    start = library.rfind(b"\0", max(0, at - _LICENCE), at) + 1
    end = library.find(b"\0", at)
    text = library[start : end if end >= 0 else len(library)]
    return text[text.find(b"\n") + 1 :]  # what precedes the first newline belongs to something else


def _unknown(what: str) -> ToolError:
    return ToolError(f"this libbcc carries its files in a way that is not known: {what}", "use the full headers")
