"""One preprocessing pass over every header that can be included: the text that a blob is cut from.

All headers are included by one file, in one run of ``clang -E -dD -dI`` for the BPF target, with SENTINEL between
them. A header that some other header asks for and that the tree does not have is stood in for by one that holds an
``#error``, so that the pass goes on, and tells which headers cannot be included and why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import NamedTuple

from kheaders.c import conditionals, directives, lexer, preprocessed
from kheaders.c.directives import scan
from kheaders.c.include_path import NAME, ROOT, STUBS, Resolver
from kheaders.c.split import SENTINEL
from kheaders.clang.diagnostics import read
from kheaders.clang.environment import cleaned
from kheaders.clang.find import Compiler
from kheaders.clang.flags import architecture, header_flags, include_directories
from kheaders.clang.overlay import virtual_files
from kheaders.errors import CompilerError, VerificationError
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import rewrite
from kheaders.interface import isolation
from kheaders.interface.aside import aside
from kheaders.run import Running, running

ALWAYS = "include/linux/kconfig.h"
"""Included before every program: see :func:`kheaders.clang.flags.header_flags`."""
_TRACEPOINTS = "include/trace/events/"
_LEFT_OUT = ("include/config/", "include/dt-bindings/", "include/generated/autoconf.h")
_OF_THE_COMPILER = frozenset(("stdarg.h", "stddef.h", "stdint.h", "stdbool.h", "limits.h", "float.h", "iso646.h"))

_SEEN = re.compile(
    rb'^#(?: \d+ "([^"\n]+)"|include(?:_next)? (?:<([^>\n]+)>|"([^"\n]+)")|define (\w+)([^\n]*)|undef (\w+))', re.M
)
MISSING = "kheaders: no such header: "
_LACKING = "which this kernel does not have"


class Pass:
    """The pass while it runs: iterating gives the preprocessor's output; headers are named below ROOT in it."""

    def __init__(
        self,
        running: Running,
        lines: Mapping[int, str],
        failed: Mapping[str, str],
        foreign: Mapping[str, Mapping[bytes, isolation.Use]],
        conditions: conditionals.Survey,
        code: Mapping[str, bytes],
        compiler: str,
    ) -> None:
        self.headers = tuple(lines.values())
        """Paths of the headers that are included, in order."""
        self.foreign = foreign
        """Header → macros that are foreign to it → where it names them."""
        self.conditions = conditions
        """What there is to know of the conditions in headers that programs include."""
        self.code = code
        """Header → the macros of headers that its code names, parted by spaces."""
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
        return {**self._failed, **diagnosed(errors, self._lines)}


@contextmanager
def preprocess(headers: HeaderSet, compiler: Compiler, apart: bool = True) -> Iterator[Pass]:
    """Run the pass. Raises VerificationError for headers of unknown architecture, CompilerError, StoreError, BlobError.

    With *apart* another process surveys, whose memory is then free again.

    A survey goes before it, which tells who includes whom. Headers that cannot be included are left out, and macros are
    kept from headers that they are foreign to (:mod:`kheaders.interface.isolation`).
    """
    if headers.srcarch is None:
        raise VerificationError(
            f"{headers.name}: the architecture of the headers cannot be told", "run 'kheaders doctor'"
        )
    arch = architecture(headers.srcarch, headers.config)
    resolver = Resolver(headers, include_directories(arch))
    with ExitStack() as stack:
        # it takes another core longer than what is needed before the compiler's survey takes this one
        scanned = stack.enter_context(aside(lambda: _scanned(headers), apart))
        includes = survey_includes(headers, resolver)
        flags = header_flags(arch, ROOT, compiler.include)
        files = stack.enter_context(virtual_files(_texts(headers, includes.missing)))
        argv = [*compiler.command, *flags, "-isystem", STUBS, *files.flags, "-O2", "-E", "-ferror-limit=0"]
        with aside(lambda: _arranged(headers, includes, argv, files.pass_fds, resolver, scanned), apart) as arranged:
            text, left_out, foreign, conditions, code = arranged()
        lines = lines_of(text)
        words = [*argv, "-dD", "-dI", "-w", "-o", "-", "-x", "c", "-"]
        with running(words, input=text, environ=cleaned(), pass_fds=files.pass_fds) as passing:
            del text
            yield Pass(passing, lines, left_out, foreign, conditions, code, compiler.name)


