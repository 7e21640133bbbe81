"""Headers as a compiler is given them: flags, and the descriptors that those flags speak of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import architecture, header_flags
from kheaders.errors import VerificationError
from kheaders.headers.headerset import HeaderSet


@dataclass(frozen=True, slots=True)
class Served:
    """Ready for one or more compiles."""

    flags: tuple[str, ...]
    pass_fds: tuple[int, ...] = ()
    complete: bool = True
    """False where only the headers that the program seems to need are there."""


class Form(Protocol):
    """A form serves headers to one compiler for the length of a ``with`` block."""

    name: str

    def serve(self, compiler: Compiler, program: bytes, user_directories: tuple[str, ...]) -> AbstractContextManager[Served]:
        """Make the headers readable for *compiler*; *program* and the user's directories say what will be included."""
        ...


def flags_for(headers: HeaderSet | Identity, root: str, compiler: Compiler) -> list[str]:
    """The flags for headers that *compiler* finds below *root*."""
    if headers.srcarch is None:
        raise VerificationError(
            f"{root}: the architecture of the headers cannot be told",
            "they lack include/generated/autoconf.h; run 'kheaders doctor'",
        )
    arch = architecture(headers.srcarch, headers.config)
    return header_flags(arch, root, compiler.include, version_of(headers.release))


class Identity(Protocol):
    """The part of a header set that flags depend on."""

    @property
    def srcarch(self) -> str | None: ...
    @property
    def release(self) -> str | None: ...
    @property
    def config(self) -> frozenset[bytes]: ...


def version_of(release: str | None) -> tuple[int, int] | None:
    """(major, minor) at the head of a release such as ``6.1.0-56-cloud-amd64``, or None."""
    parts = (release or "").split(".", 2)
    if len(parts) < 2 or not parts[0].isdigit():
        return None
    minor = parts[1][: len(parts[1]) - len(parts[1].lstrip("0123456789"))]
    return (int(parts[0]), int(minor)) if minor else None


def overlay(files: Mapping[str, str]) -> bytes:
    """A clang VFS overlay (``-ivfsoverlay``) that shows, at each absolute path, the contents of another file.

    The compiler keeps the path that it asked for, so diagnostics and relative includes see that one.
    """
    directories: dict[str, list[dict[str, Any]]] = {}
    for path, contents in files.items():
        parent, _, base = path.rpartition("/")
        entry = {"name": base, "type": "file", "external-contents": contents}
        directories.setdefault(parent or "/", []).append(entry)
    roots = [{"name": name, "type": "directory", "contents": entries} for name, entries in directories.items()]
    return json.dumps({"version": 0, "case-sensitive": "true", "use-external-names": "false", "roots": roots}).encode()
