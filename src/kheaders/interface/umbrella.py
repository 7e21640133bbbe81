"""One preprocessing pass over every header that can be included: the text that a blob is cut from.

All headers are included by one file, in one run of ``clang -E -dD -dI`` for the BPF target, with SENTINEL between
them. A header that some other header asks for and that the tree does not have is stood in for by one that holds an
``#error``, so that the pass goes on, and tells which headers cannot be included and why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import NamedTuple

from kheaders.c import conditionals, directives, lexer
from kheaders.c.directives import scan
from kheaders.c.include_path import NAME, ROOT, STUBS, Resolver
from kheaders.c.split import SENTINEL
from kheaders.clang.find import Compiler
from kheaders.clang.flags import architecture, header_flags, include_directories, version_of
from kheaders.clang.overlay import virtual_files
from kheaders.errors import CompilerError, VerificationError
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import rewrite
from kheaders.interface import leftovers
from kheaders.interface.aside import aside
from kheaders.run import Running, running

FIRST = ("include/linux/", "include/net/")
"""Read before the others: most programs include these, and a header is best read in the surroundings that it meets."""
_TRACEPOINTS = "include/trace/events/"
_LEFT_OUT = ("include/config/", "include/dt-bindings/", "include/generated/autoconf.h")
_OF_THE_COMPILER = frozenset(("stdarg.h", "stddef.h", "stdint.h", "stdbool.h", "limits.h", "float.h", "iso646.h"))

_COMPLAINT = re.compile(r"^(.*?):\d+:\d+: (?:fatal )?(error|warning): (.*)$")
_SEEN = re.compile(rb'^#(?: \d+ "([^"\n]+)"|include(?:_next)? (?:<([^>\n]+)>|"([^"\n]+)"))', re.M)
_FROM = re.compile(r"^In file included from (.*?):(\d+):$")
_ONLY_WORDS = bytes(byte if byte < 128 and (chr(byte).isalnum() or byte == 0x5F) else 0x20 for byte in range(256))
MISSING = "kheaders: no such header: "
_LACKING = "which this kernel does not have"


class Pass:
    """The pass while it runs: iterating gives the preprocessor's output; headers are named below ROOT in it."""

    def __init__(self, running: Running, lines: Mapping[int, str], failed: Mapping[str, str], compiler: str) -> None:
        self.headers = tuple(lines.values())
        """Paths of the headers that are included, in order."""
        self._running = running
        self._lines = lines
        self._failed = failed
        self._compiler = compiler
        self._printed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._running:
            self._printed = self._printed or bool(piece.strip())
            yield piece

    @cached_property
    def failed(self) -> dict[str, str]:
        """Path of a header that cannot be included → why. To be asked when all was read; raises CompilerError."""
        errors = self._running.finish().errors
        if not self._printed:
            raise CompilerError(f"{self._compiler}: the headers could not be preprocessed", "run 'kheaders doctor'")
        failed, _ = diagnosed(errors, self._lines)
        return {**self._failed, **failed}


@contextmanager
def preprocess(headers: HeaderSet, compiler: Compiler, apart: bool = True) -> Iterator[Pass]:
    """Run the pass. Raises VerificationError for headers of unknown architecture, CompilerError, StoreError, BlobError.

    With *apart* another process surveys, whose memory is then free again.

    A survey goes before it. Headers that cannot be included are left out, and those that define macros of others anew
    come last, where they do no harm: headers of the other byte order, of 32-bit variants, generic ones that the
    architecture replaces. What only programs include leaves nothing behind.
    """
    if headers.srcarch is None:
        raise VerificationError(
            f"{headers.name}: the architecture of the headers cannot be told", "run 'kheaders doctor'"
        )
    arch = architecture(headers.srcarch, headers.config)
    resolver = Resolver(headers, include_directories(arch))
    includes = survey_includes(headers, resolver)
    flags = header_flags(arch, ROOT, compiler.include, version_of(headers.release))
    with virtual_files(_texts(headers, includes.missing)) as files:
        argv = [*compiler.argv, *flags, "-isystem", STUBS, *files.flags, "-O2", "-E", "-ferror-limit=0"]
        with aside(lambda: _arranged(headers, includes, argv, files.pass_fds, resolver), apart) as arranged:
            text, left_out = arranged()
        lines = lines_of(text)
        words = [*argv, "-dD", "-dI", "-w", "-o", "-", "-x", "c", "-"]
        with running(words, input=text, pass_fds=files.pass_fds) as passing:
            del text
            yield Pass(passing, lines, left_out, compiler.name)


