"""By which chain of names a program reaches something: the shortest way through macros and inline functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kheaders.interface.blob import Blob
from kheaders.interface.program import Program
from kheaders.interface.slice import Slice


def chain_to(blob: Blob, program: Program, piece: Slice, marker: bytes) -> tuple[str, ...]:
    """The names from one that the program uses to the function or macro of *piece* whose text holds *marker*.

    The last element tells file and line as well. Empty if nothing in the slice holds it.
    """
    declarations, macros = frozenset(piece.declarations), frozenset(piece.macros)
    start = list(blob.numbers(program.words).values())
    return _search(blob, start, declarations, macros, lambda text: marker in text)


def _search(
    blob: Blob, start: list[int], declarations: frozenset[int], macros: frozenset[int], hit: Callable[[bytes], bool]
) -> tuple[str, ...]:
    came_from: dict[int, int] = dict.fromkeys(start, -1)
    queue = deque(start)
    while queue:
        name = queue.popleft()
        following: list[int] = []
        for number in blob.row("name_macros", name):
            if number in macros:
                if hit(blob.macro(number)):
                    place = (blob.array("macro_files")[number], blob.array("macro_lines")[number])
                    return _way(blob, came_from, name, place)
                following.extend(blob.row("macro_words", number))
        for number in blob.row("name_decls", name):
            if number in declarations:
                if hit(blob.declaration(number)):
                    place = (blob.array("decl_files")[number], blob.array("decl_lines")[number])
                    return _way(blob, came_from, name, place)
                following.extend(blob.row("words", number))
        for word in following:
            if word not in came_from:
                came_from[word] = name
                queue.append(word)
    return ()


def _way(blob: Blob, came_from: dict[int, int], name: int, place: tuple[int, int]) -> tuple[str, ...]:
    way = []
    while name >= 0:
        way.append(blob.name(name))
        name = came_from[name]
    way.reverse()
    way[-1] += f" ({blob.files[place[0]]}:{place[1]})"
    return tuple(way)