class _Scanned(NamedTuple):
    """What one scan of all headers that programs include tells."""

    conditions: conditionals.Survey
    definers: isolation.Definers


def _scanned(headers: HeaderSet) -> _Scanned:
    definers = isolation.Definers()
    files = ((path, data) for path, data in headers.files.items() if included_by_programs(headers, path))
    conditions = conditionals.survey(files, definers.add)
    definers.reduce()
    return _Scanned(conditions, definers)


def _arranged(
    headers: HeaderSet,
    includes: Includes,
    argv: Sequence[str],
    pass_fds: Sequence[int],
    resolver: Resolver,
    scanned: Callable[[], _Scanned],
) -> tuple[bytes, dict[str, str], dict[str, dict[bytes, isolation.Use]], conditionals.Survey, dict[str, bytes]]:
    """The umbrella, as the survey tells that it must be, the headers that are left out of it, each with why, where
    headers name macros that are foreign to them, their conditions, and the macros that their code names."""
    popularity = includes.popularity
    candidates = [path for path in top_level(headers, popularity, includes.lists) if path not in includes.open]
    # tracepoints are half of all text, and of them nothing is learnt about other headers
    told = [path for path in candidates if popularity.get(path) or not path.startswith(_TRACEPOINTS)]
    text = umbrella(isolation.Group((path,), ()) for path in told)
    words = [*argv, "-Wno-everything", "-dD", "-dI", "-o", "-", "-x", "c", "-"]
    with running(words, input=text, environ=cleaned(), pass_fds=pass_fds) as surveying:
        edges, events = surveyed(surveying, resolver)
        failed = diagnosed(surveying.finish().errors, lines_of(text))
    for path in headers.files.keys() - edges.keys():
        if path.startswith(_TRACEPOINTS):
            edges[path] = _included(path, headers.files[path], resolver)
    hard = {path: f"includes what its includer names with {macro}" for path, macro in includes.open.items()}
    hard.update((path, reason) for path, reason in failed.items() if reason.endswith(_LACKING))
    # what stopped may have done so for what others had defined; what nobody includes gives nothing to others
    good = (path for path in candidates if path not in hard)
    given = isolation.included(edges)
    order = sorted(good, key=lambda path: (path in failed, path not in given))
    roots = isolation.private(order, edges)
    conditions, definers = scanned()
    isolated = isolation.Isolation(definers, headers.files, edges, ALWAYS)
    shared = definers.headers.keys() - roots.keys()
    groups = isolated.arranged(isolation.grouped(order, roots), shared, events)
    return umbrella(groups), hard, isolated.uses, conditions, definers.code


def _texts(headers: HeaderSet, missing: set[str]) -> dict[str, bytes]:
    """What the preprocessor is shown: absolute path → text."""
    texts = {f"{ROOT}/{path}": data for path, data in headers.files.items()}
    texts.update({f"{ROOT}/{path}": headers[path] for path in headers.links if path in headers})
    texts.update({f"{ROOT}/{path}": data for path, data in rewrite(headers.files).items()})
    for name in missing:
        texts[os.path.normpath(f"{STUBS}/{name}")] = f"#error {MISSING}{name}\n".encode()
    return texts


def umbrella(groups: Iterable[isolation.Group]) -> bytes:
    """The file that includes all headers."""
    parts: list[bytes] = []
    for group in groups:
        parts.append(_pragmas(b"push_macro", group.restored))
        parts += (b"#undef %s\n" % name for name in group.hidden)
        parts += (b"#define %s\n" % text for text in group.given)
        parts += (b'#include "%s"\n%s\n' % (f"{ROOT}/{path}".encode(), SENTINEL) for path in group.headers)
        parts.append(_pragmas(b"pop_macro", group.restored))
    return b"".join(parts)


