"""One top-level piece of C: what it declares, what it refers to, and how strongly.

This is no parser of C. It reads text that a compiler has accepted, and may err on the side of more references, never
of fewer: a slice that holds a declaration too many is the same program.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from kheaders.patterns import pattern

Kind = Literal["struct", "union", "enum", "typedef", "prototype", "inline", "variable", "forward", "other"]

_WORD = pattern(rb"[A-Za-z_]\w*")
_STRINGS = pattern(rb'"(?:[^"\\\n]|\\.)*+"?|\'(?:[^\'\\\n]|\\.)*+\'?', re.S)
_PARENS1 = rb"\((?:[^()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\))*\)"
_ATTRIBUTE = pattern(
    rb"\b(?:__attribute__|__attribute|__asm__|__asm|asm|_Alignas|__declspec)\b\s*" + _PARENS1 + rb"|\b__extension__\b"
)
_TYPEOF = pattern(rb"\b(?:typeof|__typeof__|__typeof|__auto_type|typeof_unqual)\b\s*" + _PARENS1)
_TAG_DEFINITION = pattern(rb"\b(struct|union|enum)\s+([A-Za-z_]\w*)\s*(?::[\w\s]*)?\{")
# A word boundary in front would keep the search from jumping to the letters s, u and e.
TAG = pattern(
    rb"(struct(?<!\wstruct)|union(?<!\wunion)|enum(?<!\wenum))\s+([A-Za-z_]\w*)"
    rb"((?:\s|\bconst\b|\bvolatile\b|\b__restrict\b)*\*)?"
)
_MEMBER = pattern(rb"([A-Za-z_]\w*)\s*(?=[;,:\[])|\(\s*\*+\s*(?:const\s+|volatile\s+)*([A-Za-z_]\w*)")
_TOUCH = pattern(rb"(?:->|\.)\s*([A-Za-z_]\w*)")
_POINTER_NAME = pattern(rb"(?:\(\s*\*[\s*]*+(?:const\b\s*|volatile\b\s*|__restrict\b\s*)*+)+([A-Za-z_]\w*)")
_IN_PARENS = pattern(rb"\(\s*([A-Za-z_]\w*)\s*\)\s*\(")
_LAST_NAME = pattern(rb"([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*(?::[^,;]*)?\Z", re.S)
_BEFORE_PAREN = pattern(rb"([A-Za-z_]\w*)\s*\Z")
_ENUMERATOR = pattern(rb"(?:\A|,)\s*([A-Za-z_]\w*)")

KEYWORDS = frozenset(
    b"auto break case char const continue default do double else enum extern float for goto if inline int long "
    b"register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
    b"while _Alignas _Alignof _Atomic _Bool _Complex _Generic _Noreturn _Static_assert _Thread_local "
    b"__attribute__ __attribute asm __asm __asm__ typeof __typeof __typeof__ __inline __inline__ __const "
    b"__volatile __volatile__ __signed __signed__ __restrict __extension__ __auto_type __int128 __label__ "
    b"__alignof__ __alignof __builtin_offsetof __func__".split()
)


class Declaration(NamedTuple):
    """What was read off one piece. Names of tags carry no ``struct``: tags have a name space of their own."""

    kind: Kind
    names: tuple[bytes, ...] = ()
    """Ordinary names declared: functions, variables, typedefs, enumeration constants."""
    tags: tuple[bytes, ...] = ()
    """Tags defined, nested ones too, which C puts into the file's scope."""
    words: frozenset[bytes] = frozenset()
    """Ordinary names referred to, as far as they can be global ones."""
    strong: frozenset[bytes] = frozenset()
    """Tags whose definition is needed."""
    weak: frozenset[bytes] = frozenset()
    """Tags that are only pointed to."""
    members: frozenset[bytes] = frozenset()
    """Names of members that the definitions in it own."""
    touched: frozenset[bytes] = frozenset()
    """Names of members that its code reaches through ``.`` or ``->``."""


def read(text: bytes, function: bool) -> Declaration | None:
    """What the piece *text* declares; None for one that declares nothing (assertions, assembly, stray semicolons)."""
    body = text.strip()
    if function:
        return _function(_clean(body))
    if len(body) < 2 or body.startswith(_NOTHING):
        return None
    clean = _clean(body)
    if not clean.strip(b"; \t\n"):
        return None
    return _declaration(clean)


