"""The text of records and enums: their members, padding, values and attributes."""

from __future__ import annotations

from kheaders.btf.cprint.columns import Columns
from kheaders.btf.cprint.declarators import Declarators
from kheaders.btf.cprint.layouts import Form, Layouts
from kheaders.btf.cprint.names import GUARDED, Names, Space
from kheaders.btf.kinds import ENUM_BYTES, Kind
from kheaders.btf.numbers import signed_value

MAX_LINES = 1 << 20
"""Lines of anonymous records and enums beyond those that BTF itself has; each place where one is used repeats it."""

_RECORDS = (Kind.STRUCT, Kind.UNION)
_WRAPPERS = frozenset({Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG})
_MAX_WRAPPERS = 64
_MODES = {1: "byte", 2: "HI", 8: "word"}
"""Bytes of an enum → the mode that gives it that size (GCC's ``mode`` attribute); 4 is what it has by itself."""
_LEAST_INT64 = -(1 << 63)


class Bodies:
    """Writes what stands between braces, for all records and enums of one BTF."""

    def __init__(self, columns: Columns, names: Names, layouts: Layouts, ordinary: Space) -> None:
        self.columns = columns
        self.names = names
        self.layouts = layouts
        self.ordinary = ordinary
        self.declarators: Declarators
        self.tags: dict[int, dict[int, list[str]]] = {}
        """Type → component (-1 for itself) → attributes."""
        self._unnamed = 0
        self._lines_left = MAX_LINES + len(columns.words)
        self.records = 0
        """How many records were written."""

    def body(self, type_id: int, level: int) -> str:
        """``struct {…}`` of an anonymous record or enum, its last line indented by *level*."""
        self._lines_left -= 1 + self.columns.count(type_id)
        if self._lines_left < 0:
            raise self.columns.btf.damage(type_id, "anonymous records are used in too many places to write them out")
        if self.columns.kinds[type_id] in _RECORDS:
            return self.record(type_id, level, named=False)
        return self.enum(type_id, level, "enum")

    # ---- records ----------------------------------------------------------------------------------------------------

    def record(self, type_id: int, level: int, *, named: bool) -> str:
        """The definition of a record without a semicolon; without its name unless *named*."""
        columns = self.columns
        form = self.layouts.form(type_id)
        self.records += 1
        self.names.user = type_id
        word = "union" if columns.kinds[type_id] == Kind.UNION else "struct"
        head = self.declarators.tag(type_id) if named else word
        if form.items is None and not form.widths and type_id not in self.tags:
            lines = self._plain_lines(type_id, level)
        else:
            lines = self._lines(type_id, level, form)
        tabs = "\t" * level
        inner = f";\n{tabs}\t".join(lines)
        text = f"{head} {{\n{tabs}\t{inner};\n{tabs}}}" if lines else f"{head} {{}}"
        return text + self._attributes(type_id, form) if form.packed or form.aligned or type_id in self.tags else text

    def _plain_lines(self, type_id: int, level: int) -> list[str]:
        """The members of a record that needs neither padding nor bit-fields."""
        plain, names = self.declarators.plain, self.names
        words = self.columns.words
        first = self.columns.starts[type_id] + 3
        end = first + 3 * self.columns.count(type_id)
        offsets, targets = words[first:end:3], words[first + 1 : end : 3]
        for target in targets:
            if target not in plain:
                self.declarators.prepare(target, type_id)
        if 0 not in offsets:
            try:
                called = [*map(names.__getitem__, offsets)]
                if not names.guards or GUARDED.isdisjoint(called):
                    pairs = zip(called, map(plain.__getitem__, targets), strict=True)
                    return [f"{before}{name}{after}" for name, (before, after) in pairs]
            except KeyError:
                pass  # anonymous records among them
        lines = []
        for name, target in zip(offsets, targets, strict=True):
            if name and target in plain:
                before, after = plain[target]
                lines.append(f"{before}{names.member(name)}{after}")
            else:
                lines.append(self._member(name, target, level + 1, type_id))
        return lines

    def _lines(self, type_id: int, level: int, form: Form) -> list[str]:
        """The members of any record, with padding, widths and tags."""
        fields = self.layouts.fields(type_id)
        known = [*zip(self.columns.rows(type_id, 3), fields, range(len(fields)), strict=True)]
        rows = iter(known if form.order is None else [known[number] for number in form.order])
        tags = self.tags.get(type_id, {})
        lines = []
        for item in [None] * len(fields) if form.items is None else form.items:
            if item is not None and item.text:
                lines.append(item.text)
                continue
            (name, target, _), field, index = next(rows)
            line = self._member(name, target, level + 1, type_id, bit_field=field.width > 0)
            if field.width:
                line += f": {field.width}"
            lines.append("".join([line, *(f" __attribute__(({attribute}))" for attribute in tags.get(index, ()))]))
        return lines

    def _member(self, name: int, target: int, level: int, user: int, *, bit_field: bool = False) -> str:
        """One member without a semicolon.

        A member without a name of a *named* record (-fms-extensions) would declare nothing in other C, so that its
        members and its room are lost: it is written as an anonymous record with the same members.
        """
        declarators = self.declarators
        self.names.user = user
        if name:
            return declarators.declare(target, self.names.member(name), level, user)
        bare = self._unwrapped(target, user)
        kind = self.columns.kinds[bare]
        if kind in _RECORDS and self.columns.name_offset(bare):
            return declarators.inline(bare, level, user)
        if kind in _RECORDS:
            return declarators.declare(target, "", level, user)
        if bit_field:
            return declarators.declare(target, "", level, user)
        self._unnamed += 1
        return declarators.declare(target, f"__unnamed_{self._unnamed}", level, user)

    def _unwrapped(self, type_id: int, user: int) -> int:
        columns = self.columns
        for _ in range(_MAX_WRAPPERS):
            if columns.kind(type_id, user) not in _WRAPPERS:
                return type_id
            type_id = columns.target(type_id)
        raise columns.btf.damage(user, f"refers to itself, or through more than {_MAX_WRAPPERS} types")

    def _attributes(self, type_id: int, form: Form) -> str:
        parts = []
        if form.packed:
            parts.append("packed")
        if form.aligned:
            parts.append(f"aligned({form.aligned})")
        parts += self.tags.get(type_id, {}).get(-1, [])
        return "".join(f" __attribute__(({part}))" for part in parts)

    # ---- enums ------------------------------------------------------------------------------------------------------

    def enum(self, type_id: int, level: int, head: str) -> str:
        """The definition of an enum without a semicolon; only its declaration if it has no values.

        One that is a member all the same, or whose values are not known, gets a constant that stands for them.
        """
        columns, names, used = self.columns, self.names, self.ordinary.used
        names.user = type_id
        wide = columns.kinds[type_id] == Kind.ENUM64
        signed = columns.flag(type_id)
        tabs = "\t" * level
        parts = [head]
        append = parts.append
        opening = f" {{\n{tabs}\t"
        if wide:
            rows = [(name, low | high << 32) for name, low, high in columns.rows(type_id, 3)]
        else:
            rows = [(name, value) for name, value in columns.rows(type_id, 2)]
        for offset, value in rows:
            name = names[offset]
            if name in used:
                name = self.ordinary.claim(name)
            else:
                used[name] = 1
            text = _wide(value, signed) if wide else str(value - (1 << 32) if signed and value >> 31 else value)
            append(f"{opening}{name} = {text},")
            opening = f"\n{tabs}\t"
        size = columns.target(type_id)
        if (not wide and size > ENUM_BYTES) or (not rows and columns.is_embedded_enum(type_id)):
            plain = names[columns.name_offset(type_id)] or "enum"
            parts[:] = [head, f" {{\n{tabs}\t{self.ordinary.claim(f'__{plain}_unknown')},"]
        elif not rows:
            return head
        append(f"\n{tabs}}}")
        if size in _MODES and not (wide and size == 8 and _needs_64(rows, signed)):
            append(f" __attribute__((mode({_MODES[size]})))")
        for attribute in self.tags.get(type_id, {}).get(-1, ()):
            append(f" __attribute__(({attribute}))")
        return "".join(parts)


def _wide(value: int, signed: int) -> str:
    """A number of 64 bits as a C constant; the least one has no form of its own."""
    if not signed:
        return f"{value}ULL"
    number = signed_value(value, 64)
    return f"({number + 1}LL - 1)" if number == _LEAST_INT64 else f"{number}LL"


def _needs_64(rows: list[tuple[int, int]], signed: int) -> bool:
    """Whether a value by itself makes the enum 64 bits wide."""
    if signed:
        return any(not -(1 << 31) <= signed_value(value, 64) < 1 << 31 for _, value in rows)
    return any(value >> 32 for _, value in rows)
