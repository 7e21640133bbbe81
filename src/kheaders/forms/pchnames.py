"""What is known of a precompiled header without a compiler: which headers it covers, and which names come from where.

With this, a program whose meaning a precompiled header would change is told apart before it is compiled. Such a header
shows a program more than its own include lines do; that matters where a word of the program is a macro of a header that
it does not include, where the program defines something itself, or where it defines a macro that the headers look at.
"""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from kheaders.c import declaration, split
from kheaders.c.conditionals import guarded
from kheaders.c.include_path import Resolver
from kheaders.c.macro_events import OwnMacros, mark
from kheaders.errors import FormError
from kheaders.interface.program import Program

FORMAT = 5
"""Of a packed index; part of a PCH's key, so that another format means another PCH."""
ALWAYS = "include/linux/kconfig.h"
"""What the flags include before everything else."""

_TEXT_ONLY = frozenset({"KBUILD_MODNAME", "KBUILD_BASENAME", "pr_fmt"})
"""Headers use them only for the texts of messages (linux/printk.h, linux/dynamic_debug.h), which BPF cannot print."""

_EVENT = re.compile(
    rb'^#(?: \d+ "([^"\n]+)"|(?:define|undef)[ \t]+(\w+)([^\n]*)|include(?:_next)?[ \t]+([<"])([^>"\n]+)[>"])', re.M
)
WORDS = bytes(c if (chr(c).isalnum() and c < 128) or c == 95 else 32 for c in range(256))
"""Translates what cannot be part of an identifier to a space."""
_UMBRELLA = b"<stdin>"
"""What clang calls the file that includes all of them."""


class Table(NamedTuple):
    """Sorted names, and for each the header that has the last word on it."""

    names: list[str]
    files: list[int]
    marks: list[int]
    """For macros, a digest of the definition; 0 for one that was removed."""

    @classmethod
    def of(cls, known: Mapping[bytes, tuple[int, int]]) -> Table:
        """The table of *known*: name → (header, mark)."""
        rows = sorted((name.decode("ascii", "replace"), *row) for name, row in known.items())
        return cls([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])

    def pack(self) -> tuple[str, list[int], list[int]]:
        """For JSON."""
        return " ".join(self.names), self.files, self.marks

    @classmethod
    def unpack(cls, value: Any) -> Table:
        """What :meth:`pack` made."""
        return cls(str(value[0]).split(), value[1], value[2])

    def get(self, name: str) -> tuple[int, int] | None:
        """The number of the header that has *name* and the mark, or None."""
        at = bisect_left(self.names, name)
        return (self.files[at], self.marks[at]) if at < len(self.names) and self.names[at] == name else None


