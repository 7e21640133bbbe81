"""The unit and the tmpfiles.d entry put where systemd reads them, and taken away again."""

from __future__ import annotations

import os
import re
import sys
from importlib.resources import files
from pathlib import Path

from kheaders import safepath
from kheaders.errors import StoreError, UnsafePath, UsageError
from kheaders.newfile import Destination
from kheaders.sources.trees import untrusted
from kheaders.sysroot import resolve

PLACES = {"kheaders.service": "/etc/systemd/system", "kheaders.conf": "/etc/tmpfiles.d"}
"""File → the administrator's directory for it (systemd.unit(5), tmpfiles.d(5))."""

INSTALLED = ("/usr/local/bin/kheaders", "/usr/bin/kheaders")
"""Where the program is looked for in another system."""

_MARK = "Written by `kheaders boot install`"
_PLAIN = re.compile(r"/[\w./+@-]+")


def install(sysroot: Path = Path("/"), *, blob: bool = False, program: Path | None = None) -> list[Path]:
    """Write the files below *sysroot*; with *blob* the service builds the kernel's blob, too. Returns their paths.

    The unit calls *program*, by default the kheaders that runs, or for another sysroot the one that is installed there.
    Raises StoreError, also for a file of that name that somebody else wrote; UnsafePath for a program that others than
    root could change; UsageError where there is none, or its path cannot stand in a unit.
    """
    path = str(program or _program(sysroot))
    if not _PLAIN.fullmatch(path):
        raise UsageError(f"{path!r}: a path of such characters cannot stand in a unit", "install kheaders elsewhere")
    home = "read-only" if path.startswith(("/home/", "/root/", "/run/user/")) else "yes"
    words = {"@KHEADERS@": path, "@WORDS@": " --blob" if blob else "", "@HOME@": home}
    written = []
    for name in PLACES:
        text = files("kheaders.boot").joinpath("files", name).read_text("utf-8")
        for mark, value in words.items():
            text = text.replace(mark, value)
        final = _place(sysroot, name)
        _check_ours(final)
        os.close(safepath.open_dir(final.parent, create=True))
        with Destination(final, StoreError) as place:
            place.write([text.encode()])
        written.append(final)
    return written


def remove(sysroot: Path = Path("/")) -> list[Path]:
    """Remove what :func:`install` wrote, and return what that was. Raises StoreError."""
    removed = []
    for name in PLACES:
        final = _place(sysroot, name)
        if os.path.lexists(final):
            _check_ours(final)
            with safepath.explained(final, "remove"):
                final.unlink()
            removed.append(final)
    return removed


def _place(sysroot: Path, name: str) -> Path:
    return resolve(sysroot, PLACES[name]) / name


def _check_ours(path: Path) -> None:
    """Raise StoreError for a file that is there and was not written by :func:`install`."""
    with safepath.explained(path, "read", absent_ok=True):
        if _MARK not in path.read_text("utf-8", "replace"):
            raise StoreError(f"{path}: is there, and not from kheaders", "remove it, or keep it and do without")


def _program(sysroot: Path) -> Path:
    if sysroot != Path("/"):
        for path in INSTALLED:
            if resolve(sysroot, path).is_file():
                return Path(path)
        raise UsageError(
            f"{sysroot}: kheaders is not installed there", f"install it to {INSTALLED[0]} or {INSTALLED[1]}"
        )
    beside = Path(sys.executable).with_name("kheaders")
    found = beside if beside.exists() else Path(os.path.abspath(sys.argv[0]))
    fault = untrusted(Path(os.path.realpath(found)).parent)
    if fault:
        raise UnsafePath(f"{found}: root is to run it at each boot, but {fault}", "install kheaders for the system")
    return found
