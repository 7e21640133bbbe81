"""The names that C text gives to types and enum values: read once, valid, and each used for one thing only.

C has one name space for tags and one for typedefs, enum values and functions. A kernel has many types of one name, each
from another file; the second one printed gets the suffix ``___2``, which CO-RE (libbpf) ignores when it matches names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate, filterfalse

from kheaders.btf.table import Btf
from kheaders.c.declaration import KEYWORDS

MAX_NAME = 256
"""Characters of a name that stands for one that C cannot have."""

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")
_NO_NAME = re.compile(r"[^A-Za-z0-9_]")
_C23 = "alignas alignof constexpr nullptr static_assert thread_local typeof typeof_unqual"
"""Keywords since C23 (6.4.1), beside those of :data:`GUARDED`."""
_OF_COMPILERS = "__alignas __attribute __bf16 __block __declspec __float128 __fp16 __func__ __thread _Float16 _Nonnull"
_KEYWORDS = frozenset((*(word.decode() for word in KEYWORDS), *_C23.split(), *_OF_COMPILERS.split()))
GUARDED = frozenset(("bool", "false", "true"))
"""Names that kernels declare, and that are keywords since C23: left out there, where they are declared."""


def is_usable(name: str) -> bool:
    """Whether a name can be declared in every C from gnu11 to gnu23, GUARDED ones aside."""
    return _IDENTIFIER.match(name) is not None and name not in _KEYWORDS


class Names(dict[int, str]):
    """Offset of a string → the string as a name in C: empty, itself, or another where C cannot have it."""

    def __init__(self, btf: Btf) -> None:
        super().__init__()
        self.btf = btf
        self.user = 0
        """The type whose names are being read, for messages."""
        self.renamed: dict[str, str] = {}
        """Each name that C cannot have → the one that it has instead."""
        self.macros: dict[str, str] = {}
        """Each of GUARDED that a member has → the macro that stands for it, which the text has to define."""
        self.guards = False
        """Whether members with such names are called by macros."""
        self._given: set[str] = set()

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
            others = {*filterfalse(str.isidentifier, texts), *_KEYWORDS}
            for offset in [offset for offset, text in zip(offsets, texts, strict=False) if text in others]:
                del self[offset]
            owner = owner.base

    def __missing__(self, offset: int) -> str:
        text = self.btf.string(offset, self.user)
        self[offset] = text if not text or is_usable(text) else self.renamed.get(text) or self._instead(text)
        return self[offset]

    def member(self, offset: int) -> str:
        """The name of a member or a parameter: if it is one of GUARDED, and *guards* is set, a macro."""
        text = self[offset]
        return self.macros.setdefault(text, f"___{text}") if self.guards and text in GUARDED else text

    def _instead(self, text: str) -> str:
        name = plain = _NO_NAME.sub("_", f"_{text}" if text[0].isdigit() else f"{text}_")[:MAX_NAME]
        number = 1
        while name in self._given:
            number += 1
            name = f"{plain}{number}"
        self._given.add(name)
        self.renamed[text] = name
        return name


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
