"""The values of macros and enumeration constants, as the compiler computes them.

A program of a few lines includes the header that defines the name, and is compiled, from its slice, to assembly; its
data are the answer. No expression is evaluated here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kheaders.clang.find import Compiler
from kheaders.clang.flags import Architecture, architecture, include_directories, slice_flags
from kheaders.clang.job import Job, Result, execute
from kheaders.clang.overlay import virtual_files
from kheaders.errors import BlobError
from kheaders.interface.blob import Blob
from kheaders.interface.lookup import Item, find, unknown
from kheaders.interface.program import read
from kheaders.interface.slice import Cutter

if TYPE_CHECKING:
    from kheaders.btf.layout import RecordLayout
    from kheaders.btf.table import Btf

MOST = 8
"""Definitions of one name that are evaluated; a compile each."""

_ROOT = "/kheaders/value"
_TEXT = f"{_ROOT}/slice.h"
_STUBS = f"{_ROOT}/include"
# An unselected branch is not evaluated, but it must be C: so each branch is, for numbers and for strings.
_PROGRAM = """\
{include}
const char kheaders_unsigned = _Generic(({name}), unsigned long: 1, unsigned long long: 1, default: 0);
const char kheaders_text[] = _Generic(({name}), char *: {name}, const char *: {name}, default: "");
const char kheaders_is_text = _Generic(({name}), char *: 1, const char *: 1, default: 0);
const long long kheaders_number = (long long)_Generic(({name}), char *: 0, const char *: 0, default: ({name}));
"""
_NUMBER = """\
{include}
const char kheaders_unsigned = _Generic(({name}), unsigned long: 1, unsigned long long: 1, default: 0);
const long long kheaders_number = (long long)({name});
"""
_TEXTUAL = """\
{include}
const char kheaders_text[] = {name};
"""
_LABEL = re.compile(r"^(kheaders_\w+):[^\n]*\n((?:[ \t]+[^\n]*\n)*)", re.M)
_DATA = re.compile(r'[ \t]+\.(quad|byte|8byte|zero|asciz|ascii|string)[ \t]+("(?:[^"\\]|\\.)*"|[^\s#]+)')
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_ERROR = re.compile(r"error: (.*)")


class _Kernel(NamedTuple):
    arch: Architecture


def evaluate(blob: Blob, items: Sequence[Item], compiler: Compiler) -> list[Item]:
    """*items* with the values of macros and constants, or the reason why they have none; others as they are.

    Numbers come with the sign that their type has. Raises BlobError, CompilerError, StoreError.
    """
    kernel = _kernel_of(blob)
    done = []
    tried = 0
    for item in items:
        if item.kind not in ("macro", "constant"):
            done.append(item)
        elif item.kind == "macro" and not item.text.removeprefix(f"#define {item.name}").strip():
            done.append(item._replace(reason="is empty"))
        elif item.text.startswith(f"#define {item.name}("):
            done.append(item._replace(reason="takes arguments"))
        elif tried == MOST:
            done.append(item._replace(reason=f"only the first {MOST} definitions are evaluated"))
        else:
            tried += 1
            done.append(_evaluated(blob, item, compiler, kernel))
    return done


def layouts(blob: Blob, name: str, compiler: Compiler, *, cacheline: int = 64) -> tuple[Btf, list[RecordLayout]]:
    """The layout of each struct or union that *name* means in the headers of *blob*, as the compiler lays it out.

    *name* is as in C (``struct sk_buff``, ``sk_buff``, a typedef of a record); the BTF holds the types, *cacheline* is
    in bytes. Raises BlobError for a name that the blob lacks or that is no record, CompilerError.
    """
    from kheaders.btf import lookup as types
    from kheaders.btf.container import btf_bytes, parse_sections

    kernel = _kernel_of(blob)
    word, _, bare = name.rpartition(" ")
    items = find(blob, bare)
    if not items:
        raise unknown(blob, bare)
    kinds = (word.strip(),) if word else ("struct", "union", "typedef")
    chosen = [item for item in items if item.kind in kinds]
    if not chosen:
        have = ", ".join(dict.fromkeys(item.kind for item in items))
        raise BlobError(f"{bare!r} is no {word or 'struct or union'}", f"it is: {have}")
    why = ""
    for item in chosen:
        header = include_name(blob, item.file, include_directories(kernel.arch))
        if header is None:
            why = f"no include line leads to {item.file}"
            continue
        title = bare if item.kind == "typedef" else f"{item.kind} {bare}"
        program = f"#include <{header}>\n{title} kheaders_layout;\n".encode()
        piece = Cutter(blob, include_directories(kernel.arch)).cut(read(program, None, ()))
        result = _compile(compiler, kernel, program, piece.text, piece.includes, ("-c", "-g"))
        if result.ok:
            btf = parse_sections(btf_bytes(result.output, str(blob.path)), name=str(blob.path))
            return btf, types.layouts(btf, title, cacheline=cacheline)
        match = _ERROR.search(result.diagnostics)
        why = match[1] if match else "it cannot be compiled"
    raise BlobError(f"{blob.path}: the layout of {name} cannot be told: {why}", "name its BTF with --btf")


def include_name(blob: Blob, path: str, search: Sequence[str]) -> str | None:
    """The name by which a program includes the header *path*, or None if it has none that does not mean another."""
    numbers = blob.file_numbers
    for directory in search:
        if path.startswith(f"{directory}/"):
            name = path[len(directory) + 1 :]
            found = (os.path.normpath(f"{place}/{name}") for place in search)
            if next((other for other in found if other in numbers), None) == path:
                return name
    return None


def _kernel_of(blob: Blob) -> _Kernel:
    meta = blob.meta
    try:
        config = frozenset(str(option).encode() for option in meta["config"])
        return _Kernel(architecture(str(meta["srcarch"]), config))
    except (KeyError, TypeError) as error:
        raise BlobError(f"{blob.path}: is damaged (metadata {error})", "build it again") from error


def _evaluated(blob: Blob, item: Item, compiler: Compiler, kernel: _Kernel) -> Item:
    name = include_name(blob, item.file, include_directories(kernel.arch))
    if name is None and not item.file.startswith("<"):
        return item._replace(reason=f"no include line leads to {item.file}")
    include = f"#include <{name}>" if name else ""
    result = None
    for text in (_PROGRAM, _TEXTUAL, _NUMBER):
        program = text.format(include=include, name=item.name).encode()
        piece = Cutter(blob, include_directories(kernel.arch)).cut(read(program, None, ()))
        if item.kind == "macro" and name and item.number not in piece.macros:
            return item._replace(reason=f"another definition is in force after #include <{name}>")
        result = _compile(compiler, kernel, program, piece.text, piece.includes)
        if result.ok:
            value = _value(result.output.decode("utf-8", "replace"))
            return item._replace(value=value, reason="" if value is not None else "is no constant, but an address")
    assert result is not None
    return item._replace(reason=_why(result))


def _compile(
    compiler: Compiler,
    kernel: _Kernel,
    program: bytes,
    text: bytes,
    includes: Sequence[str],
    mode: Sequence[str] = ("-S",),
) -> Result:
    texts = {f"{_STUBS}/{name}": b"" for name in includes}
    texts[_TEXT] = text
    with virtual_files(texts) as files:
        flags = slice_flags(kernel.arch, _STUBS, _TEXT, compiler.include)
        words = [*flags, *files.flags, "-w", "-Werror=int-conversion", "-Werror=implicit-function-declaration"]
        return execute(compiler, Job(program, "1"), words, files.pass_fds, mode)


def _value(assembly: str) -> int | str | None:
    """What the data of a compiled program say."""
    data = {match[1]: _DATA.findall(match[2]) for match in _LABEL.finditer(assembly)}
    is_text = _integer(data.get("kheaders_is_text", []))
    if is_text or "kheaders_number" not in data:
        pieces = data.get("kheaders_text", [])
        text = "".join(_unescaped(value) for kind, value in pieces if value.startswith('"'))
        if pieces and pieces[-1][0] == "ascii":
            text = text.removesuffix("\0")
        return text
    number = _integer(data["kheaders_number"])
    if number is None:
        return None
    number &= (1 << 64) - 1
    return number if _integer(data.get("kheaders_unsigned", [])) or number < 1 << 63 else number - (1 << 64)


def _integer(data: list[tuple[str, str]]) -> int | None:
    """The number that one variable holds, or None where it holds an address."""
    if not data:
        return None
    kind, value = data[0]
    if kind == "zero":
        return 0
    try:
        return int(value, 0)
    except ValueError:
        return None


def _unescaped(quoted: str) -> str:
    """The text of a string of the assembler."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code, 8) & 255) if code[0] in "01234567" else _LETTERS.get(code, code)

    text = _ESCAPE.sub(one, quoted[1:-1])
    try:
        return text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text


def _why(result: Result) -> str:
    match = _ERROR.search(result.diagnostics)
    if match is None:
        return "cannot be compiled"
    if "not a compile-time constant" in match[1] or "not constant" in match[1]:
        return "is no constant expression"
    return f"is no constant expression ({match[1]})"
