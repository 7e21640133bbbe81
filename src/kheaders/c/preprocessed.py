"""The directives of a preprocessed text, in order: which header and line each piece of code is of, macros, includes."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from kheaders.c import split
from kheaders.c.include_path import NAME, ROOT, STUBS, Resolver
from kheaders.system.ragged import Rows

_DEFINED = re.compile(rb"\s*#define\s+([A-Za-z_]\w*)")
_UNDEF = re.compile(rb"\s*#undef\s+([A-Za-z_]\w*)")
_INCLUDED = re.compile(rb'\s*#include(?:_next)?\s*(?:<([^>\n]+)>|"([^"\n]+)")')
SAVED, RESTORED = b"#pragma kheaders saved ", b"#pragma kheaders restored "
"""Lines that tell which macros ``push_macro`` and ``pop_macro`` are for, as these are not printed.

The names are in one string, separated by spaces: with ``-fms-extensions`` a preprocessor replaces macros in pragmas.
"""
_PACK = re.compile(rb"\s*#pragma\s+pack\s*\(\s*([^)]*)\)")


class Piece(NamedTuple):
    """A top-level piece of code that is new."""

    text: bytes
    function: bool
    """Whether it is the definition of a function."""
    pack: bytes
    """The packing in force, as in ``#pragma pack(push, N)``; empty for none."""


class Macros:
    """Definitions (or, with an empty text, removals) of macros, in order."""

    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.texts: list[bytes] = []
        """``NAME(parameters) body`` as after ``#define``; empty for ``#undef``."""
        self.files: array[int] = array("I")
        self.lines: array[int] = array("I")


