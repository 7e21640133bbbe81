"""A slice with types for many kernels (CO-RE), or with those of the kernel's BTF in place of the headers'.

Records marked ``preserve_access_index`` make clang note each access, so that a loader can move it to where the member
lies on the kernel that it loads into (https://docs.kernel.org/bpf/llvm_reloc.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kheaders.btf.kinds import ENUMS, RECORDS, Kind
from kheaders.btf.table import Btf
from kheaders.c.declaration import defined_tags, read
from kheaders.c.lexer import tokens
from kheaders.interface.blob import Blob
from kheaders.interface.program import Program
from kheaders.interface.schema import ENTRIES, KINDS
from kheaders.interface.slice import Slice

PUSH = b"#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n"
POP = b"#pragma clang attribute pop\n"

_DEFINED = (*RECORDS, *ENUMS, Kind.TYPEDEF)
_TYPES = ("struct", "union", "enum", "typedef")
_FORWARD = re.compile(rb"^(?:struct|union|enum) \w+;\n", re.MULTILINE)
_WORD = re.compile(rb"[A-Za-z_]\w*")


class Retyper(NamedTuple):
    """What is done to each slice of *blob* before a compiler reads it."""

    blob: Blob
    core: bool
    """Mark all records."""
    btf: Btf | None = None
    """Where types come from that headers do not declare."""
    prefer_btf: bool = False
    """Take those that both declare from BTF too."""

    @property
    def changes(self) -> bool:
        """Whether a slice may come out otherwise."""
        return self.core or self.btf is not None

    def apply(self, piece: Slice, program: Program) -> Slice:
        """The slice with other types. Raises BlobError, BtfError."""
        text = piece.first
        if self.btf is not None:
            text = self._typed(piece, program, self.btf)
        if self.core:
            text = PUSH + text + POP
        return piece._replace(first=text)

    def _typed(self, piece: Slice, program: Program, btf: Btf) -> bytes:
        text = piece.first
        roots: list[int] = []
        known = _Names(btf)
        if self.prefer_btf:
            for declaration, names in self._types_of(piece):
                if found := known.all_of(names):
                    roots += found
                    text = text.replace(b"\n" + declaration + b"\n", b"\n\n", 1)
        there = set(_WORD.findall(_FORWARD.sub(b"", text)))
        tags = {name.encode() for name in program.strong | program.weak}
        # a struct is there once it is defined, though prototypes may name it
        there -= {name.encode() for name in program.strong} - defined_tags(tokens(text))
        own = {name.encode() for name in (*program.declared, *program.defined)}
        absent = {name.encode() for name in program.words} - there - own
        absent = {word for word in absent if word in known.strings}
        numbers = self.blob.numbers(word.decode() for word in absent)
        for word in sorted(absent):
            known_as = numbers.get(word.decode())
            if known_as is None or not any(self.blob.row(row, known_as) for row in ENTRIES):
                roots += known.types(word) if word in tags else known.types(word, Kind.TYPEDEF)
        if not roots:
            return text
        from kheaders.btf.cprint.printer import Printer

        printed = "".join(Printer(btf).types(roots)).encode()
        return self._replaced(piece, text, printed) if self.prefer_btf else self._added(piece, text, printed)

    def _replaced(self, piece: Slice, text: bytes, printed: bytes) -> bytes:
        """*text* after the types *printed*, without its own declarations of them."""
        given = {name for one in printed.split(b"\n\n") for name in _declared(one.strip())}
        for declaration, names in self._types_of(piece):
            if names and given.issuperset(names):
                text = text.replace(b"\n" + declaration + b"\n", b"\n\n", 1)
        return printed + text

    def _added(self, piece: Slice, text: bytes, printed: bytes) -> bytes:
        """*text* with those of the types *printed* that it lacks: before its macros, which may garble them."""
        given = {name for _, names in self._types_of(piece) for name in names}
        parts = ((part, _declared(part.strip())) for part in printed.split(b"\n\n"))
        lacking = [part for part, names in parts if not names or not given.issuperset(names)]
        at = text.find(b"\n#define ") + 1 or len(text)
        return b"\n\n".join([text[:at], *lacking, text[at:]])

    def _types_of(self, piece: Slice) -> Iterator[tuple[bytes, list[tuple[str, bytes]]]]:
        """Each declaration of types in *piece*, and what it declares."""
        kinds = self.blob.kinds
        for number in piece.declarations:
            if KINDS[kinds[number]] in _TYPES:
                declaration = self.blob.declaration(number)
                yield declaration, _declared(declaration)


class _Names:
    """The names of types in one BTF."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.strings: set[bytes] = set()
        owner: Btf | None = btf
        while owner is not None:
            self.strings.update(owner.strings.split(b"\0"))
            owner = owner.base

    def types(self, name: bytes, *kinds: Kind) -> list[int]:
        """The types of that name; the first of several of one kind."""
        if name not in self.strings:
            return []
        found: dict[Kind, int] = {}
        for type_id in self.btf.find(name.decode(), *(kinds or _DEFINED)):
            found.setdefault(self.btf.kind(type_id), type_id)
        return list(found.values())

    def all_of(self, names: list[tuple[str, bytes]]) -> list[int]:
        """The types called *names*, or nothing if one of them is not there."""
        roots = []
        for word, name in names:
            wanted = {"struct": (Kind.STRUCT,), "union": (Kind.UNION,), "enum": tuple(ENUMS)}.get(word, (Kind.TYPEDEF,))
            found = self.types(name, *wanted)
            if not found:
                return []
            roots.append(found[0])
        return roots


def _declared(text: bytes) -> list[tuple[str, bytes]]:
    """(keyword, name) of all that a declaration of types declares; nothing for one that declares something else too."""
    found = read(text, False)
    if found is None or found.kind not in _TYPES:
        return []
    constants = {name for one in found.definitions if one.keyword == b"enum" for name in one.names}
    tags = [(one.keyword.decode(), one.tag) for one in found.definitions if one.tag]
    return [*tags, *(("typedef", name) for name in found.names if name not in constants)]
