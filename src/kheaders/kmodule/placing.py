"""The module put where modprobe finds it, and its source where DKMS does."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from kheaders import safepath
from kheaders.errors import ModuleError, StoreError, ToolFailed, ToolMissing
from kheaders.kernel import Kernel
from kheaders.kmodule import facts
from kheaders.newfile import Destination
from kheaders.run import run, which
from kheaders.sources.trees import untrusted
from kheaders.version import VERSION

_PLAIN = re.compile(r"/[\w./+@-]+")


def install(module: facts.ModuleFile, kernel: Kernel, *, tools: str | None = None) -> Path:
    """Put the module into ``/lib/modules/R/updates`` and have depmod list it. Returns its place.

    Raises ModuleError for a module of another kernel, a kernel that has one of its own, or a place that cannot be
    written or that others could change; ToolMissing without depmod, before anything is written.
    """
    release = kernel.release
    if module.release != release:
        raise ModuleError(
            f"{module.path}: belongs to kernel {module.release}, not to {release}", f"--kernel {module.release}"
        )
    modules = facts.modules_directory(kernel)
    if not os.path.isdir(modules):
        raise ModuleError(f"{modules}: does not exist, so no kernel {release} is installed", "install the kernel first")
    own = next(
        (p for s in ("", ".xz", ".zst", ".gz") if (p := modules / f"kernel/kernel/kheaders.ko{s}").exists()), None
    )
    if own is not None:
        raise ModuleError(f"{own}: the kernel has a module of its own", "modprobe kheaders")
    depmod = which("depmod", tools) or (which("depmod", "/usr/sbin:/sbin") if tools is None else None)
    if depmod is None:
        raise ToolMissing("depmod: no such program", "install kmod")
    directory = modules / "updates"
    try:
        os.close(safepath.open_dir(directory, create=True))
    except StoreError as error:
        raise ModuleError(error.what, "run as root") from error
    final = directory / f"{facts.NAME}.ko"
    with Destination(final, ModuleError) as place:
        place.write([module.data])
    try:
        run([depmod, "-b", kernel.sysroot, release])
    except ToolFailed as error:
        raise ModuleError(f"{final}: is there, but depmod failed: {error.what}", error.hint) from error
    return final


def write_source(directory: Path) -> Path:
    """Write what DKMS needs to *directory*, which is made and must be empty: the source, ``dkms.conf`` and ``pack.sh``.

    The script calls this very kheaders for each kernel that DKMS builds for. Raises ModuleError.
    """
    words = {"@VERSION@": VERSION, "@KHEADERS@": _program()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if os.listdir(directory):
            raise ModuleError(f"{directory}: is not empty", "name a directory that is, or that does not exist")
        for name, text in facts.source().items():
            for mark, value in words.items():
                text = text.replace(mark, value)
            (directory / name).write_text(text, "utf-8")
            (directory / name).chmod(0o755 if name.endswith(".sh") else 0o644)
    except OSError as error:
        raise ModuleError(f"{directory}: cannot be written to ({error.strerror})", "run as root") from error
    return directory


def _program() -> str:
    """The kheaders that runs, by its absolute path; one that only root could change, since dkms runs it as root."""
    beside = Path(sys.executable).with_name("kheaders")
    found = beside if beside.exists() else which("kheaders")
    if found is None:
        raise ModuleError("the program kheaders is not on PATH", "install it: dkms calls it for each kernel")
    fault = untrusted(Path(os.path.realpath(found)).parent)
    if fault:
        raise ModuleError(f"{found}: root is to run it, but {fault}", "install kheaders for the system")
    if not _PLAIN.fullmatch(str(found)):
        raise ModuleError(f"{found}: a path of such characters cannot stand in a script", "install kheaders elsewhere")
    return str(found)
