"""A program compiled from its slice: cut, compile, repair what the slice lacked, explain what cannot be repaired."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from kheaders.clang.find import Compiler
from kheaders.clang.job import Job, Result, begun, execute
from kheaders.errors import CompileFailed, HostAssembly
from kheaders.forms.slice import ROOT as SLICES
from kheaders.forms.slice import STUBS, Rework, SliceForm, lacking, placed
from kheaders.headers.markers import MARKER, REGISTER_MARKER, reached
from kheaders.interface.blob import Blob
from kheaders.interface.program import Program
from kheaders.interface.slice import Needs, Slice
from kheaders.patterns import pattern

ROUNDS = 4
"""How often a slice is cut for one program at most; each round adds what the compiler missed."""

_EXPANDED = "note: expanded from macro"
_NO_FILE = pattern(r"error: '([^'\n]+)' file not found")
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

    @property
    def ok(self) -> bool:
        """Whether there is an object."""
        return not self.reason

    def failure(self, compiler: Compiler) -> CompileFailed:
        """The error where no headers are at hand to ask."""
        diagnostics = self.result.diagnostics if self.result is not None else ""
        if self.result is not None and MARKER in diagnostics:
            return host_assembly(self.result, self)
        return CompileFailed(
            self.reason, f"correct the program ({compiler.name} compiled it without headers)", diagnostics
        )


def attempt_slice(blob: Blob, compiler: Compiler, job: Job, text: bytes, rework: Rework | None = None) -> SliceAttempt:
    """Compile *job*, whose text is *text*, from a slice of *blob*. Raises BlobError, CompilerError, StoreError."""
    form = SliceForm(blob, rework)
    directories = [*job.includes, *user_directories(job.extra)]
    place = os.fspath(job.source.parent) if isinstance(job.source, Path) else "."
    # a compiler takes as long to start as a slice to be cut
    with form.promise(compiler) as (served, give), begun(compiler, job, served.flags, served.pass_fds) as finish:
        program = form.program(with_options(text, job), place, directories)
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
        nothing_new = more.names <= needs.names and more.tags <= needs.tags
        if result.ok or MARKER in result.diagnostics or nothing_new:
            break
        needs = Needs(needs.names | more.names, needs.tags | more.tags)
        piece = form.cut(program, needs)
        result = _compile(form, compiler, job, piece)
    reason = _reason(blob, compiler, program, piece, result)
    if reason and _EXPANDED in result.diagnostics:
        result = _compile(form, compiler, job, placed(blob, piece))
    return SliceAttempt(blob, program, piece, result, reason)


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
        if unread := _unread(entered, program, compiler):
            doubt = f"it includes {unread} by a name that macros make: what that does to macros is told too late"
            return program._replace(doubt=doubt)
        taken = frozenset(path.removeprefix(f"{STUBS}/") for path in paths)
        if taken == program.taken:
            break
        # what was not found is told as the program spells it: names that macros make
        made = sorted(name for name in taken.difference(program.includes) if not os.path.exists(name))
        program = program._replace(includes=(*program.includes, *made), taken=taken)
        if result.ok and not made and taken.issuperset(program.includes):
            break
    return program


def _unread(entered: list[str], program: Program, compiler: Compiler) -> str:
    """The first of the files that a preprocessor *entered* that is the user's and was not read with the program."""
    served = (f"{STUBS}/", f"{SLICES}/", f"{compiler.include}/")
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


def _reason(blob: Blob, compiler: Compiler, program: Program, piece: Slice, result: Result) -> str:
    if result.ok and not reached(result.output):
        return ""
    if result.ok or MARKER in result.diagnostics:
        return "the program reaches inline assembly of the host's processor"
    release = blob.meta.get("release")
    if match := _NO_FILE.search(result.diagnostics):
        return f"kernel {release} has no header <{match[1]}>, nor has the program"
    lacks = lacking(result.diagnostics)
    for name in sorted(lacks.names | lacks.tags):
        places, seen = _declared_in(blob, name, piece.visible)
        if seen:
            continue  # the program has it: it uses it wrongly
        if places:
            return f"{name!r} is declared in <{places[0]}>, which the program does not include"
        if name not in program.declared and name not in program.defined:
            return f"{name!r} is declared nowhere in the headers of kernel {release}"
    return f"{compiler.name} refused the program"


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


def with_options(text: bytes, job: Job) -> bytes:
    """*text* with what the command line defines and includes, for its words; line numbers do not matter here."""
    lines = [f"#define {define.replace('=', ' ', 1)}" for define in job.defines]
    words = iter(job.extra)
    for word in words:
        if word in ("-include", "-imacros"):
            lines.append(f'#include "{next(words, "")}"')
        elif word == "-D":
            lines.append(f"#define {next(words, '').replace('=', ' ', 1)}")
        elif word == "-U":
            lines.append(f"#undef {next(words, '')}")
        elif word.startswith("-U"):
            lines.append(f"#undef {word[2:]}")
        elif word.startswith("-D"):
            lines.append(f"#define {word[2:].replace('=', ' ', 1)}")
    return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape") + text if lines else text


def user_directories(extra: tuple[str, ...]) -> list[str]:
    """Include directories among words that are passed on as they are."""
    found = []
    words = iter(extra)
    for word in words:
        if word in ("-I", "-isystem", "-iquote", "-idirafter"):
            found.append(next(words, ""))
        elif word.startswith("-I"):
            found.append(word[2:])
    return [directory for directory in found if directory]
