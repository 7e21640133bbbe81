"""A program to an object, by the best form there is; where headers fail, the next ones are tried."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from kheaders.clang import arguments, diagnostics
from kheaders.clang.find import Compiler
from kheaders.clang.job import Job, Result, execute
from kheaders.errors import BlobError, CompileFailed, HeadersNotFound, UsageError

# A compile from a slice must not wait for what only the full headers need: that is imported where it is used.
if TYPE_CHECKING:
    from kheaders.forms.closure import Closure
    from kheaders.forms.pch import PchForm
    from kheaders.forms.pchshelf import Shelf
    from kheaders.forms.served import Form
    from kheaders.forms.slice import Rework
    from kheaders.headers.chain import Chain, Found
    from kheaders.headers.headerset import HeaderSet
    from kheaders.interface.blob import Blob
    from kheaders.interface.slice import Slice
    from kheaders.objects import Difference
    from kheaders.precompiled import PchAttempt
    from kheaders.retyping import Retyper
    from kheaders.slicing import SliceAttempt

FormName = Literal["auto", "slice", "pch", "memory", "directory"]


class Compiled(NamedTuple):
    """An object file and how it came to be."""

    object: bytes
    result: Result
    form: str
    """The form that served the headers: ``slice``, ``pch``, ``memory`` or ``directory``; ``btf`` for a ``vmlinux.h``
    of BTF's types."""
    release: str | None
    """Release of the kernel whose headers were used."""
    found: Found | None = None
    """Where the headers came from; None for a slice, which needs none."""
    slice: Slice | None = None
    why_not_slice: str = ""
    """Why the slice that was tried first would not do; empty if it did, or none was tried."""
    why_not_pch: str = ""
    """As ``why_not_slice``, for the PCH."""
    differences: tuple[Difference, ...] | None = None
    """Where the object from the full headers differs, if that was asked; DWARF and tables of names do not count."""


def compile_program(
    chain: Callable[[], Chain],
    compiler: Compiler,
    job: Job,
    form: FormName = "auto",
    blob: Blob | None = None,
    gathered: Closure | None = None,
    shelf: Callable[[], Shelf | PchForm] | None = None,
    rework: Rework | None = None,
    types: Callable[[], Retyper] | None = None,
) -> Compiled:
    """Compile *job* for the kernel of the chain that *chain* makes when headers are needed.

    ``auto`` takes the slice where there is a *blob*, then the PCH where *shelf* may have one (one is made only where
    it is asked for by name), then the tree in the store if there is one, else memory. A program
    that compiles is proof enough of the headers that it used; one that does not is believed to be at fault only after
    the trial program has compiled. What a slice cannot do, the full headers are asked; only where these are not at hand
    does the slice's failure count, and then it is told by name what is missing. *gathered* is what was gathered for the
    program while the chain read ahead (:func:`gathering_for`); *rework* is done to slices; *types* gives what a
    ``vmlinux.h`` is made with, for a program that includes one and has none: it takes that from the *blob* alone.

    Raises CompileFailed with the compiler's diagnostics, HostAssembly, HeadersNotFound, StoreError, CompilerError,
    FormError, and UsageError for words by which clang makes no object.
    """
    arguments.read(job.arguments()).refuse_other_output()
    program = program_text(job)
    if isinstance(job.source, Path) and not job.source.is_file():
        job = job._replace(source=program)  # a pipe, which gives its text but once
    if form == "slice" and blob is None:
        raise BlobError("there is no blob of this kernel to cut a slice from", "run 'kheaders blob build'")
    attempt: SliceAttempt | None = None
    if blob is not None and form in ("auto", "slice"):
        from kheaders.slicing import attempt_slice

        attempt = attempt_slice(blob, compiler, job, program, rework, types)
        if attempt.ok and attempt.result is not None:
            release = attempt.blob.meta.get("release")
            return Compiled(attempt.result.output, attempt.result, "slice", release, slice=attempt.piece)
        if form == "slice" or attempt.final:
            raise attempt.failure(compiler)
    precompiled = _by_pch(shelf(), compiler, chain, job, program, form) if shelf is not None else None
    if precompiled is not None and precompiled.ok and precompiled.result is not None:
        why = attempt.reason if attempt is not None else ""
        output = precompiled.result.output
        return Compiled(output, precompiled.result, "pch", precompiled.release, why_not_slice=why)
    try:
        # made only now: a compile from a slice is done before the modules of all sources could be read
        compiled = _with_headers(chain(), compiler, job, form, program, attempt, gathered)
    except HeadersNotFound:
        if attempt is not None:
            raise attempt.failure(compiler) from None
        if precompiled is not None and form == "pch":
            raise precompiled.failure() from None
        raise
    if precompiled is not None and form == "pch":  # the program is not at fault, or it would have been told
        raise precompiled.failure()
    return compiled._replace(why_not_pch=precompiled.reason if precompiled is not None else "")


def _by_pch(
    shelf: Shelf | PchForm, compiler: Compiler, chain: Callable[[], Chain], job: Job, program: bytes, form: FormName
) -> PchAttempt:
    from kheaders.forms.pch import PchForm
    from kheaders.precompiled import attempt_pch, compile_with

    if isinstance(shelf, PchForm):
        return compile_with(shelf, compiler, job)

    def headers() -> HeaderSet | None:
        from kheaders.trial import approver

        try:
            return chain().first(lambda kernel: approver(compiler, kernel)).headers
        except HeadersNotFound:
            return None

    return attempt_pch(shelf, job, program, headers, build=form == "pch")


