"""The calls of a context that build, read and cut the blob."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kheaders.errors import BlobError, BtfError
from kheaders.identity import Identity, contradiction, hold_together, of_kernel
from kheaders.types_api import TypeCalls, TypesFrom

if TYPE_CHECKING:
    from kheaders.btf.layout import RecordLayout
    from kheaders.btf.table import Btf
    from kheaders.interface.blob import Blob
    from kheaders.interface.lookup import Item
    from kheaders.interface.slice import Slice
    from kheaders.kernel import Kernel

Progress = Callable[[str, "int | None", "int | None"], None]


class Layouts(NamedTuple):
    """Layouts of the records of one name, and whose they are."""

    kernel: Identity
    """Of which kernel they are; its release is None where BTF in a file does not tell."""
    file: str
    """The file that they are from: BTF, or a blob whose declarations were compiled."""
    btf: Btf
    """The types that they refer to."""
    layouts: list[RecordLayout]


class BlobCalls(TypeCalls):
    """A part of :class:`kheaders.api.Context`."""

    sysroot: Path

    @abstractmethod
    def named_headers(self) -> Identity | None:
        """Of which kernel the headers are that the user named."""

    @abstractmethod
    def _meant(self) -> tuple[Kernel, str]:
        """The kernel whose blob is meant, and its SRCARCH."""

    def blob(self, path: str | os.PathLike[str] | None = None) -> Blob:
        """The blob at *path*, or the kernel's own in the store, open; the caller closes it.

        Raises BlobError if there is none, or if it is damaged, foreign or of another version; UsageError if it is of
        another kernel than the one that the context, or the headers that it names, are of.
        """
        from kheaders.interface import shelf
        from kheaders.interface.blob import Blob

        if path is not None:
            opened = Blob(Path(path))
            try:
                headers = self.named_headers()
                hold_together(*self.asked(), shelf.identity(opened), *([headers] if headers is not None else []))
            except BaseException:
                opened.close()
                raise
            return opened
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
            if not found and (constant := lookup.helper(opened, name)) is not None:
                return [self._helper(opened, name, constant, values)]
            if not found:
                raise lookup.unknown(opened, name)
            if any(item.kind == "prototype" for item in found):
                remark = self._callable(opened, name)
                found = [item._replace(remark=remark) if item.kind == "prototype" else item for item in found]
            if values and any(item.kind in ("macro", "constant") for item in found):
                from kheaders.interface.values import evaluate

                return evaluate(opened, found, self.compiler)
            return found

    def _helper(self, blob: Blob, name: str, constant: Item, values: bool) -> Item:
        """The helper *name*, whose number is the enumerator *constant*."""
        from kheaders.btf.calls import helper_remark
        from kheaders.interface.values import evaluate

        told = evaluate(blob, [constant], self.compiler)[0] if values else constant
        remark = helper_remark(told.value if isinstance(told.value, int) else constant.name)
        return told._replace(kind="helper", name=name, text=f"/* {name}: {remark} */", owner="", remark=remark)

    def _callable(self, blob: Blob, name: str) -> str:
        """Whether BPF programs may call the function *name*, as far as the BTF of the kernel of *blob* is at hand."""
        from kheaders.btf import calls
        from kheaders.btf.kinds import Kind

        if self.kernel.btf is None or not self.is_of(blob):
            return calls.REMARKS["unknown"]
        try:
            btf = self.btf()
            functions = btf.find(name, Kind.FUNC)
            if functions:
                return calls.REMARKS[calls.callable_from_bpf(btf, functions[0])]
            return calls.REMARKS["unknown" if calls.kfuncs(btf) is None else "no"]
        except BtfError:
            return calls.REMARKS["unknown"]

    def is_of(self, blob: Blob) -> bool:
        """Whether *blob* is of the context's kernel, as far as both tell."""
        from kheaders.interface.shelf import identity

        return not contradiction(of_kernel("", self.kernel), identity(blob))

    def hold(
        self, *, blob: str | os.PathLike[str] | None = None, btf: str | os.PathLike[str] | Btf | None = None
    ) -> None:
        """Raise UsageError where *blob*, *btf* and what the context names are not of one kernel."""
        from kheaders.interface.shelf import identity

        things = [self.btf_identity(self.btf(btf))] if btf is not None else []
        if blob is not None:
            with self.blob(blob) as opened:
                hold_together(identity(opened), *things)

    def layout(
        self,
        name: str,
        *,
        blob: str | os.PathLike[str] | None = None,
        btf: str | os.PathLike[str] | Btf | None = None,
        cacheline: int = 64,
    ) -> Layouts:
        """The layout of each struct or union called *name*, with the kernel that it is of and where it is from.

        From *btf* where it is given; else the kernel's own BTF; where *blob* is of another kernel, or the kernel has no
        BTF, what the compiler makes of the blob's declarations. Raises BtfError, BlobError, UsageError, CompilerError.
        """
        from kheaders.btf import lookup as types
        from kheaders.interface.shelf import identity
        from kheaders.interface.values import layouts

        if btf is not None:
            opened_btf = self.btf(btf)
            whose = self.btf_identity(opened_btf)
            if blob is not None:
                with self.blob(blob) as opened:
                    hold_together(identity(opened), whose)
        else:
            try:
                own = self.blob(blob) if blob is not None or self.kernel.btf is None else None
            except BlobError:
                if blob is not None:
                    raise
                own = None
            if own is not None:
                with own:
                    if self.kernel.btf is None or not self.is_of(own):
                        made, found = layouts(own, name, self.compiler, cacheline=cacheline)
                        return Layouts(identity(own), str(own.path), made, found)
            opened_btf = self.btf()
            whose = self.btf_identity(opened_btf)
        return Layouts(whose, opened_btf.name, opened_btf, types.layouts(opened_btf, name, cacheline=cacheline))

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
