"""A program compiled with a PCH: found, chained to where it lacks headers, and left alone where it would be wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kheaders.c.macro_events import own_macros
from kheaders.c.own_headers import gather
from kheaders.clang import arguments, diagnostics
from kheaders.clang.find import Compiler
from kheaders.clang.flags import giving_way
from kheaders.clang.job import Job, Result, execute
from kheaders.errors import CompileFailed, FormError, StoreError
from kheaders.externs import described, undefined
from kheaders.forms.pch import Options, PchForm, options_of
from kheaders.forms.pchshelf import Pch, Shelf
from kheaders.forms.served import before_program
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.markers import complained, reached
from kheaders.interface import program as programs
from kheaders.slicing import place_of


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
    if why := _unclear(arguments.read(job.arguments())):
        return PchAttempt(None, why)
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
        for word in set(options_of(job, more.form.names).words).difference(options.words):
            return PchAttempt(None, f"{missing[0]}, which the PCH lacks, names a macro that {word} defines")
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
    told = arguments.read(job.arguments())
    if why := _unclear(told):
        return PchAttempt(None, why)
    if told.trigraphs and any(b"??" in part for part in program.texts):
        return PchAttempt(None, "the options have trigraphs replaced, and the program has some")
    if hidden := form.names.hidden(told.search.ahead(quoted=False)):
        return PchAttempt(None, f"{hidden} is read in place of the kernel's header of that name")
    # Macros of the command line were looked at when the PCH was chosen.
    itself = told._replace(macros=()).prelude() + text
    own = own_macros(gather(itself, place_of(job), told.search, known=_any_name, last=job.last.text))
    layer = form.names.layer(program.includes)
    why = form.names.obstacle(program, own, layer)
    if why:
        return PchAttempt(None, why)
    with (
        form.present(compiler, program.includes) as served,
        before_program(served, giving_way(served.flags, told, program.settled, program.changed)) as (flags, fds),
    ):
        result = execute(compiler, job, flags, fds)
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
    told = arguments.read(job.arguments())
    return programs.read(told.prelude() + text, place_of(job), told.search, known=_any_name, last=job.last.text)


def _any_name(name: str) -> bool:
    """Whether the kernel may have the header *name*: what a PCH lacks it may have, before directories behind it."""
    return True


def _unclear(told: arguments.Arguments) -> str:
    word = told.not_understood[0] if told.not_understood else ""
    return f"{word} may change what the headers mean, and a PCH is made without it" if word else ""


def _own_headers(compiler: Compiler) -> list[str]:
    try:
        return os.listdir(compiler.include)
    except OSError:
        return []


def _reason(compiler: Compiler, job: Job, result: Result) -> str:
    if result.ok and not reached(result.output):
        debug = arguments.read(job.arguments()).debug
        lost = sorted(undefined(result.output) - described(result.output)) if debug else []
        return f"{lost[0]}, which only a header declares, would be missing from the BTF" if lost else ""
    if result.ok or complained(result.diagnostics):
        return "the program reaches inline assembly of the host's processor"
    why = diagnostics.pch_refused(result.diagnostics)
    if why:
        return f"{compiler.name} does not take the PCH: {why}"
    return f"{compiler.name} refused the program: {diagnostics.first_error(result.diagnostics)}"
