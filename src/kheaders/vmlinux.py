"""The ``vmlinux.h`` of one libbpf program: the types that it needs, and the macros and inline functions with them.

bpftool's holds every type and nothing else, so programs copy macros by hand. This one is cut from the blob like any
slice, but without include lines to go by: the headers that define the program's words are taken as if it included them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from kheaders.btf.cprint.vmlinux import HEAD, TAIL
from kheaders.compilers.flags import architecture, include_directories
from kheaders.interface.blob import Blob
from kheaders.interface.declaration import names
from kheaders.interface.program import Program, read
from kheaders.interface.schema import KINDS
from kheaders.interface.slice import Cutter, Slice
from kheaders.retyping import Retyper

NAME = "vmlinux.h"
LIBRARY = ("/usr/include", "/usr/local/include")
"""Where libbpf's headers for programs lie; what they declare is not the kernel's to declare."""

_INCLUDE = re.compile(rb"^[ \t]*#[ \t]*include[ \t]*[<\"](?:[\w./-]*/)?vmlinux\.h[>\"][^\n]*", re.MULTILINE)
_MARKER = re.compile(rb"^# \d+ \"[^\"\n]*\"[ \d]*\n", re.MULTILINE)
_OWN = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_MACRO = re.compile(rb"^#define (\w+)[^\n]*\n", re.MULTILINE)
_EXTERN = re.compile(rb"\bextern\b[^;{}()]*?\b(CONFIG_\w+)")
_ATTRIBUTES = (b"noinline",)
"""Macros of the kernel that are words of attributes, which libbpf's headers spell without underscores."""
_WORD = re.compile(rb"[A-Za-z_]\w*")
_CALLED = re.compile(rb"(\w+)\s*\(")
_LOOSE = ("prototype", "variable")
_LIMIT = 1 << 22
_CORE = (
    "include/linux/kconfig.h",
    "include/linux/sched.h",
    "include/linux/skbuff.h",
    "include/linux/fs.h",
    "include/linux/bpf.h",
    "include/net/sock.h",
)
"""What these include is what the kernel itself uses, where several headers define a name."""

_WORSE = ("include/asm-generic/", "include/trace/", "include/uapi/asm-generic/", "include/rv/")
"""Headers that stand in for others, or that only make sense within one file."""


def wanted(text: bytes) -> bool:
    """Whether a program includes ``vmlinux.h``."""
    return _INCLUDE.search(text) is not None


def cut(blob: Blob, retyper: Retyper, text: bytes, directory: str | None, includes: Sequence[str] = ()) -> Slice:
    """The header for the program *text*, which lies in *directory*. Raises BlobError, BtfError."""
    alone = _INCLUDE.sub(b"", text)
    named = read(alone, directory, includes).weak
    program = _read(alone, directory, includes)
    # with a whole vmlinux.h, what a program points to is defined, and it may count on that: pointer + 1
    program = program._replace(strong=program.strong | named)
    config = frozenset(str(option).encode() for option in blob.meta.get("config", ()))
    search = include_directories(architecture(str(blob.meta.get("srcarch", "")), config))
    headers = tuple(_headers(blob, program, search))
    piece = Cutter(blob, search).cut(program._replace(includes=headers))
    piece = piece._replace(first=_without_loose(blob, piece, program))
    piece = retyper._replace(core=False).apply(piece, program)
    # a program that declares an option (extern bool CONFIG_X __kconfig) has its loader tell the value
    own = frozenset((*_OWN.findall(text), *_EXTERN.findall(text), *_ATTRIBUTES))
    own |= {name.encode() for name in program.declared}
    body = _MACRO.sub(lambda macro: b"" if macro[1] in own else macro[0], _MARKER.sub(b"", piece.text))
    head = HEAD.replace("#define __VMLINUX_H__\n", "#define __VMLINUX_H__\n\n#pragma clang system_header\n")
    return piece._replace(first=head.encode() + body + TAIL.encode(), last=b"", includes=())


def _without_loose(blob: Blob, piece: Slice, program: Program) -> bytes:
    """The slice without prototypes and variables that nothing in it, nor a call of the program, refers to.

    bpftool's header has none, so programs give the names to functions and variables of their own.
    """
    kinds = blob.kinds
    kept = [number for number in piece.declarations if KINDS[kinds[number]] not in _LOOSE]
    text = [*(blob.declaration(number) for number in kept), *(blob.macro(number) for number in piece.macros)]
    needed = set(_WORD.findall(b"\n".join(text))) | {name.encode() for name in program.calls}
    first = piece.first
    for number in set(piece.declarations).difference(kept):
        loose = blob.declaration(number)
        called = [*names(loose.removesuffix(b";"), False)[0], *_CALLED.findall(loose)]
        if needed.isdisjoint(name for name in called if name != b"__attribute__"):
            first = first.replace(b"\n" + loose + b"\n", b"\n\n", 1)
    return first


def _read(text: bytes, directory: str | None, includes: Sequence[str]) -> Program:
    """The program with those of libbpf's headers that it includes."""
    seen: set[str] = set()
    while True:
        program = read(text, directory, includes)
        more = [name for name in program.includes if name.startswith("bpf/") and name not in seen]
        if not more:
            return program
        for name in more:
            seen.add(name)
            text += b"\n" + _library(name)


def _library(name: str) -> bytes:
    for place in LIBRARY:
        try:
            with open(os.path.normpath(f"{place}/{name}"), "rb") as file:
                data = file.read(_LIMIT)
        except OSError:
            continue
        return data.replace(b'#include "bpf_helper_defs.h"', b"#include <bpf/bpf_helper_defs.h>")
    return b""


def _headers(blob: Blob, program: Program, search: Sequence[str]) -> Iterator[str]:
    """Names by which the headers are included that define what the program names and does not define itself."""
    own = program.declared | program.own_macros
    numbers = blob.numbers((program.words - own) | program.strong | program.weak)
    paths: dict[str, None] = {}
    core = _reached(blob)

    def rank(path: str) -> tuple[bool, bool, bool, int, str]:
        """The likelier header is the smaller."""
        public = path.startswith(("include/linux/", "include/uapi/linux/"))
        return path not in core, path.startswith(_WORSE), not public, len(path), path

    for name, number in numbers.items():
        places = [] if name in program.defined else _places(blob, "tag_decls", "decl", number)
        if name not in own:
            places += _places(blob, "name_macros", "macro", number) or _places(blob, "name_decls", "decl", number)
        if places:
            paths[min(places, key=rank)] = None
    ordered = sorted((f"{place}/" for place in search), key=len, reverse=True)
    for path in paths:
        place = next((place for place in ordered if path.startswith(place)), None)
        if place is not None:
            yield path[len(place) :]


def _places(blob: Blob, row: str, kind: str, number: int) -> list[str]:
    entries = blob.row(row, number)
    if kind == "decl":  # of an assembler's macros nothing is C
        entries = [entry for entry in entries if not blob.declaration(entry).lstrip().startswith(b".")]
    return [blob.place(kind, entry)[0] for entry in entries]


def _reached(blob: Blob) -> frozenset[str]:
    """Paths of the headers that _CORE include, and those that they include."""
    numbers, files = blob.file_numbers, blob.files
    todo = [numbers[path] for path in _CORE if path in numbers]
    seen = set(todo)
    while todo:
        for number in blob.row("includes", todo.pop()):
            if number not in seen:
                seen.add(number)
                todo.append(number)
    return frozenset(files[number] for number in seen)
