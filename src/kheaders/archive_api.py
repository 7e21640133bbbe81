"""The calls of a context that make archives, and the module that carries one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kheaders import kernel as kernels

if TYPE_CHECKING:
    from kheaders.kernel import Kernel
    from kheaders.kmodule.carrier import Carrier
    from kheaders.packing.pack import Packed
    from kheaders.store import Store


class ArchiveCalls:
    """What :class:`kheaders.Context` adds to this is the kernel, the store and the download of packages."""

    kernel: Kernel
    store: Store
    sysroot: Path
    headers: Path | None
    named: bool
    machine_named: bool
    fetch: Callable[..., Any]

    def pack(self, sources: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], **how: Any) -> Packed:
        """Pack headers into the archive *output*, as the kernel's own script would; it appears whole or not at all.

        *sources*: a source tree (with ``build``, its build tree), a build or header directory, packages, or a release.
        *how*: as for :func:`kheaders.packing.named.pack`. Raises PackError, UsageError, FetchError.
        """
        from kheaders.packing.named import pack

        return pack(self, sources, Path(output), **how)

    @property
    def module(self) -> Carrier:
        """The module that carries an archive, for the context's kernel."""
        from kheaders.kmodule.carrier import Carrier

        return Carrier(self.kernel, self.store, lambda directory, archive: self.pack([directory], archive))

    def of_kernel(self, release: str) -> Self:
        """The same context for the kernel *release*. Raises UsageError."""
        import copy  # no other call needs it

        other = copy.copy(self)
        machine = self.kernel.machine if self.machine_named else ""
        other.kernel = kernels.named(release, machine=machine, sysroot=self.sysroot)
        other.headers, other.named = None, True
        return other
