"""The calls of a context for forms that are kept or served: directories, PCHs, mounts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kheaders.errors import FormError
from kheaders.kernel import Kernel
from kheaders.store import Entry, Store

if TYPE_CHECKING:
    from kheaders.clang.find import Compiler
    from kheaders.forms.mount import Mounted
    from kheaders.forms.pch import Options, PchForm
    from kheaders.forms.pchshelf import Pch, Shelf
    from kheaders.headers.chain import Chain, Found

_KERNELS = "pch-kernel"
"""Kind of the records that tell which kernels have a PCH; here, as most compiles need no more of PCHs than this."""


class FormCalls:
    """A part of :class:`kheaders.api.Context`."""

    if TYPE_CHECKING:
        kernel: Kernel
        store: Store
        headers: Path | None
        named: bool
        sysroot: Path

        @property
        def compiler(self) -> Compiler: ...
        def chain(self, downloads: Path | None = None) -> Chain: ...
        def directory(self) -> tuple[Found, Entry]: ...
        def _downloads(self) -> AbstractContextManager[Path | None]: ...
        def _meant(self) -> tuple[Kernel, str]: ...

    def cflags(self, form: Literal["directory", "pch"] = "directory") -> list[str]:
        """Flags with which any clang build reads the verified headers from the store, as a directory or as a PCH.

        The PCH is built if there is none; it is for the context's compiler and ``-O2``.
        """
        from kheaders.forms.directory import DirectoryForm

        if form == "pch":
            return self.pch_flags()
        found, entry = self.directory()
        return [*DirectoryForm(entry.path, found.facts).flags(self.compiler), *self.bpf_flags()]

    def bpf_flags(self) -> list[str]:
        """Flags with which any clang build finds libbpf's headers after all others, and nothing else beside them.

        The system's are copied to the store for it; where it has none, those that come with kheaders are named. Empty
        where there are none at all. Raises StoreError.
        """
        from kheaders.bpf_headers import find

        found = find(self.sysroot)
        return ["-idirafter", str(found.kept(self.store))] if found is not None else []

    def pch(self, options: Options | None = None) -> Pch:
        """The kernel's PCH in the store, for the context's compiler and *options* (default: ``-O2`` alone).

        Raises FormError if none was built, or if what was built is gone or damaged.
        """
        from kheaders.forms.pch import Options

        options = options or Options()
        shelf = self.pch_shelf()
        found = shelf.locate(options)
        if found is None:
            raise FormError(shelf.why(options), "make it with 'kheaders pch build'")
        return found

    def build_pch(
        self,
        options: Options | None = None,
        *,
        wanted: Sequence[str] = (),
        progress: Callable[[str], None] | None = None,
    ) -> Pch:
        """Build the kernel's PCH from its verified headers into the store; what is there already is not built again.

        *wanted* are further names as include lines have them. *progress* is called with ``headers``, ``pch``. Raises
        FormError, HeadersNotFound, StoreError, CompilerError.
        """
        from kheaders.forms.pch import Options
        from kheaders.forms.pchshelf import Shelf

        if progress is not None:
            progress("headers")
        with self._verified() as (chain, found):
            kernel = chain.kernel_of(found)
            shelf = Shelf(self.store, kernel, found.facts.srcarch or kernel.srcarch, self.compiler)
            return shelf.build(found.headers, options or Options(), wanted, progress)

    @contextmanager
    def pch_in_memory(self, options: Options | None = None, *, wanted: Sequence[str] = ()) -> Iterator[PchForm]:
        """A PCH that lies in memory for the time of the body, to be given to :meth:`compile`; nothing is written."""
        from kheaders.forms.pch import Options
        from kheaders.forms.pchshelf import in_memory

        with self._verified() as (_, found):
            headers = found.headers
        with in_memory(headers, self.compiler, options or Options(), wanted) as form:
            yield form

    def export_pch(self, directory: str | os.PathLike[str], options: Options | None = None) -> Path:
        """Write the kernel's PCH, with all that a clang build needs to use it, to *directory*, missing or empty.

        ``clang @directory/flags -c prog.c`` then compiles with it, with the very same clang. Raises FormError,
        UsageError, StoreError.
        """
        from kheaders.forms.pch import Options

        place = Path(os.path.abspath(directory))
        options = options or Options()
        self.pch_shelf().export(self.pch(options), options, place)
        return place

    def pch_flags(self) -> list[str]:
        """Flags with which a clang build of the user's own takes the kernel's PCH, which is built if there is none."""
        from kheaders.forms.pch import Options

        try:
            found = self.pch()
        except FormError:
            found = self.build_pch()
        return [*self.pch_shelf().flags(found, Options()), *self.bpf_flags()]

    def pch_shelf(self) -> Shelf:
        """Where the PCHs of the context's kernel lie; with headers that say themselves of which, of that one."""
        from kheaders.forms.pchshelf import Shelf

        return Shelf(self.store, *self._meant(), self.compiler)

    def mount(self, directory: str | os.PathLike[str], *, idle: float = 0, image: bool = False) -> Mounted:
        """Show the verified headers at *directory*, which must be empty, without writing them anywhere.

        A process in the background serves them until :meth:`umount`, or until *idle* seconds have passed without use
        (0: for ever). With *image* the kernel serves them from an image in the store, which takes root and no process.
        Raises UsageError, FormError, UnsafePath, HeadersNotFound, ToolMissing.
        """
        from kheaders.forms import mount

        mount.check_mount_point(Path(directory))
        with self._verified() as (_, found):
            if image:
                return mount.mount_image(found, Path(directory), self.store)
            return mount.mount(found, Path(directory), idle=idle)

    def umount(self, directory: str | os.PathLike[str], *, lazy: bool = False) -> Mounted:
        """Undo :meth:`mount`, also where the process that serves it was killed.

        With *lazy*, also where it is in use. Raises FormError.
        """
        from kheaders.forms import mount

        return mount.unmount(Path(directory), self.store, lazy=lazy)

    def mounted_flags(self, directory: str | os.PathLike[str]) -> list[str]:
        """Flags with which any clang build reads the headers that are mounted at *directory*. Raises FormError."""
        from kheaders.forms import mount
        from kheaders.forms.directory import DirectoryForm

        place = Path(os.path.abspath(directory))
        return [*DirectoryForm(place, mount.identity(place)).flags(self.compiler), *self.bpf_flags()]

    def _may_have_pch(self, form: str) -> bool:
        """Whether a compile in *form* should look for a PCH; told without looking for a compiler."""
        if form != "auto" or (self.headers is not None and not self.named):
            return form == "pch"
        return self.store.record(_KERNELS, self.kernel.key) is not None

    @contextmanager
    def _verified(self) -> Iterator[tuple[Chain, Found]]:
        from kheaders.trial import approver

        with self._downloads() as downloads:
            chain = self.chain(downloads)
            yield chain, chain.first(lambda kernel: approver(self.compiler, kernel))
