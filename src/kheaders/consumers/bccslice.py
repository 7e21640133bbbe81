"""The kernel source directory of one bcc program: its slice, arranged in the order in which bcc reads files.

bcc's own ``bpf.h`` comes before any header of the kernel, and hides the kernel's by its guard. So the slice has two
parts: the few types that ``bpf.h`` needs are read as ``kconfig.h``, all else where bcc's helpers include their first
header.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kheaders.c import conditionals
from kheaders.c.directives import INCLUDES, defined, included, scan, without
from kheaders.consumers.bccfiles import BccFiles
from kheaders.consumers.kernelsource import CONFIG
from kheaders.forms.slice import SliceForm, lacking
from kheaders.interface.blob import Blob
from kheaders.interface.program import Program
from kheaders.interface.slice import Needs, Slice

_HIDDEN = "include/uapi/linux/bpf.h"
"""The header in whose place bcc's own is read."""

ROUNDS = 5
"""How often a slice is cut for one program at most; what bcc's rewriting adds shows only when it compiles."""

_PROTO = ("proto.h", "bcc/proto.h")
_MACRO = re.compile(rb"^#define (\w+)[^\n]*\n", re.MULTILINE)
_WORD = re.compile(rb"[A-Za-z_]\w*")
_TYPE = re.compile(rb"\b__\w+")
"""What bcc's ``bpf.h`` takes from headers: types and attributes, which all begin so."""
_REWRITTEN = frozenset(("pt_regs",))
"""Tags whose members bcc's rewriting reaches in programs that do not name them: arguments of probed functions."""


class BccSlice:
    """Cuts the kernel source of a program, again and again with what bcc found missing."""

    def __init__(self, blob: Blob, files: BccFiles, text: bytes, flags: Sequence[str] = ()) -> None:
        self._form = SliceForm(blob)
        self._blob = blob
        self._files = files
        directories = [flag[2:] for flag in flags if flag.startswith("-I")]
        lines = [f"#include <{name}>" for name in (*files.bpf_includes, *files.helper_includes)]
        text = _with_proto(text, files.proto)
        own = self._form.program("\n".join([*lines, *_defines(flags), ""]).encode() + text, ".", directories)
        if own.uncertain:
            counting = conditionals.included(text, self._enabled)
            own = own._replace(taken=counting.union(files.bpf_includes, files.helper_includes))
        helpers = self._form.program(without(scan(files.helpers), (b"define",)), None, ())
        self._program = _with_helpers(own, helpers, _macro_words(files.helpers, own.words | helpers.words))
        types = b" ".join(sorted(set(_TYPE.findall(files.bpf))))
        first = "".join(f"#include <{name}>\n" for name in files.bpf_includes).encode() + types
        self._first: Slice = self._form.cut(self._form.program(first, None, ()))
        self._needs = Needs()
        self._piece: Slice = self._form.cut(self._program, self._needs)

    @property
    def refusal(self) -> str:
        """Why no slice can stand for the headers; empty if one may."""
        if self._piece.failed:
            return "{} cannot be included: {}".format(*self._piece.failed[0])
        return self._piece.doubt

    def _enabled(self, option: str) -> bool:
        """Whether the kernel's configuration defines *option*."""
        number = self._blob.number(option)
        return number is not None and any(self._blob.macro(macro) for macro in self._blob.row("name_macros", number))

    def learn(self, diagnostics: str) -> bool:
        """Cut again with what *diagnostics* say is missing; False where they name nothing new."""
        more = lacking(diagnostics)
        if more.names <= self._needs.names and more.tags <= self._needs.tags:
            return False
        self._needs = Needs(self._needs.names | more.names, self._needs.tags | more.tags)
        self._piece = self._form.cut(self._program, self._needs)
        return True

    def texts(self) -> dict[str, bytes]:
        """Name of each header, as include lines spell it → what bcc must find there."""
        piece = self._piece
        found = {name: piece.stubs.get(name, b"") for name in piece.includes}
        rest = b"\n" + piece.first
        hidden = [number for number in piece.declarations if self._blob.place("decl", number)[0] == _HIDDEN]
        for number in (*self._first.declarations, *hidden):
            rest = rest.replace(b"\n" + self._blob.declaration(number) + b"\n", b"\n\n", 1)
        own = defined(scan(self._files.bpf).directives)
        rest = _MACRO.sub(lambda macro: b"" if macro[1] in own else macro[0], rest)
        start = self._files.helper_includes[0]
        found[start] = b"#pragma once\n" + rest + found.get(start, b"")
        found[CONFIG] = b"#pragma once\n" + self._first.text
        return found


def _with_helpers(program: Program, helpers: Program, expanded: frozenset[str]) -> Program:
    """*program* as if the functions of bcc's helpers were its own.

    *expanded* are the words that come with the macros in use. Of what they touch, only ``pt_regs`` is the kernel's;
    what their macros paste are names that bcc makes itself.
    """
    return program._replace(
        words=program.words | helpers.words | expanded,
        declared=program.declared | helpers.declared,
        defined=program.defined | helpers.defined,
        strong=program.strong | helpers.strong | _REWRITTEN,
        weak=program.weak | helpers.weak,
    )


def _with_proto(text: bytes, proto: bytes) -> bytes:
    """A program with bcc's packet headers where it includes them."""
    found = scan(text)
    parts: list[bytes] = []
    done = 0
    for directive in found.directives:
        header = included(directive) if directive.name in INCLUDES else None
        if header is not None and header.name in _PROTO:
            parts += (found.text[done : directive.start], proto)
            done = directive.end
    return b"".join((*parts, found.text[done:]))


def _macro_words(text: bytes, used: frozenset[str]) -> frozenset[str]:
    """The words of those of bcc's macros that are among the words *used*, and of the macros among these."""
    bodies: dict[str, set[str]] = {}
    for directive in scan(text).directives:
        if directive.name == b"define":
            name, *words = [word.decode() for word in _WORD.findall(directive.rest)]
            bodies.setdefault(name, set()).update(words)
    found: set[str] = set()
    todo = {name for name in used if name in bodies}
    while todo:
        words_of = set().union(*(bodies.pop(name) for name in todo))
        found |= words_of
        todo = {name for name in words_of if name in bodies}
    return frozenset(found)


def _defines(flags: Sequence[str]) -> list[str]:
    """``-D`` and ``-U`` as lines, for their words."""
    lines = []
    for flag in flags:
        if flag.startswith("-D"):
            lines.append(f"#define {flag[2:].replace('=', ' ', 1)}")
        elif flag.startswith("-U"):
            lines.append(f"#undef {flag[2:]}")
    return lines
