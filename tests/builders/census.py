"""Programs that use what headers of the kernel declare, one by one: sizes, constants, inline functions, macros.

Which of its lines compile, the full headers decide: those that they refuse are taken out.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from builders.differential import Kernel
from kheaders.clang.job import Job
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.markers import reached
from kheaders.interface.umbrella import included_by_programs

_STRUCT = re.compile(rb"^((?:struct|union|enum)\s+\w+)\s*\{", re.M)
_TYPEDEF = re.compile(rb"^typedef\s[^;{}]*?\b(\w+);", re.M)
_INLINE = re.compile(rb"^(?:static\s+(?:__always_)?inline|static\s+inline)\b[^;{}=]*?\b(\w+)\s*\([^;{}]*\)\s*\{", re.M)
_OBJECT = re.compile(rb"^#[ \t]*define[ \t]+(\w+)[ \t]+\S", re.M)
_FUNCTION = re.compile(rb"^#[ \t]*define[ \t]+(\w+)\(([\w, ]*)\)[ \t]+\S", re.M)
_CONSTANT = re.compile(rb"^\t([A-Z]\w+)\s*[,=]", re.M)
BATCH = 8
"""Headers of one program: a compile costs less for each the more they are, until too many exclude each other."""
_ROUNDS = 8
WORDS = ("-ferror-limit=0", "-Wno-everything", "-Werror=implicit-function-declaration")


def spelled(headers: HeaderSet, path: str) -> str:
    """A header as an include line names it."""
    arch = f"arch/{headers.srcarch}/include"
    places = (f"{arch}/generated/uapi/", f"{arch}/generated/", f"{arch}/uapi/", f"{arch}/", "include/generated/uapi/")
    for place in (*places, "include/uapi/", "include/"):
        if path.startswith(place):
            return path.removeprefix(place)
    return path


def uses(text: bytes) -> Iterator[str]:
    """Lines of C that use what a header declares; ``@`` stands for a name of their own."""
    for name in _STRUCT.findall(text) + _TYPEDEF.findall(text):
        yield f"unsigned long @ = sizeof({name.decode()});"
    for name in _INLINE.findall(text):
        yield f"void *@ = (void *)&{name.decode()};"
    for name in _OBJECT.findall(text) + _CONSTANT.findall(text):
        yield f"long @ = (long)({name.decode()});"
    for name, parameters in _FUNCTION.findall(text):
        count = len([word for word in parameters.split(b",") if word.strip()])
        if count <= 4:
            call = f"{name.decode()}({', '.join('abcd'[:count])})"
            yield f"long @(long a, long b, long c, long d) {{ return (long)({call}); }}"


class Found(NamedTuple):
    """What came of one program."""

    names: tuple[str, ...]
    """The headers that it includes."""
    verdict: str
    """As :attr:`builders.differential.Outcome.verdict`; ``none`` where no program can be made of them."""
    told: str = ""
    """The outcome, and the program, where it is not the same."""


def batches(headers: HeaderSet, seed: int, count: int = 0) -> list[list[str]]:
    """All headers that programs can include, in *seed*'s order, BATCH of them at a time; *count* batches at most.

    Which meet, and in which order, depends on the seed alone.
    """
    paths = sorted(path for path in headers.files if included_by_programs(headers, path) and "asm-generic" not in path)
    random.Random(seed).shuffle(paths)
    found = [paths[at : at + BATCH] for at in range(0, len(paths), BATCH)]
    return found[: count or None]


def run(kernel: Kernel, paths: Sequence[str], place: Path) -> Iterator[Found]:
    """Make a program of the headers *paths* and compile it both ways; of fewer headers where it cannot be, or differs.

    Headers that exclude each other are parted, and what a slice refuses is halved until it is known which header is the
    reason.
    """
    todo = [[*paths]]
    while todo:
        chosen = todo.pop()
        names = tuple(spelled(kernel.headers, path) for path in chosen)
        program = place / f"census-{os.getpid()}.bpf.c"
        lines = dict.fromkeys(line for path in chosen for line in sorted(set(uses(kernel.headers.files[path]))))
        outcome = kernel.both(program, *WORDS) if lines and _settled(kernel, names, [*lines], program) else None
        if outcome is not None and outcome.verdict == "same":
            yield Found(names, "same")
        elif len(chosen) > 1:
            middle = len(chosen) // 2
            todo += (chosen[middle:], chosen[:middle])
        elif outcome is None or outcome.verdict in ("both fail", "full fails"):
            yield Found(names, "none")
        else:
            yield Found(names, outcome.verdict, f"{outcome}\n{program.read_text()}")


def _settled(kernel: Kernel, names: Sequence[str], lines: list[str], program: Path) -> bool:
    """Write *program* without the lines that full headers refuse; whether any is left that compiles then.

    Where some of it reaches inline assembly of the host's processor, which is refused, all code is left out.
    """
    error = re.compile(rf"^{re.escape(str(program))}:(\d+):\d+: (?:fatal )?error", re.M)
    for _ in range(_ROUNDS):
        body = [line.replace("@", f"v{number}") for number, line in enumerate(lines)]
        program.write_text("\n".join([*(f"#include <{name}>" for name in names), *body, ""]))
        result = kernel.full(Job(program, extra=WORDS))
        if result.ok and not reached(result.output):
            return bool(lines)
        if result.ok:
            left = [line for line in lines if not line.startswith(("void *", "long @("))]
            if len(left) == len(lines):
                return False
            lines = left
            continue
        refused = {int(line) - 1 - len(names) for line in error.findall(result.diagnostics)}
        if not refused or min(refused) < 0:
            return False  # headers that cannot be included so
        lines = [line for number, line in enumerate(lines) if number not in refused]
    return False
