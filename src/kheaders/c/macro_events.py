"""What a program does to macros, and when it includes headers: only what is done before can change a header.

Definitions and their ends (``#undef``), ``#pragma push_macro`` and ``pop_macro`` (also as ``_Pragma``), and include
lines, in the order in which a preprocessor meets them, in the program and in its own headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

from kheaders.c import directives, lexer
from kheaders.c.conditionals import guard as guard_of
from kheaders.c.directives import INCLUDES, OPENING, Directive, Header, Scan
from kheaders.c.own_headers import Sources

Bodies = frozenset[str | None]
"""What can be in force of a macro: its parameters and body, None where it is not defined."""


class Event(NamedTuple):
    """Something that a text does to a macro, or an include line."""

    kind: str
    """``define``, ``undef``, ``push_macro``, ``pop_macro`` or ``include``."""
    name: str
    """The macro; empty for an include line that is made by macros."""
    body: str | None
    """What follows the name in a definition, with one space for white space; None for anything else."""
    conditional: bool
    """Whether it stands in a conditional group other than the one that guards the text."""
    header: Header | None = None
    """What an include line names."""


class OwnMacros(NamedTuple):
    """The macros that a program defines or removes itself."""

    early: Mapping[str, Bodies]
    """Those that it changes before it includes a header of the kernel → what they may be where one is included."""
    marks: Mapping[str, frozenset[int]]
    """Each of its macros → the marks of its definitions; 0 for a removal."""
    order: tuple[str, ...]
    """Include lines of headers of the kernel, as a preprocessor meets them."""


def mark(rest: bytes) -> int:
    """A digest of what follows a macro's name in its definition, the same however it is spaced; never 0."""
    parameters = b"(" if rest.startswith(b"(") else b" "
    return crc32(parameters + b" ".join(lexer.tokens(rest))) or 1


def events(scan: Scan) -> Iterator[Event]:
    """The events of one file, in order."""
    text = scan.text
    operators = b"_Pragma" in text and b"_macro" in text
    guard = int(guard_of(scan).defined)
    depth = done = 0
    for number, directive in enumerate(scan.directives):
        if operators:
            yield from _operators(text[done : directive.start], depth > guard)
            done = directive.end
        name = directive.name
        if name in OPENING:
            depth += 1
        elif name == b"endif":
            depth -= depth > 0
            guard = guard if depth else 0
        elif name in INCLUDES:
            yield Event("include", "", None, depth > guard, directives.included(directive))
        elif name == b"define" or name == b"undef":
            macro, rest = directives.macro(directive)
            if not macro:
                continue
            body = None if name == b"undef" else " ".join(rest.decode("utf-8", "replace").split())
            # what looks like a guard may be a default: it counts unless there is a definition already
            unsure = depth > guard or (guard > 0 and number == 1)
            yield Event(name.decode(), macro.decode("utf-8", "replace"), body, unsure)
        elif name == b"pragma" and (saved := directives.saved_macro(directive)) is not None:
            yield Event(saved[0].decode(), saved[1].decode("utf-8", "replace"), None, depth > guard)
    if operators:
        yield from _operators(text[done:], depth > guard)


def _operators(code: bytes, conditional: bool) -> Iterator[Event]:
    """Macros that ``_Pragma`` saves or restores (C11 6.10.9)."""
    if b"_Pragma" not in code:
        return
    words = lexer.tokens(code)
    for at, word in enumerate(words):
        if word == b"_Pragma" and words[at + 1 : at + 2] == [b"("] and at + 2 < len(words):
            text = words[at + 2].strip(b'LuU8"').replace(b'\\"', b'"')
            saved = directives.saved_macro(Directive(b"pragma", text, 0, 0, 0))
            if saved is not None:
                yield Event(saved[0].decode(), saved[1].decode("utf-8", "replace"), None, conditional)


