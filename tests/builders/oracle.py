"""What libclang says of every declaration of a blob: the oracle for :mod:`kheaders.c.declaration`.

All declarations are parsed as one translation unit, functions without their bodies. Headers that declare one thing in
two ways cannot stand in one; what comes a second time is parsed in a second one, in place of the first, and so on.
"""

from __future__ import annotations

import ctypes
import importlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from kheaders.c.declaration import TAG_WORDS, Declaration, read
from kheaders.c.lexer import pieces, tokens
from kheaders.interface.blob import Blob
from kheaders.interface.schema import KINDS

FLAGS = ("-target", "bpf", "-std=gnu11", "-fms-extensions", "-Wno-everything", "-ferror-limit=0", "-x", "c")
_RECORDS = (2, 3)
_ENUM, _FIELD, _CONSTANT, _FUNCTION, _VARIABLE, _TYPEDEF = 5, 6, 7, 8, 9, 20
_CONTINUE, _RECURSE = 1, 2
_REFUSED = 3
_STORAGE = frozenset((b"static", b"extern", b"inline", b"__inline", b"__inline__", b"_Noreturn", b"_Thread_local"))
_ERROR = 3


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
    refused: bool
    """Whether the compiler finds an error in it: headers contradict each other, and assembler's macros are no C."""


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
    head = text.partition(b"{")[0]
    if head.count(b"(") == head.count(b")"):
        return head
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
        yield sorted({*new, *_closure(found, rest[0], new)}), new


class Use(NamedTuple):
    """What a compiler says of the types that one declaration needs complete."""

    compared: bool
    """Whether it compiles in a block of its own, where nothing that it declares has linkage."""
    lacking: bool = False
    """Whether it does not compile any more where the tags that are read as weak are incomplete."""
    needless: frozenset[bytes] = frozenset()
    """Tags that are read as strong, though it compiles where that one is incomplete."""


def completeness(found: Sequence[Source]) -> list[Use]:
    """What libclang says of each declaration in a block where tags are declared anew, and so are incomplete."""
    known, _ = next(units(found))
    parts = [found[number].text + b"\n" for number in known]
    at = sum(map(len, parts))
    starts: list[int] = []
    trials: list[tuple[int, bytes | None]] = []
    read_again = [read(source.text, False) if source.kind == "inline" else source.found for source in found]
    for number, (source, one) in enumerate(zip(found, read_again, strict=True)):
        assert one is not None
        strong = [tag for tag in one.strong if tag not in one.tags]
        for incomplete in (None, b"", *sorted(strong)):
            text = _in_block(source, b"kheaders_%d_" % len(trials))
            tags = () if incomplete is None else (incomplete,) if incomplete else one.weak - {*one.tags}
            forward = b"".join(b"%s %s; " % (_keyword(text, tag), tag) for tag in tags)
            parts.append(b"void kheaders_%d(void) { %s%s }\n" % (len(trials), forward, text))
            starts.append(at)
            trials.append((number, incomplete))
            at += len(parts[-1])
    refused = {
        trials[bisect_right(starts, offset) - 1]
        for offset, where, _ in _cursors(b"".join(parts))
        if where == _REFUSED and offset >= starts[0]
    }
    uses = []
    for number, one in enumerate(read_again):
        if one is None or (number, None) in refused:
            uses.append(Use(False))
            continue
        needless = {tag for tag in one.strong.difference(one.tags) if (number, tag) not in refused}
        lacking = bool(one.weak) and (number, b"") in refused
        uses.append(Use(True, lacking, frozenset(needless)))
    return uses


def is_enum(text: bytes, tag: bytes) -> bool:
    """Whether *text* names *tag* as that of an enum."""
    return _keyword(text, tag) == b"enum"


def by_value(text: bytes, tag: bytes) -> bool:
    """Whether a tag is named where no ``*`` follows it."""
    return any(before == tag and after != b"*" for before, after in pairwise(tokens(text)))


def _in_block(source: Source, prefix: bytes) -> bytes:
    """A declaration as it may stand in a block: without storage classes; what has linkage gets a name of its own."""
    text = bytearray(source.text)
    linked = {*source.found.names} if source.found.kind in ("prototype", "inline", "variable") else set()
    solid = [piece for piece in pieces(source.text) if piece.spelling.strip()]
    for before, piece in reversed(list(pairwise((None, *solid)))):
        assert piece is not None
        end = piece.offset + len(piece.spelling)
        if piece.spelling in _STORAGE:
            text[piece.offset : end] = b" " * len(piece.spelling)
        elif piece.spelling in linked and (before is None or before.spelling not in TAG_WORDS):
            text[piece.offset : end] = prefix + piece.spelling
    return bytes(text)


