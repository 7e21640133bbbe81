"""What a program says before any compiler has read it: its include lines, its words, what it declares itself.

The program's own headers are read as well, wherever the compiler would find them: beside the file that includes them,
and in the user's include directories.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kheaders.c import declaration, macro_events, split
from kheaders.patterns import pattern

FILE_LIMIT = 16 << 20
_NOISE = pattern(
    rb'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*+"?|\'(?:[^\'\\\n]|\\.)*+\'?|^[ \t]*#[ \t]*include[ \t]*<[^>\n]*>',
    re.S | re.M,
)
_SPLICE = pattern(rb"\\\r?\n")
_INCLUDE = pattern(rb'^[ \t]*#[ \t]*(?:include|include_next|import)\b[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.M)
_HAS = pattern(rb'__has_include(?:_next)?[ \t]*\([ \t]*(?:<([^>\n]+)>|"([^"\n]+)")')
_COMPUTED = pattern(rb"^[ \t]*#[ \t]*(?:include|include_next|import)\b[ \t]*[A-Za-z_]", re.M)
_NAMED = pattern(rb'^[ \t]*#[ \t]*define[ \t]+\w+[ \t]+(?:<([^>\n]+)>|"([^"\n]+)")[ \t]*$', re.M)
_FLOW = pattern(rb"^[ \t]*#[ \t]*(if|ifdef|ifndef|endif|include|include_next|import|define|undef)\b[ \t]*(\w*)", re.M)
_MARK = b"\xef\xbb\xbf"
"""What some editors put before UTF-8; compilers skip it."""
_HASH = pattern(rb"^([ \t]*)%:", re.M)
_DIGRAPH = pattern(rb"<%|%>|<:|:>|%:%:")
_DIGRAPHS = {b"<%": b"{", b"%>": b"}", b"<:": b"[", b":>": b"]", b"%:%:": b"##"}
_WORD = pattern(rb"[A-Za-z_]\w*")
_TOKEN = pattern(rb"\w+")
_NUMBER = pattern(rb"\b\d\w*")
_TOUCH = pattern(rb"(?:->|\.)\s*([A-Za-z_]\w*)")
_DIRECTIVE = pattern(rb"^[ \t]*#(?:[^\n\\]|\\.)*", re.M | re.S)
_PASTING = pattern(rb"^[ \t]*#[ \t]*define[ \t]+((?:[^\n\\]|\\.)*)", re.M | re.S)


class Program(NamedTuple):
    """A program and its own headers, read."""

    words: frozenset[str]
    """Every identifier outside of comments and strings."""
    touched: frozenset[str]
    """Identifiers that can be names of members: after ``.`` and ``->``, and in arguments of builtins."""
    calls: Mapping[str, frozenset[str]]
    """Identifier before parentheses → the words between them: for a macro, these can be names of members too."""
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
    early: Mapping[str, str | None]
    """Macros that it defines before it includes a header of the kernel → body; None for one that it undefines."""
    bare: Mapping[str, str]
    """Include lines of kernel headers that are lists without a guard → text, read as the program's own."""
    uncertain: bool
    """Whether it takes a preprocessor to say which include lines count: they are conditional, or made by macros."""
    texts: tuple[bytes, ...] = ()
    """The program and each of its own headers, without comments and what is in quotes."""
    taken: frozenset[str] | None = None
    """Those of the include lines that count, where a preprocessor was asked."""


