"""Whether all types of a kernel's headers lie as its BTF says: each that both know, compiled and compared.

The headers are taken from the blob, which holds each declaration apart, so that types compile without the rest.
A name that several headers define is good if one of them agrees: which one a program gets depends on what it includes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from kheaders.agreement import USES, held_against, types_in
from kheaders.btf.compare import NOTHING, Difference, Known, differences
from kheaders.btf.kinds import Kind
from kheaders.btf.table import Btf
from kheaders.clang.find import Compiler
from kheaders.clang.flags import architecture, include_directories
from kheaders.clang.job import Job, Result, execute
from kheaders.errors import BlobError, CompileFailed
from kheaders.forms.slice import SliceForm
from kheaders.headers.chain import Found
from kheaders.interface.blob import Blob
from kheaders.interface.slice import Needs
from kheaders.kernel import Kernel
from kheaders.store import Store

BATCH = 400
"""Types in one program: clang's time for BTF grows with the square of them."""

_WORDS = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum", Kind.ENUM64: "enum"}
_OTHER_KEYWORD = re.compile(r"use of '(\w+)' with tag type that does not match")
_NOT_TOGETHER = 4096
"""Names that are tried one by one at most, after programs of several were refused."""


class Verification(NamedTuple):
    """The outcome."""

    found: Found
    """The headers."""
    btf: str
    """What they were held against."""
    types: int
    """How many were compared."""
    differences: tuple[Difference, ...]
    others: tuple[str, ...] = ()
    """Names that stand for another type in the kernel, with no member in common: a file's own, no fault of headers."""
    skipped: tuple[str, ...] = ()
    """Those that do not compile by themselves."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    @property
    def records(self) -> tuple[str, ...]:
        """The types that differ, each once."""
        return tuple(dict.fromkeys(difference.record for difference in self.differences))


def quick(found: Found, compiler: Compiler, kernel: Btf) -> Verification:
    """Compare the types of the kernel's core. Raises BtfError, CompilerError, and CompileFailed for the headers."""
    from kheaders.clang.diagnostics import first_error, missing_file
    from kheaders.forms.memory import MemoryForm
    from kheaders.trial import PROGRAM

    job = Job(PROGRAM + USES, debug=True)
    with MemoryForm(found.headers).serve(compiler, PROGRAM) as served:
        result = execute(compiler, job, served.flags, served.pass_fds)
    if not result.ok and missing_file(result.diagnostics) is not None:
        with MemoryForm(found.headers, everything=True).serve(compiler, PROGRAM) as served:
            result = execute(compiler, job, served.flags, served.pass_fds)
    if not result.ok:
        what = f"{found.candidate.location}: a small program does not compile: {first_error(result.diagnostics)}"
        raise CompileFailed(what, "the headers are damaged; 'kheaders doctor' tells of others", result.diagnostics)
    agreement = held_against(kernel, result.output)
    return Verification(found, kernel.name, agreement.types, agreement.differences)


@contextmanager
def blob_of(found: Found, kernel: Kernel, store: Store, compiler: Compiler) -> Iterator[Blob]:
    """The blob of these headers: the store's, if it was made of the very same, else one that is made for now."""
    from kheaders.interface import shelf
    from kheaders.interface.build import build

    digest = found.headers.digest
    place = shelf.locate(store, kernel, found.facts.srcarch or kernel.srcarch)
    if place is not None:
        with Blob(place) as blob:
            if blob.meta.get("digest") == digest:
                yield blob
                return
    with store.scratch() as directory:
        path = directory / "verify.kheaders"
        build(found.headers, compiler, path, kernel=shelf.facts(kernel))
        with Blob(path) as blob:
            yield blob


