"""Inline assembly of the host, taken out of headers so that they parse for the BPF target.

With ``-target bpf`` clang checks each asm statement against the registers of BPF while it parses, so that one ``"=a"``
in an inline function that nobody calls stops the compile. Every such statement is replaced by one whose template no
assembler knows: a function that is never emitted does no harm, and one that is emitted fails the compile with
``MARKER`` in the diagnostics. It is never dropped. Statements that mean the same everywhere (``barrier()``,
``OPTIMIZER_HIDE_VAR``: no instruction, only generic constraints) stay as they are. Lines keep their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kheaders.headers.markers import MARKER, REGISTER_MARKER

# Every quantifier that could be tried in more than one way is possessive, and what is never closed ends with the text,
# so that no input makes the search take more than time in proportion to its size.
_SKIP = rb'/\*.*?(?:\*/|\Z)|//[^\n]*+|"(?:\\.|[^"\\\n])*+"?|\'(?:\\.|[^\'\\\n]){1,8}\''
_GAP = rb"(?:\s|\\\n)*+"
_HEAD = (
    rb"(?P<word>\b(?:asm|__asm__|__asm|asm_inline)\b)"
    rb"(?P<how>" + _GAP + rb"(?:\b[A-Za-z_]\w*+" + _GAP + rb"){0,3}+)\("
)
# Searched first: its literal prefix is found at memory speed.
_ANY = re.compile(rb"asm(?:__|_inline)?+(?!\w)[\s\\]*+(?:\w++[\s\\]*+){0,3}+\(")
_SCAN = re.compile(_SKIP + rb"|" + _HEAD, re.S)
_INSIDE = re.compile(_SKIP + rb"|[()]", re.S)
_SPLIT = re.compile(_SKIP + rb"|[():\[\]]", re.S)
_STRING = re.compile(rb'"((?:\\.|[^"\\\n])*+)"?', re.S)
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*+", re.S)
_OPERAND = re.compile(rb'\s*(?:\[\s*\w+\s*\]\s*)?"(?P<constraint>[^"]*)"\s*\(', re.S)
_GENERIC = re.compile(rb"[=+&%]*[rgmXin0-9,]+")
_REGISTER = re.compile(rb"\bregister\b(?=[^;{}()#]*\Z)")
_LABEL_AFTER = re.compile(rb"(?:\s|\\\n)*(?:[;,=]|__attribute__\b)")
_LAST_WORD = re.compile(rb"(\w+)(?:\s|\\\n)*\Z")
_DECLARATION = 200
"""Bytes before an asm label in which its declaration begins."""
_STATEMENT_WORDS = (b"else", b"do")


AUTOCONF = "include/generated/autoconf.h"
_HOST_COMPILER = re.compile(rb"^#define CONFIG_(?:CC_HAS_NAMED_AS|USE_X86_SEG_SUPPORT|CC_HAS_TYPEOF_UNQUAL) 1$", re.M)
"""Options that say what the kernel's compiler can do for its processor and clang for BPF cannot. With named address
spaces (``__seg_gs``, arch/x86/include/asm/percpu.h, seen in 6.12) per-CPU data is read without inline assembly; without
that option, with it, which then fails where it is reached, as it must. No layout depends on them."""


_BOOLEANS = ("include/linux/stddef.h", "include/linux/types.h")
_BOOLEAN = re.compile(rb"^(?:enum\s*\{\s*false\b[^{}#]*\}|typedef\s+_Bool\s+bool)\s*;", re.M)
"""What the kernel declares (it is built as gnu11) and C23 has as keywords, so that nobody misses it there."""


def _guarded(match: re.Match[bytes]) -> bytes:
    """The declaration for compilers to which ``true`` is no keyword, and so 0 in ``#if`` (C23 6.10.1)."""
    first = match.string.count(b"\n", 0, match.start()) + 1
    last = first + match[0].count(b"\n")
    return b"#if !true\n#line %d\n%s\n#endif\n#line %d" % (first, match[0], last + 1)


