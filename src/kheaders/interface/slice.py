"""The slice: the C text, cut from a blob, that one program needs.

It holds, in the order of the headers, the declarations that the program's words lead to, then the macros. Only what
the program's own include lines would have made visible may enter. A struct that is only pointed to is declared and not
defined, unless something in the slice touches one of its members.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from kheaders.c import conditionals
from kheaders.c.declaration import IF_NO_BOOL, KEYWORDS, tags
from kheaders.c.lexer import tokens
from kheaders.c.own_headers import Ahead
from kheaders.errors import BlobError
from kheaders.interface import default_macros, foreign_macros, overrides
from kheaders.interface.blob import Blob
from kheaders.interface.pasting import foreseen, pasted
from kheaders.interface.program import Program
from kheaders.interface.schema import ENTRIES, NAME_ROWS
from kheaders.patterns import pattern

ALWAYS = "include/linux/kconfig.h"
_DECL, _TAG, _MACRO = range(len(ENTRIES))
_WORDS, _STRONG, _WEAK, _MEMBERS, _TOUCHED = range(NAME_ROWS.index("touched") + 1)
_LATER_KEYWORDS = ("bool", "false", "true")
"""What the kernel's headers declare and C23 has as keywords: of a compiler for it, they need not be had."""
_END = b"\n#endif\n"
"""Behind such a declaration, before which IF_NO_BOOL stands."""
_TOUCH = pattern(r"(?:->|\.)\s*([A-Za-z_]\w*)")
# A word boundary in front would keep the searches from jumping to the letters s, u and e.
_RECORD = pattern(rb"(struct(?<!\wstruct)|union(?<!\wunion))\s+([A-Za-z_]\w*)")
_ENUM = pattern(rb"enum(?<!\wenum)\s+([A-Za-z_]\w*)")


class Slice(NamedTuple):
    """A slice, ready to be included before a program."""

    first: bytes
    """The part of the text that is to be included before the program where *stubs* are served."""
    declarations: tuple[int, ...]
    macros: tuple[int, ...]
    includes: tuple[str, ...]
    """The program's include lines that the slice stands for: the compiler must find these headers empty."""
    unknown: tuple[str, ...]
    """Include lines that the kernel has no header for."""
    failed: tuple[tuple[str, str], ...]
    """Visible headers that cannot be included on this kernel, each with the reason."""
    visible: bytes = b""
    """1 for each file of the blob that the include lines make visible."""
    stubs: Mapping[str, bytes] = {}
    """What the compiler must find where include lines are, if that is not nothing."""
    last: bytes = b""
    """The rest of it: macros that the program defines as well, and that *stubs* define."""
    doubt: str = ""
    """Why the headers may mean something else to this program than a blob can tell; empty if they don't."""

    @property
    def text(self) -> bytes:
        """The whole text, where nothing is served for include lines."""
        return self.first + self.last

    @property
    def lines(self) -> int:
        """Lines of text."""
        return self.text.count(b"\n")


class Needs:
    """What a first slice lacked, by the compiler's word."""

    def __init__(self, names: Iterable[str] = (), tags: Iterable[str] = (), conflicts: Iterable[str] = ()) -> None:
        self.names = set(names)
        self.tags = set(tags)
        self.conflicts = set(conflicts)
        """Names that both the slice and the program define: what the slice has of them is left out."""

    def __or__(self, other: Needs) -> Needs:
        return Needs(self.names | other.names, self.tags | other.tags, self.conflicts | other.conflicts)

    def __le__(self, other: Needs) -> bool:
        return self.names <= other.names and self.tags <= other.tags and self.conflicts <= other.conflicts

    def __bool__(self) -> bool:
        return bool(self.names or self.tags or self.conflicts)


