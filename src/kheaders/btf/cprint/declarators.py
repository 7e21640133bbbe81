"""Declarators: each type as the text before and after the name that is declared."""

from __future__ import annotations

import re
from typing import Protocol

from kheaders.btf.cprint.columns import Columns
from kheaders.btf.cprint.names import Names, Space
from kheaders.btf.cprint.scalars import Spelling, floating, integer
from kheaders.btf.kinds import Kind

MAX_DEPTH = 64
"""How many pointers, arrays, functions and qualifiers one declaration may nest."""
MAX_TEXT = 1 << 16
"""How many characters a declaration may have, anonymous records apart: each level can double it."""

_QUALIFIERS: dict[int, str] = {Kind.VOLATILE: "volatile", Kind.CONST: "const", Kind.RESTRICT: "restrict"}
_TAGGED: dict[int, str] = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum", Kind.ENUM64: "enum"}
_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(\([\w, ]*\))?\Z")


class Bodies(Protocol):
    """Who writes the anonymous records and enums that stand within a declaration."""

    def body(self, type_id: int, level: int) -> str:
        """``struct {…}`` with its attributes, so that its last line is indented by *level*."""
        ...


class Declarators:
    """The declarators of all types of one BTF. Those without anonymous records and enums are worked out once."""

    def __init__(self, columns: Columns, names: Names, tags: Space, ordinary: Space, bodies: Bodies) -> None:
        self.columns = columns
        self.names = names
        self.tags = tags
        self.ordinary = ordinary
        self.bodies = bodies
        self.plain: dict[int, tuple[str, str]] = {0: ("void ", "")}
        """Type → (text before, text after the name), for those that contain no anonymous record or enum."""
        self._names: dict[int, str] = {}
        self._words: dict[str, str] = {}
        """Tag → the keyword that it goes with."""
        self._numbers: dict[int, Spelling] = {}
        self._address = "" if columns.btf.pointer_size == _POINTER else f"{_ADDRESSES[columns.btf.pointer_size]} "
        """What stands for a pointer where those of the kernel have another size than BPF's."""
        self._depth = 0

    # ---- names ------------------------------------------------------------------------------------------------------

    def name(self, type_id: int) -> str:
        """The name under which *type_id* (a record, enum, declaration or typedef) is printed."""
        found = self._names.get(type_id)
        if found is None:
            self.names.user = type_id
            text = self.names[self.columns.name_offset(type_id)]
            if not text:
                found = ""
            elif self.columns.kinds[type_id] == Kind.TYPEDEF:
                found = self.ordinary.claim(text)
            else:
                found = self._tag_name(type_id, text)
            self._names[type_id] = found
        return found

    def _tag_name(self, type_id: int, text: str) -> str:
        """A tag belongs to one keyword. What is only declared shares the name of the first that is defined."""
        word = self.word(type_id)
        if self._words.setdefault(text, word) != word:
            self.tags.used.setdefault(text, 1)
        elif self.columns.kinds[type_id] == Kind.FWD or (word == "enum" and not self.columns.count(type_id)):
            return text
        return self.tags.claim(text)

    def word(self, type_id: int) -> str:
        """``struct``, ``union`` or ``enum``."""
        kind = self.columns.kinds[type_id]
        if kind == Kind.FWD:
            return "union" if self.columns.flag(type_id) else "struct"
        return _TAGGED[kind]

    def tag(self, type_id: int) -> str:
        """``struct name`` and the like; the bare keyword for what has no name."""
        name = self.name(type_id)
        return f"{self.word(type_id)} {name}" if name else self.word(type_id)

    # ---- declarations -----------------------------------------------------------------------------------------------

    def declare(self, type_id: int, name: str, level: int, user: int) -> str:
        """The declaration of *name*, which may be empty, without a semicolon; *user* is the type that needs it."""
        before, after = self.plain.get(type_id) or self.build(type_id, level, user)
        return f"{before}{name}{after}" if name else before.rstrip(" ") + after

    def prepare(self, type_id: int, user: int) -> None:
        """Work out the declarator of *type_id* if it is a pointer to, or itself, something that has a name."""
        columns = self.columns
        kind = columns.kind(type_id, user)
        if kind == Kind.PTR and not self._address:
            target = columns.target(type_id)
            known = self.plain.get(target)
            if known is None and columns.checked(target, type_id) and columns.name_offset(target):
                self._build(target, 0, type_id)
                known = self.plain.get(target)
            if known is not None and not known[1]:
                self.plain[type_id] = f"{known[0]}*", ""
        elif columns.name_offset(type_id):
            self._build(type_id, 0, user)

    def build(self, type_id: int, level: int, user: int) -> tuple[str, str]:
        """The declarator of *type_id*, which *user* refers to; *level* is how far anonymous records are indented."""
        return self._build(type_id, level, user)[:2]

    def inline(self, record: int, level: int, user: int) -> str:
        """The record *record* written out without its name."""
        if self._depth >= MAX_DEPTH:
            raise self.columns.btf.damage(user, f"more than {MAX_DEPTH} records within each other")
        self._depth += 1
        try:
            return self.bodies.body(record, level)
        finally:
            self._depth -= 1

    def _build(self, type_id: int, level: int, user: int) -> tuple[str, str, bool]:
        """(before, after, whether it may be kept)."""
        known = self.plain.get(type_id)
        if known is not None:
            return (*known, True)
        if self._depth >= MAX_DEPTH:
            raise self.columns.btf.damage(user, f"more than {MAX_DEPTH} parts of a declaration within each other")
        self._depth += 1
        try:
            return self._compose(type_id, level, user)
        finally:
            self._depth -= 1

    def _compose(self, type_id: int, level: int, user: int) -> tuple[str, str, bool]:
        columns = self.columns
        kind = columns.kind(type_id, user)
        keep = True
        if kind == Kind.PTR and self._address:
            before, after = self._address, ""
        elif kind == Kind.PTR:
            before, after, keep = self._pointer(columns.target(type_id), level, type_id)
        elif kind in _QUALIFIERS:
            before, after, keep = self._qualified(_QUALIFIERS[kind], type_id, level)
        elif kind == Kind.ARRAY:
            element, count = columns.array(type_id)
            before, after, keep = self._build(element, level, type_id)
            after = f"[{count}]{after}"
        elif kind == Kind.FUNC_PROTO:
            before, after, keep = self._build(columns.target(type_id), level, type_id)
            text, kept = self._parameters(type_id, level)
            after = text + after
            keep = keep and kept
        elif kind == Kind.TYPE_TAG:
            before, after, keep = self._build(columns.target(type_id), level, type_id)
            before = f"{before.rstrip(' ')} {self._type_tag(type_id)}".rstrip(" ") + " "
        else:
            before, keep = self._base(type_id, kind, level, user)
            after = ""
        if len(before) + len(after) > MAX_TEXT and keep:
            raise columns.btf.damage(user, f"a declaration of more than {MAX_TEXT} characters")
        if keep:
            self.plain[type_id] = before, after
        return before, after, keep

    def _base(self, type_id: int, kind: int, level: int, user: int) -> tuple[str, bool]:
        if kind in (Kind.INT, Kind.FLOAT):
            return f"{self.number(type_id).name} ", True
        if kind == Kind.TYPEDEF:
            return f"{self.name(type_id)} ", True
        if kind == Kind.FWD:  # of one without a name only pointers can be had
            return f"{self.tag(type_id)} " if self.columns.name_offset(type_id) else "void ", True
        if kind in _TAGGED:
            if self.columns.name_offset(type_id):
                return f"{self.tag(type_id)} ", True
            return f"{self.bodies.body(type_id, level)} ", False
        raise self.columns.btf.damage(user, f"refers to type {type_id}, a {Kind(kind).name}, where a C type must stand")

    def number(self, type_id: int) -> Spelling:
        """How an INT or FLOAT is written, and what has to be declared for that."""
        found = self._numbers.get(type_id)
        if found is None:
            name, size = self.columns.btf.type_name(type_id), self.columns.target(type_id)
            if self.columns.kinds[type_id] == Kind.FLOAT:
                found = floating(name, size, self.ordinary.claim)
            else:
                encoding = self.columns.words[self.columns.starts[type_id] + 3] >> 24
                signed, boolean = encoding & _SIGNED != 0, encoding & _BOOLEAN != 0
                found = integer(name, size, signed, boolean, self.ordinary.claim)
            self._numbers[type_id] = found
        return found

    def _pointer(self, target: int, level: int, user: int) -> tuple[str, str, bool]:
        before, after, keep = self._build(target, level, user)
        if after.startswith("("):  # the name of a function
            return f"{before.rstrip(' ')} (*", f"){after}", keep
        if after.startswith("["):
            return f"{before}(*", f"){after}", keep
        return f"{before}*", after, keep

    def _qualified(self, word: str, type_id: int, level: int) -> tuple[str, str, bool]:
        """Qualifiers come before what they qualify, the innermost first, but after a ``*``.

        Those of arrays and functions are left out, as GCC adds them where the source has none: to arrays of what is
        qualified (GCC bug 8354), and to functions that do not return.
        """
        columns = self.columns
        at = columns.target(type_id)
        words = [word]
        for _ in range(MAX_DEPTH):
            kind = columns.kind(at, type_id)
            if kind not in _QUALIFIERS:
                break
            words.append(_QUALIFIERS[kind])
            at = columns.target(at)
        else:
            raise columns.btf.damage(type_id, f"more than {MAX_DEPTH} qualifiers on one type")
        before, after, keep = self._build(at, level, type_id)
        if kind in (Kind.ARRAY, Kind.FUNC_PROTO):
            return before, after, keep
        if kind in (Kind.PTR, Kind.TYPE_TAG):
            return f"{before.rstrip(' ')} {' '.join(reversed(words))} ", after, keep
        return f"{' '.join(reversed(words))} {before}", after, keep

    def _type_tag(self, type_id: int) -> str:
        attribute = self.attribute(type_id, "btf_type_tag")
        return f"__attribute__(({attribute}))" if attribute else ""

    def attribute(self, type_id: int, tag: str) -> str:
        """What stands in ``__attribute__((…))`` for a TYPE_TAG or DECL_TAG; *tag* is the attribute of plain ones.

        Empty for a text that no attribute can have.
        """
        text = self.columns.btf.type_name(type_id)
        if self.columns.flag(type_id):
            return text if _ATTRIBUTE.match(text) else ""
        return f'{tag}("{text.translate(_ESCAPES)}")' if text.isprintable() else ""

    def _parameters(self, type_id: int, level: int) -> tuple[str, bool]:
        columns, names = self.columns, self.names
        rows = list(columns.rows(type_id, 2))
        if not rows:
            return "(void)", True
        if rows == [_ELLIPSIS]:
            return "()", True
        ellipsis = rows[-1] == _ELLIPSIS
        if ellipsis:
            rows.pop()
        texts = []
        total = 0
        keep = True
        for name, target in rows:
            before, after, kept = self._build(target, level, type_id)
            names.user = type_id
            text = f"{before}{names.member(name)}{after}" if name else before.rstrip(" ") + after
            keep = keep and kept
            total += len(text)
            if keep and total > MAX_TEXT:
                raise columns.btf.damage(type_id, f"a declaration of more than {MAX_TEXT} characters")
            texts.append(text)
        if ellipsis:
            texts.append("...")
        return f"({', '.join(texts)})", keep


_ELLIPSIS = (0, 0)
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})
"""An attribute's string is not evaluated: clang takes no octal or hexadecimal escapes in it."""
_SIGNED, _BOOLEAN = 1, 4
_POINTER = 8
"""Bytes of a pointer for BPF."""
_ADDRESSES = {4: "unsigned int"}