def read(
    text: bytes,
    directory: str | None,
    user_directories: Sequence[str],
    kernels_list: Callable[[str], str | None] = lambda name: None,
    foreign: Callable[[str], bool] = lambda name: False,
    last: Callable[[str], bytes | None] = lambda name: None,
) -> Program:
    """Read a program whose text is *text* and which lies in *directory* (None: nowhere, as standard input).

    *kernels_list* gives the text of a kernel header that must be read as one of the program's own, by its include line.
    *foreign* tells of an include line that its file is not to be read, though it may be there. *last* gives the texts
    of headers that are found where none of the user's is.
    """
    words: set[bytes] = set()
    touched: set[bytes] = set()
    declared: set[bytes] = set()
    defined: set[bytes] = set()
    strong: set[bytes] = set()
    weak: set[bytes] = set()
    includes: dict[str, None] = {}
    computed = uncertain = False
    pastes: list[str] = []
    texts: list[bytes] = []
    digits: set[bytes] = set()
    calls: dict[bytes, set[bytes]] = {}
    own_macros: set[bytes] = set()
    seen: set[str] = set()
    bare_lists: dict[str, str] = {}
    events: dict[str, list[macro_events.Event]] = {}
    found_as: dict[tuple[str, str], str] = {}
    todo = [(text, directory, "")]
    while todo:
        current, place, path = todo.pop()
        bare = _NOISE.sub(_uncomment, _SPLICE.sub(b"", current.removeprefix(_MARK)))
        bare = _HASH.sub(rb"\1#", bare) if b"%:" in bare else bare
        clean = _NOISE.sub(_blank, bare)
        clean = _DIGRAPH.sub(_spelled, clean) if _DIGRAPH.search(clean) else clean
        computed = computed or _COMPUTED.search(clean) is not None
        uncertain = uncertain or computed or _conditional(clean)
        for name, quoted in _include_lines(bare) + (_named_lines(bare) if computed else []):
            found = None
            if not foreign(name):
                beside = [place] if quoted and place is not None else []
                found = _user_file(name, beside, user_directories) or _last_file(name, path if quoted else "", last)
            if found is None:
                includes[name] = None
                if name not in bare_lists and (listed := kernels_list(name)) is not None:
                    bare_lists[name] = listed
                    todo.append((listed.encode(), None, f"<{name}>"))
                continue
            found_as[path, name] = found[0]
            if found[0] not in seen:
                seen.add(found[0])
                todo.append((found[1], os.path.dirname(found[0]), found[0]))
        events[path] = macro_events.events(bare)
        if b"##" in clean:
            pastes += [m[1].decode("utf-8", "replace") for m in _PASTING.finditer(clean) if b"##" in m[1]]
        texts.append(clean)
        words.update(_WORD.findall(clean))
        digits.update(_NUMBER.findall(clean))
        touched.update(_TOUCH.findall(clean))
        _arguments(clean, calls)
        own_macros.update(_OWN_MACRO.findall(clean))
        if not path.startswith("<"):
            _declarations(_DIRECTIVE.sub(b"", clean), declared, defined)
        for kind, tag, pointer in declaration.TAG.findall(_FORWARD.sub(b" ", clean)):
            (weak if pointer and kind == b"struct" else strong).add(tag)
    return Program(
        _text(words),
        _text(touched | {word for name, found in calls.items() if name.startswith(b"__builtin") for word in found}),
        {name.decode("ascii", "replace"): _text(found) for name, found in calls.items()},
        _text(own_macros),
        _text(declared),
        _text(defined),
        _text(strong),
        _text(weak),
        tuple(includes),
        tuple(pastes),
        _text(_pasted(pastes, texts, calls) if pastes else set()),
        _text(digits),
        macro_events.early(events, found_as, ""),
        bare_lists,
        uncertain,
        tuple(texts),
    )