class Walk:
    """Goes through a text in batches, each of which ends at top level."""

    def __init__(self, resolve: Resolver, watched: Mapping[str, Mapping[bytes, int]] | None = None) -> None:
        """*watched*: header → macros of which :attr:`watched` is to tell → the line where it first names each."""
        self.files: list[str] = []
        self.macros = Macros()
        self.watched: dict[int, dict[bytes, int]] = {}
        """File → macro → number of its definition, of another file, that is in force at that line; -1 for none."""
        self.filled: dict[int, list[int]] = {}
        """File of those → lines where something is left of it, ascending."""
        self._watch = watched or {}
        self._names: dict[int, Mapping[bytes, int]] = {}
        self._force: dict[bytes, int] = {}
        """Name → number of its last definition or removal."""
        self._saved: dict[bytes, list[int]] = {}
        """What ``push_macro`` saved of it."""
        self._resolve = resolve
        self._numbers: dict[str, int] = {}
        self._edges: dict[int, dict[int, None]] = {}
        self._markers: dict[bytes, int] = {}
        self._file = self._numbered(NAME)
        self._line = 1
        self._packs = [b""]
        self._seen: set[int] = set()

    @property
    def includes(self) -> Rows:
        """File → files that it includes."""
        rows = Rows()
        for file in range(len(self.files)):
            rows.add(self._edges.get(file, ()))
        return rows

    def define(self, name: bytes, text: bytes, path: str, line: int) -> None:
        """Add the definition of a macro that is not in the text."""
        self._macro(name, text, self._numbered(path), line)
        del self._force[name]

    def feed(self, text: bytes) -> Iterator[tuple[int, int, Piece]]:
        """(file, line, piece) for each piece of the next batch; a header without a guard that is read again, only once.

        Whether a piece was there before is told by its hash, which is secret to this process; the pieces themselves
        would take tens of megabytes.
        """
        separated = split.separate(text)
        code = separated.code
        spots, places = self._directives(separated)
        packs = [(at, self._packs[-1]) for at in (0,)]
        packs = self._packing(separated) if b"#pragma" in text else packs
        at = pack_at = 0
        last, last_pack = len(spots) - 1, len(packs) - 1
        for start, end, function in split.split(code):
            piece = code[start:end].lstrip()
            if not piece:
                continue
            start = end - len(piece)
            while at < last and spots[at + 1] <= start:
                at += 1
            file, line = places[at]
            if start != spots[at]:
                line += code.count(b"\n", spots[at], start)
            key = hash((file, line, piece))
            if key in self._seen:
                continue
            self._seen.add(key)
            while pack_at < last_pack and packs[pack_at + 1][0] <= start:
                pack_at += 1
            yield file, line, Piece(piece, function, packs[pack_at][1])

    def _directives(self, separated: split.Separated) -> tuple[list[int], list[tuple[int, int]]]:
        """Offsets in the code, and the (file, line) of what begins at each."""
        code, markers = separated.code, self._markers
        file, line = self._file, self._line
        spots, places = [0], [(file, line)]
        done = 0
        for raw, at in zip(separated.directives, separated.places, strict=True):
            if at != done:
                if spots[-1] == done:
                    places[-1] = (file, line)
                else:
                    spots.append(done)
                    places.append((file, line))
                line += code.count(b"\n", done, at)
                done = at
            if raw.startswith(b"#define "):
                if match := _DEFINED.match(raw):
                    self._macro(match[1], raw[8:].strip(), file, line)
                line += 1
            elif raw.startswith(b"# ") and (marker := split.linemarker(raw)) is not None:
                line = marker[0]
                known = markers.get(marker[1])
                if known is None:
                    known = markers[marker[1]] = self._numbered(marker[1].decode("utf-8", "replace"))
                file = known
                if file in self._names:
                    self._note(file, line, b'" 1' in raw)
            else:
                self._other(raw, file, line)
                line += 1
        spots.append(done)
        places.append((file, line))
        self._file, self._line = file, line + code.count(b"\n", done)
        if self._names:
            for (start, end), (of, first) in zip(pairwise((*spots, len(code))), places, strict=True):
                if of in self._names and not code[start:end].isspace():
                    lines = enumerate(code[start:end].split(b"\n"), first)
                    left = [number for number, text in lines if text and not text.isspace()]
                    self.filled.setdefault(of, []).extend(left)
        return spots, places

    def _note(self, file: int, line: int, enters: bool) -> None:
        """Note what is in force where a header begins, or goes on at a line after what it includes."""
        if enters and file in self.watched:
            del self._names[file]  # it was read before, and guards itself, or has the same text again
            return
        known = self.watched.setdefault(file, {})
        for name, first in self._names[file].items():
            if name in known and line > first:
                continue
            number = self._force.get(name, -1)
            if number < 0 or not self.macros.texts[number]:
                known[name] = -1
            elif self.macros.files[number] != file:
                known[name] = number

    def _macro(self, name: bytes, text: bytes, file: int, line: int) -> None:
        macros = self.macros
        self._force[name] = len(macros.names)
        macros.names.append(name)
        macros.texts.append(text)
        macros.files.append(file)
        macros.lines.append(line)

    def _other(self, raw: bytes, file: int, line: int) -> None:
        if match := _INCLUDED.match(raw):
            name = (match[1] or match[2]).decode("utf-8", "replace")
            found = self._resolve.resolve(name, self.files[file], match[2] is not None)
            if found is not None:
                self._edges.setdefault(file, {})[self._numbered(found)] = None
        elif raw.startswith(SAVED):
            for name in raw[len(SAVED) :].strip(b'"\n ').split():
                self._saved.setdefault(name, []).append(self._force.get(name, -1))
        elif raw.startswith(RESTORED):
            for name in raw[len(RESTORED) :].strip(b'"\n ').split():
                self._force[name] = self._saved[name].pop()
        elif match := _UNDEF.match(raw):
            self._macro(match[1], b"", file, line)
        elif match := _DEFINED.match(raw):
            self._macro(match[1], raw.strip()[7:].strip(), file, line)

    def _numbered(self, path: str) -> int:
        path = path.removeprefix(f"{ROOT}/").removeprefix(f"{STUBS}/")
        number = self._numbers.get(path)
        if number is None:
            number = self._numbers[path] = len(self.files)
            self.files.append(path)
            if path in self._watch:
                self._names[number] = self._watch[path]
        return number

    def _packing(self, separated: split.Separated) -> list[tuple[int, bytes]]:
        """The packing from each ``#pragma pack`` on, and from the beginning."""
        stack = self._packs
        found = [(0, stack[-1])]
        for raw, at in zip(separated.directives, separated.places, strict=True):
            match = _PACK.match(raw) if b"pack" in raw else None
            if match is None:
                continue
            parts = [part.strip() for part in match[1].strip().split(b",")]
            if parts[0] == b"push":
                stack.append(parts[-1] if len(parts) > 1 else stack[-1])
            elif parts[0] == b"pop":
                if len(stack) > 1:
                    stack.pop()
            else:
                stack[-1] = parts[0]
            found.append((at, stack[-1]))
        return found


def batches(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    """What *stream* gives, cut behind the first SENTINEL line after each *size* bytes, however it came."""
    end = b"\n" + split.SENTINEL + b"\n"
    held = bytearray()
    looked = 0
    for piece in stream:
        held += piece
        while len(held) >= size:
            at = held.find(end, max(0, size - len(end), looked))
            if at < 0:
                looked = len(held) - len(end)
                break
            yield bytes(held[: at + len(end)])
            del held[: at + len(end)]
            looked = 0
    if held:
        yield bytes(held)
