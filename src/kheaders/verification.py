"""Whether all types of a kernel's headers lie as its BTF says: each that both know, compiled and compared.

The headers are taken from the blob, which holds each declaration apart, so that types compile without the rest.
A name that several headers define is good if one of them agrees: which one a program gets depends on what it includes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kheaders.agreement import types_in
from kheaders.btf.compare import Difference, Known, differences
from kheaders.btf.kinds import Kind
from kheaders.btf.table import Btf
from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import architecture, include_directories
from kheaders.compilers.job import Job, Result, execute
from kheaders.errors import BlobError
from kheaders.forms.slice import SliceForm
from kheaders.interface.blob import Blob
from kheaders.interface.slice import Needs

BATCH = 400
"""Types in one program: clang's time for BTF grows with the square of them."""

_WORDS = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum", Kind.ENUM64: "enum"}
_OTHER_KEYWORD = re.compile(r"use of '(\w+)' with tag type that does not match")
_NOT_TOGETHER = 4096
"""Names that are tried one by one at most, after programs of several were refused."""


class Thorough(NamedTuple):
    """The outcome."""

    types: int
    """How many were compared."""
    differences: tuple[Difference, ...]
    skipped: tuple[str, ...]
    """Those that do not compile by themselves."""


def thorough(
    blob: Blob, compiler: Compiler, kernel: Btf, progress: Callable[[int, int], None] | None = None
) -> Thorough:
    """Compare every struct, union and enum that *blob* and the BTF of its *kernel* both know by name.

    *progress* is called with the number of types done and that of all. Raises BlobError, BtfError, CompilerError.
    """
    work = _Work(blob, compiler, kernel)
    good: set[str] = set()
    bad: dict[str, tuple[Difference, ...]] = {}
    done, total = 0, sum(map(len, work.rounds))
    for titles in work.rounds:
        left = {title: path for title, path in titles.items() if title not in good}
        for batch in _batches(left):
            for title, found in work.compared(batch):
                if found:
                    bad.setdefault(title, found)
                else:
                    good.add(title)
            done += len(batch)
            if progress is not None:
                progress(done, total)
    every = [title for titles in work.rounds[:1] for title in titles]
    told = tuple(difference for title in every if title not in good for difference in bad.get(title, ()))
    return Thorough(len(good | bad.keys()), told, tuple(t for t in every if t not in good and t not in bad))


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
        piece = self.form.cut(self.form.program(text, None, ()), needs)
        with self.form.present(piece, self.compiler) as served:
            return execute(self.compiler, Job(text, debug=True), served.flags, served.pass_fds)

    def _included(self, path: str) -> str:
        for place in self.search:
            if path.startswith(place):
                return path[len(place) :]
        raise BlobError(f"{self.blob.path}: is damaged ({path} is no header)", "build it again")