def own_macros(sources: Sources) -> OwnMacros:
    """What the program and its own headers do to macros; every branch counts."""
    files = {file.path: list(events(file.scan)) for file in sources.files}
    guards = {file.path: guard_of(file.scan) for file in sources.files}
    guarded = frozenset(path for path, guard in guards.items() if guard.once or guard.encloses)
    marks: dict[str, set[int]] = {}
    for file in sources.files:
        for directive in file.scan.directives:
            if directive.name in (b"define", b"undef"):
                name, rest = directives.macro(directive)
                found = mark(rest) if directive.name == b"define" else 0
                marks.setdefault(name.decode("utf-8", "replace"), set()).add(found)
    early = _Early(files, sources, guarded)
    early.run()
    return OwnMacros(early.found(), {name: frozenset(found) for name, found in marks.items()}, tuple(early.order))


class _Early:
    """Goes through the files as a preprocessor does, and notes what is in force where the kernel's headers come."""

    def __init__(self, files: Mapping[str, list[Event]], sources: Sources, guarded: frozenset[str]) -> None:
        self._files = files
        self._guarded = guarded
        self._sources = sources
        self._force: dict[str, set[str | None]] = {}
        """What the program may have made of a macro."""
        self._changed: dict[str, None] = {}
        """Macros whose state no header of the kernel has met yet."""
        self._saved: dict[str, list[set[str | None] | None]] = {}
        self._met: dict[str, set[str | None]] = {}
        self._done: set[str] = set()
        self.order: dict[str, None] = {}

    def found(self) -> dict[str, Bodies]:
        return {name: frozenset(bodies) for name, bodies in self._met.items()}

    def run(self) -> None:
        stack = [(iter(self._files[""]), "", False)]
        self._done.add("")
        while stack:
            rest, path, conditional = stack[-1]
            for event in rest:
                sure = not (conditional or event.conditional)
                if event.kind != "include":
                    self._change(event, sure)
                    continue
                targets, kernel = self._targets(path, event)
                if kernel:
                    self._meet()
                    if event.header is not None:
                        self.order[event.header.shown] = None
                again = [target for target in targets if target in self._done]
                for target in again:
                    self._repeat(target, {one for _, one, _ in stack})
                targets = [target for target in targets if target not in self._done]
                if targets:
                    # of several that macros may name, one is included
                    self._done.update(targets)
                    unsure = not sure or len(targets) > 1 or event.header is None
                    stack += [(iter(self._files[target]), target, unsure) for target in reversed(targets)]
                    break
            else:
                stack.pop()

    def _repeat(self, path: str, walked: set[str]) -> None:
        """Apply what a file does to macros once more, and those that it includes: they may be there without a guard."""
        todo = [path]
        while todo:
            path = todo.pop()
            if path in walked or path in self._guarded:
                continue
            walked.add(path)
            for event in self._files[path]:
                if event.kind != "include":
                    self._change(event, False)
                else:
                    todo += self._targets(path, event)[0]

    def _targets(self, path: str, event: Event) -> tuple[list[str], bool]:
        """The user's files that an include line may mean, and whether it may mean a header of the kernel."""
        if event.header is not None:
            target = self._sources.targets.get((path, event.header))
            if target is not None:
                return ([target] if target in self._files else []), False
            listed = f"<{event.header.name}>"
            return ([listed] if listed in self._files else []), True
        found = {self._sources.targets.get((path, header)): None for header in self._sources.made}
        return [target for target in found if target is not None and target in self._files], True

    def _change(self, event: Event, sure: bool) -> None:
        name = event.name
        known = self._force.get(name)
        new: set[str | None]
        if event.kind == "push_macro":
            self._saved.setdefault(name, []).append(None if known is None else set(known))
            # what a header makes of it from here on is undone later
            new = {None} if known is None else known
        elif event.kind == "pop_macro":
            stack = self._saved.get(name)
            if not stack:
                return
            saved = stack.pop() if sure else stack[-1]
            if saved is not None:
                new = saved
            elif name in self._met:
                new = {None}
            else:
                if sure:
                    self._force.pop(name, None)
                    self._changed.pop(name, None)
                return
        else:
            new = {event.body}
        self._force[name] = set(new) if sure or known is None else known | new
        self._changed[name] = None

    def _meet(self) -> None:
        for name in self._changed:
            self._met.setdefault(name, set()).update(self._force[name])
        self._changed.clear()
