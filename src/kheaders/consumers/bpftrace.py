"""bpftrace scripts: the small directory that bpftrace takes for the kernel's source, with what one script needs.

bpftrace reads the C part of a script with libclang, after ``include/linux/kconfig.h`` of the directory that
``BPFTRACE_KERNEL_SOURCE`` and ``BPFTRACE_KERNEL_BUILD`` name (bpftrace: ``src/clang_parser.cpp``, ``src/utils.cpp``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from kheaders.c import conditionals
from kheaders.c.directives import INCLUDES, scan
from kheaders.consumers import kernelsource
from kheaders.forms.slice import SliceForm
from kheaders.interface.blob import Blob
from kheaders.interface.slice import Slice

VARIABLES = ("BPFTRACE_KERNEL_SOURCE", "BPFTRACE_KERNEL_BUILD")
"""Where bpftrace looks for headers: those of the source, and those that the build made."""

_NAME = "bpftrace"
_VALUED = frozenset(("-f", "-o", "-B", "-p", "-c", "-I", "--include", "-l", "--usdt-file-activation", "--emit-elf"))
_SCRIPT_LIMIT = 1 << 22
_HAVE_BTF = "BPFTRACE_HAVE_BTF"
"""What bpftrace defines where it takes types from BTF; scripts include headers where it does not."""
_TYPES = "linux/types.h"
_STAND_INS = {"sys/socket.h": "linux/socket.h"}
"""Headers of the C library that scripts with BTF take macros from → the kernel's headers that have them too."""
_SOCKET_MACRO = re.compile(rb"\b(?:AF|PF|SOL|MSG)_\w+")
SYSTEM = ("/usr/local/include", "/usr/include", f"/usr/include/{os.uname().machine}-linux-gnu")
"""Where bpftrace looks for headers that are not the kernel's."""


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
    return text if text is not None and any(one.name in INCLUDES for one in scan(text).directives) else None


def prepare(blob: Blob, text: bytes, directory: Path, system: Sequence[str] = SYSTEM) -> str:
    """Write what the script *text* needs below *directory*; the reason why no slice will do, or nothing.

    bpftrace first reads a script with types from BTF and ``BPFTRACE_HAVE_BTF``. If types that the script includes get
    in the way of these, it reads the script once more without BTF, and ``linux/types.h`` before it. Each time it finds
    what it would find among all headers. *system* are the directories of the C library's headers.

    Raises BlobError, StoreError.
    """
    form = SliceForm(blob)
    if text.startswith(b"#!"):
        text = text.partition(b"\n")[2]
    basic = _basic_types(blob, form)
    halves: list[Slice] = []
    for has_btf in (True, False):
        part = conditionals.counting(text, {_HAVE_BTF: has_btf}.get)
        program = form.program(part if has_btf else b"#include <%s>\n%s" % (_TYPES.encode(), part), None, ())
        words = program.words if has_btf else program.words | basic
        # what looks like a declaration is none: scripts are not C
        piece = form.cut(program._replace(declared=frozenset(), uncertain=False, words=words))
        if piece.failed:
            return "{} cannot be included: {}".format(*piece.failed[0])
        if piece.doubt:
            return piece.doubt
        halves.append(piece)
    names = {name for piece in halves for name in piece.includes}
    texts = {name: _either(*(piece.stubs.get(name, b"") for piece in halves)) for name in names}
    for name, kernels in _STAND_INS.items():
        if name in halves[0].unknown + halves[1].unknown and not _found(name, system):
            macros = b" ".join(sorted(set(_SOCKET_MACRO.findall(text))))
            own = form.cut(form.program(b"#include <%s>\n%s\n" % (kernels.encode(), macros), None, ()))
            texts[name] = b"#pragma once\n" + own.first
    texts[kernelsource.CONFIG] = b"#pragma once\n" + _either(*(piece.first for piece in halves))
    kernelsource.write(directory, texts)
    return ""


def _either(with_btf: bytes, without: bytes) -> bytes:
    """C text that is the one or the other."""
    if with_btf == without:
        return with_btf
    return b"#ifdef %s\n%s\n#else\n%s\n#endif\n" % (_HAVE_BTF.encode(), with_btf, without)


def _basic_types(blob: Blob, form: SliceForm) -> frozenset[str]:
    """The words of ``linux/types.h``: descriptions of tracepoints, which scripts do not show, use its types."""
    number = blob.file_numbers.get(f"include/{_TYPES}")
    found = [declaration for declaration, file in enumerate(blob.array("decl_files")) if file == number]
    return form.program(b"\n".join(map(blob.declaration, found)), None, ()).words


def _found(name: str, places: Sequence[str]) -> bool:
    return any(os.path.isfile(os.path.join(place, name)) for place in places)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_SCRIPT_LIMIT)
    except OSError:
        return None  # bpftrace says so itself
