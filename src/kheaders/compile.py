"""A program to an object, by the best form there is; where headers fail, the next ones are tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from kheaders.compilers.find import Compiler
from kheaders.compilers.job import Job, Result, execute
from kheaders.errors import CompileFailed, HostAssembly, StoreError, UsageError
from kheaders.forms.directory import DirectoryForm, write
from kheaders.forms.memory import MemoryForm
from kheaders.forms.served import Form
from kheaders.headers.chain import Chain, Found
from kheaders.headers.hostasm import MARKER, REGISTER_MARKER
from kheaders.sources.candidate import Request
from kheaders.sources.stored import remember_tree
from kheaders.store import Entry
from kheaders.trial import approver

FormName = Literal["auto", "memory", "directory"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An object file and how it came to be."""

    object: bytes
    result: Result
    found: Found
    form: str
    """The form that served the headers: ``memory`` or ``directory``."""


def compile_program(chain: Chain, compiler: Compiler, job: Job, form: FormName = "auto") -> Compiled:
    """Compile *job* with headers from *chain*.

    ``auto`` uses the tree in the store if there is one, else memory. A program that compiles is proof enough of the
    headers that it used; one that does not is believed to be at fault only after the trial program has compiled.

    Raises CompileFailed with the compiler's diagnostics, HostAssembly, HeadersNotFound, StoreError, CompilerError.
    """
    program = program_text(job)
    if isinstance(job.source, Path) and not job.source.is_file():
        job = replace(job, source=program)  # a pipe, which gives its text but once
    for found in chain.found():
        if form == "directory":
            if not chain.approve(found, approver(compiler)):
                continue
            chosen: Form = DirectoryForm(tree(chain, found).path, found.facts)
        else:
            entry = (found.entry or chain.store.tree(found.facts.digest)) if form == "auto" else None
            chosen = DirectoryForm(entry.path, found.facts) if entry else MemoryForm(found.headers)
        result = _attempt(chosen, compiler, job, program, found)
        if result.ok or chain.approve(found, approver(compiler)):
            return Compiled(_accepted(result, compiler), result, found, chosen.name)
    raise chain.nothing()


def tree(chain: Chain, found: Found) -> Entry:
    """The directory form of *found* in the chain's store; made if it is missing or was damaged. Raises StoreError."""
    store = chain.store
    existing = found.entry or store.tree(found.facts.digest)
    if existing is not None:
        return existing
    headers = found.headers
    if headers.digest != found.facts.digest:
        raise StoreError(f"{found.candidate.location}: changed while it was read", "run the command again")
    final = store.tree_path(headers.digest)
    kernel = chain.kernel_of(found)
    meta = {"source": found.candidate.location, "kernel": kernel.release}
    entry = store.publish_tree(headers.digest, lambda fd: write(headers, fd, final), meta=meta)
    remember_tree(store, Request(kernel, chain.request.sysroot), headers.digest)
    return entry


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
    directories = job.includes
    if isinstance(job.source, Path):
        directories = (str(job.source.parent), *directories)
    with form.serve(compiler, program, directories) as served:
        result = execute(compiler, job, served.flags, served.pass_fds)
    if result.ok or served.complete or "file not found" not in result.diagnostics:
        return result
    with MemoryForm(found.headers, everything=True).serve(compiler, program, directories) as served:
        return execute(compiler, job, served.flags, served.pass_fds)


def _accepted(result: Result, compiler: Compiler) -> bytes:
    """The object, or the error that the result means."""
    if result.ok and not any(marker.encode() in result.output for marker in (MARKER, REGISTER_MARKER)):
        return result.output
    if MARKER in result.diagnostics or result.ok:
        raise HostAssembly(
            "the program reaches inline assembly of the host's processor, which BPF cannot run",
            "do not call the function that the compiler names; read the value with a BPF helper instead",
            result.diagnostics,
        )
    raise CompileFailed(f"{compiler.name} refused the program", "see its messages above", result.diagnostics)
