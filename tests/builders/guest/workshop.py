"""What guests are given: archives, modules, blobs and objects, made here by kheaders itself, each once a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from builders.guest import kernels
from builders.need import CHECKOUT
from kheaders.api import Context
from kheaders.headers.headerset import HeaderSet
from kheaders.packing import tarball, xz

PROGRAMS = CHECKOUT / "tests/vm/programs"
_TASK = b"struct task_struct {"


class Workshop:
    """Everything of a series lies in a directory of its own below *place*."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def archive(self, series: str) -> Path:
        """The kernel's headers, packed from its packages."""
        path = self._directory(series) / "kheaders.tar.xz"
        if not path.exists():
            self._context(series).pack(kernels.obtain(series).debs, path)
        return path

    def module(self, series: str) -> Path:
        """The module that carries them."""
        path = self._directory(series) / "kheaders_archive.ko"
        if not path.exists():
            kernels.build_module(kernels.obtain(series), self.archive(series), path)
        return path

    def rebuilt(self, series: str) -> Path:
        """A module whose headers state the kernel's release, but are those of another configuration."""
        path = self._directory(series) / "rebuilt.ko"
        archive = path.with_suffix(".tar.xz")
        with self.archive(series).open("rb") as stream:
            headers = HeaderSet.from_archive(stream)
        files = dict(headers.files)
        sched = files["include/linux/sched.h"]
        assert sched.count(_TASK) == 1
        files["include/linux/sched.h"] = sched.replace(_TASK, _TASK + b"\n\tvoid *of_another_configuration;")
        items = (tarball.Item(name, files[name]) for name in tarball.order(files))
        archive.write_bytes(b"".join(xz.compress(tarball.blocks(items, 0), level=1, threads=xz.processors())))
        kernels.build_module(kernels.obtain(series), archive, path)
        return path

    def blob(self, series: str, *, shipped: bool = False) -> Path:
        """The kernel's blob, ready for use or *shipped* in the form for that."""
        path = self._directory(series) / "blob.kheaders"
        context = self._context(series, self.archive(series))
        if not path.exists():
            context.build_blob(path)
        if not shipped:
            return path
        from kheaders.interface.transfer import export

        with context.blob(path) as blob:
            export(blob, path.with_suffix(".kheaders.xz"))
        return path.with_suffix(".kheaders.xz")

    def core_object(self, series: str) -> Path:
        """A program compiled on that series to run on all of them."""
        path = self._directory(series) / "core.o"
        if not path.exists():
            words = ["--core", "-g", "-o", path, "--blob", self.blob(series), "-I", CHECKOUT / "examples"]
            kernel = ["--kernel", kernels.obtain(series).release]
            argv = [sys.executable, "-m", "kheaders", "compile", *words, *kernel, PROGRAMS / "kprobe.bpf.c"]
            subprocess.run([str(word) for word in argv], check=True)
        return path

    def _directory(self, series: str) -> Path:
        path = self._place / series
        path.mkdir(exist_ok=True)
        return path

    def _context(self, series: str, headers: Path | None = None) -> Context:
        place = self._directory(series)
        return Context.open(headers=headers, cache=str(place / "cache"), store=str(place / "store"))
