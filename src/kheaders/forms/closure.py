"""Which headers a program can reach: the closure over include lines, every branch of every conditional taken.

It is wider than what the preprocessor will open and so never too small. A program that computes names by macros
(``#include NAME``, ``__has_include(NAME)``) may reach everything; headers of the kernel that do (``#include
TRACE_INCLUDE(…)``) fail to compile where a file is missing, and a caller then serves everything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from kheaders.headers.headerset import HeaderSet

_NAME = re.compile(rb'(?:_next)?[ \t]*\(?[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")')
"""What follows ``include`` in a line or in ``__has_include``; also in comments and strings, which does no harm."""
_IMPORT = re.compile(rb'^[ \t]*#[ \t]*import\b[ \t]*(?:<([^>\n]+)>|"([^"\n]+)")', re.M)
_COMPUTED = re.compile(
    rb"(?:^[ \t]*#[ \t]*(?:include|include_next|import)\b|(?<!\w)__has_include(?:_next)?\b[ \t]*\()[ \t]*[A-Za-z_]"
    rb"|^[ \t]*#[ \t]*define\b[^\n]*\b__has_include(?:_next)?\b",
    re.M,
)
_USER_FILE_LIMIT = 16 << 20


def closure(
    headers: HeaderSet, search: Iterable[str], program: bytes, user_directories: Iterable[str], always: Iterable[str]
) -> set[str]:
    """Paths in *headers* that *program* can reach when the directories of *search* are looked through in that order.

    The user's own headers are read from *user_directories* on disk and followed as well. *always* names headers that
    the flags include.
    """
    search = tuple(search)
    user = tuple(user_directories)
    known: Mapping[str, bytes] = headers.files
    reached: set[str] = set()
    names: dict[str, tuple[str, ...]] = {}
    seen_user: set[str] = set()
    todo: list[tuple[str | None, bytes]] = [(None, program)]

    def add(path: str) -> None:
        resolved = path if path in known else headers.resolve(path)
        if resolved is not None and path not in reached:
            reached.add(path)
            todo.append((path, known[resolved]))

    for path in always:
        add(path)
    while todo:
        where, text = todo.pop()
        if where is None and _COMPUTED.search(text):
            return {*known, *headers.aliases}
        for name in _names(text):
            if where is not None:
                add(os.path.normpath(f"{os.path.dirname(where)}/{name}"))
            if name not in names:
                names[name] = tuple(os.path.normpath(f"{directory}/{name}") for directory in search)
                for path in names[name]:
                    add(path)
            if where is None:
                for directory in user:
                    path = os.path.join(directory, name)
                    if path not in seen_user and (data := _user_file(path)) is not None:
                        seen_user.add(path)
                        todo.append((None, data))
                        user = (*user, os.path.dirname(path)) if os.path.dirname(path) not in user else user
    return reached


def _names(text: bytes) -> set[str]:
    found = []
    at = text.find(b"include")  # ten times as fast as a search by pattern
    while at >= 0:
        match = _NAME.match(text, at + 7)
        if match:
            found.append(match.groups())
        at = text.find(b"include", at + 7)
    if b"import" in text:
        found += _IMPORT.findall(text)
    return {(angled or quoted).decode("utf-8", "surrogateescape") for angled, quoted in found}


def _user_file(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_USER_FILE_LIMIT)
    except (OSError, ValueError):
        return None