class Names(NamedTuple):
    """What the layers of a precompiled header hold; each has all that is in those before it."""

    files: list[str]
    """The headers that it covers, relative to the tree, in the order in which they were read first."""
    ends: list[int]
    """For each layer, how many of these headers are in it and in those before it."""
    includes: list[list[int]]
    """For each of them the numbers of those that it includes."""
    covered: dict[str, int]
    """Name in an include line → number of the header that it means."""
    kept: dict[str, str]
    """Path → text (a byte a character) of headers without a guard, which are read again wherever they are included."""
    macros: list[Table]
    """For each layer, macros that it defined or removed, with the header that did so last."""
    declared: Table
    """Names and tags declared at top level."""
    mentioned: list[str]
    """Every word of the headers' texts, sorted."""
    left_out: dict[str, str]
    """Headers that were to be in it and cannot be → why."""
    layers: list[list[str]]
    """What was included to make each layer, in order."""

    @property
    def umbrella(self) -> list[str]:
        """What was included to make all of it, in order."""
        return [name for layer in self.layers for name in layer]

    def pack(self) -> bytes:
        """As bytes; :func:`unpack` reads them."""
        value = {
            "format": FORMAT,
            "files": self.files,
            "ends": self.ends,
            "includes": self.includes,
            "covered": self.covered,
            "kept": self.kept,
            "macros": [table.pack() for table in self.macros],
            "declared": self.declared.pack(),
            "mentioned": " ".join(self.mentioned),
            "left_out": self.left_out,
            "layers": self.layers,
        }
        return json.dumps(value, separators=(",", ":")).encode()

    def visible(self, names: Iterable[str]) -> set[int]:
        """The headers that include lines with these *names* reach."""
        todo = [self.covered[name] for name in names if name in self.covered]
        if ALWAYS in self.files:
            todo.append(self.files.index(ALWAYS))
        seen: set[int] = set()
        while todo:
            file = todo.pop()
            if file not in seen:
                seen.add(file)
                todo += self.includes[file]
        return seen

    def layer(self, names: Iterable[str]) -> int:
        """The number of the first layer that has all that include lines with these *names* reach."""
        return bisect_right(self.ends, max(self.visible(names), default=0))

    def macro(self, name: str, layer: int) -> tuple[int, int] | None:
        """The header that has the last word on the macro up to that layer, and the mark of its definition."""
        found = (table.get(name) for table in reversed(self.macros[: layer + 1]))
        return next((row for row in found if row is not None), None)

    def mentions(self, word: str) -> bool:
        """Whether a header's text has the identifier *word*."""
        at = bisect_left(self.mentioned, word)
        return at < len(self.mentioned) and self.mentioned[at] == word

    def hidden(self, directories: Iterable[str]) -> str:
        """The first file below *directories* that an include line finds before a header that is covered, or nothing."""
        heads = {name.partition("/")[0] for name in self.covered}
        for directory in directories:
            here = {head for head in heads if os.path.exists(os.path.join(directory, head))}
            for name in sorted(self.covered) if here else ():
                path = os.path.join(directory, name)
                if name.partition("/")[0] in here and os.path.isfile(path):
                    return path
        return ""

    def obstacle(self, program: Program, own: OwnMacros, layer: int) -> str:
        """Why the program, whose macros are *own*, may mean something else with that *layer*; empty if it does not."""
        visible = self.visible(program.includes)
        # What no layer up to this one has read is as good as included: nothing of it is there.
        unseen = self.ends[layer]
        for name in own.early:
            if self.mentions(name) and name not in _TEXT_ONLY:
                return f"it defines {name}, which the headers look at, before it includes them"
        seen: dict[int, set[int]] = {}
        for name, count in sorted(program.before.items()):
            found = self.macro(name, layer)
            if found is not None and found[1]:
                if count not in seen:
                    seen[count] = self.visible(program.includes[:count])
                if found[0] not in seen[count]:
                    return f"it names {name} before it includes {self.files[found[0]]}, which defines that macro"
        declared = program.declared | program.defined
        for name in sorted(declared | program.words):
            found = self.macro(name, layer)
            if found is not None and found[0] not in visible and own.marks.get(name, frozenset((0,))) != {found[1]}:
                return f"{name} is a macro of {self.files[found[0]]}, which the program does not include"
        for name in sorted(declared):
            found = self.declared.get(name)
            if found is not None and found[0] < unseen and found[0] not in visible:
                return f"it declares {name} itself, as does {self.files[found[0]]}, which it does not include"
        for name in sorted(program.strong | program.calls.names | {w for w in program.words if w.isupper()}):
            found = self.declared.get(name)
            if found is not None and found[0] < unseen and found[0] not in visible and name not in declared:
                return f"{name} is declared in {self.files[found[0]]}, which the program does not include"
        return ""


