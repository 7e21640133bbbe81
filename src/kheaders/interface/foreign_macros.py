"""Macros that a header names, and that headers define which it does not include: what a program would see of them.

The blob has the text of a header as one order of reading gave it (:mod:`kheaders.interface.isolation`). A program may
include the header after one that defines such a macro, or before. The note ``foreign`` tells of each such name where
the header has it and which definition was in force; where a program would see another one, and its slice has text of
these lines, the slice is in doubt.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from kheaders.c import conditionals
from kheaders.interface.blob import Blob
from kheaders.interface.overrides import among

if TYPE_CHECKING:
    from kheaders.interface.isolation import Use


def note(
    uses: Mapping[str, Mapping[bytes, Use]],
    files: Sequence[str],
    seen: Mapping[int, Mapping[bytes, int]],
    filled: Mapping[int, Sequence[int]],
    given: Callable[[int, int], bool],
    defined: Container[bytes],
    tested: str,
) -> str:
    """The note: a line for each file, parted by tabs: its number and, after a space, 1 if it might include others; then
    for each name ``NAME macro tested lines``.

    *macro* is the number of the definition that was in force where the header was read, or -1; *tested* is 1 if a
    condition of the header tests the name, 2 if an include line depends on that, and more by 4 if what the header
    itself includes gives it that definition, which *given* tells of a file and a macro; *lines* are those of code,
    parted by commas. *seen* has the numbers, *filled* the lines where something is left of the file: other groups of
    lines do not count on this kernel. *tested* is the note of that name. Only *defined* macros count: others are
    defined under conditions that this kernel does not meet.
    """
    including: set[tuple[str, str]] = set()
    for line in tested.split("\n"):
        told, *places = line.split("\t")
        including.update((told, place.split(" ", 1)[0]) for place in places if place.endswith(" 1"))
    lines = []
    for file, macros in sorted(seen.items()):
        found, path = uses[files[file]], files[file]
        names, more = [], False
        for macro, number in sorted(macros.items()):
            if macro not in defined:
                continue
            use, told = found[macro], macro.decode()
            depends = 0 if not use.tested else 2 if (told, path) in including else 1
            there = filled.get(file, ())
            used = [line for line, first, last in use.lines if bisect_right(there, first) < bisect_left(there, last)]
            more |= depends == 2
            if used or depends:
                depends += 4 * (number >= 0 and given(file, number))
                names.append(f"{told} {number} {depends} {','.join(map(str, used))}")
        if names:
            lines.append("\t".join((f"{file} {int(more)}", *names)))
    return "\n".join(lines)


def doubt(
    blob: Blob,
    visible: bytes,
    roots: Iterable[int],
    definitions: Callable[[int], Sequence[int]],
    chosen: Sequence[set[int]],
) -> str:
    """Why the text of a header may be another for the program than in the blob, or nothing.

    *visible* has 1 for each file that the program reads, *roots* are those that it includes itself, in order;
    *definitions* gives the numbers of a name's definitions; *chosen* are the declarations and the macros of the slice.
    """
    order: _Order | None = None
    defaults: frozenset[str] = frozenset()
    decls, macros = chosen
    decl_files, macro_files = blob.array("decl_files"), blob.array("macro_files")
    used = {decl_files[number] for number in decls} | {macro_files[number] for number in macros}
    for line in blob.note("foreign").split("\n"):
        head, _, rest = line.partition("\t")
        number, _, more = head.partition(" ")
        file = int(number or -1)
        if file not in used and (more != "1" or not visible[file]):
            continue
        fields = [field.split(" ") for field in rest.split("\t")]
        numbers = blob.numbers(name for name, *_ in fields)
        for name, by, tested, lines in fields:
            tests = int(tested)
            if file not in used and not tests & 2:
                continue
            seen = int(by)
            known = [number for number in definitions(numbers[name]) if visible[macro_files[number]]]
            if not known and seen < 0:
                continue
            if tests & 4 and all(_text(blob, number) == _text(blob, seen) for number in known):
                continue  # which is quicker to tell than the order of reading
            order = order or _Order(blob, visible, roots)
            defaults = defaults or frozenset(blob.note("defaults").split("\n"))
            known = _in_force(blob, order, name, known, defaults)
            other = _other(blob, order, file, seen, known)
            if other is not None and (at := _used(blob, file, name, tests & 3, lines, chosen)):
                what = f"{blob.files[file]}:{at} depends on {name}"
                if other < 0:
                    return (
                        f"{what}, which the program does not include before: {blob.place('macro', seen)[0]} defines it"
                    )
                return f"{what}, which {blob.place('macro', other)[0]} may change for this program"
    return ""


def _in_force(blob: Blob, order: _Order, name: str, known: Sequence[int], defaults: Container[str]) -> list[int]:
    """*known* in the order in which the program meets them, without defaults of what is defined before."""
    files, paths = blob.array("macro_files"), blob.files
    found: list[int] = []
    for number in sorted(known, key=lambda number: (order.leave[files[number]], number)):
        if not (found and blob.macro(found[-1]) and f"{name} {paths[files[number]]}" in defaults):
            found.append(number)
    return found


def _other(blob: Blob, order: _Order, file: int, seen: int, known: Sequence[int]) -> int | None:
    """The definition that a program may see in a header where the blob's text has seen another: its number, -1 for
    none at all; None if there is no difference.

    *known* are those that the program meets, in order. What the header itself includes gives the program what it gave
    in the pass.
    """
    files = blob.array("macro_files")
    text = _text(blob, seen)
    begin, end = order.enter[file], order.leave[file]
    before, around = -1, []
    for number in known:
        by = files[number]
        if by == file:
            continue
        if order.leave[by] <= begin:
            before = number
        elif order.enter[by] < begin and order.leave[by] > end:
            around.append(number)
    if seen >= 0 and begin < order.enter[files[seen]] and order.leave[files[seen]] < end:
        return None
    if around:
        same = [number for number in around if _text(blob, number) == text]
        return None if same else around[-1]
    now = _text(blob, before)
    if now == text:
        return None
    return before if now else -1


def _text(blob: Blob, number: int) -> bytes:
    """The text of a macro, where there is one; one without a body may end with a space in the preprocessor's output."""
    return blob.macro(number).rstrip() if number >= 0 else b""


