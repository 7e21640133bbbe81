"""What libclang says of every declaration of a blob: the oracle for :mod:`kheaders.c.declaration`.

All declarations are parsed as one translation unit, functions without their bodies. Headers that declare one thing in
two ways cannot stand in one; what comes a second time is parsed in a second one, in place of the first, and so on.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kheaders.c.declaration import Declaration, read
from kheaders.c.lexer import pieces
from kheaders.interface.blob import Blob
from kheaders.interface.schema import KINDS

FLAGS = ("-target", "bpf", "-std=gnu11", "-fms-extensions", "-Wno-everything", "-ferror-limit=0", "-x", "c")
_RECORDS = (2, 3)
_ENUM, _FIELD, _CONSTANT, _FUNCTION, _VARIABLE, _TYPEDEF = 5, 6, 7, 8, 9, 20
_CONTINUE, _RECURSE = 1, 2


class Source(NamedTuple):
    """A declaration of a blob."""

    text: bytes
    """Without its body where it is a function."""
    kind: str
    found: Declaration


class Names(NamedTuple):
    """What a compiler finds in one declaration."""

    names: set[bytes]
    tags: set[bytes]
    members: set[bytes]


def sources(blob: Blob) -> list[Source]:
    """Every declaration of a blob, as it was read."""
    found = []
    for text, number in zip(blob.texts("decl"), blob.kinds, strict=True):
        kind = KINDS[number]
        declared = read(text, kind == "inline")
        if declared is not None:
            found.append(Source(_head(text) + b";" if kind == "inline" else text, kind, declared))
    return found


def _head(text: bytes) -> bytes:
    """A function up to its body, the first brace outside of parentheses: none here returns a type that it defines."""
    depth = 0
    for piece in pieces(text):
        depth += (piece.spelling == b"(") - (piece.spelling == b")")
        if piece.spelling == b"{" and not depth:
            return text[: piece.offset]
    return text


def units(found: Sequence[Source]) -> Iterator[tuple[list[int], list[int]]]:
    """(the declarations of a translation unit, in order; those of them that no earlier one had)."""
    rest: list[list[int]] = []
    seen: defaultdict[tuple[str, bytes], int] = defaultdict(int)
    for number, source in enumerate(found):
        keys = _keys(source)
        turn = max((seen[key] for key in keys), default=0)
        for key in keys:
            seen[key] = turn + 1
        while len(rest) <= turn:
            rest.append([])
        rest[turn].append(number)
    for turn, new in enumerate(rest):
        if not turn:
            yield new, new
            continue
        own = {key for number in new for key in _keys(found[number])}
        first = (number for number in rest[0] if own.isdisjoint(_keys(found[number])))
        yield sorted((*first, *new)), new


def _keys(source: Source) -> list[tuple[str, bytes]]:
    """What cannot be declared twice."""
    constants = (name for one in source.found.definitions if one.keyword == b"enum" for name in one.names)
    return [*(("tag", tag) for tag in source.found.tags), *(("constant", name) for name in constants)]


def parsed(found: Sequence[Source]) -> list[Names]:
    """What libclang finds in each."""
    result = [Names(set(), set(), set()) for _ in found]
    for numbers, new in units(found):
        wanted = set(new)
        starts, parts, at = [], [], 0
        for number in numbers:
            starts.append(at)
            parts.append(found[number].text + b"\n")
            at += len(parts[-1])
        for offset, where, name in _cursors(b"".join(parts)):
            number = numbers[bisect_right(starts, offset) - 1]
            if number in wanted:
                result[number][where].add(name)
    return result


class _String(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("flags", ctypes.c_uint))


class _Cursor(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int), ("xdata", ctypes.c_int), ("data", ctypes.c_void_p * 3))


class _Location(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p * 2), ("number", ctypes.c_uint))


class _Unsaved(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("text", ctypes.c_char_p), ("length", ctypes.c_ulong))


_VISITOR = ctypes.CFUNCTYPE(ctypes.c_int, _Cursor, _Cursor, ctypes.c_void_p)


def _library() -> ctypes.CDLL:
    from clang import cindex

    lib = ctypes.CDLL(cindex.conf.get_filename())
    for name, result, arguments in (
        ("clang_createIndex", ctypes.c_void_p, (ctypes.c_int, ctypes.c_int)),
        ("clang_parseTranslationUnit", ctypes.c_void_p, None),
        ("clang_getTranslationUnitCursor", _Cursor, (ctypes.c_void_p,)),
        ("clang_getCursorSpelling", _String, (_Cursor,)),
        ("clang_getCString", ctypes.c_char_p, (_String,)),
        ("clang_disposeString", None, (_String,)),
        ("clang_getCursorLocation", _Location, (_Cursor,)),
        ("clang_isCursorDefinition", ctypes.c_uint, (_Cursor,)),
        ("clang_Cursor_isAnonymous", ctypes.c_uint, (_Cursor,)),
        ("clang_visitChildren", ctypes.c_uint, (_Cursor, _VISITOR, ctypes.c_void_p)),
        ("clang_disposeTranslationUnit", None, (ctypes.c_void_p,)),
        ("clang_disposeIndex", None, (ctypes.c_void_p,)),
    ):
        function = getattr(lib, name)
        function.restype = result
        if arguments is not None:
            function.argtypes = arguments
    return lib


def _cursors(text: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(offset, 0 for a name, 1 for a tag, 2 for a member; the name) of all that a translation unit declares."""
    lib = _library()
    index = ctypes.c_void_p(lib.clang_createIndex(0, 0))
    flags = (ctypes.c_char_p * len(FLAGS))(*(flag.encode() for flag in FLAGS))
    unsaved = (_Unsaved * 1)(_Unsaved(b"all.c", text, len(text)))
    unit = ctypes.c_void_p(
        lib.clang_parseTranslationUnit(index, b"all.c", flags, len(FLAGS), unsaved, ctypes.c_uint(1), ctypes.c_uint(0))
    )
    assert unit.value, "libclang cannot read it"
    found: list[tuple[int, int, bytes]] = []
    offset = ctypes.c_uint()
    place = ctypes.byref(offset)
    kinds = {_FUNCTION: 0, _VARIABLE: 0, _TYPEDEF: 0, _CONSTANT: 0, _FIELD: 2, _ENUM: 1, **dict.fromkeys(_RECORDS, 1)}

    def visit(cursor: _Cursor, parent: _Cursor, _: object) -> int:
        where = kinds.get(cursor.kind)
        if where is None or (where == 1 and not lib.clang_isCursorDefinition(cursor)):
            return _CONTINUE
        if where != 1 or not lib.clang_Cursor_isAnonymous(cursor):
            lib.clang_getFileLocation(lib.clang_getCursorLocation(cursor), None, None, None, place)
            name = lib.clang_getCursorSpelling(cursor)
            raw = lib.clang_getCString(name)
            lib.clang_disposeString(name)
            if raw and b"(" not in raw and b" " not in raw:
                found.append((offset.value, where, raw))
        return _RECURSE if where == 1 else _CONTINUE

    lib.clang_visitChildren(lib.clang_getTranslationUnitCursor(unit), _VISITOR(visit), None)
    lib.clang_disposeTranslationUnit(unit)
    lib.clang_disposeIndex(index)
    yield from found
