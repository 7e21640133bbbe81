"""What a program says before any compiler has read it: its include lines, its words, what it declares itself.

The program's own headers are read as well, wherever the compiler would find them: beside the file that includes them,
and in the user's include directories.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from kheaders.c import declaration, directives, lexer, macro_events, macro_expansion, own_headers, split
from kheaders.c.conditionals import guard
from kheaders.c.directives import INCLUDES, OPENING, Scan
from kheaders.c.include_path import IncludeSearch

VMLINUX = "vmlinux.h"
"""The header of all types of a kernel that bpftool writes, and what programs call it."""
_SEPARATOR = b"\x01"
"""Lies between the tokens of directives: a call does not go on in the next."""


class Calls:
    """The identifiers before parentheses, and what lies between these."""

    def __init__(self) -> None:
        self._tokens: list[list[bytes]] = []
        self._names: set[bytes] = set()

    def add(self, tokens: list[bytes]) -> None:
        """Look for calls in *tokens*."""
        found = {name for name, after in pairwise(tokens) if after == b"(" and _is_name(name)} - _NO_CALLS
        if found:
            self._tokens.append(tokens)
            self._names |= found

    @property
    def names(self) -> frozenset[str]:
        """Every identifier before parentheses, keywords aside."""
        return _text(self._names)

    def words(self, names: Container[str]) -> frozenset[str]:
        """The words and numbers in the parentheses after *names*, those of calls within included."""
        wanted = {name for name in self._names if name.decode("ascii", "replace") in names}
        return _text(self.within(wanted)) if wanted else frozenset()

    def within(self, wanted: Container[bytes]) -> set[bytes]:
        """As :meth:`words`. One pass over all tokens: what calls nest how deep does not matter."""
        found: set[bytes] = set()
        for tokens in self._tokens:
            opened: list[bool] = []
            inside = 0
            before = b""
            for token in tokens:
                if token == b"(":
                    counts = before in wanted
                    opened.append(counts)
                    inside += counts
                elif token == b")":
                    if opened:
                        inside -= opened.pop()
                elif token == _SEPARATOR:
                    opened.clear()
                    inside = 0
                elif inside:
                    found.add(token)
                before = token
        return {token for token in found if _is_word(token)}


class Program(NamedTuple):
    """A program and its own headers, read."""

    words: frozenset[str]
    """Every identifier outside of comments and strings."""
    touched: frozenset[str]
    """Identifiers that can be names of members: after ``.`` and ``->``, and in arguments of builtins."""
    calls: Calls
    """Identifiers before parentheses: for a macro, the words between them can be names of members too."""
    own_macros: frozenset[str]
    """Macros with parameters that the program defines itself."""
    declared: frozenset[str]
    """Ordinary names that the program declares itself at top level."""
    defined: frozenset[str]
    """Tags that it defines itself."""
    strong: frozenset[str]
    """Tags that it names without pointing to them."""
    weak: frozenset[str]
    includes: tuple[str, ...]
    """Names in include lines that none of the user's own files answers: headers of the kernel, or of the compiler."""
    pastes: tuple[str, ...]
    """The program's own macros that paste words together, as ``NAME(parameters) body``."""
    pasted: frozenset[str]
    """What such macros, or those that use them, may paste: words and numbers of their arguments."""
    numbers: frozenset[str]
    """Tokens that begin with a digit: a name may end with one by pasting."""
    before: Mapping[str, int]
    """Identifier that is named, outside of include lines, before the last header of the kernel is included → how many
    of *includes*, from the first on, stand before that; 0 for all where it is uncertain which of them count."""
    early: Mapping[str, macro_events.Bodies]
    """Macros that it changes before it includes a header of the kernel → what they may be there."""
    since: Mapping[str, int]
    """Each of them → how many of *includes*, from the first on, come before that; 0 where it is uncertain."""
    bare: Mapping[str, str]
    """Include lines of kernel headers that are lists without a guard → text, read as the program's own."""
    uncertain: bool
    """Whether it takes a preprocessor to say which include lines count: they are conditional, or made by macros."""
    doubt: str = ""
    """Why nobody but a preprocessor can tell what the program does; empty where it can be told."""
    files: frozenset[str] = frozenset()
    """Paths of the user's own headers that were read."""
    scans: tuple[Scan, ...] = ()
    """The program and each of its own headers."""
    settled: frozenset[str] = frozenset()
    """Macros that it defines in any case before it includes a header of the kernel."""
    changed: frozenset[str] = frozenset()
    """Macros that it defines or undefines anywhere."""
    macros: Mapping[str, frozenset[str]] = MappingProxyType({})
    """All macros that the program and its own headers define → what they may be, as ``early`` has it."""
    ahead: tuple[str, ...] = ()
    """Directories of the user's that are searched before the kernel's, by the kernel's include lines too."""
    opaque: tuple[str, ...] = ()
    """Paths of the user's own headers that were not read."""
    taken: frozenset[str] | None = None
    """Those of the include lines that count, where a preprocessor was asked."""

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The program and each of its own headers, without comments, splices, digraphs and what is in quotes."""
        return tuple(lexer.undigraphed(lexer.code(scan.text)) for scan in self.scans)


def is_vmlinux(name: str) -> bool:
    """Whether an include line with *name* means a ``vmlinux.h``."""
    return name == VMLINUX or name.endswith(f"/{VMLINUX}")


def read(
    text: bytes,
    directory: str | None,
    search: IncludeSearch | Sequence[str],
    kernels_list: Callable[[str], str | None] = lambda name: None,
    foreign: Callable[[str], bool] = lambda name: False,
    known: Callable[[str], bool] = lambda name: False,
    last: Callable[[str], bytes | None] = lambda name: None,
    opaque: Callable[[str], bool] = lambda name: False,
) -> Program:
    """Read a program whose text is *text* and which lies in *directory* (None: nowhere, as standard input).

    *search*, *foreign*, *known*, *last* and *opaque* are as in :func:`own_headers.gather`. *kernels_list* gives the
    text of a kernel header that must be read as one of the program's own, by its include line.
    """
    sources = own_headers.gather(
        text,
        directory,
        search,
        lambda name: None if (found := kernels_list(name)) is None else found.encode(),
        foreign,
        known,
        last,
        opaque,
    )
    ahead = search.ahead(quoted=False) if isinstance(search, IncludeSearch) else tuple(search)
    found = _Words()
    uncertain = sources.computed
    for file in sources.files:
        found.read(file.scan, declares=not file.path.startswith("<"))
        uncertain = uncertain or _conditional(file.scan)
    found.declared |= found.made()
    own = macro_events.own_macros(sources)
    order, before = _before(sources)
    sure = not uncertain and order == [*own.order]
    return Program(
        _text(found.words),
        _text(found.touched | found.calls.within({name for name in found.words if name.startswith(b"__builtin")})),
        found.calls,
        _text(found.macros),
        _text(found.declared),
        _text(found.defined),
        _text(found.strong),
        _text(found.weak),
        tuple(dict.fromkeys((*order, *own.order, *sources.foreign))),
        tuple(found.pastes.values()),
        _text(found.pasted()),
        _text(found.numbers),
        before if sure else dict.fromkeys(before, 0),
        own.early,
        own.since if sure else dict.fromkeys(own.since, 0),
        {name: text.decode("utf-8", "replace") for name, text in sources.listed.items()},
        uncertain,
        _doubt(sources, own),
        frozenset(file.path for file in sources.files if file.path and not file.path.startswith("<")),
        tuple(file.scan for file in sources.files),
        own.settled,
        frozenset(own.marks),
        _bodies(sources) if ahead else {},
        ahead,
        tuple(sources.opaque),
    )


def _before(sources: own_headers.Sources) -> tuple[list[str], dict[str, int]]:
    """The include lines of headers of the kernel, in the order of a preprocessor that takes every branch, and
    :attr:`Program.before`."""
    files = {file.path: file.scan for file in sources.files}
    order: dict[str, None] = {}
    parts: list[tuple[bytes, int]] = []
    done = {""}
    stack = [("", 0, 0)]
    while stack:
        path, first, at = stack.pop()
        text, found = files[path].text, files[path].directives
        for number, directive in enumerate(found[first:], first):
            parts.append((text[at : directive.start], len(order)))
            at = directive.end
            if directive.name not in INCLUDES:
                parts.append((directive.rest, len(order)))
                continue
            header = directives.included(directive)
            target = sources.targets.get((path, header)) if header is not None else None
            if target is not None and target in files and target not in done:
                done.add(target)
                stack += [(path, number + 1, at), (target, 0, 0)]
                break
            if target is None and header is not None:
                order.setdefault(header.shown)
        else:
            parts.append((text[at:], len(order)))
    before: dict[str, int] = {}
    for part, count in parts:
        if count == len(order):
            break
        for token in lexer.tokens(part):
            if _is_name(token):
                before.setdefault(token.decode("ascii", "replace"), count)
    return [*order], before


def _bodies(sources: own_headers.Sources) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for file in sources.files:
        for event in macro_events.events(file.scan):
            if event.kind == "define" and event.body is not None:
                found.setdefault(event.name, set()).add(event.body)
    return {name: frozenset(bodies) for name, bodies in found.items()}


def _doubt(sources: own_headers.Sources, own: macro_events.OwnMacros) -> str:
    if sources.unreadable:
        return f"{sources.unreadable} is no regular file, so that only the compiler can read it"
    if sources.question:
        return f"what __has_include({sources.question}) asks for is told by a preprocessor only"
    if own.pragma:
        return f"it says #pragma {own.pragma} before it includes a header, which may mean something else by that"
    if own.hidden:
        return "it may save and restore macros by a macro: where that happens is told by a preprocessor only"
    return ""


class _Words:
    """The words of a program's texts, by what they can be."""

    def __init__(self) -> None:
        self.words: set[bytes] = set()
        self.numbers: set[bytes] = set()
        self.touched: set[bytes] = set()
        self.calls = Calls()
        self.macros: set[bytes] = set()
        """Function-like macros."""
        self.declared: set[bytes] = set()
        self.defined: set[bytes] = set()
        self.strong: set[bytes] = set()
        self.weak: set[bytes] = set()
        self.pastes: dict[str, str] = {}
        self._bodies: dict[bytes, set[bytes]] = {}
        self._pasters: set[bytes] = set()
        self._definitions: list[tuple[bytes, bytes]] = []
        self._calling: list[bytes] = []
        """Pieces at file scope that may call a macro."""

    def read(self, text: Scan, declares: bool) -> None:
        """Take in one text; with *declares*, what it declares too."""
        code = lexer.undigraphed(lexer.code(b"\n".join(text.code())))
        rests: list[bytes] = []
        for directive in text.directives:
            if directive.name in INCLUDES and directives.header(directive.rest) is not None:
                continue
            rest = directive.rest
            rests += (rest, _SEPARATOR)
            if directive.name == b"define":
                self._macro(directive)
        lines = b"\n".join(rests)
        for part in (lines, code):
            tokens = lexer.tokens(part)
            self._tokens(tokens)
            self.calls.add(tokens)
        if declares:
            for start, end, function in split.split(code):
                found = declaration.names(code[start:end], function)
                self.declared.update(found[0])
                self.defined.update(found[1])
                if not found[1] and b"(" in code[start:end]:
                    self._calling.append(code[start:end])

    def _macro(self, directive: directives.Directive) -> None:
        name, rest = directives.macro(directive)
        self._definitions.append((name, rest))
        if rest.startswith(b"("):
            self.macros.add(name)
        tokens = lexer.tokens(rest)
        self._bodies.setdefault(name, set()).update(filter(_is_word, tokens))
        if b"##" in tokens:
            text = (name + lexer.undigraphed(rest)).decode("utf-8", "replace")
            self.pastes[text] = text
            self._pasters.add(name)

    def _tokens(self, tokens: list[bytes]) -> None:
        every = set(tokens)
        self.words.update(filter(_is_name, every))
        self.numbers.update(token for token in every if token[0] in b"0123456789")
        self.touched.update(name for token, name in pairwise(tokens) if token in _MEMBER and _is_name(name))
        if not every.isdisjoint(_TAGGED):
            complete, incomplete = declaration.tags(tokens)
            self.strong |= complete
            self.weak |= incomplete

    def made(self) -> set[bytes]:
        """Ordinary names that the program's macros declare for it."""
        if not self._calling or not self.macros:
            return set()
        known = macro_expansion.macros(self._definitions)
        return {name for piece in self._calling for name in macro_expansion.declared(piece, known)}

    def pasted(self) -> set[bytes]:
        """What may be pasted by the program's own macros that paste, and by those that use them."""
        pasters, bodies = self._pasters, self._bodies
        users: dict[bytes, list[bytes]] = {}
        for name, words in bodies.items():
            for word in words:
                users.setdefault(word, []).append(name)
        todo = list(pasters)
        pasters = set(pasters)
        while todo:
            more = [name for name in users.get(todo.pop(), ()) if name not in pasters]
            pasters.update(more)
            todo += more
        found = self.calls.within(pasters) if pasters else set()
        todo = list(found)
        while todo:
            # a macro among them may have been replaced before it is pasted
            new = bodies.get(todo.pop(), set()) - found
            found |= new
            todo += new
        return found


_MEMBER = frozenset((b".", b"->"))
_TAGGED = frozenset((b"struct", b"union", b"enum"))
_NO_CALLS = declaration.KEYWORDS | {b"defined"}
_NAME_STARTS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$")
_WORD_STARTS = _NAME_STARTS | frozenset(b"0123456789")


def _is_name(token: bytes) -> bool:
    """Whether a token is an identifier of ASCII letters, digits, ``_`` and ``$``."""
    return token[0] in _NAME_STARTS and token[-1] not in b"\"'"


def _is_word(token: bytes) -> bool:
    """Whether a token is an identifier or a number."""
    return token[0] in _WORD_STARTS and token[-1] not in b"\"'"


def _conditional(text: Scan) -> bool:
    """Whether an include line stands between ``#if`` and ``#endif``, other than those of the file's own guard."""
    depth, own = 0, guard(text).defined
    for directive in text.directives:
        if directive.name == b"endif":
            depth -= 1
            own = own and depth > 0
        elif directive.name in OPENING:
            depth += 1
        elif directive.name in INCLUDES and depth > own:
            return True
    return False


def _text(names: Iterable[bytes]) -> frozenset[str]:
    return frozenset(name.decode("ascii", "replace") for name in names)