def _arranged(
    headers: HeaderSet, includes: Includes, argv: Sequence[str], pass_fds: Sequence[int], resolver: Resolver
) -> tuple[bytes, dict[str, str]]:
    """The umbrella, as the survey tells that it must be, and the headers that are left out of it, each with why."""
    popularity = includes.popularity
    alone = (path for path in top_level(headers, popularity, includes.lists) if path not in includes.open)
    candidates = {path: headers.files[path] for path in alone}
    left = leftovers.Leftovers(candidates)
    # tracepoints are half of all text, and of them nothing is learnt about other headers
    told = [path for path in candidates if popularity.get(path) or not path.startswith(_TRACEPOINTS)]
    text = umbrella(left.arranged(([path] for path in told), popularity, {}))
    words = [*argv, "-Wno-everything", "-Wsystem-headers", "-Wmacro-redefined", "-dI", "-o", "-", "-x", "c", "-"]
    with running(words, input=text, pass_fds=pass_fds) as surveying:
        edges, known = surveyed(surveying, resolver)
        failed, intruders = diagnosed(surveying.finish().errors, lines_of(text))
    for path in candidates.keys() - told:
        edges[path] = _included(path, candidates[path], resolver)
        known.update(candidates[path].translate(_ONLY_WORDS).split())
    hard = {path: f"includes what its includer names with {macro}" for path, macro in includes.open.items()}
    hard.update((path, reason) for path, reason in failed.items() if reason.endswith(_LACKING))
    harm = leftovers.spread({**left.captors(edges, known), **intruders}, edges)
    # what stopped may have done so for what others had defined
    good = (path for path in candidates if path not in hard)
    order = sorted(good, key=lambda path: (path in failed, harm.get(path, 0)))
    roots = leftovers.private(order, edges)
    shared = candidates.keys() - roots.keys()
    return umbrella(left.arranged(leftovers.grouped(order, roots), shared, edges, frozenset(known))), hard


def _texts(headers: HeaderSet, missing: set[str]) -> dict[str, bytes]:
    """What the preprocessor is shown: absolute path → text."""
    texts = {f"{ROOT}/{path}": data for path, data in headers.files.items()}
    texts.update({f"{ROOT}/{path}": headers[path] for path in headers.links if path in headers})
    texts.update({f"{ROOT}/{path}": data for path, data in rewrite(headers.files).items()})
    for name in missing:
        texts[os.path.normpath(f"{STUBS}/{name}")] = f"#error {MISSING}{name}\n".encode()
    return texts


def umbrella(groups: Iterable[leftovers.Group]) -> bytes:
    """The file that includes all headers."""
    parts: list[bytes] = []
    for group in groups:
        parts.append(_pragmas(b"push_macro", group.restored))
        parts += (b"#undef %s\n" % name for name in group.hidden)
        parts += (b'#include "%s"\n%s\n' % (f"{ROOT}/{path}".encode(), SENTINEL) for path in group.headers)
        parts.append(_pragmas(b"pop_macro", group.restored))
    return b"".join(parts)


def _pragmas(what: bytes, names: Sequence[bytes]) -> bytes:
    between = b'")\n#pragma %s("' % what
    return between[3:] + between.join(names) + between[:3] if names else b""


def lines_of(text: bytes) -> dict[int, str]:
    """Line of an umbrella → the header that it includes."""
    lines = enumerate(text.splitlines(), 1)
    return {n: _relative(line.split(b'"')[1].decode()) for n, line in lines if line.startswith(b"#include ")}


def top_level(headers: HeaderSet, popularity: Mapping[str, int], lists: Container[str]) -> Iterator[str]:
    """The headers to include, those first that most others include, without *lists*.

    A header is best read in the surroundings that it meets in programs; what only one driver includes may define macros
    that would disturb the others, and where a name leads to another header than that of the user's interface, this one
    is included by that.
    """
    paths = [path for path in headers.files if included_by_programs(headers, path)]
    # a list is no C where nobody has defined the macro that it calls; those who include it have
    paths = [path for path in paths if path not in lists]

    def rank(path: str) -> tuple[int, bool, str, bool]:
        meant = path.replace("/uapi/", "/", 1)
        met = meant if meant in headers else path
        return -popularity.get(met, 0), not met.startswith(FIRST), met, met != path

    yield from sorted(paths, key=rank)


def included_by_programs(headers: HeaderSet, path: str) -> bool:
    """Whether a program can include the header."""
    return path.startswith(("include/", f"arch/{headers.srcarch}/include/")) and not path.startswith(_LEFT_OUT)