def rewrite(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of *files* that hold host assembly or ask for a feature of the host's compiler, without; path → bytes."""
    return {path: new for path, data in files.items() if (new := rewritten(path, data)) is not data}


def rewritten(path: str, data: bytes) -> bytes:
    """What to give a compiler for the header *path* with the text *data*; the same object where that is *data*."""
    if path == AUTOCONF and _HOST_COMPILER.search(data):
        return _HOST_COMPILER.sub(b"", data)
    if path in _BOOLEANS:
        data = _BOOLEAN.sub(_guarded, data)
    return neutralise(data) if _ANY.search(data) else data


def neutralise(text: bytes) -> bytes:
    """*text* of a C header with the host's inline assembly replaced; the same object where there is none."""
    out: list[bytes] = []
    done = 0
    at = 0
    while match := _SCAN.search(text, at):
        at = match.end()
        if match["word"] is None:
            continue
        end = _closing(text, at)
        if end < 0:
            break
        edit = _replacement(text, match, at, end)
        at = end
        if edit is not None:
            start, stop, new = edit
            out += [text[done:start], new]
            done = stop
    if not done:
        return text
    out.append(text[done:])
    return b"".join(out)


def _closing(text: bytes, at: int) -> int:
    """The offset just after the parenthesis that closes the one before *at*, or -1."""
    depth = 1
    for match in _INSIDE.finditer(text, at):
        token = match[0]
        if token == b"(":
            depth += 1
        elif token == b")":
            depth -= 1
            if not depth:
                return match.end()
    return -1


def _replacement(text: bytes, match: re.Match[bytes], body: int, end: int) -> tuple[int, int, bytes] | None:
    """What to put where: (start, stop, new text), or None to leave the statement alone."""
    start = match.start()
    inside = text[body : end - 1]
    plain = not match["how"].strip(b" \t\n\\")
    if plain and _LABEL_AFTER.match(text, end) and _follows_declarator(text, start):
        near = max(0, start - _DECLARATION)
        line = max(near, text.rfind(b"\n", near, start) + 1, text.rfind(b";", near, start) + 1)
        register = _REGISTER.search(text, line, start)
        if register is None or REGISTER_MARKER.encode() in inside:
            return None
        if register.start() == text.rfind(b"\n", near, start) + 1:
            name = text[register.end() : start]
            return (
                register.start(),
                end,
                b"extern" + name + b'asm("' + REGISTER_MARKER.encode() + b'")' + _lines(inside),
            )
        return start, end, _lines(inside)
    sections = _sections(_COMMENT.sub(b" ", inside))
    own_line = start == 0 or (text[start - 1 : start] == b"\n" and text[max(0, start - 2) : start] != b"\\\n")
    if plain and own_line and len(sections) == 1:  # at file scope, where there are no operands
        return start, end, _lines(text[start:end])
    if (plain and len(sections) == 1) or _means_nothing(sections):
        return None
    return start, end, b'asm volatile("' + MARKER.encode() + b'")' + _lines(text[start:end])


def _follows_declarator(text: bytes, start: int) -> bool:
    before = text[max(0, start - _DECLARATION) : start].rstrip(b" \t\n\\")
    word = _LAST_WORD.search(before)
    if word is not None:
        return word[1] not in _STATEMENT_WORDS
    if not before.endswith(b")"):
        return False
    line = before[max(before.rfind(b";"), before.rfind(b"{"), before.rfind(b"}")) + 1 :].lstrip(b" \t\n\\")
    return not re.match(rb"(?:if|while|for|switch|else)\b", line)


def _lines(text: bytes) -> bytes:
    """The line ends of *text*, in the form that keeps a macro definition in one piece."""
    return (b" \\\n" if b"\\\n" in text else b"\n") * text.count(b"\n")


def _means_nothing(sections: list[bytes]) -> bool:
    """Whether an asm statement holds no instruction and only constraints that every target has."""
    template = sections[0].strip(b" \t\n\\")
    if _STRING.sub(b"", template).strip(b" \t\n\\") or any(s.strip() for s in _STRING.findall(template)):
        return False
    for section in sections[1:3]:
        for operand in _operands(section):
            match = _OPERAND.match(operand)
            if match is None or not _GENERIC.fullmatch(match["constraint"]):
                return False
    return all(word.strip() in (b"", b'"memory"', b'"cc"') for s in sections[3:4] for word in s.split(b",")) and (
        len(sections) < 5
    )


def _sections(inside: bytes) -> list[bytes]:
    """The parts of an asm statement between colons outside of strings and brackets."""
    parts = []
    depth = start = 0
    for match in _SPLIT.finditer(inside):
        token = match[0]
        if token in (b"(", b"["):
            depth += 1
        elif token in (b")", b"]"):
            depth -= 1
        elif token == b":" and not depth:
            parts.append(inside[start : match.start()])
            start = match.end()
    parts.append(inside[start:])
    return parts


def _operands(section: bytes) -> list[bytes]:
    """The operands of one section, split at commas outside of strings and brackets."""
    parts = []
    depth = start = 0
    for match in re.finditer(_SKIP + rb"|[()\[\],]", section, re.S):
        token = match[0]
        if token in (b"(", b"["):
            depth += 1
        elif token in (b")", b"]"):
            depth -= 1
        elif token == b"," and not depth:
            parts.append(section[start : match.start()])
            start = match.end()
    parts.append(section[start:])
    return [part.strip(b" \t\n\\") for part in parts if part.strip(b" \t\n\\")]
