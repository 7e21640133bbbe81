"""Look-ups: what a name is on one kernel, what refers to it, and what it may have been meant to be."""

from __future__ import annotations

import difflib
import re
from itertools import islice
from typing import Any, Literal, NamedTuple

from kheaders.c.declaration import Definition, read
from kheaders.errors import BlobError
from kheaders.interface.blob import Blob
from kheaders.interface.schema import KINDS

ItemKind = Literal[
    "struct", "union", "enum", "constant", "typedef", "prototype", "inline", "variable", "macro", "helper"
]
ITEM_KINDS: tuple[ItemKind, ...] = (
    "struct",
    "union",
    "enum",
    "constant",
    "typedef",
    "prototype",
    "inline",
    "variable",
    "macro",
)

_CANDIDATES = 3000
"""Names that a suggestion is chosen from at most."""


class Item(NamedTuple):
    """One declaration or macro of a kernel."""

    kind: ItemKind
    name: str
    text: str
    """C: the whole declaration; of a constant, its enum's; of a macro, from ``#define`` on."""
    file: str
    """Path of the header, relative to the tree."""
    line: int
    value: int | str | None = None
    """Of a constant or macro, where it was evaluated and is a constant expression."""
    reason: str = ""
    """Why there is no value; empty where none was asked for."""
    owner: str = ""
    """Of a constant, the tag of its enum; empty for an enum without one."""
    number: int = -1
    """Of the declaration or macro in the blob."""
    remark: str = ""
    """Of a function, whether BPF programs may call it."""


def find(blob: Blob, name: str) -> list[Item]:
    """Every declaration and every macro definition of *name*: tags, then ordinary names, then macros.

    Where headers disagree, there is one item for each definition, in the order in which headers are read. Raises
    BlobError for a damaged blob.
    """
    number = blob.number(name)
    if number is None:
        return []
    try:
        items = [_tag(blob, decl, name) for decl in blob.row("tag_decls", number)]
        items += [_ordinary(blob, decl, name) for decl in blob.row("name_decls", number)]
        macros = (_macro(blob, macro, name) for macro in blob.row("name_macros", number) if blob.macro(macro))
        # a header without a guard is read more than once; of definitions that are the same, the last is in force
        items += {(item.file, item.line, item.text): item for item in macros}.values()
    except IndexError as error:
        raise BlobError(f"{blob.path}: is damaged ({name})", "build it again") from error
    return items


def helper(blob: Blob, name: str) -> Item | None:
    """The BPF helper *name* (``bpf_get_current_comm``) as the constant of its number, or None if it is none."""
    from kheaders.btf.calls import HELPER_PREFIX

    if not name.startswith("bpf_"):
        return None
    constants = find(blob, HELPER_PREFIX + name.removeprefix("bpf_"))
    return next((item for item in constants if item.kind == "constant"), None)


def users(blob: Blob, name: str) -> list[Item]:
    """Declarations and macros that refer to *name*, in the order of the headers. Raises BlobError.

    Where a name is a tag, those that only point to it count as well. Members are not looked for: a member's name says
    nothing of the struct that it belongs to.
    """
    number = blob.number(name)
    if number is None:
        return []
    decls: set[int] = set()
    for rows in ("words", "strong", "weak"):
        decls.update(_holders(blob, rows, number))
    decls -= {*blob.row("name_decls", number), *blob.row("tag_decls", number)}
    decls = {decl for decl in decls if KINDS[blob.kinds[decl]] != "forward"}
    macros = _holders(blob, "macro_words", number)
    try:
        # one pass over all names is quicker than a search for each
        names = blob.names if len(decls) > 2 else None
        found = [_named(blob, decl, names) for decl in sorted(decls)]
        found += [_macro(blob, macro, _macro_name(blob, macro)) for macro in sorted(macros)]
    except IndexError as error:
        raise BlobError(f"{blob.path}: is damaged ({name})", "build it again") from error
    return found


