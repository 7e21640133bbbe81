"""A program compiled from its slice: cut, compile, repair what the slice lacked, explain what cannot be repaired."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kheaders.clang import arguments, diagnostics
from kheaders.clang.arguments import Arguments
from kheaders.clang.find import Compiler
from kheaders.clang.flags import giving_way
from kheaders.clang.job import Job, Result, begun, execute
from kheaders.clang.predefined import changes
from kheaders.errors import CompileFailed, CompilerError, HostAssembly
from kheaders.forms.slice import ROOT as SLICES
from kheaders.forms.slice import STUBS, Rework, SliceForm, lacking, placed
from kheaders.headers.markers import MARKER, REGISTER_MARKER, complained, reached
from kheaders.interface.blob import Blob
from kheaders.interface.program import Program, is_vmlinux
from kheaders.interface.slice import Needs, Slice
from kheaders.patterns import pattern

if TYPE_CHECKING:
    from kheaders.retyping import Retyper

ROUNDS = 4
"""How often a slice is cut for one program at most; each round adds what the compiler missed."""

_ENTERED = pattern(r"^\.+ (.*)$", re.M)
_DEPENDENCY = pattern(r"(?:[^\s\\]|\\[^\n])+")


class SliceAttempt(NamedTuple):
    """How the compile from a slice went."""

    blob: Blob
    program: Program
    piece: Slice
    result: Result | None
    """None where no compile was worth trying."""
    reason: str
    """Why the slice would not do, in one line; empty if it did."""
    final: bool = False
    """Whether no other form can do better."""

    @property
    def ok(self) -> bool:
        """Whether there is an object."""
        return not self.reason

    def failure(self, compiler: Compiler) -> CompileFailed:
        """The error where no headers are at hand to ask."""
        diagnostics = self.result.diagnostics if self.result is not None else ""
        if self.result is not None and complained(diagnostics):
            return host_assembly(self.result, self)
        return CompileFailed(
            self.reason, f"correct the program ({compiler.name} compiled it without headers)", diagnostics
        )


def attempt_slice(
    blob: Blob,
    compiler: Compiler,
    job: Job,
    text: bytes,
    rework: Rework | None = None,
    types: Callable[[], Retyper] | None = None,
) -> SliceAttempt:
    """Compile *job*, whose text is *text*, from a slice of *blob*.

    *types* gives what a ``vmlinux.h`` is made with, for a program that includes one and has none. Raises BlobError,
    BtfError, CompilerError, StoreError.
    """
    told = arguments.read(job.arguments())
    form = SliceForm(blob, rework)
    # a compiler takes as long to start as a slice to be cut
    with form.promise(compiler) as (served, give), begun(compiler, job, served.flags, served.pass_fds) as finish:
        told, doubt = _predefined(compiler, served.flags, told)
        program = form.program(told.prelude() + text, place_of(job), told.search, job.last.text)
        if types is not None and any(map(is_vmlinux, program.includes)):
            return attempt_vmlinux(form, compiler, job, told.prelude() + text, program, types())
        form.tail = giving_way(served.flags, told, program.settled, program.changed)
        if told.trigraphs and any(b"??" in part for part in program.texts):
            doubt = doubt or "the options have trigraphs replaced, and the program has some"
        program = program._replace(doubt=doubt or program.doubt)
        needs = Needs()
        piece = form.cut(program, needs)
        release = blob.meta.get("release")
        if program.uncertain and not program.doubt:
            program = _preprocessed(form, compiler, job, program, needs)
            piece = form.cut(program, needs)
        if program.doubt:
            return SliceAttempt(blob, program, piece, None, program.doubt)
        if piece.failed:
            path, why = piece.failed[0]
            return SliceAttempt(blob, program, piece, None, f"{path} cannot be included on kernel {release}: {why}")
        if piece.doubt:
            return SliceAttempt(blob, program, piece, None, piece.doubt)
        result = finish() if give(piece) else None
    if result is None or not result.ok:  # one that was started in the usual way has the last word
        result = _compile(form, compiler, job, piece)
    for _ in range(ROUNDS - 1):
        more = lacking(result.diagnostics)
        if result.ok or complained(result.diagnostics) or more <= needs:
            break
        needs |= more
        piece = form.cut(program, needs)
        result = _compile(form, compiler, job, piece)
    reason = _reason(blob, compiler, job, program, piece, result)
    if reason and diagnostics.macros_expanded(result.diagnostics):
        result = _compile(form, compiler, job, placed(blob, piece))
    return SliceAttempt(blob, program, piece, result, reason)


def attempt_vmlinux(
    form: SliceForm, compiler: Compiler, job: Job, text: bytes, program: Program, retyper: Retyper
) -> SliceAttempt:
    """Compile *job*, which includes a ``vmlinux.h`` that it does not have; *text* is its text with what its words say.

    As with bpftool's header accesses are marked for CO-RE, which takes debug information. Raises as attempt_slice.
    """
    from kheaders import vmlinux

    job = job._replace(debug=True)
    search = arguments.read(job.arguments()).search
    needs = Needs()
    while True:
        piece = vmlinux.cut(form.blob, retyper, text, place_of(job), search, job.last.text, needs, form.has)
        with form.vmlinux(piece, vmlinux.named(program.includes), compiler) as served:
            result = execute(compiler, job, served.flags, served.pass_fds)
        more = lacking(result.diagnostics)
        if result.ok or complained(result.diagnostics) or more <= needs:
            reason = _reason(form.blob, compiler, job, program, piece, result)
            return SliceAttempt(form.blob, program, piece, result, reason, final=True)
        needs |= more


def _predefined(compiler: Compiler, flags: Sequence[str], told: Arguments) -> tuple[Arguments, str]:
    """*told* with what its words change of the predefined macros, which headers may test; why no slice may be cut."""
    if told.not_understood:
        return told, f"{told.not_understood[0]} may change what the headers mean, and a slice is cut without it"
    if not told.predefining:
        return told, ""
    try:
        changed = changes(compiler, flags, told.language)
    except CompilerError as error:
        return told, error.what
    return told._replace(macros=(*changed, *told.macros)), ""


def _preprocessed(form: SliceForm, compiler: Compiler, job: Job, program: Program, needs: Needs) -> Program:
    """*program* with the include lines that the preprocessor comes by.

    At first all that they could name is there. Without what did not count, conditions may come out otherwise.
    """
    for _ in range(ROUNDS):
        with form.present(form.cut(program, needs), compiler) as served:
            result = execute(compiler, job, served.flags, served.pass_fds, ("-M", "-MG", "-H"))
        # the rule is not printed where the preprocessor found an error, perhaps one of ours; the list always is
        paths = _DEPENDENCY.findall(result.output.decode("utf-8", "replace")) if result.ok else []
        entered = _ENTERED.findall(result.diagnostics)
        paths += entered
        if unread := _unread(entered, program, compiler, job):
            doubt = f"it includes {unread} by a name that macros make: what that does to macros is told too late"
            return program._replace(doubt=doubt)
        paths = [path for path in paths if not path.startswith(f"{job.last.root}/")]
        taken = frozenset(path.removeprefix(f"{STUBS}/") for path in paths)
        if taken == program.taken:
            break
        # what was not found is told as the program spells it: names that macros make
        made = sorted(name for name in taken.difference(program.includes) if not os.path.exists(name))
        program = program._replace(includes=(*program.includes, *made), taken=taken)
        if result.ok and not made and taken.issuperset(program.includes):
            break
    return program


def _unread(entered: list[str], program: Program, compiler: Compiler, job: Job) -> str:
    """The first of the files that a preprocessor *entered* that is the user's and was not read with the program."""
    served = (f"{STUBS}/", f"{SLICES}/", f"{compiler.include}/", f"{job.last.root}/")
    own = [path for path in entered if not path.startswith(served)]
    known = {os.path.realpath(path) for path in program.files} if own else set()
    return next((path for path in own if os.path.realpath(path) not in known), "")