def full(
    found: Found, blob: Blob, compiler: Compiler, kernel: Btf, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Compare every struct, union and enum that *blob* and the BTF of its *kernel* both know by name.

    *progress* is called with the number of types done and that of all. Raises BlobError, BtfError, CompilerError.
    """
    work = _Work(blob, compiler, kernel)
    good: set[str] = set()
    bad: dict[str, tuple[Difference, ...]] = {}
    others: set[str] = set()
    done, total = 0, sum(map(len, work.rounds))
    for titles in work.rounds:
        left = {title: path for title, path in titles.items() if title not in good}
        for batch in _batches(left):
            for title, outcome in work.compared(batch):
                if not outcome:
                    good.add(title)
                elif work.alien(title, outcome):
                    others.add(title)
                else:
                    bad.setdefault(title, outcome)
            done += len(batch)
            if progress is not None:
                progress(done, total)
    every = list(work.rounds[0]) if work.rounds else []
    compared = good | bad.keys()
    return Verification(
        found,
        kernel.name,
        len(compared),
        tuple(difference for title in every if title not in good for difference in bad.get(title, ())),
        tuple(title for title in every if title in others - compared),
        tuple(title for title in every if title not in compared | others),
    )


def _batches(titles: dict[str, str]) -> Iterator[dict[str, str]]:
    """Parts of *titles*, of one file together."""
    ordered = sorted(titles.items(), key=lambda item: item[1])
    for start in range(0, len(ordered), BATCH):
        yield dict(ordered[start : start + BATCH])


class _Work:
    """One blob held against one kernel."""

    def __init__(self, blob: Blob, compiler: Compiler, kernel: Btf) -> None:
        self.blob = blob
        self.compiler = compiler
        self.form = SliceForm(blob)
        self.kernel = Known(kernel)
        config = frozenset(str(option).encode() for option in blob.meta.get("config", ()))
        arch = architecture(str(blob.meta.get("srcarch", "")), config)
        self.search = sorted((f"{place}/" for place in include_directories(arch)), key=len, reverse=True)
        self.rounds = self._rounds()
        self._tries = _NOT_TOGETHER

    def alien(self, title: str, outcome: tuple[Difference, ...]) -> bool:
        """Whether the kernel's types of that name have nothing in common with that of the headers."""
        absent = {d.member for d in outcome if d.member and d.ours.startswith(NOTHING)}
        return any(d.theirs.startswith(NOTHING) for d in outcome) and any(
            len(shape.members) + len(shape.values) == len(absent) for shape in self.kernel.shapes(title)
        )

    def _rounds(self) -> list[dict[str, str]]:
        """Title → header that defines it; what several define is in as many rounds."""
        titles = [t for t in self.kernel.titles if " " in t]
        numbers = self.blob.numbers({title.partition(" ")[2] for title in titles})
        files, paths = self.blob.array("decl_files"), self.blob.files
        rounds: list[dict[str, str]] = []
        for title in titles:
            number = numbers.get(title.partition(" ")[2])
            if number is None:
                continue
            places = dict.fromkeys(paths[files[d]] for d in self.blob.row("tag_decls", number))
            for turn, place in enumerate(places):
                if turn == len(rounds):
                    rounds.append({})
                rounds[turn][title] = place
        return rounds

    def compared(self, batch: dict[str, str]) -> Iterator[tuple[str, tuple[Difference, ...]]]:
        """Each title of *batch* that compiles, with its differences; what does not compile together is parted."""
        titles = list(batch)
        result = self._compile(titles, batch)
        while not result.ok and (others := set(_OTHER_KEYWORD.findall(result.diagnostics))):
            titles = [title for title in titles if title.partition(" ")[2] not in others]
            if not titles:
                return
            result = self._compile(titles, batch)
        if result.ok:
            ours = Known(types_in(result.output), frozenset(titles))
            found: dict[str, list[Difference]] = {}
            for difference in differences(ours, self.kernel):
                found.setdefault(difference.record, []).append(difference)
            yield from ((title, tuple(found.get(title, ()))) for title in titles if title in ours.titles)
        elif len(titles) > 1 and self._tries > 0:
            self._tries -= 1
            half = len(titles) // 2
            for part in (titles[:half], titles[half:]):
                yield from self.compared({title: batch[title] for title in part})

    def _compile(self, titles: Sequence[str], files: dict[str, str]) -> Result:
        """A program that takes each type by value, so that all of it is in its BTF."""
        includes = dict.fromkeys(f"#include <{self._included(files[title])}>\n" for title in titles)
        text = f"{''.join(includes)}void (*kheaders_types)({', '.join(titles)});\n".encode()
        needs = Needs(tags={title.partition(" ")[2] for title in titles})
        piece = self.form.cut(self.form.program(text, None), needs)
        with self.form.present(piece, self.compiler) as served:
            return execute(self.compiler, Job(text, debug=True), served.flags, served.pass_fds)

    def _included(self, path: str) -> str:
        for place in self.search:
            if path.startswith(place):
                return path[len(place) :]
        raise BlobError(f"{self.blob.path}: is damaged ({path} is no header)", "build it again")
