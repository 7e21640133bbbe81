"""What a program does to macros, and when it includes headers: only what is done before can change a header.

Definitions and their ends (``#undef``), ``#pragma push_macro`` and ``pop_macro``, other pragmas, also as ``_Pragma``,
and include lines, in the order in which a preprocessor meets them, in the program and in its own headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

from kheaders.c import directives, lexer
from kheaders.c.conditionals import guard as guard_of
from kheaders.c.directives import INCLUDES, OPENING, Directive, Header, Scan
from kheaders.c.own_headers import Sources

_SPACES = frozenset((b"GCC", b"clang", b"STDC", b"omp"))
"""First words of pragmas whose second tells what they are about."""
_OF_NO_MATTER = frozenset(
    b" ".join((*space, word))
    for space in ((), (b"GCC",), (b"clang",))
    for word in (b"once", b"message", b"warning", b"error", b"diagnostic", b"system_header", b"mark", b"region")
)
"""Pragmas that change no declaration: of headers, diagnostics and editors."""
Bodies = frozenset[str | None]
"""What can be in force of a macro: its parameters and body, None where it is not defined."""


class Event(NamedTuple):
    """Something that a text does to a macro, or an include line."""

    kind: str
    """``define``, ``undef``, ``push_macro``, ``pop_macro``, ``include`` or ``pragma``."""
    name: str
    """The macro; of another pragma what it is about (``pack``, ``clang attribute``); empty for an include line."""
    body: str | None
    """What follows the name in a definition, with one space for white space; ``push``, ``pop``, ``set`` or ``reset`` of
    a pragma; None for anything else."""
    conditional: bool
    """Whether it stands in a conditional group other than the one that guards the text."""
    header: Header | None = None
    """What an include line names."""
    guards: bool = False
    """Whether it is the definition of what may be an include guard, or a default: there may be a definition already."""


class OwnMacros(NamedTuple):
    """The macros that a program defines or removes itself."""

    early: Mapping[str, Bodies]
    """Those that it changes before it includes a header of the kernel → what they may be where one is included."""
    since: Mapping[str, int]
    """Each of them → how many of *order* come before it is changed for the first time."""
    marks: Mapping[str, frozenset[int]]
    """Each of its macros → the marks of its definitions; 0 for a removal."""
    order: tuple[str, ...]
    """Include lines of headers of the kernel, as a preprocessor meets them."""
    pragma: str
    """What a pragma changes for a header of the kernel, such as ``pack``; or nothing."""
    settled: frozenset[str]
    """Those that are defined in any case when the first header of the kernel is included."""
    hidden: bool
    """Whether a macro may save or restore macros, so that nobody but a preprocessor can tell where that happens."""


def mark(rest: bytes) -> int:
    """A digest of what follows a macro's name in its definition, the same however it is spaced; never 0."""
    parameters = b"(" if rest.startswith(b"(") else b" "
    return crc32(parameters + b" ".join(lexer.tokens(rest))) or 1


def events(scan: Scan) -> Iterator[Event]:
    """The events of one file, in order."""
    text = scan.text
    operators = b"_Pragma" in text
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
            guards = guard > 0 and number == 1
            yield Event(name.decode(), macro.decode("utf-8", "replace"), body, depth > guard, guards=guards)
        elif name == b"pragma":
            yield from _pragma(directive, depth > guard)
    if operators:
        yield from _operators(text[done:], depth > guard)


def _pragma(directive: Directive, conditional: bool) -> Iterator[Event]:
    """What a pragma does, if that can matter to what follows it."""
    saved = directives.saved_macro(directive)
    if saved is not None:
        yield Event(saved[0].decode(), saved[1].decode("utf-8", "replace"), None, conditional)
        return
    words = directive.tokens
    about = words[: 2 if words[:1] and words[0] in _SPACES else 1]
    if about and b" ".join(about) not in _OF_NO_MATTER:
        rest = words[len(about) :]
        does = "push" if b"push" in rest else "pop" if b"pop" in rest else "reset" if rest == [b"(", b")"] else "set"
        yield Event("pragma", b" ".join(about).decode("utf-8", "replace"), does, conditional)


def _operators(code: bytes, conditional: bool) -> Iterator[Event]:
    """Macros that ``_Pragma`` saves or restores (C11 6.10.9)."""
    if b"_Pragma" not in code:
        return
    words = lexer.tokens(code)
    for at, word in enumerate(words):
        if word == b"_Pragma" and words[at + 1 : at + 2] == [b"("] and at + 2 < len(words):
            text = words[at + 2].strip(b'LuU8"').replace(b'\\"', b'"')
            yield from _pragma(Directive(b"pragma", text, 0, 0, 0), conditional)


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
    hidden = any(
        directive.name == b"define" and b"_Pragma" in directive.spelled
        for file in sources.files
        for directive in file.scan.directives
    ) and any(word in file.scan.text for file in sources.files for word in (b"push_macro", b"pop_macro"))
    kept = {name: frozenset(found) for name, found in marks.items()}
    return OwnMacros(early.found(), early.since, kept, tuple(early.order), early.pragma, early.settled, hidden)


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
        self.since: dict[str, int] = {}
        self.order: dict[str, None] = {}
        """Names of the kernel's headers, as they are met."""
        self._pragmas: dict[str, int] = {}
        """What pragmas have changed and not set back."""
        self.pragma = ""
        self.settled: frozenset[str] = frozenset()
        self._defined: set[str] = set()
        """Macros that are defined in any case."""
        self._first = True

    def found(self) -> dict[str, Bodies]:
        return {name: frozenset(bodies) for name, bodies in self._met.items()}

    def run(self) -> None:
        stack = [(iter(self._files[""]), "", False)]
        self._done.add("")
        while stack:
            rest, path, conditional = stack[-1]
            for event in rest:
                sure = not (conditional or event.conditional or (event.guards and event.name in self._force))
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
        self._settle()

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
        if event.kind == "pragma":
            depth = self._pragmas.pop(name, 0) + {"push": 1, "set": 1, "pop": -1}.get(str(event.body), 0)
            if depth > 0 and event.body != "reset":
                self._pragmas[name] = depth
            return
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
        if event.kind == "define" and sure:
            self._defined.add(name)
        elif event.kind != "define":
            self._defined.discard(name)
        self._force[name] = set(new) if sure or known is None else known | new
        self._changed[name] = None
        self.since.setdefault(name, len(self.order))

    def _settle(self) -> None:
        if self._first:
            self.settled, self._first = frozenset(self._defined), False

    def _meet(self) -> None:
        self._settle()
        for name in self._changed:
            self._met.setdefault(name, set()).update(self._force[name])
        self._changed.clear()
        self.pragma = self.pragma or next(iter(self._pragmas), "")
