"""One preprocessing pass over every header that can be included: the text that a blob is cut from.

All headers are included by one file, in one run of ``clang -E -dD -dI`` for the BPF target, with SENTINEL between them.
A header that some other header asks for and that the tree does not have is stood in for by one that holds an ``#error``,
so that the pass goes on, and tells which headers cannot be included and why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import architecture, header_flags, include_directories, version_of
from kheaders.compilers.vfs import virtual_files
from kheaders.errors import CompilerError, VerificationError
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import rewrite
from kheaders.interface.splitter import SENTINEL
from kheaders.run import run

ROOT = "/kheaders/tree"
STUBS = "/kheaders/headers/that/are/missing/here"
NAME = "<stdin>"
"""What the compiler calls the file that includes all others."""

FIRST = ("include/linux/", "include/net/")
"""Read before the others: most programs include these, and a header is best read in the surroundings that it meets."""
_LEFT_OUT = ("include/generated/", "include/config/", "include/dt-bindings/")
_OF_THE_COMPILER = frozenset(("stdarg.h", "stddef.h", "stdint.h", "stdbool.h", "limits.h", "float.h", "iso646.h"))

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.M)
_ERROR = re.compile(r"^(.*?):(\d+):\d+: (?:fatal )?error: (.*)$")
_FROM = re.compile(r"^In file included from (.*?):(\d+):$")
MISSING = "kheaders: no such header: "


@dataclass(frozen=True, slots=True)
class Pass:
    """What the pass gave."""

    text: bytes
    """The preprocessor's output; files are named below ROOT."""
    headers: tuple[str, ...]
    """Paths of the headers that were included, in order."""
    failed: dict[str, str]
    """Path of a header that cannot be included → why."""


def preprocess(headers: HeaderSet, compiler: Compiler) -> Pass:
    """Run the pass. Raises VerificationError for headers of unknown architecture, CompilerError, StoreError."""
    if headers.srcarch is None:
        raise VerificationError(f"{headers.name}: the architecture of the headers cannot be told", "run 'kheaders doctor'")
    arch = architecture(headers.srcarch, headers.config)
    search = include_directories(arch)
    chosen = tuple(top_level(headers))
    lines = [b'#include "%s"\n%s\n' % (f"{ROOT}/{path}".encode(), SENTINEL) for path in chosen]
    texts = {f"{ROOT}/{path}": data for path, data in headers.files.items()}
    texts.update({f"{ROOT}/{path}": headers[path] for path in headers.links if path in headers})
    texts.update({f"{ROOT}/{path}": data for path, data in rewrite(headers.files).items()})
    for name in missing_names(headers, search):
        texts[os.path.normpath(f"{STUBS}/{name}")] = f"#error {MISSING}{name}\n".encode()
    flags = header_flags(arch, ROOT, compiler.include, version_of(headers.release))
    with virtual_files(texts) as files:
        argv = [*compiler.argv, *flags, "-isystem", STUBS, *files.flags]
        argv += ["-E", "-dD", "-dI", "-w", "-ferror-limit=0", "-x", "c", "-", "-o", "-"]
        done = run(argv, input=b"".join(lines), pass_fds=files.pass_fds, check=False)
    if len(done.stdout) < 1 << 16:
        raise CompilerError(f"{compiler.name}: the headers could not be preprocessed", "run 'kheaders doctor'")
    return Pass(done.stdout, chosen, failures(done.errors, chosen))


def top_level(headers: HeaderSet) -> Iterator[str]:
    """The headers to include, in order."""
    own = f"arch/{headers.srcarch}/include/"
    paths = sorted(path for path in headers.files if path.startswith(("include/", own)))
    paths = [path for path in paths if not path.startswith(_LEFT_OUT) and "/generated/autoconf" not in path]
    for first in FIRST:
        yield from (path for path in paths if path.startswith(first))
    yield from (path for path in paths if not path.startswith(FIRST))


def missing_names(headers: HeaderSet, search: tuple[str, ...]) -> set[str]:
    """Names in include lines of the headers that lead nowhere."""
    known: dict[str, bool] = {}
    missing = set()
    for path, data in headers.files.items():
        for angled, quoted in _INCLUDE.findall(data):
            name = (angled or quoted).decode("utf-8", "replace")
            if quoted and os.path.normpath(f"{os.path.dirname(path)}/{name}") in headers:
                continue
            if name not in known:
                known[name] = any(os.path.normpath(f"{place}/{name}") in headers for place in search)
            if not known[name] and name not in _OF_THE_COMPILER and not name.startswith("/"):
                missing.add(name)
    return missing


def failures(diagnostics: str, chosen: tuple[str, ...]) -> dict[str, str]:
    """Which headers cannot be included, by the preprocessor's errors.

    A header that asks for one that is missing fails wherever it is included; one that stops with an ``#error`` of its
    own fails where it is included first, as the umbrella did.
    """
    failed: dict[str, str] = {}
    stack: list[tuple[str, int]] = []
    for line in diagnostics.splitlines():
        if match := _FROM.match(line):
            stack.append((match[1], int(match[2])))
            continue
        if match := _ERROR.match(line):
            reason = match[3].strip('"')
            if MISSING in reason:
                missing = reason.partition(MISSING)[2].strip('"')
                includer = stack[-1][0] if stack else NAME
                failed.setdefault(_relative(includer), f"includes {missing}, which this kernel does not have")
            for file, number in stack[:1]:
                if file == NAME and number % 2 and number // 2 < len(chosen):
                    failed.setdefault(chosen[number // 2], reason.removeprefix(MISSING))
        stack.clear() if not line.startswith((" ", "\t")) else None
    failed.pop(NAME, None)
    return failed


def _relative(path: str) -> str:
    return path.removeprefix(f"{ROOT}/")
