"""Names that ``##`` in macros can make, of the words that a program, or other macros, give them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from math import prod

from kheaders.interface.blob import Blob
from kheaders.patterns import pattern

_PIECES = pattern(r"(?:\w+\s*##\s*)+\w+")
_NAME = pattern(r"\w+")
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


def name_of(text: str) -> str:
    """The name that a macro's definition begins with."""
    match = _NAME.match(text)
    return match[0] if match else ""


def arguments(name: str, definitions: Sequence[str]) -> Iterator[str]:
    """Words that macros of the *definitions* give to the macro *name*, directly or through others that call it."""
    callers, todo = {name}, [name]
    while todo:
        callee = todo.pop()
        call = f"{callee}("
        for text in definitions:
            if call in text and (caller := name_of(text)) != callee:
                for match in re.finditer(rf"\b{callee}\(((?:[^()]|\([^()]*\))*)", text):
                    yield from _NAME.findall(match[1])
                if caller not in callers:
                    callers.add(caller)
                    todo.append(caller)