def _compile(form: SliceForm, compiler: Compiler, job: Job, piece: Slice) -> Result:
    with form.present(piece, compiler) as served:
        return execute(compiler, job, served.flags, served.pass_fds)


def host_assembly(result: Result, attempt: SliceAttempt | None) -> HostAssembly:
    """The error for a program that reaches inline assembly of the host, with the chain by which it does."""
    from kheaders.interface.reach import chain_to

    way: tuple[str, ...] = ()
    if attempt is not None:
        for marker in (MARKER, REGISTER_MARKER):
            way = way or chain_to(attempt.blob, attempt.program, attempt.piece, marker.encode())
    through = f", by {' -> '.join(way)}" if way else ""
    return HostAssembly(
        f"the program reaches inline assembly of the host's processor{through}, which BPF cannot run",
        "do not call that function; read the value with a BPF helper instead",
        result.diagnostics,
    )


def _reason(blob: Blob, compiler: Compiler, job: Job, program: Program, piece: Slice, result: Result) -> str:
    if result.ok and not reached(result.output):
        return ""
    if result.ok or complained(result.diagnostics):
        return "the program reaches inline assembly of the host's processor"
    release = blob.meta.get("release")
    if why := no_header(job, result.diagnostics):
        return why[0]
    if name := diagnostics.missing_file(result.diagnostics):
        return f"kernel {release} has no header <{name}>, nor has the program"
    lacks = lacking(result.diagnostics)
    for name in sorted(lacks.names | lacks.tags):
        places, seen = _declared_in(blob, name, piece.visible)
        if seen:
            continue  # the program has it: it uses it wrongly
        if places:
            return f"{name!r} is declared in <{places[0]}>, which the program does not include"
        if name not in program.declared and name not in program.defined:
            return f"{name!r} is declared nowhere in the headers of kernel {release}"
    return f"{compiler.name} refused the program: {diagnostics.first_error(result.diagnostics)}"


def no_header(job: Job, printed: str) -> tuple[str, str] | None:
    """(what, hint) where what a compiler *printed* misses a header that no kernel has; None where they don't."""
    name = diagnostics.missing_file(printed)
    if name is None:
        return None
    if name.startswith("bpf/"):
        have = f"those in {job.last.place} are without it" if job.last.place else "none of them are here"
        hint = "install a libbpf that has it (Debian: libbpf-dev), or name its directory with -I"
        return f"{name}: a header of libbpf's for programs, and {have}", hint
    if is_vmlinux(name):
        hint = "run 'kheaders blob build', or write one: kheaders types > vmlinux.h"
        return f"{name}: there is neither a blob nor BTF of the kernel to make it from", hint
    return None


def _declared_in(blob: Blob, name: str, visible: bytes) -> tuple[list[str], bool]:
    """Headers, by the names that include lines use, that have the name; whether one of them is visible."""
    number = blob.number(name)
    if number is None:
        return [], False
    files = {blob.array("decl_files")[d] for rows in ("name_decls", "tag_decls") for d in blob.row(rows, number)}
    files |= {blob.array("macro_files")[m] for m in blob.row("name_macros", number)}
    names = {
        blob.files[file].partition("include/")[2].removeprefix("uapi/").removeprefix("generated/") for file in files
    }
    return sorted(filter(None, names)), any(visible[file] for file in files)


def place_of(job: Job) -> str:
    """Where the program's own headers are looked for first."""
    return os.fspath(job.source.parent) if isinstance(job.source, Path) else "."
