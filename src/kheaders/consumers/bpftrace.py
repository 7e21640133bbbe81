"""bpftrace scripts: the small directory that bpftrace takes for the kernel's source, with what one script needs.

bpftrace reads the C part of a script with libclang, after ``include/linux/kconfig.h`` of the directory that
``BPFTRACE_KERNEL_SOURCE`` and ``BPFTRACE_KERNEL_BUILD`` name (bpftrace: ``src/clang_parser.cpp``, ``src/utils.cpp``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from kheaders.consumers import kernelsource
from kheaders.forms.slice import SliceForm
from kheaders.interface.blob import Blob

VARIABLES = ("BPFTRACE_KERNEL_SOURCE", "BPFTRACE_KERNEL_BUILD")
"""Where bpftrace looks for headers: those of the source, and those that the build made."""

_NAME = "bpftrace"
_VALUED = frozenset(("-f", "-o", "-B", "-p", "-c", "-I", "--include", "-l", "--usdt-file-activation", "--emit-elf"))
_INCLUDE = re.compile(rb"^[ \t]*#[ \t]*include\b", re.MULTILINE)
_SCRIPT_LIMIT = 1 << 22
_BRANCHES = re.compile(rb"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|else|elif|endif)\b[^\n]*", re.MULTILINE)


def script(command: Sequence[str]) -> bytes | None:
    """The script that *command* has bpftrace run, if it includes headers; None for another tool or script."""
    text: bytes | None = None
    if os.path.basename(command[0]) == _NAME:
        words = iter(command[1:])
        for word in words:
            if word == "-e":
                text = os.fsencode(next(words, ""))
                break
            if word in _VALUED:
                next(words, "")
            elif not word.startswith("-"):
                text = _read(word)
                break
    else:
        from kheaders.run import which

        path = which(command[0])
        text = _read(str(path)) if path is not None else None
        if text is not None and not (text.startswith(b"#!") and _NAME.encode() in text.partition(b"\n")[0]):
            text = None
    return text if text is not None and _INCLUDE.search(text) else None


def prepare(blob: Blob, text: bytes, directory: Path) -> str:
    """Write what the script *text* needs below *directory*; the reason why no slice will do, or nothing.

    Raises BlobError, StoreError.
    """
    form = SliceForm(blob)
    # scripts include headers where bpftrace has no BTF; that the include lines are there does no harm where it has
    program = form.program(_BRANCHES.sub(b"", text.partition(b"\n")[2] if text.startswith(b"#!") else text), None, ())
    piece = form.cut(program._replace(declared=frozenset(), uncertain=False))
    if piece.failed:
        return "{} cannot be included: {}".format(*piece.failed[0])
    if piece.doubt:
        return piece.doubt
    texts = {name: piece.stubs.get(name, b"") for name in piece.includes}
    texts[kernelsource.CONFIG] = b"#pragma once\n" + piece.first
    kernelsource.write(directory, texts)
    return ""


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_SCRIPT_LIMIT)
    except OSError:
        return None  # bpftrace says so itself
