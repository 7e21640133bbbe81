"""The index over a preprocessed text: declarations, macros, files and the include graph, as numbers.

Names of every kind are numbered once. What belongs to many things of one kind (the words of each declaration, the
declarations of each name) is a :class:`Rows`: two arrays of 32-bit numbers. Work on declarations is spread over
processes.
"""

from __future__ import annotations

import bisect
import re
from array import array
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from kheaders.interface import declaration, splitter
from kheaders.interface.resolver import ROOT, Resolver
from kheaders.interface.schema import KINDS
from kheaders.interface.umbrella import NAME, STUBS

_DEFINE = re.compile(rb"\s*#define\s+([A-Za-z_]\w*)(\([^)]*\))?[ \t]*(.*)", re.S)
_UNDEF = re.compile(rb"\s*#undef\s+([A-Za-z_]\w*)")
_INCLUDED = re.compile(rb'\s*#include(?:_next)?\s*(?:<([^>\n]+)>|"([^"\n]+)")')
_PACK = re.compile(rb"\s*#pragma\s+pack\s*\(\s*([^)]*)\)")
_SPACE = re.compile(rb"[ \t]*\n[ \t\n]*")
_WORD = re.compile(rb"[A-Za-z_]\w*")
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*+"?|\'(?:[^\'\\\n]|\\.)*+\'?')


@dataclass(slots=True)
class Rows:
    """Lists of numbers, one after the other: row *i* is ``values[starts[i]:starts[i + 1]]``."""

    starts: array[int] = field(default_factory=lambda: array("I", [0]))
    values: array[int] = field(default_factory=lambda: array("I"))

    def add(self, row: Iterable[int]) -> None:
        """Append a row."""
        self.values.extend(row)
        self.starts.append(len(self.values))


@dataclass(slots=True)
class Macro:
    """One definition (or, without text, the removal) of a macro."""

    name: bytes
    text: bytes | None
    """``NAME(parameters) body`` as after ``#define``; None for ``#undef``."""
    file: int
    line: int
    at: int
    """Offset in the code of what stands before it: its place among declarations."""


@dataclass(slots=True)
class Index:
    """Everything that a blob holds, before it is written."""

    names: list[bytes]
    files: list[str]
    includes: Rows
    """File → files that it includes."""
    texts: list[bytes]
    """Declaration → its text."""
    kinds: bytes
    decl_files: array[int]
    decl_lines: array[int]
    words: Rows
    """Declaration → ordinary names that it refers to."""
    strong: Rows
    weak: Rows
    members: Rows
    touched: Rows
    declares: Rows
    """Declaration → ordinary names that it declares."""
    defines: Rows
    """Declaration → tags that it defines."""
    macros: list[Macro]
    macro_names: array[int]
    macro_words: Rows


def build(text: bytes, resolve: Resolver, workers: int) -> Index:
    """Index what the preprocessor printed."""
    separated = splitter.separate(text)
    walk = _Walk(separated, resolve)
    pieces = list(splitter.split(separated.code))
    parts = _classify(separated.code, pieces, workers)
    return _merge(walk, separated.code, parts)


