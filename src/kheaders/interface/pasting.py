"""Names that ``##`` in macros can make, of the words that a program, or other macros, give them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, product
from math import prod

from kheaders.interface.blob import Blob
from kheaders.patterns import pattern

_PIECES = pattern(r"(?:\w+\s*##\s*)+\w+")
_NAME = pattern(r"\w+")
_HEAD = pattern(r"(\w+)\(([^()]*)\)")
_STOPS = pattern(r"[(),\n]")
_DEPTH = 3
"""Macros through which a word may come to where it is pasted."""
_CALLS_LIMIT = 64
_PREFIX_LIMIT = 24
_WAYS_LIMIT = 4096
"""Names that one pasting can make at most to be looked up; of more, only those that the compiler misses are had."""


def pasted(blob: Blob, text: str, words: Collection[str], whole: Collection[str]) -> list[int]:
    """Numbers of names that a macro's definition can make with one of *words*, or with several of *whole*."""
    head, _, body = text.partition(")") if re.match(r"\w+\(", text) else (text.split(None, 1)[0], "", text)
    parameters = set(re.findall(r"\w+", head.partition("(")[2]))
    found: dict[str, int] = {}
    for pieces in _PIECES.findall(body):
        parts = re.split(r"\s*##\s*", pieces)
        fixed = [part for part in parts if part not in parameters and part != "__VA_ARGS__"]
        if parts[0] in fixed and len(parts[0]) > 2:
            prefixed = blob.prefixed(parts[0], _PREFIX_LIMIT + 1)
            if len(prefixed) > _PREFIX_LIMIT:
                prefixed = [parts[0] + word for word in words]
            found.update(blob.numbers(prefixed))
        if parts[-1] in fixed:
            found.update(blob.numbers({word + parts[-1] for word in words}))
        alone = len(parts) - len(fixed) == 1
        found.update(blob.numbers(_joined(parts, fixed, words if alone else whole)))
        for word in fixed:
            found.update(blob.numbers({word}))
    return list(found.values())


def _joined(parts: list[str], fixed: list[str], whole: Collection[str]) -> Iterable[str]:
    """Every way to fill the parts that are parameters, if there are not too many ways."""
    choices = [[part] if part in fixed else sorted(whole) for part in parts]
    ways = prod(map(len, choices))
    return map("".join, product(*choices)) if ways <= _WAYS_LIMIT else ()


def foreseen(definitions: Sequence[str]) -> set[str]:
    """Names that the pasting in macros makes of words that other macros of the *definitions* give them.

    ``#define BIT_OF(name) BIT_##name`` and ``#define READ BIT_OF(read)`` make ``BIT_read``.
    """
    found: set[str] = set()
    text = "\n".join(("", *definitions, ""))
    for definition in definitions:
        if "##" in definition and (head := _HEAD.match(definition)):
            parameters = _NAME.findall(head[2])
            pieces: list[list[str]] = [re.split(r"\s*##\s*", one) for one in _PIECES.findall(definition, head.end())]
            for arguments in islice(_calls(text, head[1], _DEPTH), _CALLS_LIMIT):
                given = dict(zip(parameters, arguments, strict=False))
                made = ("".join(given.get(part, part) for part in parts) for parts in pieces)
                found.update(name for name in made if _NAME.fullmatch(name))
    return found


def _calls(text: str, name: str, depth: int) -> Iterator[list[str]]:
    """The arguments of each call of a macro in *text*, whose lines are definitions, with those of callers filled in."""
    call = f"{name}("
    at = text.find(call)
    while at >= 0:
        start = text.rfind("\n", 0, at) + 1
        # a definition of the macro itself is no call, nor is one of a macro whose name ends like this one
        if start != at and not (text[at - 1].isalnum() or text[at - 1] == "_"):
            arguments = _arguments(text, at + len(call))
            caller = _HEAD.match(text, start)
            parameters = _NAME.findall(caller[2]) if caller else []
            if caller is None or not depth or not any(one in parameters for one in arguments):
                yield arguments
            else:
                for outer in _calls(text, caller[1], depth - 1):
                    given = dict(zip(parameters, outer, strict=False))
                    yield [given.get(one, one) for one in arguments]
        at = text.find(call, at + 1)


def _arguments(text: str, at: int) -> list[str]:
    """What stands between commas from *at* to the parenthesis that closes there, or the end of the line."""
    found, depth, start = [], 0, at
    for match in _STOPS.finditer(text, at):
        token = match[0]
        if token == "(":
            depth += 1
        elif token == ")" and depth:
            depth -= 1
        elif not depth or token == "\n":
            found.append(text[start : match.start()].strip())
            start = match.end()
            if token != ",":
                break
    return found
