"""The index over a preprocessed text: declarations, macros, files and the include graph, as numbers.

Names of every kind are numbered once, in the order of their hashes. What belongs to many things of one kind (the words
of each declaration) is a :class:`Rows`. The text is walked through while it comes, and read by other processes.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from itertools import accumulate, count, pairwise
from multiprocessing import get_context
from operator import eq
from typing import NamedTuple

from kheaders.c import declaration
from kheaders.c.anonymous_members import written_out
from kheaders.c.conditionals import Default
from kheaders.c.include_path import Resolver
from kheaders.c.preprocessed import Piece, Walk, batches
from kheaders.interface.aside import aside, resume, uninterrupted
from kheaders.interface.schema import KINDS, NAME_ROWS, hashes
from kheaders.system.ragged import Rows

BATCH = 1 << 20
"""Bytes of preprocessed text that are read by one process at a time."""
PENDING = 4
"""Batches that may wait for others to be read, and hold memory meanwhile."""

_SPACE = re.compile(rb"[ \t]*\n[ \t\n]*")
_INDENTATION = re.compile(rb"\n[ \t\n]*")
_WORD = re.compile(rb"[A-Za-z_]\w*")
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*+"?|\'(?:[^\'\\\n]|\\.)*+\'?')
_TYPES = frozenset(KINDS.index(kind) for kind in ("typedef", "enum", "struct", "union"))
_NUMBERS = {name: number for number, name in enumerate(KINDS)}


class Index(NamedTuple):
    """Everything that a blob holds but its metadata. See :class:`kheaders.interface.writer.Content`."""

    names: list[bytes]
    files: list[str]
    texts: list[bytes]
    kinds: bytes
    decl_files: array[int]
    decl_lines: array[int]
    macro_texts: list[bytes]
    macro_names: array[int]
    macro_files: array[int]
    macro_lines: array[int]
    rows: Mapping[str, Rows]
    """``includes``, NAME_ROWS, ``macro_words``; rows of names are sorted."""
    hashes: array[int]
    """Of each name."""
    watched: Mapping[int, Mapping[bytes, int]] = {}
    """As :attr:`kheaders.c.preprocessed.Walk.watched`."""
    filled: Mapping[int, Sequence[int]] = {}
    """As :attr:`kheaders.c.preprocessed.Walk.filled`."""


def build(
    stream: Iterable[bytes],
    resolve: Resolver,
    workers: int,
    tested: Callable[[], Iterable[str]] = tuple,
    defaults: Iterable[Default] = (),
    watched: Mapping[str, Mapping[bytes, int]] | None = None,
) -> Index:
    """Index what the preprocessor prints, while it comes. *tested* gives names that have a number in any case,
    *watched* macros of which the index is to tell what headers see of them.

    The *defaults* come before all other macros: any other definition that a program sees is in force instead.
    """
    walk = Walk(resolve, watched)
    for default in defaults:
        walk.define(default.name, default.text, default.path, default.line)
    merge = _Merge()
    parts: deque[Future[_Part]] = deque()
    files, lines = array("I"), array("I")
    with ExitStack() as stack:
        pool = _pool(workers, stack)
        first = 0
        for batch in batches(iter(stream), BATCH):
            pieces = []
            for file, line, piece in walk.feed(batch):
                files.append(file)
                lines.append(line)
                pieces.append(piece)
            parts.append(_read_by(pool, pieces, walk.macros.texts[first:]))
            first = len(walk.macros.texts)
            while parts and (parts[0].done() or len(parts) > PENDING):
                merge.add(parts.popleft().result())
        while parts:
            merge.add(parts.popleft().result())
    return merge.finish(walk, files, lines, tested(), workers > 1)


def _pool(workers: int, stack: ExitStack) -> ProcessPoolExecutor | None:
    if workers < 2:
        return None
    context = get_context("fork")
    with uninterrupted() as mask:
        pool = stack.enter_context(ProcessPoolExecutor(workers, context, resume, (mask,)))
        pool.submit(int)  # the first piece of work starts the processes
    return pool


class _Part(NamedTuple):
    """What was read of one batch; names are numbered within it. Of what declares nothing there is nothing."""

    names: list[bytes]
    hashes: array[int]
    kept: bytes
    """1 for each piece that declares something."""
    text: bytes
    lengths: array[int]
    kinds: bytes
    starts: list[array[int]]
    """For each of NAME_ROWS where the rows start in its values."""
    values: list[array[int]]
    macro_starts: array[int]
    macro_words: array[int]
    embedding: array[int]
    """Numbers of those that have a member without a name whose type has a tag."""


def _read_by(pool: ProcessPoolExecutor | None, pieces: list[Piece], macros: list[bytes]) -> Future[_Part]:
    if pool is not None:
        return pool.submit(_read, pieces, macros)
    part: Future[_Part] = Future()
    part.set_result(_read(pieces, macros))
    return part


def _read(pieces: list[Piece], macros: list[bytes]) -> _Part:
    numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
    number = numbers.__getitem__
    kept = bytearray(len(pieces))
    texts = []
    kinds = bytearray()
    starts = [array("I", [0]) for _ in NAME_ROWS]
    values: list[array[int]] = [array("I") for _ in NAME_ROWS]
    columns = list(zip(starts, values, strict=True))
    embedding = array("I")
    for i, (piece, function, pack) in enumerate(pieces):
        found = declaration.read(piece, function)
        if found is None:
            continue
        kept[i] = 1
        text = _closer(piece) if b"\n" in piece else piece
        texts.append(b"#pragma pack(push, %s)\n%s\n#pragma pack(pop)" % (pack, text) if pack else text)
        if found.embedded:
            embedding.append(len(kinds))
        kinds.append(_NUMBERS[found.kind])
        for (begins, into), row in zip(columns, _rows_of(found), strict=True):
            if row:
                into.extend(map(number, row))
            begins.append(len(into))
    macro_starts, macro_words = array("I", [0]), array("I")
    for text in macros:
        body = _STRING.sub(b"", text) if b'"' in text or b"'" in text else text
        macro_words.extend(map(number, dict.fromkeys(_WORD.findall(body))))
        macro_starts.append(len(macro_words))
    lengths = array("I", map(len, texts))
    return _Part(
        list(numbers),
        array("Q", hashes(numbers)),
        bytes(kept),
        b"".join(texts),
        lengths,
        bytes(kinds),
        starts,
        values,
        macro_starts,
        macro_words,
        embedding,
    )


def _rows_of(found: declaration.Declaration) -> tuple[Collection[bytes], ...]:
    """The rows of NAME_ROWS."""
    return found.words, found.strong, found.weak, found.members, found.touched, found.names, found.tags


def _closer(text: bytes) -> bytes:
    """*text* without blanks around line ends and without empty lines."""
    # the quick way suffices where no line ends in a blank
    return (_SPACE if b" \n" in text or b"\t\n" in text else _INDENTATION).sub(b"\n", text)


class _Merge:
    """The parts, one after the other, with names numbered for all."""

    def __init__(self) -> None:
        self._numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
        self._hashes = array("Q")
        """Of each name."""
        self._declared: set[int] = set()
        """Names of functions, variables, typedefs and enumeration constants."""
        self._types: set[int] = set()
        """Those of them that types, or the enumerations among them, declare."""
        self._tags: set[int] = set()
        """Tags that are defined."""
        self._needed: set[int] = set()
        """Tags that are referred to."""
        self._members: set[int] = set()
        self._kept = bytearray()
        self._texts: list[bytes] = []
        self._kinds = bytearray()
        self._rows = [Rows() for _ in NAME_ROWS]
        self._macro_words = Rows()
        self._embedding: list[int] = []
        """Numbers of declarations to write out."""

    def add(self, part: _Part) -> None:
        """Append a part."""
        known = len(self._hashes)
        new = [self._numbers[name] for name in part.names]
        self._hashes.extend(value for value, number in zip(part.hashes, new, strict=True) if number >= known)
        self._kept += part.kept
        self._embedding += (len(self._kinds) + number for number in part.embedding)
        self._kinds += part.kinds
        ends = accumulate(part.lengths)
        self._texts += (part.text[end - length : end] for end, length in zip(ends, part.lengths, strict=True))
        for rows, starts, values in zip(self._rows, part.starts, part.values, strict=True):
            _append(rows, starts, values, new)
        _append(self._macro_words, part.macro_starts, part.macro_words, new)
        for known_as, name in (
            (self._declared, "declares"),
            (self._tags, "defines"),
            (self._needed, "strong"),
            (self._needed, "weak"),
            (self._members, "members"),
        ):
            known_as.update(map(new.__getitem__, part.values[NAME_ROWS.index(name)]))
        at = NAME_ROWS.index("declares")
        starts, values = part.starts[at], part.values[at]
        for kind, (begin, end) in zip(part.kinds, pairwise(starts), strict=True):
            if kind in _TYPES:
                self._types.update(map(new.__getitem__, values[begin:end]))

    def finish(self, walk: Walk, files: array[int], lines: array[int], tested: Iterable[str], apart: bool) -> Index:
        """The index. Names that nothing can mean are left out of it."""
        self._write_out()
        macros, numbers = walk.macros, self._numbers
        macro_names = array("I", (numbers[name] for name in macros.names))
        rows = dict(zip(NAME_ROWS, self._rows, strict=True))
        kinds = bytes(self._kinds)
        useful = self._declared | self._members | self._tags | set(macro_names)
        asked = {numbers[name.encode()] for name in tested}
        listed = list(numbers)
        self._hashes.extend(hashes(listed[len(self._hashes) :]))
        order = self._ordered(useful.union(asked, self._needed), listed)
        new = array("i", [-1]) * len(listed)
        for place, number in enumerate(order):
            new[number] = place
        only = {
            "types": _only(new, self._types),
            "declared": _only(new, self._declared),
            "members": _only(new, self._members),
            "useful": _only(new, useful),
        }
        narrow = frozenset(KINDS.index(k) for k in ("struct", "union", "enum", "prototype", "typedef"))
        maps = [only["types"] if kind in narrow else only["declared"] for kind in range(len(KINDS))]
        own = array("I", map(new.__getitem__, macro_names))
        with aside(lambda: _without(_mapped(self._macro_words, only["useful"]), own), apart) as macro_words:
            final = {name: _mapped(rows[name], new) for name in NAME_ROWS if name not in ("words", "touched")}
            final["words"] = _chosen(rows["words"], map(maps.__getitem__, kinds))
            final["touched"] = _mapped(rows["touched"], only["members"])
            final["macro_words"] = macro_words()
        final["includes"] = walk.includes
        return Index(
            [listed[number] for number in order],
            walk.files,
            self._texts,
            kinds,
            array("I", (file for file, kept in zip(files, self._kept, strict=True) if kept)),
            array("I", (line for line, kept in zip(lines, self._kept, strict=True) if kept)),
            macros.texts,
            own,
            macros.files,
            macros.lines,
            final,
            array("Q", map(self._hashes.__getitem__, order)),
            walk.watched,
            walk.filled,
        )

    def _write_out(self) -> None:
        """Write out members without a name whose type has a tag: a text must mean the same whatever the flags are."""
        defines, texts = self._rows[NAME_ROWS.index("defines")], self._texts
        owners: defaultdict[int, list[int]] = defaultdict(list)
        if self._embedding:
            for number, row in enumerate(defines):
                for tag in row:
                    owners[tag].append(number)
        changed: dict[int, declaration.Declaration] = {}
        for number in self._embedding:

            def defined(tag: bytes, number: int = number) -> bytes | None:
                before = [owner for owner in owners.get(self._numbers[tag], ()) if owner < number]
                return texts[before[-1]] if before else None

            texts[number] = written_out(texts[number], defined)
            found = declaration.read(texts[number], False)
            if found is not None:
                changed[number] = found
        for at, rows in enumerate(self._rows if changed else ()):
            self._rows[at] = _replaced(
                rows, {n: [self._numbers[name] for name in _rows_of(found)[at]] for n, found in changed.items()}
            )
        for found in changed.values():
            self._members.update(self._numbers[name] for name in found.members)
            self._needed.update(self._numbers[name] for name in found.strong | found.weak)

    def _ordered(self, numbers: Collection[int], listed: Sequence[bytes]) -> list[int]:
        """*numbers* in the order of :func:`kheaders.interface.writer.ordered`."""
        order = sorted(numbers, key=self._hashes.__getitem__)
        hashed = list(map(self._hashes.__getitem__, order))
        if any(map(eq, hashed, hashed[1:])):
            order.sort(key=lambda number: (self._hashes[number], listed[number]))
        return order


def _append(rows: Rows, starts: array[int], values: array[int], new: list[int]) -> None:
    base = len(rows.values)
    rows.values.extend(map(new.__getitem__, values))
    rows.starts.extend([base + start for start in starts[1:]])


def _replaced(rows: Rows, others: Mapping[int, list[int]]) -> Rows:
    """*rows* with *others* in place of those of the same number."""
    found = Rows()
    for number, row in enumerate(rows):
        found.add(others.get(number, row))
    return found


def _only(new: array[int], allowed: set[int]) -> array[int]:
    """*new* with -1 for what is not among *allowed*."""
    chosen = array("i", [-1]) * len(new)
    for number in allowed:
        chosen[number] = new[number]
    return chosen


def _mapped(rows: Rows, new: array[int]) -> Rows:
    """*rows* with new numbers, sorted, without those that have none."""
    return _chosen(rows, (new for _ in range(len(rows))))


def _chosen(rows: Rows, maps: Iterator[array[int]]) -> Rows:
    """As :func:`_mapped`, with a map of its own for each row."""
    values, found = rows.values, Rows()
    into, starts = found.values, found.starts
    begin = 0
    for end, new in zip(rows.starts[1:], maps, strict=True):
        if end - begin == 1:
            number = new[values[begin]]
            if number >= 0:
                into.append(number)
        elif end != begin:
            row = sorted({new[value] for value in values[begin:end]})
            into.extend(row[1:] if row[0] < 0 else row)
        starts.append(len(into))
        begin = end
    return found


def _without(rows: Rows, own: array[int]) -> Rows:
    """*rows* without the number of *own* that goes with each."""
    found = Rows()
    for row, number in zip(rows, own, strict=True):
        found.add([value for value in row if value != number] if number in row else row)
    return found
