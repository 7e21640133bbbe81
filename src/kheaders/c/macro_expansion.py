"""Calls of macros outside of braces, replaced as a preprocessor does it (C11 6.10.3): what do they declare?

``int BPF_KPROBE(do_unlinkat, int dfd) { … }`` defines a function ``do_unlinkat``, which only the macro's definition
tells. What stands between braces is of no interest here and stays as it is, and so do conditional groups: of several
definitions of a macro each is tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kheaders.c import declaration, split
from kheaders.patterns import pattern

_WORD = pattern(rb"[A-Za-z_]\w*")
_TOKEN = pattern(rb"[A-Za-z_]\w*|\.?\d[\w.]*|\"[^\"\n]*\"?|'[^'\n]*'?|##|[^\S\n]+|\n|.", re.S)
_LIMIT = 1 << 16
"""Tokens of one expansion; what grows beyond that declares nothing that anybody could mean."""

Tokens = list[bytes]


class Macro(NamedTuple):
    """A macro with or without parameters."""

    parameters: tuple[bytes, ...] | None
    """None for an object-like macro."""
    variadic: bytes
    """The name of the variable arguments; empty where there are none."""
    text: bytes

    @property
    def body(self) -> Tokens:
        """The tokens that it is replaced by."""
        return _TOKEN.findall(self.text.strip())


Macros = Mapping[bytes, Sequence[Macro]]


def macros(definitions: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[Macro]]:
    """The macros of *definitions*: name, and what follows it, without comments and line splices."""
    found: dict[bytes, list[Macro]] = {}
    for name, rest in definitions:
        variadic = b""
        names: tuple[bytes, ...] | None = None
        text = rest
        if rest.startswith(b"("):
            words = [word.strip() for word in rest[1:].partition(b")")[0].split(b",")]
            if words[-1].endswith(b"..."):
                variadic = words.pop()[:-3].strip() or b"__VA_ARGS__"
            names = tuple(filter(None, words))
            text = rest.partition(b")")[2]
        made = Macro(names, variadic, text)
        known = found.setdefault(name, [])
        if made not in known:
            known.append(made)
    return found


def declared(code: bytes, known: Macros) -> set[bytes]:
    """Ordinary names that the calls of macros in *code*, a piece of a text at file scope, define."""
    head, brace, _ = code.partition(b"{")
    if known.keys().isdisjoint(_WORD.findall(head)):
        return set()
    found: set[bytes] = set()
    for text in expanded(head + (b"{}" if brace else b""), known):
        for start, end, function in split.split(text):
            found.update(declaration.names(text[start:end], function)[0])
    return found


def expanded(code: bytes, known: Macros) -> Iterator[bytes]:
    """*code*, a piece of a text at file scope, with its calls of macros replaced, once for each set of definitions.

    Nothing comes for a piece that calls none, or that would become too long.
    """
    tokens = _TOKEN.findall(code)
    rounds = max((len(known[token]) for token in _outside(tokens) if token in known), default=0)
    for number in range(rounds):
        try:
            yield b"".join(_Expansion(known, number).of(tokens, frozenset()))
        except _TooLong:
            continue


class _TooLong(Exception):
    pass


def _outside(tokens: Tokens) -> Iterator[bytes]:
    depth = 0
    for token in tokens:
        if token == b"{":
            depth += 1
        elif token == b"}":
            depth = max(depth - 1, 0)
        elif not depth:
            yield token


class _Expansion:
    """One way to expand: of several definitions of a macro that with the number, or the last."""

    def __init__(self, known: Macros, number: int) -> None:
        self._known = known
        self._number = number
        self._left = _LIMIT

    def of(self, tokens: Tokens, hidden: frozenset[bytes]) -> Tokens:
        """*tokens* with macros replaced, but for the *hidden*, which are being replaced (C11 6.10.3.4)."""
        out: Tokens = []
        at = depth = 0
        while at < len(tokens):
            token = tokens[at]
            at += 1
            self._left -= 1
            if self._left < 0:
                raise _TooLong
            if token == b"{":
                depth += 1
            elif token == b"}":
                depth = max(depth - 1, 0)
            choices = self._known.get(token) if not depth and token not in hidden else None
            if not choices:
                out.append(token)
                continue
            macro = choices[min(self._number, len(choices) - 1)]
            arguments: list[Tokens] = []
            if macro.parameters is not None:
                end, arguments = _arguments(tokens, at)
                if not end:
                    out.append(token)
                    continue
                at = end
            made = self.of(self._replaced(macro, arguments, hidden), hidden | {token})
            if made and made[-1] != token and made[-1] in self._known and _next(tokens, at) == b"(":
                at -= 1  # a name of a macro whose arguments stand behind the call (C11 6.10.3.4)
                tokens = [*tokens[:at], made.pop(), *tokens[at + 1 :]]
            out += made
        return out

    def _replaced(self, macro: Macro, arguments: list[Tokens], hidden: frozenset[bytes]) -> Tokens:
        """The body of *macro* with *arguments* in it."""
        names = macro.parameters or ()
        given = dict(zip(names, arguments, strict=False))
        for name in names[len(arguments) :]:
            given[name] = []
        if macro.variadic:
            more = arguments[len(names) :]
            joined: Tokens = []
            for number, argument in enumerate(more):
                joined += [*([b","] if number else []), *argument]
            given[macro.variadic] = joined
        body = [token for token in macro.body if not token.isspace() or token == b" "]
        out: Tokens = []
        at = 0
        while at < len(body):
            token = body[at]
            pasted = _next(body, at + 1) == b"##" or _last(body, at - 1) == b"##"
            if token == b"##":
                while out and out[-1].isspace():
                    out.pop()
                at += 1
                while at < len(body) and body[at].isspace():
                    at += 1
                if at < len(body):
                    right = given.get(body[at], [body[at]])
                    self._paste(out, right, body[at] == macro.variadic)
                    at += 1
                continue
            if token == b"#" and macro.parameters is not None:
                out.append(b'""')
                at += 1
                while at < len(body) and body[at].isspace():
                    at += 1
                at += 1
                continue
            if token in given:
                out += given[token] if pasted else self.of(given[token], hidden)
            else:
                out.append(token)
            at += 1
        return out

    @staticmethod
    def _paste(out: Tokens, right: Tokens, variable: bool) -> None:
        right = [token for token in right if not token.isspace()] if len(right) == 1 else list(right)
        while right and right[0].isspace():
            right.pop(0)
        if variable and out and out[-1] == b",":  # GNU C: a comma before variable arguments goes if there are none
            if not right:
                out.pop()
            out += right
        elif right and out:
            out[-1] += right[0]
            out += right[1:]
        else:
            out += right


def _next(tokens: Tokens, at: int) -> bytes:
    return next((token for token in tokens[at:] if not token.isspace()), b"")


def _last(tokens: Tokens, at: int) -> bytes:
    return next((token for token in reversed(tokens[: at + 1]) if not token.isspace()), b"") if at >= 0 else b""


def _arguments(tokens: Tokens, at: int) -> tuple[int, list[Tokens]]:
    """(where the call ends, its arguments); (0, []) where no parenthesis comes first, or none closes."""
    while at < len(tokens) and tokens[at].isspace():
        at += 1
    if at == len(tokens) or tokens[at] != b"(":
        return 0, []
    found: list[Tokens] = [[]]
    depth = 1
    for end in range(at + 1, len(tokens)):
        token = tokens[end]
        if token in (b"(", b"[", b"{"):
            depth += token == b"("
        elif token == b")":
            depth -= 1
            if not depth:
                return end + 1, [_stripped(argument) for argument in found]
        if token == b"," and depth == 1:
            found.append([])
        else:
            found[-1].append(token)
    return 0, []


def _stripped(tokens: Tokens) -> Tokens:
    while tokens and tokens[0].isspace():
        tokens.pop(0)
    while tokens and tokens[-1].isspace():
        tokens.pop()
    return tokens