def _keyword(text: bytes, tag: bytes) -> bytes:
    """The keyword before a tag."""
    for before, after in pairwise(tokens(text)):
        if after == tag and before in TAG_WORDS:
            return before
    raise AssertionError(f"no {tag!r} in {text!r}")


def _closure(found: Sequence[Source], known: Sequence[int], wanted: Sequence[int]) -> set[int]:
    """Those of the declarations *known* that the *wanted* ones refer to and do not declare themselves."""
    names: dict[bytes, list[int]] = {}
    tags: dict[bytes, int] = {}
    for number in known:
        for name in found[number].found.names:
            names.setdefault(name, []).append(number)
        tags.update((tag, number) for tag in found[number].found.tags)
    own = {key for number in wanted for key in _keys(found[number])}
    closure: set[int] = set()
    todo = list(wanted)
    while todo:
        one = found[todo.pop()].found
        needed = {number for word in one.words for number in names.get(word, ())}
        needed.update(tags[tag] for tag in one.strong | one.weak if tag in tags)
        more = [number for number in needed - closure if own.isdisjoint(_keys(found[number]))]
        closure.update(more)
        todo += more
    return closure


def _keys(source: Source) -> list[tuple[str, bytes]]:
    """What cannot be declared twice."""
    constants = (name for one in source.found.definitions if one.keyword == b"enum" for name in one.names)
    return [*(("tag", tag) for tag in source.found.tags), *(("constant", name) for name in constants)]


def parsed(found: Sequence[Source]) -> list[Names]:
    """What libclang finds in each."""
    result = [Names(set(), set(), set(), False) for _ in found]
    for numbers, new in units(found):
        wanted = set(new)
        starts, parts, at = [], [], 0
        for number in numbers:
            starts.append(at)
            parts.append(found[number].text + b"\n")
            at += len(parts[-1])
        for offset, where, name in _cursors(b"".join(parts)):
            number = numbers[bisect_right(starts, offset) - 1]
            if number not in wanted:
                continue
            if where == _REFUSED:
                result[number] = result[number]._replace(refused=True)
            else:
                sets = result[number][:3]
                sets[where].add(name)
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
    conf = importlib.import_module("clang.cindex").conf
    lib = ctypes.CDLL(conf.get_filename())
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
        ("clang_getNumDiagnostics", ctypes.c_uint, (ctypes.c_void_p,)),
        ("clang_getDiagnostic", ctypes.c_void_p, None),
        ("clang_getDiagnosticSeverity", ctypes.c_int, (ctypes.c_void_p,)),
        ("clang_getDiagnosticLocation", _Location, (ctypes.c_void_p,)),
        ("clang_disposeDiagnostic", None, (ctypes.c_void_p,)),
    ):
        function = getattr(lib, name)
        function.restype = result
        if arguments is not None:
            function.argtypes = arguments
    return lib


def _cursors(text: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(offset, 0 for a name, 1 for a tag, 2 for a member, or 3 for an error; the name) of all in a translation unit."""
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
            if raw and text.startswith(raw, offset.value):  # an unnamed record is called like its typedef
                found.append((offset.value, where, raw))
        return _RECURSE if where == 1 else _CONTINUE

    lib.clang_visitChildren(lib.clang_getTranslationUnitCursor(unit), _VISITOR(visit), None)
    for number in range(lib.clang_getNumDiagnostics(unit)):
        diagnostic = ctypes.c_void_p(lib.clang_getDiagnostic(unit, ctypes.c_uint(number)))
        if lib.clang_getDiagnosticSeverity(diagnostic) >= _ERROR:
            where = lib.clang_getDiagnosticLocation(diagnostic)
            lib.clang_getFileLocation(where, None, None, None, place)
            found.append((offset.value, _REFUSED, b""))
        lib.clang_disposeDiagnostic(diagnostic)
    lib.clang_disposeTranslationUnit(unit)
    lib.clang_disposeIndex(index)
    yield from found
