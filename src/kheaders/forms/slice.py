"""The slice form: the compiler reads the few hundred lines that one program needs, and no header at all.

The slice is included before the program, from memory. The program's own include lines of kernel headers find empty
files, so its text, its line numbers and its own headers stay as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from kheaders.c.include_path import IncludeSearch
from kheaders.clang import diagnostics
from kheaders.clang.find import Compiler
from kheaders.clang.flags import Architecture, architecture, include_directories, slice_flags, vmlinux_flags
from kheaders.clang.overlay import Virtual, promised_files, virtual_files
from kheaders.errors import BlobError
from kheaders.forms.served import Served
from kheaders.interface.blob import Blob
from kheaders.interface.program import Program, is_vmlinux, read
from kheaders.interface.slice import Cutter, Needs, Slice

ROOT = "/kheaders/slice"
TEXT = f"{ROOT}/slice.h"
STUBS = f"{ROOT}/include"
_PROMISED = 32
"""Texts that a compiler can be given after it has started: the slice, and what include lines find."""

Rework = Callable[[Slice, Program], Slice]
"""What is done to a slice of a program before a compiler reads it."""


class SliceForm:
    """Serves slices of one blob. ``last`` is the slice that was served last."""

    name = "slice"

    def __init__(self, blob: Blob, rework: Rework | None = None) -> None:
        self.blob = blob
        self._rework = rework
        self.last: Slice | None = None
        self.tail = b""
        """What the compiler reads after the slice, and before the program."""
        meta = blob.meta
        try:
            config = frozenset(str(option).encode() for option in meta["config"])
            self._arch: Architecture = architecture(str(meta["srcarch"]), config)
        except KeyError as error:
            raise BlobError(f"{blob.path}: is damaged (metadata {error})", "build it again") from error

    def program(
        self,
        text: bytes,
        directory: str | None,
        search: IncludeSearch | Sequence[str] = (),
        last: Callable[[str], bytes | None] = lambda name: None,
    ) -> Program:
        """The program *text*, read with its own headers, which are looked for as *search* says.

        *last* has those that are looked for after all others. A ``vmlinux.h`` of the user's, which has all types of a
        kernel, is read only where the kernel's headers come beside it.
        """
        program = read(text, directory, search, self._list, known=self.has, last=last, opaque=is_vmlinux)
        if program.opaque and program.includes:
            return read(text, directory, search, self._list, known=self.has, last=last)
        return program

    def has(self, name: str) -> bool:
        """Whether the kernel has the header that an include line with *name* means."""
        return self._path(name) is not None

    def _path(self, name: str) -> str | None:
        """The path of the kernel's header that an include line with *name* means."""
        lists = self.blob.meta.get("bare") or ()
        paths = (os.path.normpath(f"{place}/{name}") for place in include_directories(self._arch))
        return next((path for path in paths if path in lists or path in self.blob.file_numbers), None)

    def _list(self, name: str) -> str | None:
        """The text of a header that is a list without a guard."""
        path = self._path(name)
        if path is None or path not in (self.blob.meta.get("bare") or ()):
            return None
        texts: dict[str, str] = json.loads(self.blob.note("bare"))
        return texts.get(path)

    def cut(self, program: Program, needs: Needs | None = None) -> Slice:
        """The slice of *program*, with what *needs* adds. Raises BlobError."""
        self.last = Cutter(self.blob, include_directories(self._arch)).cut(program, needs)
        if self._rework is not None:
            self.last = self._rework(self.last, program)
        return self.last

    @contextmanager
    def present(self, piece: Slice, compiler: Compiler) -> Iterator[Served]:
        """Make *piece* readable for *compiler* for the time of the body. Raises StoreError."""
        with virtual_files(self._texts(piece)) as files:
            yield self._served(compiler, files)

    def _texts(self, piece: Slice) -> dict[str, bytes]:
        """What the compiler reads, by path."""
        return {
            **{path: piece.stubs.get(name, b"") for path, name in _stubs(piece).items()},
            TEXT: piece.first + self.tail,
        }

    @contextmanager
    def promise(self, compiler: Compiler) -> Iterator[tuple[Served, Callable[[Slice], bool]]]:
        """As :meth:`present`, for a compiler that starts while its slice is still being cut.

        With what it is given comes what gives it the slice, and returns whether it can have it. Raises StoreError.
        """
        with promised_files(_PROMISED) as (files, keep):
            yield self._served(compiler, files), lambda piece: keep(self._texts(piece))

    @contextmanager
    def vmlinux(self, piece: Slice, names: Sequence[str], compiler: Compiler) -> Iterator[Served]:
        """Make *piece* readable as the header that the program includes by one of *names*. Raises StoreError."""
        texts = dict.fromkeys(_stubs(piece), b"")
        texts.update({os.path.normpath(f"{STUBS}/{name}"): piece.first for name in names})
        with vmlinux_served(texts, self._arch, compiler) as served:
            yield served

    def _served(self, compiler: Compiler, files: Virtual) -> Served:
        flags = slice_flags(self._arch, STUBS, TEXT, compiler.include)
        return Served((*flags, *files.flags), files.pass_fds)


@contextmanager
def vmlinux_served(texts: Mapping[str, bytes], arch: Architecture, compiler: Compiler) -> Iterator[Served]:
    """Serve *texts*, by path below STUBS, to a program that includes ``vmlinux.h``. Raises StoreError."""
    with virtual_files(texts) as files:
        flags = vmlinux_flags(arch, STUBS, compiler.include)
        yield Served((*flags, *files.flags), files.pass_fds)


def _stubs(piece: Slice) -> dict[str, str]:
    """Path of each file that an include line finds → the name in that line."""
    # the compiler asks for a path without dots, but with all slashes that the program has
    paths = {os.path.normpath(f"{STUBS}/{name}"): name for name in piece.includes}
    paths.update({f"{STUBS}/{name}": name for name in piece.includes if "//" in name})
    return {path: name for path, name in paths.items() if path.startswith(f"{STUBS}/")}


def placed(blob: Blob, piece: Slice) -> Slice:
    """*piece* with the header and line of every macro, for diagnostics: a line more for each, which is read in vain
    where there is nothing to tell. Raises BlobError."""
    lines = {number: b"#define %s\n" % blob.macro(number) for number in piece.macros}
    first = {number: line for number, line in lines.items() if line not in piece.last}
    end = piece.first.removesuffix(b"".join(first.values()))
    if end == piece.first:
        return piece
    places = (blob.place("macro", number) for number in first)
    told = (b'# %d "%s" 3\n' % (line, path.encode()) for path, line in places)
    return piece._replace(first=end + b"".join(map(b"".join, zip(told, first.values(), strict=True))))


def lacking(printed: str) -> Needs:
    """The names and tags that a compile of a slice complained of."""
    lacks = diagnostics.lacking(printed)
    return Needs(lacks.names, lacks.tags, diagnostics.conflicting(printed))