class Includes(NamedTuple):
    """What the include lines of headers say, whatever the conditions around them."""

    missing: set[str]
    """Names that lead nowhere."""
    popularity: dict[str, int]
    """How often each header is included."""
    open: dict[str, str]
    """Header that includes what a macro names, and does not define that → the macro. It is a part of others, as
    trace/trace_events.h is, and would define for all what it does for its includer."""
    lists: set[str]
    """Headers that are lists."""


def survey_includes(headers: HeaderSet, resolver: Resolver) -> Includes:
    """Read the include lines of all headers."""
    found = Includes(set(), {}, {}, set())
    popularity = found.popularity
    for path, data in headers.files.items():
        named = directives.include_lines(data)
        for header in named.included:
            name = header.shown
            target = resolver.resolve(name, path, header.quoted)
            if target is not None:
                popularity[target] = popularity.get(target, 0) + 1
            elif name not in _OF_THE_COMPILER and not name.startswith("/"):
                found.missing.add(name)
        for words in map(lexer.tokens, named.computed):
            if lexer.kind(words[0]) == "identifier" and words[0] not in directives.defined(scan(data).directives):
                found.open[path] = words[0].decode("utf-8", "replace")
        if not conditionals.begins_with_guard(data) and conditionals.is_list(scan(data)):
            found.lists.add(path)
    return found


def surveyed(stream: Iterable[bytes], resolver: Resolver) -> tuple[dict[str, set[str]], set[bytes]]:
    """What ``clang -E -dI`` tells, read while it comes: header → the headers that it really included; and every word.

    The words are what some header uses where no macro of that name is in force.
    """
    edges: dict[str, set[str]] = {}
    words: set[bytes] = set()
    current = NAME
    for text in _lines(stream):
        words.update(text.translate(_ONLY_WORDS).split())
        for match in _SEEN.finditer(text):
            if match[1]:
                current = _relative(match[1].decode("utf-8", "replace"))
                continue
            name = (match[2] or match[3]).decode("utf-8", "replace")
            target = resolver.resolve(name, current, bool(match[3]))
            if target is not None and current != NAME:
                edges.setdefault(current, set()).add(target)
    return edges, words


def _included(path: str, text: bytes, resolver: Resolver) -> set[str]:
    """The headers that a header's include lines name."""
    names = directives.named(scan(text).directives).included
    found = (resolver.resolve(header.shown, path, header.quoted) for header in names)
    return {target for target in found if target is not None}


def _lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """*stream*, cut behind line ends."""
    held: list[bytes] = []
    for piece in stream:
        end = piece.rfind(b"\n") + 1
        if end:
            yield b"".join((*held, piece[:end]))
            held.clear()
        held.append(piece[end:])
    yield b"".join(held)


def diagnosed(diagnostics: str, lines: Mapping[int, str]) -> tuple[dict[str, str], dict[str, int]]:
    """What the preprocessor complained of: headers that cannot be included, and how many macros a header redefined.
    *lines* are those of the umbrella.

    A header that asks for one that is missing fails wherever it is included; one that stops with an ``#error`` of its
    own fails where it is included first, as the umbrella did.
    """
    failed: dict[str, str] = {}
    intruders: dict[str, int] = {}
    stack: list[tuple[str, int]] = []
    for line in diagnostics.splitlines():
        if match := _FROM.match(line):
            stack.append((match[1], int(match[2])))
            continue
        match = _COMPLAINT.match(line)
        if match and stack:
            file, number = stack[0]
            top = lines.get(number, "") if file == NAME else ""
            if match[2] == "warning":
                for path in {top, _relative(match[1])}:
                    intruders[path] = intruders.get(path, 0) + 1
            else:
                _note_failure(failed, match[3].strip('"'), stack[-1][0], top)
        if not line.startswith((" ", "\t")):
            stack.clear()
    failed.pop("", None)
    failed.pop(NAME, None)
    return failed, intruders


def _may_be_infected(reason: str) -> bool:
    """Whether an error can come from macros that another failing header left behind."""
    return "macro invocation" in reason


def _note_failure(failed: dict[str, str], reason: str, includer: str, top: str) -> None:
    if MISSING not in reason:
        if _may_be_infected(failed.get(top, "macro invocation")):  # any other reason is a better one
            failed[top] = reason
        return
    missing = reason.partition(MISSING)[2].strip('"')
    failed.setdefault(_relative(includer), f"includes {missing}, {_LACKING}")
    failed.setdefault(top, f"reaches a header that includes {missing}, {_LACKING}")


def _relative(path: str) -> str:
    return path.removeprefix(f"{ROOT}/")