class Cutter:
    """Computes one slice."""

    def __init__(self, blob: Blob, search: Iterable[str]) -> None:
        self._blob = blob
        self._search = tuple(search)
        self._visible = bytearray(len(blob.files))
        self._hidden = bytearray(len(blob.files))
        """1 for each file in whose place the user's directories have another, or whose include guard is defined."""
        self._shadowed: dict[str, str] = {}
        """Name in include lines of the kernel → file of the user's that answers it."""
        self._left_out: set[int] = set()
        self._decl_files = blob.array("decl_files")
        self._macro_files = blob.array("macro_files")
        self._decls: set[int] = set()
        self._macros: set[int] = set()
        self._names_done: set[int] = set()
        self._macro_names_done: set[int] = set()
        self._strong: set[int] = set()
        self._weak: set[int] = set()
        self._touched: set[int] = set()
        self._own: set[int] = set()
        self._own_tags: set[int] = set()
        self._direct: set[str] = set()
        self._roots: dict[str, str] = {}
        self._brought: dict[int, bytearray] = {}
        self._renames: dict[str, str] = {}
        """Macros that are no header's, and in force wherever headers are included → what follows the name."""
        self._words: frozenset[str] = frozenset()
        self._pastable: frozenset[str] = frozenset()

    def cut(self, program: Program, needs: Needs | None = None) -> Slice:
        """The slice of *program*, with what *needs* adds. Raises BlobError for a damaged blob."""
        try:
            return self._cut(program, needs)
        except IndexError as error:
            raise BlobError(f"{self._blob.path}: is damaged ({error})", "build it again") from error

    def _cut(self, program: Program, needs: Needs | None) -> Slice:
        blob = self._blob
        includes, unknown = self._see(program)
        wanted = program.words | program.declared | program.defined
        if needs is not None:
            wanted |= needs.names | needs.tags | needs.conflicts
        numbers = blob.numbers(wanted)
        # what the compiler misses, the program does not declare after all: its declaration is not compiled
        missed_names, missed_tags = (needs.names, needs.tags) if needs else (set(), set())
        self._own = {numbers[name] for name in program.declared - missed_names if name in numbers}
        self._own_tags = {numbers[name] for name in program.defined - missed_tags if name in numbers}
        self._leave_out(needs, numbers)
        bodies = {name: self._body(numbers.get(name)) for name in program.calls.names}
        macros = {name for name, body in bodies.items() if body or name in program.own_macros}
        touched = program.touched | program.calls.words(macros)
        self._touched = {numbers[name] for name in touched if name in numbers}
        self._words = program.words | program.numbers
        self._pastable = program.pasted | program.calls.words({name for name, body in bodies.items() if "##" in body})
        for name in program.words:
            if name in numbers:
                self._macro(numbers[name])
                self._name(numbers[name])
        for text in program.pastes:
            for number in self._pasted(text):
                self._macro(number)
                self._name(number)
        for name in needs.names if needs else ():
            if name in numbers:
                self._macro(numbers[name])
                self._name(numbers[name])
        self._weak.update(numbers[tag] for tag in program.weak if tag in numbers)
        for tag in program.strong | (needs.tags if needs else set()):
            if tag in numbers:
                self._need(numbers[tag])
        self._paste()
        self._settle()
        failed = tuple((path, reason) for path, reason in blob.failed.items() if self._fails(path, reason))
        chosen = tuple(sorted(self._decls)), tuple(sorted(self._macros))
        early, doubt = self._shadowing(program)
        late, changed = self._overridden(program, early) if early else ({}, "")
        late.update(self._not_yet(program))
        doubt = doubt or changed or self._foreign()
        first, last = self._print(program, frozenset(late.values()))
        stubs = {name: text.encode() for name, text in program.bare.items()}
        if late:
            stubs.update(overrides.stubs(blob, tuple(late), self._roots))
        return Slice(first, *chosen, includes, unknown, failed, bytes(self._visible), stubs, last, doubt)

    def _leave_out(self, needs: Needs | None, numbers: Mapping[str, int]) -> None:
        """Note the declarations that would come into conflict with the program's: those of any name that it defines.

        An enum goes as a whole. If something else of it is missed, the program has no more than headers would give it.
        """
        own, tags = set(self._own), set(self._own_tags)
        if needs is not None:
            conflicts = {numbers[name] for name in needs.conflicts if name in numbers}
            own |= conflicts
            tags |= conflicts
        left = {entry for name in own for entry in self._declarations(name, _DECL)}
        left.update(entry for tag in tags for entry in self._declarations(tag, _TAG))
        if needs is not None:
            missed = [(numbers[name], _DECL) for name in needs.names if name in numbers]
            missed += [(numbers[tag], _TAG) for tag in needs.tags if tag in numbers]
            left.difference_update(entry for name, place in missed for entry in self._declarations(name, place))
        self._left_out = left

    def _shadowing(self, program: Program) -> tuple[overrides.Early, str]:
        """Macros that the program has before the kernel's headers come, and why they cannot be told; or nothing.

        What the user's directories have in the place of a header of the kernel, the kernel's other headers include.
        """
        early = program.early
        if not any(self._hidden):
            return early, ""
        for name, path in self._shadowed.items():
            if not any(os.path.samefile(path, own) for own in program.files if os.path.basename(own) in path):
                return early, f"the kernel's headers include <{name}>, which {path} answers, and the program does not"
        early = {name: early.get(name, frozenset()) | bodies for name, bodies in program.macros.items()}
        blob = self._blob
        for name, number in blob.numbers(program.macros).items():
            for macro in blob.row("name_macros", number):
                text = blob.macro(macro).decode("utf-8", "replace")
                if not self._hidden[self._macro_files[macro]] or text.strip() in ("", name):
                    continue  # nothing is made of a guard
                spelt = {"".join(f"{name} {body}".split()) for body in program.macros[name]}
                # one with parameters is no constant that a declaration could hold; macros are replaced by the user's
                if "".join(text.split()) not in spelt and not text.startswith(f"{name}("):
                    return early, f"the program's {name} is another than the kernel's, which its headers may have used"
        return {**program.early, **early}, ""

    def _read(self, program: Program, count: int) -> bytearray:
        """1 for each file that the first *count* include lines bring, and what is always included."""
        if count not in self._brought:
            roots = (self._roots[root] for root in program.includes[:count] if root in self._roots)
            self._brought[count] = overrides.reachable(self._blob, (ALWAYS, *roots))
        return self._brought[count]

    def _after(self, program: Program, name: str) -> bytes:
        """1 for each file that the program reads after it has changed the macro *name* for the first time."""
        count = program.since.get(name, 0)
        if not count:
            return bytes(self._visible)
        return bytes(one and not before for one, before in zip(self._visible, self._read(program, count), strict=True))

    def _overridden(self, program: Program, early: overrides.Early) -> tuple[dict[str, int], str]:
        """Macros of the slice that the program defines before its headers do, and what that makes doubtful."""
        blob = self._blob
        numbers = blob.numbers(early)
        known = {name: self._definition(number) for name, number in numbers.items()}
        force = {name: number for name, number in known.items() if number is not None}
        given = overrides.reachable(blob, (ALWAYS,))
        always = {name for name, number in force.items() if given[self._macro_files[number]]}
        late = {name: number for name, number in force.items() if number in self._macros and name not in always}
        after = {name: self._after(program, name) for name in early}
        doubt = overrides.doubt(blob, early, force, always, after, (self._decls, self._macros))
        changed = {name: number for name, number in force.items() if overrides.differs(blob, name, early[name], number)}
        doubt = doubt or default_macros.doubt(blob, changed, after, self._definition, self._decls)
        return late, doubt or self._renamed(program, early, after, force)

    def _renamed(
        self, program: Program, early: overrides.Early, after: Mapping[str, bytes], headers: Container[str]
    ) -> str:
        """Why the text of declarations may be another for the program: it makes macros of names that they have.

        Where it does so in any case, and none of the *headers* does, its macros can be applied to the text as it is.
        """
        found = []
        for name, bodies in early.items():
            others = [body for body in bodies if body is not None and body.strip() != name]
            if others:
                # the name of a function-like macro alone is none of it (C11 6.10.3)
                called = all(body.startswith("(") for body in others)
                found.append(re.escape(name.encode()) + rb"(?=\s*\()" * called)
        if not found:
            return ""
        pattern = re.compile(rb"\b(?:%s)(?!\w)" % b"|".join(sorted(found)))
        for number in sorted(self._decls):
            for name in {one.decode() for one in pattern.findall(self._blob.declaration(number))}:
                if not after[name][self._decl_files[number]]:
                    continue
                made, *rest = early[name]
                sure = not rest and name in program.settled and not program.since[name]
                if made is not None and sure and name not in headers:
                    self._renames[name] = made
                    continue
                path, line = self._blob.place("decl", number)
                return f"the program may define {name} before it includes {path}, whose line {line} has that name"
        return ""

    def _not_yet(self, program: Program) -> dict[str, int]:
        """Macros of the slice that the program names, itself or by others, before it includes what defines them."""
        blob = self._blob
        todo = [(number, program.before[name]) for name, number in blob.numbers(program.before).items()]
        found: dict[str, int] = {}
        done: dict[int, int] = {}
        while todo:
            name, count = todo.pop()
            if done.get(name, count + 1) <= count:
                continue
            done[name] = count
            number = self._definition(name)
            if number is None or number not in self._macros:
                continue
            if not self._read(program, count)[self._macro_files[number]]:
                found[blob.name(name)] = number
            todo += ((word, count) for word in blob.row("macro_words", number))
        return found

    def _foreign(self) -> str:
        """What other order of reading makes doubtful."""
        files = self._blob.file_numbers
        roots = (files[path] for path in (ALWAYS, *self._roots.values()) if path in files)

        def definitions(name: int) -> list[int]:
            return [entry >> 2 for entry in self._blob.entries(name) if entry & 3 == _MACRO]

        return foreign_macros.doubt(self._blob, bytes(self._visible), roots, definitions, (self._decls, self._macros))

    def _see(self, program: Program) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Mark the files that include lines make visible."""
        numbers = self._blob.file_numbers
        for guarded in self._guarded(program):
            self._hidden[numbers[guarded]] = 1
        starts, values = self._blob.array("includes.starts"), self._blob.array("includes.values")
        visible = self._visible
        todo = [numbers[ALWAYS]] if ALWAYS in numbers else []
        found, unknown = [], []
        left_out = self._blob.failed
        for name in program.includes:
            paths = (os.path.normpath(f"{place}/{name}") for place in self._search)
            path = next((path for path in paths if path in numbers or path in left_out), None)
            if path is None:
                unknown.append(name)
                continue
            found.append(name)
            if name in program.bare:
                continue
            if program.taken is not None and program.taken.isdisjoint((name, os.path.normpath(name))):
                continue
            self._roots[name] = path
            self._direct.add(path)
            if path in numbers:
                todo.append(numbers[path])
        ahead = Ahead(program.ahead)
        names = self._include_names() if ahead else {}
        while todo:
            file = todo.pop()
            if visible[file] or self._hidden[file]:
                continue
            path = next((path for name in names.get(file, ()) if (path := ahead.find(name))), None)
            if path is not None:
                self._hidden[file] = 1
                self._shadowed[names[file][0]] = path
                continue
            visible[file] = 1
            todo.extend(values[starts[file] : starts[file + 1]])
        return tuple(found), tuple(unknown)

    def _guarded(self, program: Program) -> Iterator[str]:
        """The headers that are empty to the program, since it defines their include guards."""
        first = [name for name in program.early if name in program.settled and not program.since.get(name)]
        known = self._blob.numbers(first)
        for found in conditionals.places(self._blob.note("tested"), known).values() if known else ():
            yield from (path for path, _, _, effect in found if effect == conditionals.GUARDS)

    def _include_names(self) -> dict[int, list[str]]:
        """For each file the names by which include lines find it."""
        numbers = self._blob.file_numbers
        found: dict[int, list[str]] = {}
        seen: set[str] = set()
        for place in self._search:
            for path, number in numbers.items():
                if path.startswith(f"{place}/") and (name := path[len(place) + 1 :]) not in seen:
                    seen.add(name)
                    found.setdefault(number, []).append(name)
        return found

    def _fails(self, path: str, reason: str) -> bool:
        """Whether a header that the umbrella could not include stops this program as well."""
        if path in self._direct:
            return True
        number = self._blob.file_numbers.get(path)
        return number is not None and bool(self._visible[number]) and reason.startswith("includes ")

    def _definition(self, name: int) -> int | None:
        """The macro definition in force at the end of all visible files."""
        visible, files = self._visible, self._macro_files
        for entry in self._blob.entries(name)[::-1]:
            number = entry >> 2
            if entry & 3 == _MACRO and visible[files[number]]:
                return number if self._blob.macro(number) else None
        return None

    def _declarations(self, name: int, place: int) -> list[int]:
        """The visible declarations that declare a name, or define it as a tag."""
        visible, files = self._visible, self._decl_files
        entries = self._blob.entries(name)
        return [entry >> 2 for entry in entries if entry & 3 == place and visible[files[entry >> 2]]]

    def _macro(self, first: int) -> None:
        blob = self._blob
        todo = [first]
        while todo:
            name = todo.pop()
            if name in self._macro_names_done:
                continue
            self._macro_names_done.add(name)
            number = self._definition(name)
            if number is None:
                continue
            self._macros.add(number)
            text = blob.macro(number).decode("utf-8", "replace")
            if "##" in text:
                for pasted in self._pasted(text):
                    todo.append(pasted)
                    self._name(pasted)
            found = tokens(blob.macro(number))
            if "struct" in text or "union" in text or "enum" in text:
                self._tags(found)
            words = blob.row("macro_words", number)
            reached = set(_TOUCH.findall(text))
            if reached:
                self._touched.update(blob.numbers(reached).values())
            # an object-like macro that is one identifier: #define sockaddr_storage __kernel_sockaddr_storage
            alias = len(found) == 2
            for word in words:
                todo.append(word)
                self._name(word)
                if alias and self._declarations(word, _TAG):
                    self._need(word)

    def _tags(self, found: list[bytes]) -> None:
        """Follow the tags in the tokens of a macro."""
        complete, incomplete = tags(found)
        numbers = self._blob.numbers(tag.decode("utf-8", "replace") for tag in complete | incomplete)
        for tag, number in numbers.items():
            if tag.encode() in complete:
                self._need(number)
            else:
                self._weak.add(number)

    def _paste(self) -> None:
        """Take what the pasting in macros makes of words that other macros give them."""
        while True:
            before = len(self._macros)
            texts = [self._blob.macro(number).decode("utf-8", "replace") for number in self._macros]
            for number in self._blob.numbers(foreseen(texts)).values():
                self._macro(number)
                self._name(number)
            if before == len(self._macros):
                return

    def _pasted(self, text: str) -> list[int]:
        """Numbers of names that the pasting in a macro can make of the program's words."""
        return pasted(self._blob, text, self._words, self._pastable)

    def _body(self, name: int | None) -> str:
        """The text of a macro in force, or nothing."""
        number = None if name is None else self._definition(name)
        return "" if number is None else self._blob.macro(number).decode("utf-8", "replace")

    def _name(self, first: int) -> None:
        if first in self._names_done:
            return
        todo = [first]
        while todo:
            name = todo.pop()
            if name in self._names_done:
                continue
            self._names_done.add(name)
            if name in self._own:
                continue
            for number in self._declarations(name, _DECL):
                if number not in self._decls and number not in self._left_out:
                    self._decls.add(number)
                    words, strong = self._take(number)
                    todo.extend(words)
                    for tag in strong:
                        todo.extend(self._define(tag))

    def _take(self, number: int) -> tuple[memoryview, memoryview]:
        """Follow what a declaration refers to; returns its words, and the tags whose definition it needs."""
        page, item = self._blob.find("decl", number)
        self._weak.update(page.row(item, _WEAK))
        self._touched.update(page.row(item, _TOUCHED))
        return page.row(item, _WORDS), page.row(item, _STRONG)

    def _define(self, tag: int) -> list[int]:
        """Take the visible definition of a tag; returns the words of all that came with it."""
        words: list[int] = []
        todo = [tag]
        while todo:
            current = todo.pop()
            if current in self._strong or current in self._own_tags:
                continue
            self._strong.add(current)
            for number in self._declarations(current, _TAG):
                if number not in self._decls and number not in self._left_out:
                    self._decls.add(number)
                    found, strong = self._take(number)
                    words.extend(found)
                    todo.extend(strong)
        return words

    def _need(self, tag: int) -> None:
        for name in self._define(tag):
            self._name(name)

    def _settle(self) -> None:
        """Define the structs that are pointed to and that something touches, until nothing changes."""
        pending: dict[int, list[memoryview]] = {}
        while True:
            for tag in self._weak - self._strong - self._own_tags - pending.keys():
                pending[tag] = [self._members(number) for number in self._declarations(tag, _TAG)]
            touched = self._touched
            hit = [tag for tag, rows in pending.items() if not all(map(touched.isdisjoint, rows))]
            if not hit:
                return
            for tag in hit:
                del pending[tag]
                self._need(tag)

    def _members(self, number: int) -> memoryview:
        """Names of the members that a declaration's definitions own."""
        page, item = self._blob.find("decl", number)
        return page.row(item, _MEMBERS)

    def _print(self, program: Program, late: frozenset[int]) -> tuple[bytes, bytes]:
        """The text, in two parts: macros that the program defines before its headers do are the second."""
        blob, files = self._blob, self._decl_files
        paths = blob.files
        guarded = {
            entry for name in blob.numbers(_LATER_KEYWORDS).values() for entry in self._declarations(name, _DECL)
        }
        out = []
        for number in sorted(self._decls):
            page, item = blob.find("decl", number)
            marker = f'# {page.line(item)} "{paths[files[number]]}" 3\n'.encode()
            declaration = blob.declaration(number)
            out += [marker, *((IF_NO_BOOL, declaration, _END) if number in guarded else (declaration, b"\n"))]
        declarations = b"".join(out)
        macros, last = (
            b"".join(b"#define %s\n" % blob.macro(number) for number in sorted(numbers))
            for numbers in (self._macros - late, late)
        )
        # one that the kernel does not know is the program's to declare: where it does so, the compiler may warn
        keywords = {tag.encode(): b"struct" for tag in blob.numbers(program.weak)}
        own = (record for text in program.texts for record in _RECORD.findall(text))
        keywords.update((tag, word) for word, tag in own if tag in keywords)
        keywords.update((tag, word) for text in (last, macros, declarations) for word, tag in _RECORD.findall(text))
        others = {tag.encode() for tag in program.defined}.union(KEYWORDS, _ENUM.findall(declarations))
        forward = [b"%s %s;\n" % (keywords[tag], tag) for tag in sorted(keywords.keys() - others)]
        begin, end = [], []
        for name, body in sorted(self._renames.items()):
            between = "" if body.startswith("(") else " "
            begin.append(f'#pragma push_macro("{name}")\n#undef {name}\n#define {name}{between}{body}\n'.encode())
            end.append(f'#pragma pop_macro("{name}")\n'.encode())
        return b"".join([b"/* cut by kheaders */\n", *begin, *forward, declarations, *end, macros]), last
