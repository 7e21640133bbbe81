"""The tokens of a text as clang's own lexer cuts them: the oracle for ours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kheaders.c import lexer

_RECORD = re.compile(rb"(\w+) '.*?\tLoc=<[^\n]*?:(\d+):(\d+)>\n", re.S)
_KINDS = {
    "raw_identifier": "identifier",
    "numeric_constant": "number",
    "string_literal": "string",
    "wide_string_literal": "string",
    "utf8_string_literal": "string",
    "utf16_string_literal": "string",
    "utf32_string_literal": "string",
    "char_constant": "character",
    "wide_char_constant": "character",
    "utf8_char_constant": "character",
    "utf16_char_constant": "character",
    "utf32_char_constant": "character",
    "comment": "comment",
    "unknown": "unknown",
}


class Spot(NamedTuple):
    """Where a token begins, behind line splices, in bytes of the text, and what it is."""

    offset: int
    kind: str


_SPLICE = re.compile(rb"\\[ \t\f\v]*(?:\r\n|\n\r?|\r)")


def by_clang(argv: Sequence[str], path: Path) -> list[Spot]:
    """The tokens and comments of the file at *path*, white space aside, as the clang *argv* dumps them."""
    words = [*argv, "-cc1", "-dump-raw-tokens", "-x", "c", str(path)]
    done = subprocess.run(words, capture_output=True, check=True)
    raw = path.read_bytes()
    starts = _line_starts(raw)
    found = []
    for match in _RECORD.finditer(done.stderr):
        kind = match[1].decode()
        spelled = match[0][len(kind) + 2 :].rpartition(b"'\t")[0]
        if kind != "unknown" or _SPLICE.sub(b"", spelled).strip(b" \t\f\v\r\n\0"):
            at = starts[int(match[2]) - 1] + int(match[3]) - 1
            while splice := _SPLICE.match(raw, at):
                at = splice.end()
            found.append(Spot(at, _KINDS.get(kind, "punctuator")))
            if kind == "coloncolon":  # one punctuator since C23 (6.4.6); two in the kernel's C
                found.append(Spot(at + 1, "punctuator"))
    return found


def by_us(raw: bytes) -> Iterator[Spot]:
    """The same by the lexer, which tells the right line for each."""
    starts = _line_starts(raw)
    for token in lexer.pieces(raw):
        assert starts[token.line - 1] <= token.offset
        assert token.line == len(starts) or token.offset < starts[token.line]
        if token.kind not in ("space", "newline"):
            # what is unterminated, or no token of C, clang calls unknown
            unknown = token.kind == "other" or _unterminated(token)
            yield Spot(token.offset, "unknown" if unknown else token.kind)


def differences(argv: Sequence[str], path: Path) -> list[tuple[Spot, str]]:
    """What only one of the two finds, and which one. A header name is none to clang's raw lexer."""
    raw = path.read_bytes()
    ours = list(by_us(raw))
    names = [(spot.offset, raw.index(b">", spot.offset)) for spot in ours if spot.kind == "header"]
    inside = {at for start, end in names for at in range(start, end + 1)}
    mine = {spot for spot in ours if spot.kind != "header"}
    theirs = {spot for spot in by_clang(argv, path) if spot.offset not in inside}
    return sorted([(spot, "ours") for spot in mine - theirs] + [(spot, "clang's") for spot in theirs - mine])


def _line_starts(raw: bytes) -> list[int]:
    return [0, *(match.end() for match in re.finditer(rb"\r\n|\n|\r", raw))]


def _unterminated(token: lexer.Token) -> bool:
    if token.spelling.startswith(b"/*"):
        return len(token.spelling) < 4 or not token.spelling.endswith(b"*/")
    if token.kind not in ("string", "character"):
        return False
    quote = '"' if token.kind == "string" else "'"
    body = token.spelling.decode("latin-1").partition(quote)[2]
    return not body or re.fullmatch(rf"(?:[^{quote}\\]|\\.)*{quote}", body, re.S) is None or body == quote == "'"