class _Walk:
    """The directives in order: which file and line each piece of code is of, macros, includes, packing."""

    def __init__(self, separated: splitter.Separated, resolve: Resolver) -> None:
        self.files: list[str] = []
        self._numbers: dict[str, int] = {}
        self.edges: dict[int, dict[int, None]] = {}
        self.macros: list[Macro] = []
        self.spots: list[int] = [0]
        self.places: list[tuple[int, int]] = [(self._file(NAME), 1)]
        self.packs: list[tuple[int, bytes]] = []
        self._pack_spots: list[int] = []
        self._pack_states: list[bytes] = []
        current, line = self.places[0]
        done = 0
        code = separated.code
        for directive in separated.directives:
            raw = directive.text
            line += code.count(b"\n", done, directive.code)
            done = directive.code
            marker = splitter.linemarker(raw) if raw[:2] == b"# " else None
            if marker is not None:
                line, current = marker[0], self._file(marker[1].decode("utf-8", "replace"))
                self.spots.append(directive.code)
                self.places.append((current, line))
                continue
            self._directive(raw, current, line, directive.code, resolve)
            line += 1
            self.spots.append(directive.code)
            self.places.append((current, line))
        self._follow_packs()

    def _directive(self, raw: bytes, current: int, line: int, at: int, resolve: Resolver) -> None:
        if match := _DEFINE.match(raw):
            text = raw.strip()[7:].strip()
            self.macros.append(Macro(match[1], text, current, line, at))
        elif match := _UNDEF.match(raw):
            self.macros.append(Macro(match[1], None, current, line, at))
        elif match := _INCLUDED.match(raw):
            name = (match[1] or match[2]).decode("utf-8", "replace")
            found = resolve.resolve(name, self.files[current], match[2] is not None)
            if found is not None:
                self.edges.setdefault(current, {})[self._file(found)] = None
        elif match := _PACK.match(raw):
            self.packs.append((at, match[1].strip()))

    def _file(self, path: str) -> int:
        path = path.removeprefix(f"{ROOT}/").removeprefix(f"{STUBS}/")
        number = self._numbers.get(path)
        if number is None:
            number = self._numbers[path] = len(self.files)
            self.files.append(path)
        return number

    def place(self, offset: int, code: bytes) -> tuple[int, int]:
        """(file, line) of the code at *offset*."""
        at = bisect.bisect_right(self.spots, offset) - 1
        file, line = self.places[at]
        return file, line + code.count(b"\n", self.spots[at], offset)

    def pack(self, offset: int) -> bytes:
        """The packing in force at *offset*, as in ``#pragma pack(push, N)``; empty for none."""
        at = bisect.bisect_right(self._pack_spots, offset) - 1
        return self._pack_states[at] if at >= 0 else b""

    def _follow_packs(self) -> None:
        """The packing from each ``#pragma pack`` on."""
        stack = [b""]
        for at, words in self.packs:
            parts = [part.strip() for part in words.split(b",")]
            if parts[0] == b"push":
                stack.append(parts[-1] if len(parts) > 1 else stack[-1])
            elif parts[0] == b"pop":
                if len(stack) > 1:
                    stack.pop()
            else:
                stack[-1] = parts[0]
            self._pack_spots.append(at)
            self._pack_states.append(stack[-1])


@dataclass(slots=True)
class _Part:
    """Declarations of one stretch of code; names are numbered within the part."""

    names: list[bytes]
    starts: list[int]
    """Offset of the first character of each in the code."""
    texts: list[bytes]
    kinds: bytearray
    rows: dict[str, Rows]


_FIELDS = ("names", "tags", "words", "strong", "weak", "members", "touched")
_CODE = b""


