"""In which order a program defines macros and includes headers: only what is defined before can change a header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from kheaders.patterns import pattern

_EVENT = pattern(
    rb"^[ \t]*#[ \t]*(?:(?:include|include_next|import)\b[ \t]*(<[^>\n]+>|\"[^\"\n]+\"|[A-Za-z_])"
    rb"|define[ \t]+([A-Za-z_]\w*)([^\n]*)|undef[ \t]+([A-Za-z_]\w*))",
    re.M,
)


class Event(NamedTuple):
    """An include line (*name* as the program spells it, between its brackets), or a macro's definition or end."""

    include: bool
    name: str
    body: str | None = None
    """What follows the macro's name; None where it ends."""


def events(bare: bytes) -> list[Event]:
    """The events of one file, whose text has no comments any more."""
    found = []
    for included, name, body, ended in _EVENT.findall(bare):
        if included:
            found.append(Event(True, included.strip(b'<>"').decode("utf-8", "replace")))
        else:
            found.append(Event(False, (name or ended).decode(), " ".join(body.decode("utf-8", "replace").split())))
            if ended:
                found[-1] = found[-1]._replace(body=None)
    return found


def early(files: Mapping[str, list[Event]], own: Mapping[tuple[str, str], str], first: str) -> dict[str, str | None]:
    """Macros that the program defines, or ends, before it includes a header of the kernel: name → body.

    *files* are the program's own, by path; *own* tells which of them an include line means: (file, name) → file.
    """
    pending: dict[str, str | None] = {}
    found: dict[str, str | None] = {}
    seen: set[str] = set()

    def walk(path: str) -> None:
        seen.add(path)
        for event in files.get(path, ()):
            if not event.include:
                pending[event.name] = event.body
            elif (target := own.get((path, event.name))) is None:
                found.update(pending)
            elif target not in seen:
                walk(target)

    walk(first)
    return found
