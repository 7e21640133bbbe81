"""Members without a name whose type has a tag, written out.

``struct filename { struct __filename_head; … };`` has the members of ``struct __filename_head`` for a compiler that is
told ``-fms-extensions`` or ``-fms-anonymous-structs``; without, it declares nothing, and the layout is another.
An unnamed record with the same members means the same in every C (C11 6.7.2.1, paragraph 13).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kheaders.c.declaration import ATTRIBUTES, TAG_WORDS, is_name
from kheaders.c.lexer import pieces

_PUSH, _POP = b"#pragma pack(push, ", b"\n#pragma pack(pop)"


class _Body(NamedTuple):
    """The definition of a record in a text, by numbers of tokens."""

    keyword: int
    opening: int
    closing: int
    end: int
    """Behind the attributes that follow."""


class _Text:
    """A declaration with the offsets of its tokens; the pragmas around it, if there are any, are apart."""

    def __init__(self, text: bytes) -> None:
        self.pack = b""
        if text.startswith(_PUSH):
            self.pack, _, text = text[len(_PUSH) :].partition(b")\n")
            text = text.removesuffix(_POP)
        self.text = text
        found = [piece for piece in pieces(text) if piece.kind not in ("space", "comment", "newline")]
        self.tokens = [piece.spelling for piece in found]
        self.offsets = [piece.offset for piece in found]
        self.offsets.append(len(text))
        self._ends: dict[int, int] = {}
        opened = []
        for at, token in enumerate(self.tokens):
            if token in (b"{", b"(", b"["):
                opened.append(at)
            elif token in (b"}", b")", b"]") and opened:
                self._ends[opened.pop()] = at

    def past_attributes(self, at: int) -> int:
        """Behind attributes."""
        while at < len(self.tokens) and self.tokens[at] in ATTRIBUTES:
            at = self._ends.get(at + 1, at) + 1
        return at

    def tag(self, keyword: int) -> tuple[bytes, int]:
        """The tag, perhaps none, of the keyword at that token, and where it ends."""
        at = self.past_attributes(keyword + 1)
        if at < len(self.tokens) and is_name(self.tokens[at]):
            return self.tokens[at], at + 1
        return b"", at

    def definition(self, keyword: int) -> _Body | None:
        """The definition that begins with that keyword, if it is one."""
        _, at = self.tag(keyword)
        if self.tokens[at : at + 1] != [b"{"] or at not in self._ends:
            return None
        closing = self._ends[at]
        return _Body(keyword, at, closing, self.past_attributes(closing + 1))

    def bytes_of(self, first: int, end: int) -> bytes:
        """The text of tokens."""
        return self.text[self.offsets[first] : self.offsets[end]].rstrip() if first < end else b""

    def unnamed(self, tag: bytes) -> bytes:
        """The record that is defined with that *tag*, without it; empty if it is not defined here."""
        for at, token in enumerate(self.tokens):
            body = self.definition(at) if token in TAG_WORDS and self.tag(at)[0] == tag else None
            if body is None:
                continue
            attributes = self.bytes_of(at + 1, body.opening).removesuffix(tag)
            after = self.bytes_of(body.closing + 1, body.end)
            members = self._members(token + b" " + tag, body)
            return b" ".join(filter(None, (token, attributes.strip(), members, after)))
        return b""

    def _members(self, record: bytes, body: _Body) -> bytes:
        """The members between braces; what they define is referred to, as it is defined where the record is."""
        parts = []
        done = at = body.opening
        while at < body.closing:
            token = self.tokens[at]
            inner = self.definition(at) if token in TAG_WORDS else None
            tag = self.tag(at)[0] if inner is not None else b""
            if inner is None or (token != b"enum" and not tag):
                at += 1
                continue
            parts.append(self.bytes_of(done, at))
            following = self.tokens[inner.end]
            if tag:
                parts.append(token + b" " + tag)
            elif is_name(following):  # constants cannot be declared again
                parts.append(b"__typeof__(((%s *)0)->%s)" % (record, following))
            else:
                parts.append(b"int" if following != b";" else b"")
            done = at = inner.end
        parts.append(self.bytes_of(done, body.closing + 1))
        return b" ".join(parts)


def written_out(text: bytes, definition: Callable[[bytes], bytes | None]) -> bytes:
    """The declaration *text* with an unnamed record in place of each unnamed member that has a tag.

    *definition* gives the text of the declaration that defines a tag before, where these members are written out
    already; what it does not know stays.
    """
    outer = _Text(text)
    found, depth, done = outer.tokens, 0, 0
    parts: list[bytes] = []
    for at, token in enumerate(found):
        depth += (token == b"{") - (token == b"}")
        if not depth or token not in (b"struct", b"union"):
            continue
        tag, end = outer.tag(at)
        if not tag or found[end : end + 1] != [b";"] or found[at - 1] not in (b"{", b"}", b";"):
            continue
        known = definition(tag)
        inner = _Text(known) if known is not None else None
        record = inner.unnamed(tag) if inner is not None else b""
        if inner is None or not record:
            continue
        if inner.pack != outer.pack:
            record = b"\n#pragma pack(push, %s)\n%s;\n#pragma pack(pop)\n" % (inner.pack or b"16", record)
            end += 1
        parts += (outer.text[done : outer.offsets[at]], record)
        done = outer.offsets[end]
    if not parts:
        return text
    whole = b"".join((*parts, outer.text[done:]))
    return _PUSH + outer.pack + b")\n" + whole + _POP if outer.pack else whole
