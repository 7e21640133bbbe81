"""A blob's content as a few streams that compress well, and back: texts as they are, numbers by what predicts them.

What a declaration's rows hold is told by one byte for each distinct word of its text, in the order of the text: which
rows have the word, as bits. A byte is written as 0 where it is what the same word had last time in a declaration of the
same kind. Lines are told by the distance from where the text before, in the same file, ended.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kheaders.interface.schema import NAME_ROWS, NOTES
from kheaders.interface.writer import Content, ordered
from kheaders.system.ragged import Rows

_WORD = re.compile(rb"[A-Za-z_]\w*")
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_ESCAPED = re.compile(rb"\x01[\x01\x02]")
_UNESCAPE = {b"\x01\x01": b"\x01", b"\x01\x02": b"\0"}

STREAMS = ("facts", "decl_texts", "macro_texts", "kinds", "places", "masks", "more", "includes", "macro_words")


_DAMAGE = (ValueError, LookupError, TypeError, OverflowError, StopIteration, AttributeError, RuntimeError)
"""What streams can meet that were made up (RuntimeError: a generator's StopIteration, or JSON nested too deep)."""


class Malformed(ValueError):
    """Streams that no blob can be made of."""


def pack(content: Content) -> dict[str, bytes]:
    """The streams of *content*: a name of STREAMS → bytes."""
    numbers = {name: number for number, name in enumerate(content.names)}
    masks, more = _masks(content, numbers)
    places = _pack_places(content.decl_files, content.decl_lines, content.decl_texts)
    places += _pack_places(content.macro_files, content.macro_lines, content.macro_texts)
    useful = _useful(content.rows, content.macro_names)
    macros: list[int] = []
    undefined = []
    words = content.rows["macro_words"]
    for i, text in enumerate(content.macro_texts):
        own = content.macro_names[i]
        if not text:
            undefined.append(content.names[own].decode())
        guess = _macro_words(text, numbers, useful, own)
        actual = set(words.values[words.starts[i] : words.starts[i + 1]])
        if wrong := sorted(guess ^ actual):
            macros += (i, len(wrong), *wrong)
    includes = content.rows["includes"]
    graph: list[int] = []
    for i in range(len(content.files)):
        row = includes.values[includes.starts[i] : includes.starts[i + 1]]
        graph.append(len(row))
        graph += (_zigzag(value - i) for value in row)
    facts = {
        "meta": dict(content.meta),
        "failed": dict(content.failed),
        "files": content.files,
        "notes": {name: content.notes[name] for name in NOTES},
        "undefined": undefined,
        "unseen": sorted(name.decode() for name in set(content.names) - _seen(content)),
    }
    return {
        "facts": json.dumps(facts).encode(),
        "decl_texts": _joined(content.decl_texts),
        "macro_texts": _joined(content.macro_texts),
        "kinds": content.kinds,
        "places": _varints(places),
        "masks": bytes(masks),
        "more": _varints(more),
        "includes": _varints(graph),
        "macro_words": _varints(macros),
    }


def unpack(streams: Mapping[str, bytes]) -> Content:
    """The content that *streams* were made of. Raises Malformed."""
    try:
        return _unpack(streams)
    except _DAMAGE as error:
        raise Malformed(str(error)) from error


def _unpack(streams: Mapping[str, bytes]) -> Content:
    facts: dict[str, Any] = json.loads(streams["facts"])
    for word, kind in (
        ("meta", dict),
        ("failed", dict),
        ("files", list),
        ("notes", dict),
        ("undefined", list),
        ("unseen", list),
    ):
        if not isinstance(facts[word], kind):
            raise Malformed(f"{word} is something else")
    decl_texts, macro_texts = _split(streams["decl_texts"]), _split(streams["macro_texts"])
    kinds = streams["kinds"]
    if len(kinds) != len(decl_texts):
        raise Malformed(f"{len(kinds)} kinds of {len(decl_texts)} declarations")
    found = [list(_apply(decl_texts, kinds, streams["masks"]))]
    undefined = iter(facts["undefined"])
    macro_words = [_macro_name(text) if text else next(undefined).encode() for text in macro_texts]
    used = {name.encode() for name in facts["unseen"]} | set(macro_words)
    for row in found[0]:
        used.update(*row)
    names = ordered(used)
    numbers = {name: number for number, name in enumerate(names)}
    rows = {name: Rows() for name in NAME_ROWS}
    more = _extra(_numbers(streams["more"]))
    for i, row in enumerate(found[0]):
        for at, name in enumerate(NAME_ROWS):
            rows[name].add(sorted({*(numbers[word] for word in row[at]), *more.get((i, at), ())}))
    macro_names = array("I", (numbers[name] for name in macro_words))
    useful = _useful(rows, macro_names)
    wrong = {i: values for (i, _), values in _extra_of_one(_numbers(streams["macro_words"])).items()}
    rows["macro_words"] = Rows()
    for i, text in enumerate(macro_texts):
        guess = _macro_words(text, numbers, useful, macro_names[i])
        rows["macro_words"].add(sorted(guess ^ set(wrong.get(i, ()))))
    graph = _numbers(streams["includes"])
    rows["includes"] = Rows()
    for i in range(len(facts["files"])):
        rows["includes"].add([i + _unzigzag(next(graph)) for _ in range(next(graph))])
    places = _numbers(streams["places"])
    decl_files, decl_lines = _unpack_places(places, decl_texts)
    macro_files, macro_lines = _unpack_places(places, macro_texts)
    return Content(
        names,
        facts["files"],
        facts["failed"],
        facts["meta"],
        decl_texts,
        macro_texts,
        kinds,
        rows,
        decl_files,
        decl_lines,
        macro_names,
        macro_files,
        macro_lines,
        {name: str(facts["notes"][name]) for name in NOTES},
    )


# ---- rows of declarations -------------------------------------------------------------------------------------------


def _masks(content: Content, numbers: Mapping[bytes, int]) -> tuple[bytearray, list[int]]:
    """One byte for each distinct word of each declaration, and what the rows hold beyond those words."""
    names = content.names
    masks = bytearray()
    more: list[int] = []
    last: dict[tuple[bytes, int], int] = {}
    columns = [content.rows[name] for name in NAME_ROWS]
    for i, text in enumerate(content.decl_texts):
        kind = content.kinds[i]
        mine: dict[bytes, int] = {}
        for at, column in enumerate(columns):
            for number in column.values[column.starts[i] : column.starts[i + 1]]:
                word = names[number]
                mine[word] = mine.get(word, 0) | 1 << at
        for word in dict.fromkeys(_WORD.findall(text)):
            mask = mine.pop(word, 0)
            key = (word, kind)
            if last.get(key, 0) == mask:
                masks.append(0)
            else:
                masks.append(mask + 1)
                last[key] = mask
        for at in range(len(columns)):
            if left := [numbers[word] for word, mask in mine.items() if mask >> at & 1]:
                more += (i, at, len(left), *left)
    return masks, more


def _apply(texts: Sequence[bytes], kinds: bytes, masks: bytes) -> Iterator[list[list[bytes]]]:
    """For each declaration its words in each of NAME_ROWS."""
    last: dict[tuple[bytes, int], int] = {}
    given = iter(masks)
    for text, kind in zip(texts, kinds, strict=True):
        row: list[list[bytes]] = [[] for _ in NAME_ROWS]
        for word in dict.fromkeys(_WORD.findall(text)):
            byte = next(given)
            key = (word, kind)
            if byte:
                mask = last[key] = byte - 1
            else:
                mask = last.get(key, 0)
            at = 0
            while mask:
                if mask & 1:
                    row[at].append(word)
                mask >>= 1
                at += 1
        yield row


def _extra(values: Iterator[int]) -> dict[tuple[int, int], list[int]]:
    found = {}
    for i in values:
        at, count = next(values), next(values)
        found[i, at] = [next(values) for _ in range(count)]
    return found


def _extra_of_one(values: Iterator[int]) -> dict[tuple[int, int], list[int]]:
    return {(i, 0): [next(values) for _ in range(next(values))] for i in values}


def _seen(content: Content) -> set[bytes]:
    """Names that are found again in the texts, or among the names of removed macros."""
    seen = {content.names[number] for number in content.macro_names}
    for i, text in enumerate(content.decl_texts):
        words = set(_WORD.findall(text))
        for name in NAME_ROWS:
            rows = content.rows[name]
            for number in rows.values[rows.starts[i] : rows.starts[i + 1]]:
                if content.names[number] in words:
                    seen.add(content.names[number])
    return seen


# ---- macros ---------------------------------------------------------------------------------------------------------


def _useful(rows: Mapping[str, Rows], macro_names: array[int]) -> frozenset[int]:
    """Names that a macro's words can mean."""
    found = set(macro_names)
    for name in ("declares", "members", "defines"):
        found.update(rows[name].values)
    return frozenset(found)


def _macro_words(text: bytes, numbers: Mapping[bytes, int], useful: frozenset[int], own: int) -> set[int]:
    body = _STRING.sub(b"", text) if b'"' in text or b"'" in text else text
    found = {numbers[word] for word in _WORD.findall(body) if word in numbers}
    found &= useful
    found.discard(own)
    return found


def _macro_name(text: bytes) -> bytes:
    match = _WORD.match(text)
    if match is None:
        raise Malformed("a macro without a name")
    return match[0]


# ---- numbers and texts ----------------------------------------------------------------------------------------------


def _pack_places(files: Iterable[int], lines: Iterable[int], texts: Sequence[bytes]) -> list[int]:
    found: list[int] = []
    before = 0
    ends: dict[int, int] = {}
    for file, line, text in zip(files, lines, texts, strict=True):
        found += (_zigzag(file - before), _zigzag(line - ends.get(file, 0)))
        before = file
        ends[file] = line + text.count(b"\n") + 1
    return found


def _unpack_places(values: Iterator[int], texts: Sequence[bytes]) -> tuple[array[int], array[int]]:
    files, lines = array("I"), array("I")
    file = 0
    ends: dict[int, int] = {}
    for text in texts:
        file += _unzigzag(next(values))
        line = ends.get(file, 0) + _unzigzag(next(values))
        files.append(file)
        lines.append(line)
        ends[file] = line + text.count(b"\n") + 1
    return files, lines


def _joined(texts: Sequence[bytes]) -> bytes:
    """*texts*, each with a NUL after it."""
    whole = b"\0".join((*texts, b""))
    if whole.count(b"\0") == len(texts) and b"\x01" not in whole:
        return whole
    return b"".join(text.replace(b"\x01", b"\x01\x01").replace(b"\0", b"\x01\x02") + b"\0" for text in texts)


def _split(whole: bytes) -> list[bytes]:
    texts = whole.split(b"\0")
    if texts.pop():
        raise Malformed("a text without an end")
    if b"\x01" in whole:
        texts = [_ESCAPED.sub(lambda match: _UNESCAPE[match[0]], text) for text in texts]
    return texts


def _zigzag(value: int) -> int:
    return value * 2 if value >= 0 else -value * 2 - 1


def _unzigzag(value: int) -> int:
    return -(value + 1 >> 1) if value & 1 else value >> 1


def _varints(values: Iterable[int]) -> bytes:
    out = bytearray()
    for value in values:
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        out.append(value)
    return bytes(out)


def _numbers(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        if byte & 128:
            shift += 7
        else:
            yield value
            value = shift = 0
