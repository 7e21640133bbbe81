"""Inline assembly of the host, taken out of headers so that they parse for the BPF target.

With ``-target bpf`` clang checks each asm statement against the registers of BPF while it parses, so that one ``"=a"``
in an inline function that nobody calls stops the compile. Every such statement is replaced by a call of the function
``MARKER``, which ``include/linux/kconfig.h`` declares with the attribute ``error``: a call that is never emitted does
no harm, and one that is emitted fails the compile with ``MARKER`` in the diagnostics. A variable that is bound to a
register of the host becomes a macro that calls ``REGISTER_MARKER`` in the same way. Nothing is dropped, and nothing of
it passes through a keyword (``asm``, ``volatile``, ``goto``), which a program can define as a macro before it includes
headers or uses their macros; kconfig.h is read before the program's first line. Statements that mean the same
everywhere (``barrier()``, ``OPTIMIZER_HIDE_VAR``: no instruction, only generic constraints) stay as they are. Lines
keep their numbers, but for the end of kconfig.h.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kheaders.c.declaration import IF_NO_BOOL
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
_SCOPE = re.compile(
    _SKIP + rb"|\\\n|(?P<end>\n)|(?P<brace>[{}])|(?:^|(?<=\n))[ \t]*+#[ \t]*+(?P<directive>[a-z]*+)", re.S
)
_STRING = re.compile(rb'"((?:\\.|[^"\\\n])*+)"?', re.S)
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*+", re.S)
_OPERAND = re.compile(rb'\s*(?:\[\s*\w+\s*\]\s*)?"(?P<constraint>[^"]*)"\s*\(', re.S)
_GENERIC = re.compile(rb"[=+&%]*[rgmXin0-9,]+")
_REGISTER = re.compile(rb"\bregister\b(?=[^;{}()#]*\Z)")
_VARIABLE = re.compile(rb"\s*(?P<type>[\w\s*]*[\s*])(?P<name>[A-Za-z_]\w*)\s*")
_END_OF_DECLARATION = re.compile(rb"\s*+;[ \t]*+(?=\n|//|/\*|\Z)")
_LABEL_AFTER = re.compile(rb"(?:\s|\\\n)*(?:[;,=]|__attribute__\b)")
_LAST_WORD = re.compile(rb"(\w+)(?:\s|\\\n)*\Z")
_DECLARATION = 200
"""Bytes before an asm label in which its declaration begins."""
_STATEMENT_WORDS = (b"else", b"do")


AUTOCONF = "include/generated/autoconf.h"
KCONFIG = "include/linux/kconfig.h"
"""The header that the kernel's build, and every form, includes before all others."""
DECLARED = (
    f'void {MARKER}(void) __attribute__((__error__("inline assembly of the host, which BPF cannot run")));\n'
    f'void *{REGISTER_MARKER}(void) __attribute__((__error__("a register of the host, which BPF does not have")));\n'
).encode()
"""What kconfig.h declares. clang 13 does not know the attribute: there, an object keeps an undefined symbol."""
_HOST_COMPILER = re.compile(rb"^#define CONFIG_(?:CC_HAS_NAMED_AS|USE_X86_SEG_SUPPORT|CC_HAS_TYPEOF_UNQUAL) 1$", re.M)
"""Options that say what the kernel's compiler can do for its processor and clang for BPF cannot. With named address
spaces (``__seg_gs``, arch/x86/include/asm/percpu.h, seen in 6.12) per-CPU data is read without inline assembly; without
that option, with it, which then fails where it is reached, as it must. No layout depends on them."""


_BOOLEANS = ("include/linux/stddef.h", "include/linux/types.h")
_BOOLEAN = re.compile(rb"^(?:enum\s*\{\s*false\b[^{}#]*\}|typedef\s+_Bool\s+bool)\s*;", re.M)
"""What the kernel declares (it is built as gnu11) and C23 has as keywords, so that nobody misses it there."""


def _guarded(match: re.Match[bytes]) -> bytes:
    """The declaration for compilers to which these are no keywords."""
    first = match.string.count(b"\n", 0, match.start()) + 1
    last = first + match[0].count(b"\n")
    return b"%s#line %d\n%s\n#endif\n#line %d" % (IF_NO_BOOL, first, match[0], last + 1)