def suggest(blob: Blob, name: str, n: int = 3) -> list[str]:
    """Names that are declared or defined and that *name* may have been meant to be, the likeliest first."""
    if not name or len(name) > 200:
        return []
    slack = 1 + len(name) // 5
    near = [word for word in blob.names if abs(len(word) - len(name)) <= slack]
    found: dict[str, None] = {}
    for prefix in dict.fromkeys((name, name[:4], name[:2], name[:1], name.upper()[:3], name.lower()[:3])):
        found.update(dict.fromkeys(islice((w for w in near if w.startswith(prefix)), _CANDIDATES - len(found))))
    if len(name) > 3:
        tail = name[-min(6, len(name) - 2) :]
        found.update(dict.fromkeys(islice((word for word in near if word.endswith(tail)), 300)))
    numbers = blob.numbers(found)
    known = [word for word in found if word != name and _is_declared(blob, numbers[word])]
    folded: dict[str, list[str]] = {}
    for word in known:
        folded.setdefault(word.lower(), []).append(word)
    close = difflib.get_close_matches(name.lower(), folded, n, 0.7)
    return [word for match in close for word in folded[match]][:n]


def unknown(blob: Blob, name: str) -> BlobError:
    """The error for a name that *blob* does not have, with what may have been meant."""
    close = suggest(blob, name)
    hint = f"did you mean {', '.join(close)}?" if close else "look for it with 'kheaders show' under another name"
    release = blob.meta.get("release") or "this kernel"
    return BlobError(f"{name!r} is declared nowhere in the headers of {release}", hint)


def _is_declared(blob: Blob, number: int) -> bool:
    return any(len(blob.row(rows, number)) for rows in ("name_decls", "tag_decls", "name_macros"))


def _holders(blob: Blob, rows: str, number: int) -> set[int]:
    """The rows that hold *number*."""
    return {holder for holder, row in enumerate(blob.rows(rows)) if number in row}


def _text(blob: Blob, decl: int) -> str:
    return blob.declaration(decl).decode("utf-8", "replace").strip()


def _tag(blob: Blob, decl: int, name: str) -> Item:
    definitions = (one.keyword.decode() for one in _definitions(blob, decl) if one.tag == name.encode())
    kind: Any = next(definitions, "struct")
    return Item(kind, name, _text(blob, decl), *blob.place("decl", decl), number=decl)


def _definitions(blob: Blob, decl: int) -> tuple[Definition, ...]:
    """Of the records and enums in a declaration."""
    found = read(blob.declaration(decl), KINDS[blob.kinds[decl]] == "inline")
    return found.definitions if found is not None else ()


def _ordinary(blob: Blob, decl: int, name: str) -> Item:
    text = _text(blob, decl)
    wanted = name.encode()
    definitions = _definitions(blob, decl) if "enum" in text else ()
    owners = (one.tag.decode() for one in definitions if one.keyword == b"enum" and wanted in one.names)
    if (owner := next(owners, None)) is not None:
        return Item("constant", name, text, *blob.place("decl", decl), owner=owner, number=decl)
    return Item(_kind(blob, decl), name, text, *blob.place("decl", decl), number=decl)


def _kind(blob: Blob, decl: int) -> ItemKind:
    kind = KINDS[blob.kinds[decl]]
    return kind if kind in ITEM_KINDS else "variable"


def _named(blob: Blob, decl: int, names: list[str] | None) -> Item:
    """The item of a declaration that is known by number, under the first name that it declares."""
    for rows in ("defines", "declares"):
        row = blob.row(rows, decl)
        if len(row):
            words = [names[number] if names else blob.name(number) for number in row]
            text = _text(blob, decl)
            name = min(words, key=lambda word: (_at(text, word), word))
            return Item(_kind(blob, decl), name, text, *blob.place("decl", decl), number=decl)
    return Item(_kind(blob, decl), "", _text(blob, decl), *blob.place("decl", decl), number=decl)


def _at(text: str, word: str) -> int:
    match = re.search(rf"\b{word}\b", text)
    return match.start() if match else len(text)


def _macro(blob: Blob, macro: int, name: str) -> Item:
    text = "#define " + blob.macro(macro).decode("utf-8", "replace")
    return Item("macro", name, text, *blob.place("macro", macro), number=macro)


def _macro_name(blob: Blob, macro: int) -> str:
    match = re.match(rb"\w+", blob.macro(macro))
    return match[0].decode() if match else blob.name(blob.row("macro_names", macro)[0])
