"""The calls of a context that build, read and cut the blob."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kheaders.types_api import TypeCalls, TypesFrom

if TYPE_CHECKING:
    from kheaders.btf.table import Btf
    from kheaders.interface.blob import Blob
    from kheaders.interface.lookup import Item
    from kheaders.interface.slice import Slice
    from kheaders.kernel import Kernel

Progress = Callable[[str, "int | None", "int | None"], None]


class BlobCalls(TypeCalls):
    """A part of :class:`kheaders.api.Context`."""

    sysroot: Path

    @abstractmethod
    def _meant(self) -> tuple[Kernel, str]:
        """The kernel whose blob is meant, and its SRCARCH."""

    def blob(self, path: str | os.PathLike[str] | None = None) -> Blob:
        """The blob at *path*, or the kernel's own in the store, open; the caller closes it.

        Raises BlobError if there is none, or if it is damaged, foreign or of another version.
        """
        from kheaders.interface import shelf
        from kheaders.interface.blob import Blob

        if path is not None:
            return Blob(Path(path))
        kernel, srcarch = self._meant()
        place = shelf.locate(self.store, kernel, srcarch)
        if place is None:
            raise shelf.missing(kernel)
        return Blob(place)

    def build_blob(self, output: str | os.PathLike[str] | None = None, progress: Progress | None = None) -> Path:
        """Build the kernel's blob from its verified headers and return its path: *output*, else its place in the store.

        What the store has already is not built again. *progress* is called with a stage (``headers``,
        ``survey``, ``index``, ``write``), and headers so far and in all where they are known. Raises BlobError,
        HeadersNotFound, StoreError, CompilerError.
        """
        from kheaders.interface import shelf
        from kheaders.interface.build import build
        from kheaders.trial import approver

        if progress is not None:
            progress("headers", None, None)
        with self._downloads() as downloads:
            chain = self.chain(downloads)
            found = chain.first(lambda kernel: approver(self.compiler, kernel))
            kernel = chain.kernel_of(found)
            if output is None:
                return shelf.build_into(self.store, found.headers, self.compiler, kernel, progress).path
            path = Path(output)
            build(found.headers, self.compiler, path, kernel=shelf.facts(kernel), progress=progress)
            return path

    def import_blob(self, exported: str | os.PathLike[str]) -> tuple[Path, bool]:
        """Put a blob that was exported into the store: its place there, and whether it is one of the context's kernel.

        Programs for the kernel that it was built for compile from it from then on. Raises BlobError, StoreError.
        """
        from kheaders.interface import shelf

        path = shelf.import_into(self.store, Path(exported))
        return path, path == shelf.locate(self.store, self.kernel, self.kernel.srcarch)

    def show(
        self, name: str, *, blob: str | os.PathLike[str] | None = None, values: bool = True, users: bool = False
    ) -> list[Item]:
        """Every declaration and macro of *name*, or with *users* those that refer to it.

        With *values*, macros and enumeration constants that are constant expressions have their value, computed by the
        compiler. Raises BlobError for a name that the kernel's headers do not have, with a suggestion.
        """
        from kheaders.interface import lookup

        with self.blob(blob) as opened:
            found = lookup.find(opened, name)
            if users:
                used = lookup.users(opened, name)
                if found or used:
                    return used
            if not found:
                raise lookup.unknown(opened, name)
            if values and any(item.kind in ("macro", "constant") for item in found):
                from kheaders.interface.values import evaluate

                return evaluate(opened, found, self.compiler)
            return found

    def slice(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        defines: Sequence[str] = (),
        includes: Sequence[str] = (),
        blob: str | os.PathLike[str] | None = None,
        core: bool = False,
        types: TypesFrom = "headers",
        btf: str | os.PathLike[str] | Btf | None = None,
    ) -> Slice:
        """The slice that a program (a file, or its text as bytes) needs: C text to be included before it.

        For a program that includes ``vmlinux.h``, it is that file, with types that only BTF has. *defines* (``NAME`` or
        ``NAME=VALUE``) and *includes* (directories) are the words ``-D`` and ``-I`` of its build; *core*, *types* and
        *btf* as for :meth:`compile`. Raises BlobError, BtfError, UsageError. No compiler is run, so what only a compile
        shows to be missing is not in it.
        """
        from kheaders import bpf_headers, vmlinux
        from kheaders.clang.arguments import read
        from kheaders.clang.job import Job, Last
        from kheaders.compile import program_text
        from kheaders.forms.slice import SliceForm

        program = source if isinstance(source, bytes) else Path(source)
        job = Job(program, defines=tuple(defines), includes=tuple(includes))
        told = read(job.arguments())
        text = told.prelude() + program_text(job)
        place = None if isinstance(program, bytes) else os.fspath(program.parent)
        with self.blob(blob) as opened:
            library = bpf_headers.find(self.sysroot)
            last = library.told if library is not None else Last().text
            if vmlinux.wanted(text, place, told.search):
                retyper = self._retyper(opened, core, types, btf, needed=True)
                # the compiler that reads it finds the system's headers too, and what they declare is not the kernel's
                system = bpf_headers.of_system(self.sysroot)
                return vmlinux.cut(opened, retyper, text, place, told.search, last, system=system)
            retyper = self._retyper(opened, core, types, btf)
            form = SliceForm(opened, retyper.apply if retyper.changes else None)
            return form.cut(form.program(text, place, told.search, last))
