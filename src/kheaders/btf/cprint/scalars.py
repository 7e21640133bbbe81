"""How numbers are written in C that is compiled for BPF, whatever processor and language they come from.

BPF's C has 32-bit ``int``, 64-bit ``long`` and pointers, ``float`` and ``double``, and no other floating-point type
(clang/lib/Basic/Targets/BPF.h). A ``long`` of a 32-bit kernel, a ``long double`` and a ``u32`` of Rust are written as
what has the same size there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from kheaders.btf.cprint.names import is_usable

_WORDS = re.compile(r"[a-z_]\w*( [a-z_]\w*)*\Z", re.ASCII)
_INTEGERS = {1: "char", 2: "short", 4: "int", 8: "long long", 16: "__int128"}
_FLOATS = {4: "float", 8: "double"}
_LONG_DOUBLE = 8
_SIZES = {
    ("char",): 1,
    ("short",): 2,
    (): 4,
    ("long",): 8,
    ("long", "long"): 8,
    ("__int128",): 16,
}
"""The words of an integer type, without its sign and ``int``, sorted → its size for BPF (C11 6.7.2)."""
_SIGNS = frozenset(("signed", "unsigned"))


class Spelling(NamedTuple):
    """How a number is written."""

    name: str
    definition: str = ""
    """What must stand before its first use."""


def integer(name: str, size: int, signed: bool, boolean: bool, claim: Callable[[str], str]) -> Spelling:
    """An INT of *size* bytes; *claim* gives names that are free."""
    if (name == "_Bool" and size == 1) or _size(name) == size:
        return Spelling(name)
    if boolean and size == 1:
        plain = "_Bool"
    elif size in _INTEGERS:
        plain = f"{'signed' if signed else 'unsigned'} {_INTEGERS[size]}"
    else:
        return _bytes("__integer", size, claim)
    return _called(name, plain, claim)


def floating(name: str, size: int, claim: Callable[[str], str]) -> Spelling:
    """A FLOAT of *size* bytes; *claim* gives names that are free."""
    if name == _FLOATS.get(size) or (name == "long double" and size == _LONG_DOUBLE):
        return Spelling(name)
    return _called(name, _FLOATS[size], claim) if size in _FLOATS else _bytes("__float", size, claim)


def _called(name: str, plain: str, claim: Callable[[str], str]) -> Spelling:
    if not is_usable(name):
        return Spelling(plain)
    name = claim(name)
    return Spelling(name, f"typedef {plain} {name};\n")


def _bytes(what: str, size: int, claim: Callable[[str], str]) -> Spelling:
    """What C for BPF has no type for: as many bytes, without an alignment of their own."""
    name = claim(f"{what}_{size}")
    return Spelling(name, f"typedef struct {{ unsigned char bytes[{size}]; }} {name};\n")


def _size(name: str) -> int:
    """Bytes of the integer type that C calls *name*; 0 for what is none."""
    if not _WORDS.match(name):
        return 0
    words = name.split(" ")
    rest = [word for word in words if word not in _SIGNS]
    if len(words) - len(rest) > 1 or (not rest and words == rest):
        return 0
    if rest == ["int"]:
        return _SIZES[()]
    if "int" in rest and not {"char", "__int128"} & {*rest}:
        rest.remove("int")
    return _SIZES.get(tuple(sorted(rest)), 0)
