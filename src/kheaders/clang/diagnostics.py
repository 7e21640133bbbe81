"""What a complaint of clang means, read once, in whatever way the user has it printed.

clang prints diagnostics as ``file:line:column: severity: message`` (clang/lib/Frontend/TextDiagnostic.cpp). Options
change the punctuation, leave out the column or all of the place, add colours, or print SARIF; the message stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from kheaders.patterns import pattern

ERRORS = frozenset(("error", "fatal error"))

_ESCAPE = pattern(r"\x1b\[[0-9;]*[A-Za-z]")
_DIAGNOSTIC = pattern(
    r"^(?:(?P<file>[^\s].*?)(?::(?P<line>\d+)(?::(?P<column>\d+))?|\((?P<msvc>\d+)(?:,(?P<at>\d+))?\)"
    r"| \+(?P<vi>\d+)(?::(?P<to>\d+))?)? ?: )?"
    r"(?P<severity>fatal error|error|warning|note|remark): (?P<message>.*)$"
)
_FROM = pattern(r"^In file included from (?P<file>.*?)(?::(?P<line>\d+)|\((?P<msvc>\d+)\)| \+(?P<vi>\d+)):$")
_NO_FILE = pattern(r"^'([^'\n]+)' file not found")
_NAME = pattern(
    r"(?:undeclared identifier|undeclared function|unknown type name|undeclared label|unknown attribute"
    r"|use of undeclared) '(\w+)'"
)
_TAG = pattern(r"'(?:const |volatile )*(?:struct|union|enum) (\w+)")
_CONFLICT = pattern(
    r"(?:redefinition of|redefinition of enumerator|conflicting types for|static declaration of"
    r"|non-static declaration of|use of) '(\w+)'(?: with tag type| follows| as different|$)"
)
_INCOMPLETE = ("incomplete", "forward declaration", "undefined type")
_PCH = ("precompiled file", "PCH file", "AST file")


class Diagnostic(NamedTuple):
    """One complaint, or a note to it."""

    severity: str
    """``fatal error``, ``error``, ``warning``, ``note`` or ``remark``."""
    message: str
    file: str = ""
    """As clang names it; empty where it names none, or only itself."""
    line: int = 0
    column: int = 0
    """0 where it is not printed, as the line."""
    included_from: tuple[tuple[str, int], ...] = ()
    """(file, line) of each include line that led there, the outermost first."""
    anew: bool = False
    """Whether that chain was printed with it: clang does not repeat it for the next one in the same file."""

    @property
    def is_error(self) -> bool:
        """Whether the compile fails for it."""
        return self.severity in ERRORS

    def shown(self) -> str:
        """For people, in one line that begins with the message."""
        place = f" ({self.file}:{self.line})" if self.file and self.line else ""
        return f"{self.message}{place}"


class Lacking(NamedTuple):
    """What a compile lacked."""

    names: frozenset[str]
    """Identifiers that nothing declares."""
    tags: frozenset[str]
    """Tags of types that are not complete."""


def read(printed: str) -> Iterator[Diagnostic]:
    """The diagnostics in what a compiler *printed* on standard error, in order."""
    chain: list[tuple[str, int]] = []
    last: tuple[str, tuple[tuple[str, int], ...]] = ("", ())
    for line in printed.splitlines():
        line = _ESCAPE.sub("", line) if "\x1b" in line else line
        if line.startswith("In file included from ") and (found := _FROM.match(line)):
            chain.append((found["file"], int(found["line"] or found["msvc"] or found["vi"])))
        elif ": " in line and (found := _DIAGNOSTIC.match(line)):
            number = found["line"] or found["msvc"] or found["vi"]
            file = found["file"] or ""
            if chain:
                last = (file, tuple(chain))
            elif file != last[0]:
                last = (file, ())
            yield Diagnostic(
                found["severity"],
                found["message"],
                file if number else "",
                int(number or 0),
                int(found["column"] or found["at"] or found["to"] or 0),
                last[1],
                bool(chain),
            )
            chain.clear()
        elif line.startswith('{"$schema"'):
            yield from _sarif(line)
        elif chain and not line.startswith((" ", "\t")):
            chain.clear()


def _sarif(line: str) -> Iterator[Diagnostic]:
    try:
        results = [result for run in json.loads(line)["runs"] for result in run["results"]]
        for result in results:
            place = result["locations"][0]["physicalLocation"] if result.get("locations") else {}
            region = place.get("region", {})
            file = str(place.get("artifactLocation", {}).get("uri", "")).removeprefix("file://")
            level, text = str(result["level"]), str(result["message"]["text"])
            yield Diagnostic(level, text, file, int(region.get("startLine", 0)), int(region.get("startColumn", 0)))
    except (ValueError, KeyError, TypeError, IndexError):
        return  # a later format: nothing is known


def errors(printed: str) -> Iterator[Diagnostic]:
    """The errors alone: warnings and notes are none, whatever their text says."""
    return (diagnostic for diagnostic in read(printed) if diagnostic.is_error)


def first_error(printed: str) -> str:
    """The first error in one line; what else was printed first, where there is none."""
    for diagnostic in errors(printed):
        return diagnostic.shown()
    lines = printed.strip().splitlines()
    return lines[-1] if lines else "no message"


def missing_file(printed: str) -> str | None:
    """The name of the first file that an include line did not find, or None."""
    found = (_NO_FILE.match(diagnostic.message) for diagnostic in errors(printed))
    return next((match[1] for match in found if match), None)


def lacking(printed: str) -> Lacking:
    """Identifiers and tags that the compile complained of."""
    names: set[str] = set()
    tags: set[str] = set()
    for diagnostic in read(printed):
        if any(word in diagnostic.message for word in _INCOMPLETE):
            if diagnostic.severity != "warning":
                tags.update(_TAG.findall(diagnostic.message))
        elif diagnostic.is_error:
            names.update(_NAME.findall(diagnostic.message))
    return Lacking(frozenset(names), frozenset(tags))


def conflicting(printed: str) -> frozenset[str]:
    """Names that are declared in two ways."""
    found = (_CONFLICT.match(diagnostic.message) for diagnostic in errors(printed))
    return frozenset(match[1] for match in found if match)


def pch_refused(printed: str) -> str:
    """What clang says where it does not take a PCH; empty where it complains of something else."""
    for diagnostic in errors(printed):
        if any(word in diagnostic.message for word in _PCH):
            return diagnostic.message
    return ""


def macros_expanded(printed: str) -> bool:
    """Whether a diagnostic tells of the macro that an expression came from."""
    return any("expanded from macro" in d.message for d in read(printed) if d.severity == "note")
