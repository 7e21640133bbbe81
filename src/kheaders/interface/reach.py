"""By which chain of names a program reaches something: the shortest way through macros and inline functions."""

from __future__ import annotations

from collections import deque

from kheaders.interface.blob import Blob
from kheaders.interface.program import Program
from kheaders.interface.slice import Slice


def chain_to(blob: Blob, program: Program, piece: Slice, marker: bytes) -> tuple[str, ...]:
    """The names from one that the program uses to the function or macro of *piece* whose text holds *marker*.

    The last element tells file and line as well. Empty if nothing in the slice holds it.
    """
    chosen = (
        ("name_macros", frozenset(piece.macros), blob.macro, "macro"),
        ("name_decls", frozenset(piece.declarations), blob.declaration, "decl"),
    )
    came_from: dict[int, int] = dict.fromkeys(blob.numbers(program.words).values(), -1)
    queue = deque(came_from)
    while queue:
        name = queue.popleft()
        for rows, members, text, kind in chosen:
            for number in blob.row(rows, name):
                if number not in members:
                    continue
                if marker in text(number):
                    return _way(blob, came_from, name, blob.place(kind, number))
                for word in blob.row("macro_words" if kind == "macro" else "words", number):
                    if word not in came_from:
                        came_from[word] = name
                        queue.append(word)
    return ()


def _way(blob: Blob, came_from: dict[int, int], name: int, place: tuple[str, int]) -> tuple[str, ...]:
    way = []
    while name >= 0:
        way.append(blob.name(name))
        name = came_from[name]
    way.reverse()
    way[-1] += f" ({place[0]}:{place[1]})"
    return tuple(way)