def rewrite(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of *files* that hold host assembly or ask for a feature of the host's compiler, without; path → bytes."""
    return {path: new for path, data in files.items() if (new := rewritten(path, data)) is not data}


def rewritten(path: str, data: bytes) -> bytes:
    """What to give a compiler for the header *path* with the text *data*; the same object where that is *data*."""
    if path == AUTOCONF and _HOST_COMPILER.search(data):
        return _HOST_COMPILER.sub(b"", data)
    if path == KCONFIG:
        return _declaring(data)
    if path in _BOOLEANS:
        data = _BOOLEAN.sub(_guarded, data)
    return neutralise(data) if _ANY.search(data) else data


def _declaring(text: bytes) -> bytes:
    """*text* of kconfig.h with the declarations before the end of its include guard; the same where it has them."""
    if DECLARED in text:
        return text
    end = text.rfind(b"\n#endif") + 1 or len(text)
    between = b"" if text[:end].endswith(b"\n") or not end else b"\n"
    return text[:end] + between + DECLARED + text[end:]


def lines_added(path: str, data: bytes) -> int:
    """How many lines :func:`rewritten` adds to the header *path* with the text *data*."""
    if path == KCONFIG:
        return DECLARED.count(b"\n")
    return 4 * len(_BOOLEAN.findall(data)) if path in _BOOLEANS else 0


def neutralise(text: bytes) -> bytes:
    """*text* of a C header with the host's inline assembly replaced; the same object where there is none."""
    out: list[bytes] = []
    scopes = _Scopes(text)
    done = 0
    at = 0
    while match := _SCAN.search(text, at):
        at = match.end()
        if match["word"] is None:
            continue
        end = _closing(text, at)
        if end < 0:
            break
        edit = _replacement(text, match, at, end, scopes)
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


class _Scopes:
    """Whether offsets of a text, asked for in rising order, lie between braces; in a directive, of its own braces."""

    def __init__(self, text: bytes) -> None:
        self.in_directive = False
        """Whether the last offset that was asked for lies in a directive."""
        self._tokens = _SCOPE.finditer(text)
        self._next: re.Match[bytes] | None = next(self._tokens, None)
        self._depth = self._inner = 0
        self._branches: list[int] = []

    def in_braces(self, offset: int) -> bool:
        """Whether it is within a block, as a statement is and a declaration at file scope is not."""
        while self._next is not None and self._next.start() < offset:
            self._step(self._next)
            self._next = next(self._tokens, None)
        return (self._inner if self.in_directive else self._depth) > 0

    def _step(self, token: re.Match[bytes]) -> None:
        if token["brace"]:
            step = 1 if token["brace"] == b"{" else -1
            if self.in_directive:
                self._inner += step
            else:
                self._depth = max(0, self._depth + step)
        elif token["end"]:
            self.in_directive = False
        elif token["directive"] is not None and not self.in_directive:
            self.in_directive, self._inner = True, 0
            word = token["directive"]
            if word in (b"if", b"ifdef", b"ifndef"):
                self._branches.append(self._depth)
            elif self._branches and word in (b"else", b"elif"):  # one group of several is read, each with its braces
                self._depth = self._branches[-1]
            elif self._branches and word == b"endif":
                self._branches.pop()


def _replacement(
    text: bytes, match: re.Match[bytes], body: int, end: int, scopes: _Scopes
) -> tuple[int, int, bytes] | None:
    """What to put where: (start, stop, new text), or None to leave the statement alone."""
    start = match.start()
    inside = text[body : end - 1]
    plain = not match["how"].strip(b" \t\n\\")
    if plain and _LABEL_AFTER.match(text, end) and _follows_declarator(text, start):
        near = max(0, start - _DECLARATION)
        register = _REGISTER.search(text, near, start)
        if register is None or not text[register.end() : start].strip():
            return None
        return _global_register(text, register, start, end) or (start, end, _lines(inside))
    sections = _sections(_COMMENT.sub(b" ", inside))
    if _means_nothing(sections):
        return None
    if plain and len(sections) == 1 and not scopes.in_braces(start):  # at file scope, where there are no operands
        near = max(0, start - _DECLARATION)
        begins_line = not text[max(near, text.rfind(b"\n", near, start) + 1) : start].strip()
        return (start, end, _lines(text[start:end])) if begins_line and not scopes.in_directive else None
    return start, end, MARKER.encode() + b"()" + _lines(text[start:end])


def _global_register(text: bytes, register: re.Match[bytes], start: int, end: int) -> tuple[int, int, bytes] | None:
    """The macro in place of a variable at file scope that an asm label from *start* to *end* binds to a register.

    None for a variable in a function, whose label can go, as statements of assembly use it, which are replaced.
    """
    if text[max(0, register.start() - 2) : register.start()].rstrip(b"\n") == b"\\" or (
        register.start() and text[register.start() - 1 : register.start()] != b"\n"
    ):
        return None
    declared = _VARIABLE.fullmatch(_COMMENT.sub(b" ", text[register.end() : start]).replace(b"\\\n", b" "))
    closing = _END_OF_DECLARATION.match(text, end)
    if declared is None or closing is None:
        return None
    pointer = b"(*(%s*) %s())" % (b" ".join(declared["type"].split()) + b" ", REGISTER_MARKER.encode())
    lines = b"\n" * text.count(b"\n", register.start(), closing.end())
    return register.start(), closing.end(), b"#define %s %s" % (declared["name"], pointer) + lines


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
