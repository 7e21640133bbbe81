"""Headers as a compiler is given them: flags, and the descriptors that those flags speak of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kheaders.clang.find import Compiler
from kheaders.clang.flags import architecture, header_flags
from kheaders.clang.overlay import anonymous_files
from kheaders.errors import VerificationError

if TYPE_CHECKING:
    from kheaders.headers.headerset import HeaderSet


class Served(NamedTuple):
    """Ready for one or more compiles."""

    flags: tuple[str, ...]
    pass_fds: tuple[int, ...] = ()
    complete: bool = True
    """False where only the headers that the program seems to need are there."""


class Form(Protocol):
    """A form serves headers to one compiler for the length of a ``with`` block."""

    name: str

    def serve(
        self, compiler: Compiler, program: bytes, user_directories: tuple[str, ...]
    ) -> AbstractContextManager[Served]:
        """Make the headers readable for *compiler*; *program* and the user's directories say what will be included."""
        ...


@contextmanager
def before_program(served: Served, text: bytes) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Flags and descriptors with which the compiler reads *text* after the headers of *served*. Raises StoreError."""
    if not text:
        yield served.flags, served.pass_fds
        return
    with anonymous_files({"text": text}) as files:
        descriptor = files["text"]
        yield (*served.flags, "-include", f"/proc/self/fd/{descriptor}"), (*served.pass_fds, descriptor)


def flags_for(headers: HeaderSet | Identity, root: str, compiler: Compiler) -> list[str]:
    """The flags for headers that *compiler* finds below *root*."""
    if headers.srcarch is None:
        raise VerificationError(
            f"{root}: the architecture of the headers cannot be told",
            "they lack include/generated/autoconf.h; run 'kheaders doctor'",
        )
    arch = architecture(headers.srcarch, headers.config)
    return header_flags(arch, root, compiler.include)


class Identity(Protocol):
    """The part of a header set that flags depend on."""

    @property
    def srcarch(self) -> str | None: ...
    @property
    def release(self) -> str | None: ...
    @property
    def config(self) -> frozenset[bytes]: ...