_USUAL = (
    b"__attribute__((__gnu_inline__)) __attribute__((__unused__)) __attribute__((no_instrument_function))",
    b"__attribute__((__always_inline__))",
)


def names(text: bytes, function: bool) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """(ordinary names, tags) that the piece *text* defines; prototypes and forward declarations define none."""
    body = text.strip()
    if len(body) < 2 or (not function and body.startswith(_NOTHING)):
        return (), ()
    plain = _plain(body)
    if function:
        return _declared(plain.partition(b"{")[0]), ()
    if b"{" not in plain:
        bare = plain.rstrip(b"; \t\n")
        if _FORWARD.fullmatch(bare) or (b"(" in bare and not bare.startswith(b"typedef") and _is_prototype(bare)):
            return (), ()
        return _declared(bare), ()
    outside, _ = _without_bodies(plain)
    constants = _constants(plain) if b"enum" in plain else ()
    tags = tuple(name for _, name in _TAG_DEFINITION.findall(plain))
    return constants + _after_body(outside.rstrip(b"; \t\n")), tags


_NOTHING = (b"_Static_assert", b"asm", b"__asm", b"@")
_FORWARD = pattern(rb"\s*(struct|union|enum)\s+([A-Za-z_]\w*)\s*")


def _clean(text: bytes) -> bytes:
    for attribute in _USUAL:
        text = text.replace(attribute, b" ")
    if b'"' in text or b"'" in text:
        text = _STRINGS.sub(b'""', text)
    return text


def _plain(text: bytes) -> bytes:
    """*text* without attributes."""
    if b"attribute" in text or b"asm" in text or b"__extension__" in text or b"_Align" in text or b"_declspec" in text:
        return _ATTRIBUTE.sub(b" ", text)
    return text  # as most are, and this is found soonest


def _tags(text: bytes, own: tuple[bytes, ...] = ()) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """(needed, only pointed to) among the tags in *text*, without *own*."""
    strong: set[bytes] = set()
    weak: set[bytes] = set()
    if b"struct" not in text and b"enum" not in text and b"union" not in text:
        return frozenset(), frozenset()
    for kind, name, pointer in TAG.findall(text):
        if pointer and kind == b"struct":
            weak.add(name)
        else:
            strong.add(name)
    strong.difference_update(own)
    weak.difference_update(own)
    return frozenset(strong), frozenset(weak - strong)


def _function(text: bytes) -> Declaration:
    head = _plain(text.partition(b"{")[0])
    names = _declared(head)
    strong, weak = _tags(text)
    touched = frozenset(_TOUCH.findall(text))
    words = frozenset(_WORD.findall(text)).difference(KEYWORDS, names)
    return Declaration("inline", names, (), words, strong, weak, frozenset(), touched)


def _declaration(text: bytes) -> Declaration:
    plain = _plain(text)
    if b"{" not in plain:
        return _simple(text, plain)
    defined = tuple(name for _, name in _TAG_DEFINITION.findall(plain))
    outside, bodies = _without_bodies(plain)
    typedef = outside.lstrip().startswith(b"typedef")
    initialiser = b"=" in outside
    constants = _constants(plain) if b"enum" in plain else ()
    declarators = outside.rstrip(b"; \t\n")
    names = constants + _after_body(declarators)
    words = frozenset(_WORD.findall(text)).difference(KEYWORDS, names)
    strong, weak = _tags(text, defined)
    members: frozenset[bytes] = frozenset()
    if not initialiser:
        members = frozenset(a or b for a, b in _MEMBER.findall(_remove_parameters(bodies)))
    leading = outside.replace(b"typedef", b" ").split(None, 1)
    first = leading[0] if leading else b""
    kind: Kind = "variable"
    if typedef:
        kind = "typedef"
    elif initialiser:
        kind = "variable"
    elif first in (b"struct", b"union", b"enum") and not _after_body(declarators):
        kind = first.decode()  # type: ignore[assignment]  # one of the three words
    return Declaration(kind, names, defined, words, strong, weak, members)