def unpack(data: bytes) -> Names:
    """What :meth:`Names.pack` made. Raises FormError for anything else."""
    try:
        value: Any = json.loads(data)
        if value["format"] != FORMAT:
            raise ValueError("another format")
        return Names(
            value["files"],
            value["ends"],
            value["includes"],
            value["covered"],
            value["kept"],
            [Table.unpack(table) for table in value["macros"]],
            Table.unpack(value["declared"]),
            str(value["mentioned"]).split(),
            value["left_out"],
            value["layers"],
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise FormError(f"the index of a PCH cannot be read ({error})", "run 'kheaders pch build'") from error


def index(
    printed: bytes,
    resolver: Resolver,
    root: str,
    texts: Callable[[str], bytes],
    search: tuple[str, ...],
    left_out: Mapping[str, str],
    layers: Sequence[Sequence[str]],
) -> Names:
    """The names of what ``clang -E -dD -dI`` *printed* over an umbrella whose headers lie below *root*.

    *texts* gives a header's text as the compiler saw it; *layers* are the names that were included, layer by layer.
    """
    walk = _Walk(resolver, f"{root}/", layers)
    walk.directives(printed)
    walk.declarations(printed)
    words: set[bytes] = set()
    kept = {}
    for path in walk.files:
        text = texts(path)
        words.update(text.translate(WORDS).split())  # three times as fast as a search by pattern
        if not guarded(text, walk.live):
            kept[path] = text.decode("latin-1")
    return Names(
        walk.files,
        walk.ends,
        [sorted(edges) for edges in walk.edges],
        _covered(walk.numbers, resolver, search),
        kept,
        walk.tables,
        Table.of(walk.declared),
        sorted(word.decode("ascii") for word in words if not word[:1].isdigit()),
        dict(left_out),
        [list(layer) for layer in layers],
    )


class _Walk:
    """Goes through the preprocessor's output."""

    def __init__(self, resolver: Resolver, root: str, layers: Sequence[Sequence[str]]) -> None:
        self.files: list[str] = []
        self.numbers: dict[str, int] = {}
        self.edges: list[set[int]] = []
        self.macros: dict[bytes, tuple[int, int]] = {}
        """Defined or removed → by which header last, and a mark of the definition."""
        self.declared: dict[bytes, tuple[int, int]] = {}
        self.live: set[bytes] = set()
        """Macros that are defined at the end."""
        self.ends: list[int] = []
        self.tables: list[Table] = []
        self._opens = {layer[0].encode(): number for number, layer in enumerate(layers) if layer and number}
        """Include lines of the umbrella that begin a layer."""
        self._count = len(layers)
        self._changed: set[bytes] = set()
        """Macros that this layer defined or removed."""
        self._told: set[bytes] = set()
        """Macros in the tables of layers before."""
        self._several: set[bytes] = set()
        self._resolver = resolver
        self._root = root
        self._spots: list[tuple[int, int | None]] = [(0, None)]

    def number(self, path: str) -> int:
        if path not in self.numbers:
            self.numbers[path] = len(self.files)
            self.files.append(path)
            self.edges.append(set())
        return self.numbers[path]

    def _file(self, shown: bytes, known: dict[bytes, int | None]) -> int | None:
        """The number of the header that a linemarker shows; None for what is none of the kernel's."""
        if shown not in known:
            path = shown.decode("utf-8", "replace")
            known[shown] = self.number(path.removeprefix(self._root)) if path.startswith(self._root) else None
        return known[shown]

    def directives(self, printed: bytes) -> None:
        known: dict[bytes, int | None] = {}
        file: int | None = None
        umbrella = True
        for match in _EVENT.finditer(printed):
            shown, macro, body, quote, name = match.groups()
            if shown is not None:
                file = self._file(shown, known)
                umbrella = shown == _UMBRELLA
                self._spots.append((match.end(), file))
            elif macro is not None:
                if printed.startswith(b"#d", match.start()):
                    self._define(macro, body, file)
                else:
                    self._remove(macro, file)
            elif file is not None:
                target = self._resolver.resolve(name.decode("utf-8", "replace"), self.files[file], quote == b'"')
                if target is not None:
                    self.edges[file].add(self.number(target))
            elif umbrella and name in self._opens:
                self._close(self._opens[name])
        self._close(self._count)

    def _close(self, number: int) -> None:
        """End the layers before that with the *number*."""
        while len(self.ends) < number:
            self.ends.append(len(self.files))
            rows = {macro: self.macros[macro] for macro in self._changed if macro in self.macros}
            self.tables.append(Table.of(rows))
            self._told |= rows.keys()
            self._changed.clear()

    def _define(self, macro: bytes, body: bytes, file: int | None) -> None:
        self.live.add(macro)
        if file is None:
            return
        known = self.macros.get(macro)
        if known is not None and known[0] != file:
            self._several.add(macro)
        self._changed.add(macro)
        self.macros[macro] = (file, mark(body))

    def _remove(self, macro: bytes, file: int | None) -> None:
        """Forget a macro that one header alone defined and removed; of others it is remembered who removed it."""
        self.live.discard(macro)
        known = self.macros.get(macro)
        if known is None or file is None:
            return
        self._changed.add(macro)
        if known[0] == file and macro not in self._several and macro not in self._told:
            del self.macros[macro]
        else:
            self.macros[macro] = (file, 0)

    def declarations(self, printed: bytes) -> None:
        separated = split.separate(printed)
        lengths = list(accumulate(map(len, separated.directives)))
        spots = self._spots
        directive, spot, last = 0, 0, len(spots) - 1
        moved = 0
        for start, end, function in split.split(separated.code):
            piece = separated.code[start:end]
            begin = start + len(piece) - len(piece.lstrip())
            while directive < len(lengths) and separated.places[directive] <= begin:
                moved = lengths[directive]
                directive += 1
            while spot < last and spots[spot + 1][0] <= begin + moved + 1:
                spot += 1
            file = spots[spot][1]
            if file is None:
                continue
            for names in declaration.names(piece, function):
                for name in names:
                    self.declared.setdefault(name, (file, 0))


def _covered(numbers: Mapping[str, int], resolver: Resolver, search: tuple[str, ...]) -> dict[str, int]:
    """Every name by which an include line of a program reaches one of the headers in *numbers*."""
    found = {}
    for path, number in numbers.items():
        for directory in search:
            name = path.removeprefix(f"{directory}/")
            if name != path and resolver.resolve(name, "", False) == path:
                found[name] = number
    return found
