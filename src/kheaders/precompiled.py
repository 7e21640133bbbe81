"""A program compiled with a PCH: found, chained to where it lacks headers, and left alone where it would be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kheaders.c.macro_events import own_macros
from kheaders.c.own_headers import gather
from kheaders.clang.find import Compiler
from kheaders.clang.job import Job, Result, execute
from kheaders.errors import CompileFailed, FormError, StoreError
from kheaders.externs import described, undefined
from kheaders.forms.pch import Options, PchForm, options_of, refused, without_defines
from kheaders.forms.pchshelf import Pch, Shelf
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.markers import MARKER, reached
from kheaders.interface import program as programs
from kheaders.slicing import user_directories, with_options


class PchAttempt(NamedTuple):
    """How the compile with a PCH went."""

    result: Result | None
    """None where no compile was worth trying."""
    reason: str
    """Why the PCH would not do, in one line; empty if it did."""
    release: str | None = None
    place: str = ""
    """Where the layer of the PCH lies that was used."""

    @property
    def ok(self) -> bool:
        """Whether there is an object."""
        return not self.reason

    def failure(self) -> CompileFailed:
        """The error where only the PCH may be used."""
        diagnostics = self.result.diagnostics if self.result is not None else ""
        return CompileFailed(f"not from a PCH: {self.reason}", "use --form auto, slice or memory", diagnostics)


def attempt_pch(
    shelf: Shelf, job: Job, text: bytes, headers: Callable[[], HeaderSet | None], *, build: bool = False
) -> PchAttempt:
    """Compile *job*, whose text is *text*, with the kernel's PCH.

    *headers* gives the kernel's headers, or None if there are none; it is asked only where a PCH must be made: one that
    is chained to the kernel's, or with *build* that one itself. Raises CompilerError, StoreError, FormError.
    """
    options = options_of(job)
    shelved = _located(shelf, options, headers, build)
    if shelved is not None:
        special = options_of(job, shelved.form.names)
        if special != options:
            options = special
            shelved = _located(shelf, options, headers, build)
    if shelved is None:
        return PchAttempt(None, f"{shelf.why(options)}; 'kheaders pch build' makes it")
    program = _read(job, text)
    if why := _untold(program):
        return PchAttempt(None, why)
    own = _own_headers(shelf.compiler)
    missing = shelved.form.missing(program, own)
    if missing:
        try:
            more = shelf.chained(shelved, options, missing, headers)
        except FormError as error:
            return PchAttempt(None, error.what)
        except StoreError as error:
            return PchAttempt(None, f"the PCH lacks {missing[0]}, and one that has it cannot be kept ({error.what})")
        if more is None:
            return PchAttempt(None, f"the PCH lacks {missing[0]}, and there are no headers to make one that has it")
        shelved = more
    return compile_with(shelved.form, shelf.compiler, job, program, text)


def compile_with(
    form: PchForm, compiler: Compiler, job: Job, program: programs.Program | None = None, text: bytes = b""
) -> PchAttempt:
    """Compile *job* with one PCH, which may lie in memory, unless the program would mean something else with it."""
    if program is None:
        text = job.source if isinstance(job.source, bytes) else Path(job.source).read_bytes()
        program = _read(job, text)
    if why := _untold(program):
        return PchAttempt(None, why)
    missing = form.missing(program, _own_headers(compiler))
    if missing:
        return PchAttempt(None, f"the PCH lacks {missing[0]}")
    place, directories = _places(job)
    # Macros of the command line were looked at when the PCH was chosen.
    itself = with_options(text, job._replace(defines=(), extra=without_defines(job.extra)))
    own = own_macros(gather(itself, place, directories))
    layer = form.names.layer(program.includes)
    why = form.names.obstacle(program, own, layer)
    if why:
        return PchAttempt(None, why)
    with form.present(compiler, program.includes) as served:
        result = execute(compiler, job, served.flags, served.pass_fds)
    return PchAttempt(result, _reason(compiler, job, result), form.release, form.places[layer])


def _located(shelf: Shelf, options: Options, headers: Callable[[], HeaderSet | None], build: bool) -> Pch | None:
    shelved = shelf.locate(options)
    if shelved is None and build and (found := headers()) is not None:
        shelved = shelf.build(found, options)
    return shelved


def _untold(program: programs.Program) -> str:
    """Why it takes a preprocessor to know what the program includes; empty where it can be told."""
    return program.doubt or ("which of its include lines count is told by a preprocessor only" * program.uncertain)


def _read(job: Job, text: bytes) -> programs.Program:
    place, directories = _places(job)
    return programs.read(with_options(text, job), place, directories)


def _places(job: Job) -> tuple[str, list[str]]:
    """Where the program's own headers are looked for: beside it, and in these directories."""
    place = os.fspath(job.source.parent) if isinstance(job.source, Path) else "."
    return place, [*job.includes, *user_directories(job.extra)]


def _own_headers(compiler: Compiler) -> list[str]:
    try:
        return os.listdir(compiler.include)
    except OSError:
        return []


def _reason(compiler: Compiler, job: Job, result: Result) -> str:
    if result.ok and not reached(result.output):
        debug = job.debug or any(word.startswith("-g") for word in job.extra)
        lost = sorted(undefined(result.output) - described(result.output)) if debug else []
        return f"{lost[0]}, which only a header declares, would be missing from the BTF" if lost else ""
    if result.ok or MARKER in result.diagnostics:
        return "the program reaches inline assembly of the host's processor"
    why = refused(result.diagnostics)
    return f"{compiler.name} does not take the PCH: {why}" if why else f"{compiler.name} refused the program"