def _pragmas(what: bytes, names: Sequence[bytes]) -> bytes:
    told = b'%s"%s"' % (preprocessed.SAVED if what == b"push_macro" else preprocessed.RESTORED, b" ".join(names))
    return b"\n".join((told, *(b'#pragma %s("%s")' % (what, name) for name in names), b"")) if names else b""


def lines_of(text: bytes) -> dict[int, str]:
    """Line of an umbrella → the header that it includes."""
    lines = enumerate(text.splitlines(), 1)
    return {n: _relative(line.split(b'"')[1].decode()) for n, line in lines if line.startswith(b"#include ")}


def top_level(headers: HeaderSet, popularity: Mapping[str, int], lists: Container[str]) -> Iterator[str]:
    """The headers to include, those first that most others include, without *lists*.

    Then most are read before what includes them, as any order of declarations must have it; and where a name leads to
    another header than that of the user's interface, this one is included by that.
    """
    paths = [path for path in headers.files if included_by_programs(headers, path)]
    # a list is no C where nobody has defined the macro that it calls; those who include it have
    paths = [path for path in paths if path not in lists]

    def rank(path: str) -> tuple[int, str, bool]:
        meant = path.replace("/uapi/", "/", 1)
        met = meant if meant in headers else path
        return -popularity.get(met, 0), met, met != path

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


def surveyed(
    stream: Iterable[bytes], resolver: Resolver
) -> tuple[dict[str, dict[str, None]], dict[str, list[tuple[bytes, bytes]]]]:
    """What ``clang -E -dD -dI`` tells, read while it comes: header → the headers that it really included, in order; and
    header → its definitions of macros, as :data:`kheaders.interface.isolation.Events` has them.
    """
    edges: dict[str, dict[str, None]] = {}
    events: dict[str, list[tuple[bytes, bytes]]] = {}
    current = NAME
    for text in _lines(stream):
        for match in _SEEN.finditer(text):
            if match[1]:
                current = _relative(match[1].decode("utf-8", "replace"))
            elif macro := match[4] or match[6]:
                events.setdefault(current, []).append((macro, macro + match[5] if match[4] else b""))
            elif current != NAME:
                name = (match[2] or match[3]).decode("utf-8", "replace")
                target = resolver.resolve(name, current, bool(match[3]))
                if target is not None:
                    edges.setdefault(current, {})[target] = None
    return edges, events


def _included(path: str, text: bytes, resolver: Resolver) -> dict[str, None]:
    """The headers that a header's include lines name."""
    names = directives.include_lines(text).included
    found = (resolver.resolve(header.shown, path, header.quoted) for header in names)
    return {target: None for target in found if target is not None}


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


def diagnosed(diagnostics: str, lines: Mapping[int, str]) -> dict[str, str]:
    """The headers that cannot be included, by what the preprocessor complained of. *lines* are those of the umbrella.

    A header that asks for one that is missing fails wherever it is included; one that stops with an ``#error`` of its
    own fails where it is included first, as the umbrella did.
    """
    failed: dict[str, str] = {}
    for complaint in read(diagnostics):
        if not complaint.anew or not complaint.line:
            continue  # what is said again of the same file tells nothing
        if complaint.is_error:
            file, number = complaint.included_from[0]
            top = lines.get(number, "") if file == NAME else ""
            _note_failure(failed, complaint.message.strip('"'), complaint.included_from[-1][0], top)
    failed.pop("", None)
    failed.pop(NAME, None)
    return failed


def _note_failure(failed: dict[str, str], reason: str, includer: str, top: str) -> None:
    if MISSING not in reason:
        failed.setdefault(top, reason)
        return
    missing = reason.partition(MISSING)[2].strip('"')
    failed.setdefault(_relative(includer), f"includes {missing}, {_LACKING}")
    failed.setdefault(top, f"reaches a header that includes {missing}, {_LACKING}")


def _relative(path: str) -> str:
    return path.removeprefix(f"{ROOT}/")