def check(chain: Chain, compiler: Compiler, job: Job, compiled: Compiled) -> Compiled:
    """*compiled* with its differences from what the full headers give. Raises as :func:`compile_program` does."""
    from kheaders.objects import compare

    full = _with_headers(chain, compiler, job, "memory", program_text(job), None)
    return compiled._replace(differences=tuple(compare(compiled.object, full.object)))


def lacks_vmlinux(job: Job) -> bool:
    """Whether the program includes a ``vmlinux.h`` that it does not have. Raises UsageError if it cannot be read."""
    text = program_text(job)
    if b'"' not in text and b"vmlinux" not in text and not job.includes and not job.extra:
        return False  # as most are that include the kernel's headers, and nothing need be imported to see it
    from kheaders import vmlinux
    from kheaders.slicing import place_of

    told = arguments.read(job.arguments())
    return vmlinux.lacking(told.prelude() + text, place_of(job), told.search)


def gathering_for(job: Job) -> Closure | None:
    """What gathers the headers that the program can reach, to watch a chain; None for one that cannot be read twice."""
    if isinstance(job.source, Path) and not job.source.is_file():
        return None
    from kheaders.forms.memory import gathering

    told = arguments.read(job.arguments())
    if told.not_understood:
        return None
    return gathering(told.prelude() + program_text(job), _directories(job, told), job.last.text)


def _with_headers(
    chain: Chain,
    compiler: Compiler,
    job: Job,
    form: FormName,
    program: bytes,
    attempt: SliceAttempt | None,
    gathered: Closure | None = None,
) -> Compiled:
    from kheaders.forms.directory import DirectoryForm, tree
    from kheaders.forms.memory import MemoryForm
    from kheaders.trial import approver

    for found in chain.found():
        kernel = chain.kernel_of(found)
        proof = approver(compiler, kernel)
        if form == "directory":
            if not chain.approve(found, proof):
                continue
            chosen: Form = DirectoryForm(tree(chain, found).path, found.facts)
        else:
            entry = (found.entry or chain.store.tree(found.facts.digest)) if form == "auto" else None
            chosen = (
                DirectoryForm(entry.path, found.facts)
                if entry
                else MemoryForm(found.headers, gathered=gathered or gathering_for(job))
            )
        # That it compiles proves the headers, but not that types lie as in the kernel.
        with chain.proving(found, proof) if kernel.btf else nullcontext() as proven:
            result = _attempt(chosen, compiler, job, program, found)
        if proven is not None and not proven():
            continue
        if result.ok or chain.approve(found, proof):
            why = attempt.reason if attempt is not None else ""
            output = _accepted(result, compiler, job, attempt)
            return Compiled(output, result, chosen.name, found.facts.release, found, why_not_slice=why)
    raise chain.nothing()


def program_text(job: Job) -> bytes:
    """The text of the program. Raises UsageError if it cannot be read."""
    if isinstance(job.source, bytes):
        return job.source
    try:
        return Path(job.source).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{job.source}: cannot be read ({why})", "name a C source file, or '-'") from error


def _attempt(form: Form, compiler: Compiler, job: Job, program: bytes, found: Found) -> Result:
    from kheaders.c.macro_events import own_macros
    from kheaders.c.own_headers import gather
    from kheaders.clang.flags import giving_way
    from kheaders.forms.memory import MemoryForm
    from kheaders.forms.served import before_program

    told = arguments.read(job.arguments())
    program = told.prelude() + program
    directories = _directories(job, told)
    if told.not_understood and isinstance(form, MemoryForm):  # what the program reaches cannot be told
        form = MemoryForm(found.headers, everything=True)
    own = own_macros(gather(program, directories[0], told.search))

    def attempt(form: Form) -> tuple[Result, bool]:
        with form.serve(compiler, program, directories) as served:
            text = giving_way(served.flags, told, own.settled, own.marks)
            with before_program(served, text) as (flags, fds):
                return execute(compiler, job, flags, fds), served.complete

    result, complete = attempt(form)
    if result.ok or complete or diagnostics.missing_file(result.diagnostics) is None:
        return result
    return attempt(MemoryForm(found.headers, everything=True))[0]


def _directories(job: Job, told: arguments.Arguments) -> tuple[str, ...]:
    """Where the program's own headers are looked for."""
    beside = str(job.source.parent) if isinstance(job.source, Path) else "."
    return (beside, *told.search.every)


def _accepted(result: Result, compiler: Compiler, job: Job, attempt: SliceAttempt | None) -> bytes:
    """The object, or the error that the result means."""
    from kheaders.headers.markers import complained, reached

    if result.ok and not reached(result.output):
        return result.output
    if complained(result.diagnostics) or result.ok:
        from kheaders.slicing import host_assembly

        raise host_assembly(result, attempt)
    from kheaders.slicing import no_header

    why = no_header(job, result.diagnostics) or (f"{compiler.name} refused the program", "see its messages above")
    raise CompileFailed(*why, result.diagnostics)
