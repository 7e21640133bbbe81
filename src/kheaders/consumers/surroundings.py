"""The environment in which tools use what kheaders verified, without a change to the tool.

BCC_KERNEL_SOURCE                                  bcc: the tree of the verified headers
PYTHONPATH, KHEADERS_EXEC_BLOB                     bcc from Python: programs compile from slices of the blob
BPFTRACE_KERNEL_SOURCE, BPFTRACE_KERNEL_BUILD      bpftrace: a directory for the script, else the tree
KHEADERS_CFLAGS                                    flags for clang, quoted for a shell, for builds that take them
BPFTRACE_BTF, VMLINUX_BTF                          the kernel's BTF, where another directory stands for /
CPATH, C_INCLUDE_PATH, CCC_OVERRIDE_OPTIONS ...    are taken away: they change which headers a clang reads
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kheaders.clang.environment import HEADERS
from kheaders.consumers import bcc, bpftrace
from kheaders.errors import KheadersError

if TYPE_CHECKING:
    from kheaders.interface.blob import Blob

SHIM = Path(__file__).parent / "shim"
"""Stands first on PYTHONPATH; holds a package ``bcc`` that gives way to the real one."""

_NOTES = "notes"
_NOTES_LIMIT = 1 << 20


class Surroundings(NamedTuple):
    """What a tool is started with, and where it leaves word."""

    env: Mapping[str, str]
    """The whole environment."""
    notes: Path | None
    needed: bool
    """Whether the tool is known to need headers before it has run."""
    remarks: tuple[str, ...] = ()
    """What a user who asks for more should know."""

    def outcomes(self) -> list[tuple[str, str]]:
        """(form, reason) of each program that bcc compiled, in order."""
        if self.notes is None:
            return []
        try:
            with open(self.notes, encoding="utf-8", errors="replace") as file:
                lines = file.read(_NOTES_LIMIT).splitlines()
        except OSError:
            return []
        found = [line.partition("\t") for line in lines]
        return [(form, reason) for form, _, reason in found]


class Headers(NamedTuple):
    """A tree of verified headers, and flags that go with it."""

    tree: Path
    flags: tuple[str, ...]


def surround(
    command: Sequence[str],
    environ: Mapping[str, str],
    directory: Path | None,
    headers: Headers | None,
    blob: Blob | None,
    *,
    btf: Path | None = None,
    places: Mapping[str, str] | None = None,
) -> Surroundings:
    """What *command* is to be run with; *directory* is private, and lasts as long as the tool.

    Without a directory scripts of bpftrace get the tree, and nothing is told of programs of bcc. *headers* and *blob*
    are what there is. *places* are settings of the store for the kheaders within the tool. What the user has set in
    *environ* by himself stays as it is, but for what changes the headers that clang reads. Raises StoreError.
    """
    more: dict[str, str] = {}
    remarks: list[str] = []
    if headers is not None:
        more[bcc.SOURCE] = str(headers.tree)
        more.update(dict.fromkeys(bpftrace.VARIABLES, str(headers.tree)))
        more["KHEADERS_CFLAGS"] = shlex.join(headers.flags)
    if btf is not None:
        more.update(BPFTRACE_BTF=str(btf), VMLINUX_BTF=str(btf))
    text = bpftrace.script(command)
    notes = directory / _NOTES if directory is not None else None
    if blob is not None and text is not None and directory is not None:
        place = directory / "kernel"
        why = _for_script(blob, text, place)
        if why:
            remarks.append(f"not from a slice: {why}")
        else:
            more.update(dict.fromkeys(bpftrace.VARIABLES, str(place)))
    # what would bring other headers than those that were verified to a clang that the tool runs
    dropped = [name for name in HEADERS if environ.get(name)]
    if dropped:
        remarks.append(f"not passed on, since it changes what headers are read: {', '.join(dropped)}")
    env = {**more, **{name: value for name, value in environ.items() if name not in HEADERS}}
    if blob is not None:
        env[bcc.BLOB] = os.path.abspath(blob.path)
        if notes is not None:
            env[bcc.NOTES] = str(notes)
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SHIM), environ.get("PYTHONPATH", ""))))
        env.update(places or {})
    return Surroundings(env, notes, text is not None, tuple(remarks))


def _for_script(blob: Blob, text: bytes, place: Path) -> str:
    place.mkdir(mode=0o755)
    try:
        return bpftrace.prepare(blob, text, place)
    except KheadersError as error:
        return str(error)
