"""The calls of a context that tell of types: BTF opened, layouts, C, and headers held against them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kheaders.errors import BtfError, KheadersError, UsageError
from kheaders.identity import Identity, contradiction, hold_together, of_kernel
from kheaders.places import images
from kheaders.sysroot import resolve

if TYPE_CHECKING:
    from kheaders.btf.layout import RecordLayout
    from kheaders.btf.table import Btf
    from kheaders.clang.find import Compiler
    from kheaders.headers.chain import Chain
    from kheaders.interface.blob import Blob
    from kheaders.kernel import Kernel
    from kheaders.retyping import Retyper
    from kheaders.store import Store
    from kheaders.verification import Verification


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


TypesFrom = Literal["headers", "btf"]


class TypeCalls:
    """What :class:`kheaders.Context` adds to this is the kernel, the store, the compiler and the chain of sources."""

    kernel: Kernel
    store: Store
    sysroot: Path

    @property
    @abstractmethod
    def compiler(self) -> Compiler:
        """The compiler to use."""

    @abstractmethod
    def asked(self) -> list[Identity]:
        """What the user said of the kernel that is meant."""

    @abstractmethod
    def chain(self, downloads: Path | None = None) -> Chain:
        """The sources in their order."""

    @abstractmethod
    def _downloads(self) -> AbstractContextManager[Path | None]:
        """A directory for downloads, if they are allowed."""

    def btf(
        self,
        path: str | os.PathLike[str] | Btf | None = None,
        *,
        base: str | os.PathLike[str] | Btf | None = None,
    ) -> Btf:
        """The types in the file *path* (a vmlinux, module, kernel image, BPF object, raw BTF), or the kernel's own.

        That of a module goes on from *base*, by default the BTF of the kernel that it was built for: this one, or one
        whose image lies where distributions put images (:func:`kheaders.btf.container.read_btf`). Raises BtfError,
        also where the base is not the module's; UsageError for types of another kernel than the context names, and for
        a base without *path*.
        """
        from kheaders.btf.container import read_btf
        from kheaders.btf.table import Btf
        from kheaders.sources.bootimage import unpack

        if isinstance(path, Btf):
            return path
        if base is not None and path is None:
            raise UsageError("a base was named, and no BTF that goes on from it", "name the module's with --btf")
        path = path or self.kernel.btf
        if path is None:
            raise BtfError(
                f"no BTF of kernel {self.kernel.release} is at hand",
                "name a file that has it: a vmlinux, a kernel image, raw BTF (--btf FILE)",
            )
        if base is not None and not isinstance(base, Btf):
            base = read_btf(Path(base), unpack=unpack)
        found = read_btf(Path(path), base=base, unpack=unpack, kernel=lambda: self._base_of(Path(path)))
        if path != self.kernel.btf:
            hold_together(*self.asked(), self.btf_identity(found))
        return found

    def _base_of(self, module: Path) -> Btf:
        """The BTF of the kernel that *module* was built for; of this one where the module does not tell. Unproven."""
        from kheaders.btf import origin
        from kheaders.btf.container import read_btf
        from kheaders.sources.bootimage import unpack

        release = origin.release(module) or self.kernel.release
        if release == self.kernel.release and self.kernel.btf is not None:
            return read_btf(self.kernel.btf)
        for place in images(release):
            with suppress(KheadersError, OSError):
                return read_btf(resolve(self.sysroot, place), unpack=unpack)
        raise BtfError(
            f"{module}: goes on from the BTF of kernel {release}, which is not at hand",
            "name a file that has it with --btf-base",
        )

    def btf_identity(self, btf: Btf) -> Identity:
        """Of which kernel the types *btf* are: the context's if they are its own, else as they and their file tell."""
        from kheaders.btf import origin

        own = self.kernel.btf
        path = Path(btf.name)
        if own is not None and (path == own or _same(path, own)):
            return of_kernel(str(path), self.kernel)
        return Identity(btf.name, origin.release(path), origin.srcarch(btf))

    def layouts(
        self, name: str, *, btf: str | os.PathLike[str] | Btf | None = None, cacheline: int = 64
    ) -> list[RecordLayout]:
        """The layout of each struct, union or typedef of such called *name* (``struct sk_buff``, ``sk_buff``).

        *btf* is what :meth:`btf` takes, or what it gave; *cacheline* is in bytes. Raises BtfError.
        """
        from kheaders.btf import lookup

        return lookup.layouts(self.btf(btf), name, cacheline=cacheline)

    def types(
        self, names: Sequence[str] | None = None, *, btf: str | os.PathLike[str] | Btf | None = None
    ) -> Iterator[str]:
        """The text of a ``vmlinux.h``, in pieces: all types, or those called *names* and what they embed.

        *btf* as for :meth:`layouts`. Raises BtfError.
        """
        from kheaders.btf import lookup
        from kheaders.btf.cprint.vmlinux import header

        types = self.btf(btf)
        roots = None if names is None else [root for name in names for root in lookup.find(types, name)]
        return header(types, roots)

    def verify(
        self,
        *,
        full: bool = False,
        btf: str | os.PathLike[str] | Btf | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Verification:
        """Hold the first headers whose identity holds against the BTF of their kernel, and tell each difference.

        The types of the kernel's core, or with *full* every struct, union and enum that both know by name; that takes
        a blob, which is made for the time of the call unless the store has it. *progress* is called with the number
        of types done and that of all. Raises HeadersNotFound, BtfError, CompilerError, CompileFailed, BlobError.
        """
        from kheaders import agreement, verification

        with self._downloads() as downloads:
            chain = self.chain(downloads)
            found = next(chain.found(), None)
            if found is None:
                raise chain.nothing()
            kernel = chain.kernel_of(found)
            types = self.btf(btf) if btf is not None else agreement.types_of(kernel)
            if btf is not None:
                own = Identity(found.candidate.location, found.facts.release, found.facts.srcarch)
                hold_together(own, self.btf_identity(types))
            if not full:
                return verification.quick(found, self.compiler, types)
            with verification.blob_of(found, kernel, self.store, self.compiler) as blob:
                return verification.full(found, blob, self.compiler, types, progress)

    def _retyper(
        self,
        blob: Blob,
        core: bool,
        types: TypesFrom,
        btf: str | os.PathLike[str] | Btf | None = None,
        *,
        needed: bool = False,
    ) -> Retyper:
        """What is done to slices of *blob*.

        Types that no header has come from *btf*, or from the BTF of the blob's kernel if that is here; looked for where
        types are changed, and where they are *needed* all the same.
        """
        from kheaders.interface.shelf import identity
        from kheaders.retyping import Retyper

        whose = identity(blob)
        if btf is not None:
            found = self.btf(btf)
            hold_together(whose, self.btf_identity(found))
            return Retyper(blob, core, found, types == "btf")
        same = self.kernel.btf is not None and not contradiction(whose, of_kernel("", self.kernel))
        if types == "btf" and not same:
            raise BtfError(
                f"no BTF of kernel {blob.meta.get('release')}, whose blob this is, is at hand",
                "name a file that has it with --btf, or use --types headers",
            )
        try:
            own = self.btf() if (core or types == "btf" or needed) and same else None
        except BtfError:
            if types == "btf":
                raise
            own = None  # headers have most types; what they lack, the compiler names
        return Retyper(blob, core, own, types == "btf")
