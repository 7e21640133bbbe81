"""One compile as a value: Job in, Result out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from kheaders.clang.arguments import read
from kheaders.clang.environment import cleaned
from kheaders.clang.find import Compiler
from kheaders.clang.flags import redefined
from kheaders.clang.output import instead_of_object, order_of
from kheaders.errors import CompilerError, ToolMissing, ToolTimeout
from kheaders.run import started

TIMEOUT = 300.0
"""Seconds after which a compile counts as hung."""
OBJECT = ("-c",)
"""The mode in which a compiler makes an object."""


class Last(NamedTuple):
    """Headers that are looked for after all others: what a compiler is told of them, and their texts."""

    flags: tuple[str, ...] = ()
    """Words that come after all of the user's."""
    pass_fds: tuple[int, ...] = ()
    """Descriptors that *flags* speak of."""
    text: Callable[[str], bytes | None] = lambda name: None
    """What a reader of programs needs to know of the header that include lines call so, or None."""
    place: str = ""
    """Where they lie, for messages; empty if there are none."""
    root: str = "/kheaders/none"
    """Where the compiler finds them."""


class Job(NamedTuple):
    """A program and how it is to be compiled; what the headers add comes from the form."""

    source: Path | bytes
    """A file, or the text itself (as from standard input)."""
    optimise: str = "2"
    """Level of ``-O``; the BPF back end wants at least 1."""
    debug: bool = False
    """``-g``: BTF and DWARF."""
    mcpu: str | None = None
    defines: tuple[str, ...] = ()
    """``NAME`` or ``NAME=VALUE``."""
    includes: tuple[str, ...] = ()
    """Directories of the user's own headers, searched before the kernel's."""
    extra: tuple[str, ...] = ()
    """Further words, passed on as they are, last."""
    last: Last = Last()

    def arguments(self) -> list[str]:
        """The job's own words on the command line."""
        words = [f"-O{self.optimise}"]
        if self.debug:
            words.append("-g")
        if self.mcpu:
            words.append(f"-mcpu={self.mcpu}")
        words += [f"-D{define}" for define in self.defines]
        words += [f"-I{directory}" for directory in self.includes]
        return [*words, *self.extra]


class Result(NamedTuple):
    """What a compile gave."""

    argv: tuple[str, ...]
    returncode: int
    output: bytes
    """The object file; empty where the compile failed."""
    diagnostics: str
    """What the compiler printed, untouched."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is an object."""
        return self.returncode == 0


def execute(
    compiler: Compiler, job: Job, flags: Sequence[str], pass_fds: Sequence[int] = (), mode: Sequence[str] = OBJECT
) -> Result:
    """Run *compiler* on *job* with the *flags* of a form; the object comes back in memory, no file is written.

    *mode* says what is wanted instead of an object (``-E``, ``-fsyntax-only``). Raises CompilerError if the compiler
    cannot be run or hangs, or makes something else than an object for the target of *flags*; a program that it refuses
    is a Result.
    """
    start = time.monotonic()
    with begun(compiler, job, flags, pass_fds, mode) as finish:
        return finish()._replace(seconds=time.monotonic() - start)


@contextmanager
def begun(
    compiler: Compiler, job: Job, flags: Sequence[str], pass_fds: Sequence[int] = (), mode: Sequence[str] = OBJECT
) -> Iterator[Callable[[], Result]]:
    """As :func:`execute`, in two steps: *compiler* starts now; what is yielded waits for it, and counts from then on.

    If it is not called, the compiler is killed at the end of the body.
    """
    from_memory = isinstance(job.source, bytes)
    path = str(job.source)
    # clang would take a name that starts with one of these for an option, or for a file with options
    source = "-" if from_memory else f"./{path}" if path.startswith(("-", "@")) else path
    own = job.arguments()
    words = [*flags, *redefined(flags, read(own)), *own, *job.last.flags]
    argv = [*compiler.command, "-fno-crash-diagnostics", *words, *mode, "-x", "c", source, "-o", "-"]
    text = job.source if isinstance(job.source, bytes) else None

    def finish() -> Result:
        start = time.monotonic()
        try:
            done = wait()
        except ToolTimeout as error:
            raise CompilerError(f"{compiler.name}: did not end within {TIMEOUT:g} s", "simplify the program") from error
        output = done.stdout if done.returncode == 0 else b""
        if done.returncode == 0 and tuple(mode) == OBJECT and (what := instead_of_object(output, order_of(flags))):
            raise CompilerError(
                f"{compiler.name}: gave {what} instead of a BPF object",
                f"see what {' '.join(compiler.argv)} adds (a configuration file, a wrapper), and the options",
            )
        return Result(done.argv, done.returncode, output, done.errors, time.monotonic() - start)

    with ExitStack() as stack:
        try:
            fds = (*pass_fds, *job.last.pass_fds)
            wait = stack.enter_context(started(argv, input=text, environ=cleaned(), pass_fds=fds, timeout=TIMEOUT))
        except ToolMissing as error:
            raise CompilerError(error.what, error.hint) from error
        yield finish
