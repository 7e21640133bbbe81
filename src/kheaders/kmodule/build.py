"""The module built from an archive, by the kernel's own build system in a private directory."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from kheaders import kconfig
from kheaders.errors import ArchiveError, ModuleError, ToolFailed, ToolMissing
from kheaders.headers.headerset import HeaderSet
from kheaders.kernel import Kernel
from kheaders.kmodule import facts
from kheaders.run import run, which
from kheaders.sources.trees import AUTOCONF, install_hint, read_small
from kheaders.sysroot import resolve

TIMEOUT = 600.0

_COMPILER = re.compile(
    r"(?:^|[\s:])((?:[\w./+-]*[/-])?(?:gcc|clang|cc)(?:-[\d.]+)?):.*(?:not found|No such file)", re.M
)
_ERROR = re.compile(r"^.*(?:error:|\*\*\*|fatal:).*$", re.M)


def build_directory(kernel: Kernel) -> Path:
    """The directory that modules of *kernel* are built against. Raises ModuleError where there is none."""
    modules = facts.modules_directory(kernel)
    inside = f"/{modules.relative_to(kernel.sysroot)}/build"
    place = resolve(kernel.sysroot, inside)
    if not os.path.isfile(place / "Makefile"):
        what = "does not exist" if not os.path.exists(place) else "has no Makefile"
        raise ModuleError(f"{place}: {what}, so no module can be built", install_hint(kernel.release))
    return place


def refuse_own(directory: Path, release: str) -> None:
    """Raise ModuleError where the kernel of the build directory has an archive of its own, built in or as a module."""
    text = (read_small(directory / AUTOCONF) or b"").decode("utf-8", "replace")
    own = kconfig.parse_autoconf(text, AUTOCONF).get("CONFIG_IKHEADERS")
    if own:
        hint = "modprobe kheaders" if own == "m" else f"read {facts.SHOWN}"
        raise ModuleError(f"kernel {release} has its own archive (CONFIG_IKHEADERS={own})", hint)


def check_archive(archive: Path, kernel: Kernel) -> None:
    """Raise ModuleError unless the archive holds the headers of *kernel*."""
    try:
        with open(archive, "rb") as stream:
            headers = HeaderSet.from_archive(stream, name=str(archive))
    except OSError as error:
        raise ModuleError(f"{archive}: cannot be read ({error.strerror})", "make one with 'kheaders pack'") from error
    except ArchiveError as error:
        raise ModuleError(error.what, "make one with 'kheaders pack'") from error
    if headers.release != kernel.release or headers.srcarch not in (None, kernel.srcarch):
        theirs = f"{headers.release} ({headers.srcarch})"
        raise ModuleError(
            f"{archive}: holds headers of {theirs}, not of {kernel.release} ({kernel.srcarch})",
            "pack the headers of that kernel",
        )


def build(archive: Path, directory: Path, work: Path, kernel: Kernel, *, compiler: str | None = None) -> bytes:
    """The bytes of the module that carries *archive*, built against *directory* in the private directory *work*.

    *compiler* is for make's ``CC``; by default it is the one that the directory's own Makefile names. No BTF is made
    for the module, which nobody would look at, since that needs pahole. Raises ModuleError, ToolMissing.
    """
    refuse_own(directory, kernel.release)
    check_archive(archive, kernel)
    make = which("make")
    if make is None:
        raise ToolMissing("make: no such program", "install make and the compiler of the kernel")
    try:
        for name, text in facts.source().items():
            (work / name).write_text(text, "utf-8")
        (work / facts.ARCHIVE).write_bytes(archive.read_bytes())
    except OSError as error:
        raise ModuleError(f"{work}: cannot be written to ({error.strerror})", "free space, or set --cache") from error
    argv: list[str | Path] = [make, "-C", directory, f"M={work}", "CONFIG_DEBUG_INFO_BTF_MODULES="]
    argv += [f"CC={shlex.quote(compiler)}"] if compiler else []
    try:
        run([*argv, "modules"], env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=TIMEOUT)
    except ToolFailed as error:
        raise explained(error, kernel.release) from error
    made = facts.examine(work / f"{facts.NAME}.ko")
    if made.release != kernel.release:
        raise ModuleError(
            f"{directory}: makes modules of {made.release}, not of {kernel.release}", install_hint(kernel.release)
        )
    if archive.read_bytes() not in made.data:
        raise ModuleError(f"{directory}: made a module without the archive", "report it, with the output of -v")
    return made.data


def explained(error: ToolFailed, release: str) -> ModuleError:
    """What went wrong with make, in one line; its output is the cause's log."""
    missing = _COMPILER.search(error.log)
    if missing:
        name = missing[1].rpartition("/")[2]
        return ModuleError(
            f"make: the compiler {name} that the headers of {release} ask for is not installed",
            f"install {re.sub('^[^-]+-linux-gnu-', '', name)}, or name another with --compiler",
        )
    lines = _ERROR.findall(error.log)
    first = lines[0].strip() if lines else error.what
    return ModuleError(f"the module cannot be built for {release}: {first}", error.hint)
