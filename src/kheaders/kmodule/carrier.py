"""The module of one kernel: everything that ``kheaders module`` does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kheaders.errors import ModuleError
from kheaders.kernel import Kernel
from kheaders.kmodule import build, facts, loading, placing
from kheaders.newfile import Destination
from kheaders.store import Store
from kheaders.sysroot import resolve


class Status(NamedTuple):
    """What is there of the module, and of the archive."""

    kernel: str
    installed: Path | None
    loaded: bool
    archive: str
    """Whose archive the kernel shows: ``none``, ``ours``, ``module`` (the kernel's own) or ``kernel`` (built in)."""
    size: int | None
    """Bytes of the archive that is shown."""
    built_for: str | None
    """Release that the installed module says it belongs to."""


class Carrier:
    """Builds, installs, loads and removes the module for *kernel*. *pack* packs a build directory into a file."""

    def __init__(self, kernel: Kernel, store: Store, pack: Callable[[Path, Path], object]) -> None:
        self._kernel = kernel
        self._store = store
        self._pack = pack

    def build(self, output: Path, *, archive: Path | None = None, compiler: str | None = None) -> Path:
        """Build the module and write it to *output*; without *archive* the kernel's own headers are packed first.

        Raises ModuleError, PackError, ToolMissing, StoreError.
        """
        with Destination(output, ModuleError) as place:
            place.write([self._built(archive, compiler)])
        return output

    def install(self, module: Path | None = None, *, archive: Path | None = None, compiler: str | None = None) -> Path:
        """Install the file *module*, or one that is built for it. Raises as :meth:`build` does."""
        if module is not None:
            return placing.install(facts.examine(module), self._kernel)
        data = self._built(archive, compiler)
        return placing.install(facts.read(Path("the module"), data), self._kernel)

    def load(self, module: Path | None = None) -> bool:
        """Load the installed module, or the file *module*. False if it was loaded already. Raises ModuleError."""
        return loading.load(self._kernel, module)

    def unload(self) -> bool:
        """Remove the module. False if it was not loaded. Raises ModuleError."""
        return loading.unload(self._kernel)

    def status(self) -> Status:
        """What is there. Raises nothing for what it finds."""
        root, release = self._kernel.sysroot, self._kernel.release
        path = facts.installed(facts.modules_directory(self._kernel))
        built_for = None
        if path is not None:
            try:
                built_for = facts.examine(path).release
            except ModuleError:
                pass  # a file of that name that is something else: no release to tell
        if not self._kernel.running:
            return Status(release, path, False, "none", None, built_for)
        loaded = loading.is_loaded(root)
        shown = loading.is_shown(root)
        whose = "none"
        if shown:
            whose = "ours" if loaded else "module" if loading.is_loaded(root, "kheaders") else "kernel"
        size = os.stat(resolve(root, facts.SHOWN)).st_size if shown else None
        return Status(release, path, loaded, whose, size, built_for)

    def _built(self, archive: Path | None, compiler: str | None) -> bytes:
        directory = build.build_directory(self._kernel)
        build.refuse_own(directory, self._kernel.release)
        with self._store.scratch() as work:
            if archive is None:
                archive = work / "packed.tar.xz"
                self._pack(directory, archive)
            inner = work / "module"
            inner.mkdir(0o700)
            return build.build(archive, directory, inner, self._kernel, compiler=compiler)