def _used(blob: Blob, file: int, name: str, tested: int, lines: str, chosen: Sequence[set[int]]) -> int:
    """The line by which the slice depends on a macro, or 0."""
    for line in map(int, lines.split(",") if lines else ()):
        if among(blob, file, line, line, chosen):
            return line
    if tested:
        path = blob.files[file]
        for where, first, last, effect in conditionals.places(blob.note("tested"), (name,)).get(name, ()):
            if where != path or effect == conditionals.GUARDS:
                continue
            if effect == conditionals.INCLUDES or among(blob, file, first, last, chosen):
                return first
    return 0


class _Order:
    """In which order a program reads headers: each once, where it is included first."""

    def __init__(self, blob: Blob, visible: bytes, roots: Iterable[int]) -> None:
        starts, values = blob.array("includes.starts"), blob.array("includes.values")
        self.enter = [0] * len(visible)
        self.leave = [0] * len(visible)
        """When reading each begins and ends; 0 for what is not read."""
        clock = 0
        for root in roots:
            stack = [(root, -1)]
            while stack:
                file, at = stack.pop()
                if at < 0:
                    if self.enter[file] or not visible[file]:
                        continue
                    clock += 1
                    self.enter[file] = clock
                    at = starts[file]
                while at < starts[file + 1] and self.enter[values[at]]:
                    at += 1
                if at < starts[file + 1]:
                    stack += ((file, at + 1), (values[at], -1))
                else:
                    clock += 1
                    self.leave[file] = clock
