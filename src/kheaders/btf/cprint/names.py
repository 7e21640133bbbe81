"""The names that C text gives to types and enum values: read once, valid, and each used for one thing only.

C has one name space for tags and one for typedefs, enum values and functions. A kernel has many types of one name, each
from another file; the second one printed gets the suffix ``___2``, which CO-RE (libbpf) ignores when it matches names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate, filterfalse

from kheaders.btf.table import Btf

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")
_WORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool "
    "asm typeof __int128"
)
_KEYWORDS = frozenset(_WORDS.split())
TAGS = frozenset({"struct", "union", "enum"})


class Names(dict[int, str]):
    """Offset of a string → the string, which is empty or a name in C; BtfError for any other."""

    def __init__(self, btf: Btf) -> None:
        super().__init__()
        self.btf = btf
        self.user = 0
        """The type whose names are being read, for messages."""

    def load(self) -> None:
        """Read all names at once, which is faster than one by one if most of them will be wanted."""
        owner: Btf | None = self.btf
        while owner is not None:
            try:
                texts = owner.strings.decode("ascii").split("\0")
            except UnicodeDecodeError:
                texts = []  # names are then read one by one, and what is no name is met where it is used
            offsets = list(accumulate(map((1).__add__, map(len, texts)), initial=owner.first_string))
            self.update(zip(offsets, texts, strict=False))
            others = set(filterfalse(str.isidentifier, texts)) | _KEYWORDS
            for offset in [offset for offset, text in zip(offsets, texts, strict=False) if text in others]:
                del self[offset]
            owner = owner.base

    def __missing__(self, offset: int) -> str:
        text = self.btf.string(offset, self.user)
        if text and (not _IDENTIFIER.match(text) or text in _KEYWORDS):
            raise self.btf.damage(self.user, f"the name {text[:80]!r} cannot be in C")
        self[offset] = text
        return text


class Space:
    """One name space of C: gives each name out once, and with a suffix from then on."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.used: dict[str, int] = dict.fromkeys(taken, 1)

    def claim(self, name: str) -> str:
        """*name* if it is free, else *name* with the first free suffix; taken from now on."""
        used = self.used
        if name not in used:
            used[name] = 1
            return name
        number = used[name]
        while True:
            number += 1
            text = f"{name}___{number}"
            if text not in used:
                break
        used[name] = number
        used[text] = 1
        return text
