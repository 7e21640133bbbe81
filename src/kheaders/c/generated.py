"""Headers that the kernel's build writes: one definition a line, in one form, without comments between.

``include/generated/autoconf.h`` is written by scripts/kconfig/confdata.c, ``include/generated/utsrelease.h`` by the
Makefile (``filechk_utsrelease.h``). They are asked for often, so their lines are found by one pattern each; the lexer
would take ten times as long, and find the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kheaders.patterns import pattern

_RELEASE = pattern(rb'^#define[ \t]+UTS_RELEASE[ \t]+"([^"\n]{1,64})"', re.M)
_SET = pattern(rb"^#define[ \t]+(CONFIG_\w+)[ \t]+1[ \t]*\r?$", re.M)
_VALUE = pattern(r"^#define[ \t]+(CONFIG_\w+)[ \t]+(.+?)\r?$", re.M | re.A)


def release(utsrelease: bytes) -> bytes | None:
    """UTS_RELEASE, which is at most 64 bytes long (``uts_len`` in the kernel's Makefile); None where it is not told."""
    found = _RELEASE.search(utsrelease)
    return found[1] if found else None


def options(autoconf: bytes) -> frozenset[bytes]:
    """The options that are defined as 1, with ``CONFIG_``; those built as modules end with ``_MODULE``."""
    return frozenset(_SET.findall(autoconf))


def values(autoconf: str) -> Iterator[tuple[str, str]]:
    """(option with ``CONFIG_``, what it is defined as) for each that is set."""
    return ((match[1], match[2]) for match in _VALUE.finditer(autoconf))
