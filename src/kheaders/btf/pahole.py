"""A layout as text, in the form that pahole(1) made customary, and as values for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kheaders.btf import model
from kheaders.btf.declaration import MAX_DEPTH, MAX_WORDS, Budget, declaration, plain_name
from kheaders.btf.kinds import Kind
from kheaders.btf.layout import Field, Hole, RecordLayout, record_layout
from kheaders.btf.table import Btf

_TAB = 8
_TYPE_WIDTH = 26
_NAME_WIDTH = 23
_NAME_WIDTH_UNION = 21


def as_text(btf: Btf, layout: RecordLayout) -> str:
    """The *layout* of a record of *btf*: a member a line with offset and size in bytes, holes, cache lines, totals."""
    return "\n".join(_Writer(btf, layout).record()) + "\n"


class _Writer:
    """Lines of one record; what is nested in it is printed in place."""

    def __init__(self, btf: Btf, layout: RecordLayout) -> None:
        self.btf = btf
        self.layout = layout
        self.line = 0

    def record(self) -> Iterator[str]:
        layout = self.layout
        title = f"{layout.kind.name.lower()} {layout.name}".rstrip()
        yield f"{title} {{"
        yield from self._members(layout, 1)
        if layout.kind is Kind.STRUCT:
            yield from self._totals(layout)
        yield f"}}{_attributes(layout)};"

    # ---- members ----

    def _members(self, layout: RecordLayout, depth: int, *, inside_union: bool = False) -> Iterator[str]:
        tabs = "\t" * depth
        line = self.line
        inside_union |= layout.kind is Kind.UNION
        yield from self._gap(layout, -1, tabs)
        for number, field in enumerate(layout.fields):
            yield from self._boundary(field, tabs)
            yield from self._member(field, layout, depth, inside_union=inside_union)
            if layout.kind is Kind.STRUCT:
                yield from self._gap(layout, number, tabs)
            else:
                self.line = line  # each member of a union begins anew

    def _member(self, field: Field, layout: RecordLayout, depth: int, *, inside_union: bool) -> Iterator[str]:
        tabs = "\t" * depth
        types = _TYPE_WIDTH - _TAB * (depth - 1)
        width = types + (_NAME_WIDTH if self.layout.kind is Kind.STRUCT else _NAME_WIDTH_UNION)
        bits = f":{field.bits}" if field.bits else ""
        aligned = f" __attribute__((__aligned__({field.aligned})))" if field.aligned else ""
        target = self.btf.type(field.type_id)
        if field.inner is None and not (isinstance(target, model.Enum | model.Enum64) and not target.name):
            open_ended = len(layout.fields) > 1 and field is layout.fields[-1] and not inside_union
            text = _declare(self.btf, field.type_id, field.name, abs(types), Budget(), open_ended=open_ended)
            text += f"{bits}{aligned};"
        else:
            if field.inner is not None:
                yield f"{tabs}{_lead(self.btf, field)}{field.inner.kind.name.lower()} {{"
                yield from self._members(field.inner, depth + 1, inside_union=inside_union)
            elif isinstance(target, model.Enum | model.Enum64):
                yield f"{tabs}enum {{"
                widest = max((len(value.name) for value in target.values), default=0)
                yield from (f"{tabs}\t{value.name:<{widest}} = {value.value}," for value in target.values)
            title = f" {field.name}{_rows(self.btf, field)}" if field.name else ""
            text = f"}}{_attributes(field.inner) if field.inner else ''}{title}{bits}{aligned};"
        yield f"{tabs}{text:<{max(width, 0)}}{'' if len(text) < width else ' '}{_place(field)}"

    def _boundary(self, field: Field, tabs: str) -> Iterator[str]:
        """A line before the first member that lies beyond the boundary of a cache line."""
        size = self.layout.cacheline
        number, ago = divmod(field.offset, size)
        if number > self.line:
            self.line = number
            since = f" was {_count(ago, 'byte')} ago" if ago else ""
            yield f"{tabs}/* --- cacheline {number} boundary ({number * size} bytes){since} --- */"

    def _gap(self, layout: RecordLayout, number: int, tabs: str) -> Iterator[str]:
        """What is said between member *number* and the next; -1 is before the first."""
        padding = self._padding_of(layout.fields[number]) if number >= 0 else 0
        bits = sum(hole.size for hole in layout.bit_holes if hole.after == number)
        size = sum(hole.size for hole in layout.holes if hole.after == number)
        before = layout.fields[number] if number >= 0 else None
        after = layout.fields[number + 1] if number + 1 < len(layout.fields) else None
        lines = []
        if padding:
            lines.append(f"/* XXX last struct has {_count(padding, 'byte')} of padding */")
        if bits:
            lines += [""] * bool(lines) + [f"/* XXX {_count(bits, 'bit')} hole, try to pack */"]
        if size:
            lines.append(f"/* XXX {_count(size, 'byte')} hole, try to pack */")
        if bits and before and after and after.bits:
            unnamed = f"{_declare(self.btf, after.type_id, '', 0, Budget()):<{_TYPE_WIDTH}} :"
            if after.offset == before.offset:
                lines.append(f"{unnamed}{bits};")
            else:
                lines += ["", "/* Force alignment to the next boundary: */", f"{unnamed}0;"]
        if shared := _shared(before, after):
            lines += [""] * (bool(lines) and not bits and not size) + [shared]
        if lines:
            yield from ("", *(f"{tabs}{line}" if line else "" for line in lines))
            if after:
                yield ""

    def _padding_of(self, field: Field) -> int:
        """The padding at the end of a struct that is a member."""
        found = self.btf.type(field.type_id)
        if not isinstance(found, model.Struct):
            return 0
        return field.inner.padding if field.inner else record_layout(self.btf, found.id).padding

    # ---- totals ----

    def _totals(self, layout: RecordLayout) -> Iterator[str]:
        yield f"\n\t/* size: {layout.size}, cachelines: {layout.cachelines}, members: {len(layout.fields)} */"
        if layout.holes or layout.bit_holes:
            if layout.sum_members:
                holes = f", holes: {len(layout.holes)}, sum holes: {layout.sum_holes}" if layout.holes else ""
                yield f"\t/* sum members: {layout.sum_members}{holes} */"
            if layout.sum_bits:
                count = len({hole.after for hole in layout.bit_holes})
                holes = f", bit holes: {count}, sum bit holes: {layout.sum_bit_holes} bits"
                whole = f" ({layout.sum_bits // 8} bytes)"
                yield f"\t/* sum bitfield members: {layout.sum_bits} bits{holes if count else whole} */"
        if layout.padding:
            yield f"\t/* padding: {layout.padding} */"
        paddings = [padding for field in layout.fields if (padding := self._padding_of(field))]
        if paddings:
            yield f"\t/* paddings: {len(paddings)}, sum paddings: {sum(paddings)} */"
        forced = [number for number, field in enumerate(layout.fields) if field.aligned]
        if forced:
            sizes = [hole.size for hole in layout.holes if hole.after + 1 in forced]
            more = f", forced holes: {len(sizes)}, sum forced holes: {sum(sizes)}" if sizes else ""
            yield f"\t/* forced alignments: {len(forced)}{more} */"
        if layout.bit_padding:
            yield f"\t/* bit_padding: {layout.bit_padding} bits */"
        if layout.last_cacheline:
            yield f"\t/* last cacheline: {layout.last_cacheline} bytes */"


def _attributes(layout: RecordLayout) -> str:
    text = " __attribute__((__packed__))" if layout.packed else ""
    return f"{text} __attribute__((__aligned__({layout.aligned})))" if layout.aligned else text


def _shared(before: Field | None, after: Field | None) -> str:
    """What is said where the storage unit of a bit-field overlaps its neighbour."""
    if before is None or after is None or not (before.bits or after.bits) or before.inner is not None:
        return ""
    if after.offset >= before.offset + before.size or (after.offset == before.offset and before.bits):
        return ""
    return f"/* Bitfield combined with {'next' if after.offset > before.offset else 'previous'} fields */"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _place(field: Field) -> str:
    if field.bits:
        return f"/* {field.offset:5}:{field.bit_offset - 8 * field.offset:2} {field.size:2} */"
    return f"/* {field.offset:5} {field.size:5} */"


def _lead(btf: Btf, field: Field) -> str:
    """Qualifiers before an anonymous record."""
    found = btf.type(field.type_id)
    return f"{found.kind.name.lower()} " if isinstance(found, model.Const | model.Volatile) else ""


def _rows(btf: Btf, field: Field) -> str:
    text, at = "", field.type_id
    while isinstance(found := btf.type(at), model.Array):
        text += f"[{found.nelems}]"
        at = found.element
    return text


# ---- types ----


def _declare(btf: Btf, type_id: int, name: str, width: int, budget: Budget, *, open_ended: bool = False) -> str:
    """The declaration of *name* with its type in *width* columns; *open_ended* arrays of no elements have no number."""
    found = btf.type(type_id)
    lead, rows = "", ""
    while isinstance(found, model.Const | model.Volatile):
        lead += f"{found.kind.name.lower()} "
        type_id = found.target
        found = btf.type(type_id)
    if isinstance(found, model.Array) and btf.kind(found.element) is Kind.CONST:
        lead = ""  # a qualifier of an array is one of its elements, and need not be said twice
    while isinstance(found, model.Array):
        rows += f"[{found.nelems or ('' if open_ended else 0)}]"
        type_id = found.element
        found = btf.type(type_id)
    if isinstance(found, model.Ptr):
        target = btf.type(found.target)
        if isinstance(target, model.FuncProto):
            return lead + _function(btf, target, f"(*{name}{rows})", max(width - len(lead), 0), budget)
        if isinstance(target, model.Array):
            return lead + declaration(btf, type_id, f"{name}{rows}")
    if isinstance(found, model.FuncProto):
        return lead + _function(btf, found, f"{name}{rows}", width, budget)
    text = _name(btf, type_id, budget)
    return f"{lead}{text:<{max(width - len(lead), 0)}} {name}{rows}" if name or rows else lead + text


def _function(btf: Btf, proto: model.FuncProto, name: str, width: int, budget: Budget) -> str:
    with budget.function(btf, proto.id):
        result = _name(btf, proto.result, budget)
        parameters = [_declare(btf, param.type, "", 0, budget) for param in proto.params] + ["..."] * proto.variadic
    return f"{result:<{width}} {name}({', '.join(parameters) or 'void'})"


def _name(btf: Btf, type_id: int, budget: Budget) -> str:
    lead, tail = "", ""
    at = type_id
    for _ in range(MAX_DEPTH):
        if not budget.word():
            break
        found = btf.type(at)
        match found:
            case model.Ptr():
                tail = f" *{tail}"
                target = btf.type(found.target)
                if isinstance(target, model.FuncProto):
                    return _function(btf, target, "(*)", 0, budget)
                at = found.target
            case model.Const() | model.Volatile():
                word, at = found.kind.name.lower(), found.target
                if isinstance(btf.type(at), model.Ptr):
                    tail = f" {word}{tail}"
                else:
                    lead, tail = f"{lead}{word} ", f" {tail}"
            case model.Restrict():
                tail, at = f" restrict {tail}", found.target
            case model.TypeTag():
                at = found.target
            case _:
                return f"{lead}{plain_name(found)}{tail}"
    raise btf.damage(type_id, f"refers to itself, or to more than {MAX_WORDS} types")


# ---- values ----


def as_dict(layout: RecordLayout) -> dict[str, Any]:
    """The *layout* for JSON: sizes and offsets in bytes unless a name says bits."""
    return {
        "name": layout.name,
        "kind": layout.kind.name.lower(),
        "offset": layout.offset,
        "size": layout.size,
        "alignment": layout.alignment,
        "packed": layout.packed,
        "aligned": layout.aligned,
        "members": [_field(field, layout.cacheline) for field in layout.fields],
        "holes": [_gap(hole) for hole in layout.holes],
        "bit_holes": [_gap(hole) for hole in layout.bit_holes],
        "padding": layout.padding,
        "bit_padding": layout.bit_padding,
        "sum_members": layout.sum_members,
        "sum_holes": layout.sum_holes,
        "sum_bits": layout.sum_bits,
        "sum_bit_holes": layout.sum_bit_holes,
        "cacheline": layout.cacheline,
        "cachelines": layout.cachelines,
        "last_cacheline": layout.last_cacheline,
    }


def _field(field: Field, cacheline: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": field.name,
        "path": field.path,
        "type": field.text,
        "offset": field.offset,
        "size": field.size,
        "bit_offset": field.bit_offset,
        "bit_size": field.bit_size,
        "bits": field.bits,
        "aligned": field.aligned,
        "cacheline": field.offset // cacheline,
    }
    if field.inner is not None:
        values["record"] = as_dict(field.inner)
    return values


def _gap(hole: Hole) -> dict[str, int]:
    return {"offset": hole.offset, "size": hole.size, "after": hole.after}