def _blank(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token.startswith((b'"', b"'")):
        return token[:1] + token[-1:]
    return _uncomment(match)


def _spelled(match: re.Match[bytes]) -> bytes:
    return _DIGRAPHS[match[0]]


def _uncomment(match: re.Match[bytes]) -> bytes:
    token = match[0]
    return b" " if token.startswith(b"/") else token


def _include_lines(bare: bytes) -> list[tuple[str, bool]]:
    if b"include" not in bare and b"import" not in bare:
        return []
    found = _INCLUDE.findall(bare) + (_HAS.findall(bare) if b"__has_include" in bare else [])
    return [((angled or quoted).decode("utf-8", "replace"), bool(quoted)) for angled, quoted in found]


def _named_lines(bare: bytes) -> list[tuple[str, bool]]:
    """What macros say that an include line may be made of."""
    found = _NAMED.findall(bare) if b".h" in bare else []
    return [((angled or quoted).decode("utf-8", "replace"), bool(quoted)) for angled, quoted in found]


def _conditional(clean: bytes) -> bool:
    """Whether an include line stands between ``#if`` and ``#endif``, other than those of the file's own guard."""
    depth, guard, last = 0, False, (b"", b"")
    for number, match in enumerate(_FLOW.finditer(clean)):
        word = match[1]
        if word == b"endif":
            depth -= 1
        elif word.startswith(b"if"):
            depth += 1
        elif word == b"define":
            guard = guard or (number == 1 and last == (b"ifndef", match[2]))
        elif word != b"undef" and depth > guard:
            return True
        last = (word, match[2])
    return False


def _user_file(name: str, beside: list[str], directories: Sequence[str]) -> tuple[str, bytes] | None:
    for directory in (*beside, *directories):
        path = os.path.normpath(os.path.join(directory, name))
        try:
            with open(path, "rb") as file:
                return path, file.read(FILE_LIMIT)
        except (OSError, ValueError):
            continue
    return None


_LAST = "/kheaders/last/"
"""Where headers that are found last lie, for this reader."""


def _last_file(name: str, path: str, last: Callable[[str], bytes | None]) -> tuple[str, bytes] | None:
    """The header that a line of *path* calls *name*, where none of the user's files is called so."""
    beside = os.path.dirname(path.removeprefix(_LAST)) if path.startswith(_LAST) else ""
    for known in (f"{beside}/{name}" if beside else name, name):
        if (text := last(known)) is not None:
            return f"{_LAST}{known}", text
    return None


_CALL = pattern(rb"\b([A-Za-z_]\w*)\s*\(")
_ARGUMENTS = 2048
"""Bytes after a parenthesis that are looked at; what is longer is no call of a macro."""
_CALLS = 20_000
"""Calls in one file that are looked at one by one; in a larger one every word may be an argument of each."""
_ENDS = pattern(rb"[;{}]|\Z")


def _arguments(clean: bytes, calls: dict[bytes, set[bytes]]) -> None:
    """Collect the words in parentheses after each name; of nested ones for every name."""
    for number, match in enumerate(_CALL.finditer(clean)):
        if number > _CALLS:
            every = set(_WORD.findall(clean))
            for known in calls:
                calls[known] = every
            return
        name = match[1]
        if name not in _NO_CALLS:
            limit = match.end() + _ARGUMENTS
            end = _ENDS.search(clean, match.end(), limit)
            found = _TOKEN.findall(clean, match.end(), end.start() if end else limit)
            calls.setdefault(name, set()).update(found)


def _pasted(pastes: list[str], texts: list[bytes], calls: Mapping[bytes, set[bytes]]) -> set[bytes]:
    """What may be pasted by the program's own macros that paste, and by those that use them."""
    bodies: dict[bytes, set[bytes]] = {}
    for text in texts:
        for name, body in _OWN.findall(text):
            bodies.setdefault(name, set()).update(_TOKEN.findall(body))
    pasters = {match[0].encode() for paste in pastes if (match := re.match(r"\w+", paste))}
    while more := {name for name, words in bodies.items() if name not in pasters and not pasters.isdisjoint(words)}:
        pasters |= more
    found: set[bytes] = set()
    todo = {word for name in pasters for word in calls.get(name, ())}
    while todo:
        found |= todo
        # a macro among them may have been replaced before it is pasted
        todo = {word for name in todo for word in bodies.get(name, ())} - found
    return found


_NO_CALLS = declaration.KEYWORDS | {b"defined"}
_OWN = pattern(rb"^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)([^\n]*)", re.M)
_OWN_MACRO = pattern(rb"^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)\(", re.M)
_FORWARD = pattern(rb"\bstruct\s+([A-Za-z_]\w*)\s*;")


def _declarations(code: bytes, declared: set[bytes], defined: set[bytes]) -> None:
    for start, end, function in split.split(code):
        found = declaration.names(code[start:end], function)
        declared.update(found[0])
        defined.update(found[1])


def _text(names: set[bytes]) -> frozenset[str]:
    return frozenset(name.decode("ascii", "replace") for name in names)