def _classify(code: bytes, pieces: list[tuple[int, int, bool]], workers: int) -> list[_Part]:
    global _CODE
    if workers < 2 or len(pieces) < 1000:
        _CODE = code
        return [_read(pieces)]
    total = pieces[-1][1]
    shares: list[list[tuple[int, int, bool]]] = [[] for _ in range(workers)]
    for piece in pieces:
        shares[min(workers - 1, piece[0] * workers // total)].append(piece)
    _CODE = code
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
            return list(pool.map(_read, shares))
    finally:
        _CODE = b""


def _read(pieces: list[tuple[int, int, bool]]) -> _Part:
    code = _CODE
    numbers: dict[bytes, int] = {}
    part = _Part([], [], [], bytearray(), {name: Rows() for name in _FIELDS})
    rows = [part.rows[name] for name in _FIELDS]
    for start, end, function in pieces:
        piece = code[start:end].lstrip()
        found = declaration.read(piece, function)
        if found is None:
            continue
        part.starts.append(end - len(piece))
        part.texts.append(_SPACE.sub(b"\n", piece) if b"\n" in piece else piece)
        part.kinds.append(KINDS.index(found.kind))
        values = (found.names, found.tags, found.words, found.strong, found.weak, found.members, found.touched)
        for row, value in zip(rows, values, strict=True):
            if value:
                row.values.extend([numbers.setdefault(name, len(numbers)) for name in value])
            row.starts.append(len(row.values))
    part.names = list(numbers)
    return part


def _merge(walk: _Walk, code: bytes, parts: list[_Part]) -> Index:
    numbers: dict[bytes, int] = {}
    merged = {name: Rows() for name in _FIELDS}
    kinds = bytearray()
    spans: list[tuple[int, bytes]] = []
    for part in parts:
        new = [numbers.setdefault(name, len(numbers)) for name in part.names]
        kinds += part.kinds
        spans += zip(part.starts, part.texts, strict=True)
        for name in _FIELDS:
            rows, into = part.rows[name], merged[name]
            base = len(into.values)
            into.values.extend(map(new.__getitem__, rows.values))
            into.starts.extend(base + start for start in rows.starts[1:])
    texts, files, lines = [], array("I"), array("I")
    seen: set[tuple[int, int, bytes]] = set()
    kept: list[int] = []
    for number, (start, text) in enumerate(spans):
        file, line = walk.place(start, code)
        if (file, line, text) in seen:
            continue  # a header without a guard, read again
        seen.add((file, line, text))
        kept.append(number)
        pack = walk.pack(start) if walk.packs else b""
        texts.append(b"#pragma pack(push, %s)\n%s\n#pragma pack(pop)" % (pack, text) if pack else text)
        files.append(file)
        lines.append(line)
    if len(kept) < len(spans):
        kinds = bytearray(kinds[number] for number in kept)
        merged = {name: _chosen(rows, kept) for name, rows in merged.items()}
    return _finish(walk, numbers, merged, bytes(kinds), texts, files, lines)


def _chosen(rows: Rows, kept: list[int]) -> Rows:
    starts, values = rows.starts, rows.values
    chosen = Rows()
    for number in kept:
        chosen.add(values[starts[number] : starts[number + 1]])
    return chosen


def _finish(
    walk: _Walk,
    numbers: dict[bytes, int],
    merged: dict[str, Rows],
    kinds: bytes,
    texts: list[bytes],
    files: array[int],
    lines: array[int],
) -> Index:
    for macro in walk.macros:
        numbers.setdefault(macro.name, len(numbers))
    declared = set(merged["names"].values)
    macro_names = {numbers[macro.name] for macro in walk.macros}
    members = set(merged["members"].values)
    tags = set(merged["tags"].values)
    words = _restrict(merged["words"], kinds, merged["names"], declared)
    touched = Rows()
    source = merged["touched"]
    for i in range(len(kinds)):
        touched.add(n for n in source.values[source.starts[i] : source.starts[i + 1]] if n in members)
    useful = declared | macro_names | members | tags
    macro_words = Rows()
    for macro in walk.macros:
        body = _STRING.sub(b"", macro.text or b"")
        found = {numbers[word] for word in _WORD.findall(body) if word in numbers}
        macro_words.add(sorted((found & useful) - {numbers[macro.name]}))
    includes = Rows()
    for file in range(len(walk.files)):
        includes.add(walk.edges.get(file, ()))
    return Index(
        list(numbers),
        walk.files,
        includes,
        texts,
        kinds,
        files,
        lines,
        words,
        merged["strong"],
        merged["weak"],
        merged["members"],
        touched,
        merged["names"],
        merged["tags"],
        walk.macros,
        array("I", (numbers[macro.name] for macro in walk.macros)),
        macro_words,
    )


def _restrict(words: Rows, kinds: bytes, names: Rows, declared: set[int]) -> Rows:
    """Words that are names of declarations; where only types and constants can be meant, only those."""
    types: set[int] = set()
    for i, kind in enumerate(kinds):
        row = names.values[names.starts[i] : names.starts[i + 1]]
        if KINDS[kind] in ("typedef", "enum", "struct", "union"):
            types.update(row)
    narrow = frozenset(KINDS.index(k) for k in ("struct", "union", "enum", "prototype", "typedef"))
    kept = Rows()
    for i, kind in enumerate(kinds):
        allowed = types if kind in narrow else declared
        kept.add(n for n in words.values[words.starts[i] : words.starts[i + 1]] if n in allowed)
    return kept
