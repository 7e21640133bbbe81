"""Programs that use what headers of the kernel declare, one by one: sizes, constants, inline functions, macros.

Which of its lines compile, the full headers decide: those that they refuse are taken out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

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
_MOST = 60
"""Lines that are made of one header."""
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


def programs(kernel: Kernel, seed: int, count: int, place: Path) -> Iterator[tuple[list[str], Path]]:
    """*count* programs that compile with full headers, written to *place*: their headers, and where each is."""
    headers = kernel.headers
    rng = random.Random(seed)
    paths = sorted(path for path in headers.files if included_by_programs(headers, path) and "asm-generic" not in path)
    rng.shuffle(paths)
    for number, first in enumerate(paths):
        chosen = [first, *rng.sample(paths, rng.choice((0, 0, 1, 2)))]
        lines: dict[str, None] = {}
        for path in chosen:
            found = sorted(set(uses(headers.files[path])))
            lines.update(dict.fromkeys(rng.sample(found, min(_MOST, len(found)))))
        names = [spelled(headers, path) for path in chosen]
        program = place / f"census-{number}.bpf.c"
        if lines and _settled(kernel, names, [*lines], program):
            yield names, program
            count -= 1
            if not count:
                return


def _settled(kernel: Kernel, names: list[str], lines: list[str], program: Path) -> bool:
    """Write *program* without the lines that full headers refuse; whether it compiles then."""
    error = re.compile(rf"^{re.escape(str(program))}:(\d+):\d+: (?:fatal )?error", re.M)
    for _ in range(_ROUNDS):
        body = [line.replace("@", f"v{number}") for number, line in enumerate(lines)]
        program.write_text("\n".join([*(f"#include <{name}>" for name in names), *body, ""]))
        result = kernel.full(Job(program, extra=WORDS))
        if result.ok:
            return bool(lines) and not reached(result.output)
        refused = {int(line) - 1 - len(names) for line in error.findall(result.diagnostics)}
        if not refused or min(refused) < 0:
            return False  # a header that cannot be included so
        lines = [line for number, line in enumerate(lines) if number not in refused]
    return False