def _simple(text: bytes, plain: bytes) -> Declaration:
    bare = plain.rstrip(b"; \t\n")
    tag = _FORWARD.fullmatch(bare)
    if tag:
        return Declaration("forward", weak=frozenset((tag[2],) if tag[1] == b"struct" else ()))
    typedef = bare.lstrip().startswith(b"typedef")
    names = _declared(bare)
    words = frozenset(_WORD.findall(text)).difference(KEYWORDS, names)
    strong, weak = _tags(text)
    prototype = not typedef and _is_prototype(bare)
    if prototype:
        others = frozenset(name for kind, name, _ in TAG.findall(text) if kind != b"struct")
        strong, weak = others, (strong | weak) - others
    kind: Kind = "typedef" if typedef else "prototype" if prototype else "variable"
    return Declaration(kind, names, (), words, strong, weak)


def _is_prototype(bare: bytes) -> bool:
    flat = _flat(bare)
    opening = flat.find(b"(")
    return opening > 0 and not re.match(rb"\(\s*\*", flat[opening:]) and b"=" not in flat[:opening]


def _without_bodies(text: bytes) -> tuple[bytes, bytes]:
    """*text* with what is between outermost braces taken out, and what was taken out."""
    outside = []
    inside = []
    depth = start = 0
    for match in re.finditer(rb"[{}]", text):
        here = match.start()
        if match[0] == b"{":
            if not depth:
                outside.append(text[start:here])
                start = here + 1
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                inside.append(text[start:here])
                outside.append(b" {} ")
                start = here + 1
    outside.append(text[start:])
    return b"".join(outside), b"\n;".join(inside)


def _after_body(outside: bytes) -> tuple[bytes, ...]:
    """Names of declarators: what follows the last body, or stands before an initialiser."""
    if b"=" in outside:
        return _declared(re.sub(rb"\{\}", b" ", outside))
    tail = outside.rpartition(b"{}")[2]
    return _declared(b"int " + tail) if tail.strip() else ()


def _declared(declarators: bytes) -> tuple[bytes, ...]:
    """The names that a declaration without attributes and bodies declares."""
    flat = _flat(declarators)
    names = []
    for part in _at_commas(flat):
        part = part.partition(b"=")[0].strip()
        opening = part.find(b"(")
        if opening >= 0:
            pointer = _POINTER_NAME.match(part, opening)
            while pointer is None and (inner := part.find(b"(", opening + 1)) == opening + 1:
                opening = inner
                pointer = _POINTER_NAME.match(part, opening)
            match = pointer or _IN_PARENS.match(part, opening) or _BEFORE_PAREN.search(part, 0, opening)
        else:
            match = _LAST_NAME.search(part)
        if match and match[1] not in KEYWORDS:
            names.append(match[1])
    return tuple(names)


_BRACKETS = pattern(rb"\[[^\[\]]+\]")


def _flat(text: bytes) -> bytes:
    """*text* without operands of typeof and sizes of arrays."""
    if b"typeof" in text:
        text = _TYPEOF.sub(b" int ", text)
    if b"[" in text:
        text = _BRACKETS.sub(b"[]", _BRACKETS.sub(b"[]", text))
    return text


def _at_commas(text: bytes) -> list[bytes]:
    if b"," not in text:
        return [text]
    parts = []
    depth = start = 0
    for match in re.finditer(rb"[(),\[\]]", text):
        token = match[0]
        if token in b"([":
            depth += 1
        elif token in b")]":
            depth -= 1
        elif not depth:
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    return parts


def _constants(text: bytes) -> tuple[bytes, ...]:
    """Every enumeration constant in *text*, in nested and anonymous enums too."""
    found: list[bytes] = []
    for match in re.finditer(rb"\benum\b\s*(?:[A-Za-z_]\w*\s*)?(?::\s*[\w\s]+)?\{", text):
        end = text.find(b"}", match.end())
        body = text[match.end() : end if end >= 0 else len(text)]
        found += _ENUMERATOR.findall(_remove_parameters(body))
    return tuple(found)


_PAIR = pattern(rb"\([^()]*\)")


def _remove_parameters(text: bytes) -> bytes:
    """*text* without what stands between parentheses, but for the names of pointers to functions."""
    if b"(" not in text:
        return text
    text = re.sub(rb"\(\s*\*+\s*(?:const\s+|volatile\s+)*([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)?\)", rb" \1 ;", text)
    while True:
        shorter = _PAIR.sub(b" ", text)
        if shorter == text:
            return text
        text = shorter
