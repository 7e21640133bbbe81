"""What was in force where a header was read, by the preprocessor's output."""

from __future__ import annotations

from kheaders.c.include_path import ROOT, Resolver
from kheaders.c.preprocessed import Walk


def walked(text: bytes, watched: dict[str, dict[bytes, int]]) -> Walk:
    walk = Walk(Resolver(["a.h", "b.h", "user.h"], ["."]), watched)
    walk.define(b"LATER", b"LATER 0", "b.h", 1)
    list(walk.feed(text.replace(b"@", ROOT.encode())))
    return walk


def seen(walk: Walk, path: str) -> dict[bytes, bytes | None]:
    """Macro → its definition that was in force, None for none."""
    numbers = walk.watched[walk.files.index(path)]
    return {name: walk.macros.texts[number] if number >= 0 else None for name, number in numbers.items()}


def test_the_last_definition_before_the_first_use_counts() -> None:
    text = (
        b'# 1 "@/a.h" 1\n#define SPEED 1\n#define GONE 1\n#undef GONE\n# 2 "<stdin>" 2\n'
        b'# 1 "@/user.h" 1\nint first;\n#include <b.h>\n# 1 "@/b.h" 1\n#define SPEED 2\n#define LATE 1\n'
        b'# 3 "@/user.h" 2\nint second;\n# 90 "@/user.h"\n#define OWN 1\n# 95 "@/user.h"\nint third;\n'
    )
    watched = {"user.h": {b"SPEED": 4, b"GONE": 1, b"LATE": 2, b"OWN": 96, b"LATER": 1}}
    walk = walked(text, watched)
    # what the header itself defines is not what it was given; a default is there only where nothing else is
    assert seen(walk, "user.h") == {b"SPEED": b"SPEED 2", b"GONE": None, b"LATE": None, b"OWN": None, b"LATER": None}
    assert walk.filled[walk.files.index("user.h")] == [1, 3, 95]


def test_what_is_saved_is_in_force_again() -> None:
    text = (
        b'#define A 1\n#pragma kheaders saved A B\n# 1 "@/a.h" 1\n#define A 2\n#define B 2\n# 9 "<stdin>" 2\n'
        b'#pragma kheaders restored A B\n# 1 "@/user.h" 1\nint x = A, y = B;\n'
    )
    assert seen(walked(text, {"user.h": {b"A": 1, b"B": 1}}), "user.h") == {b"A": b"A 1", b"B": None}


def test_a_header_counts_as_it_was_read_first() -> None:
    text = (
        b'# 1 "@/user.h" 1\nint x = A;\n# 2 "<stdin>" 2\n# 1 "@/a.h" 1\n#define A 2\n# 3 "<stdin>" 2\n'
        b'# 1 "@/user.h" 1\n# 4 "<stdin>" 2\n'
    )
    assert seen(walked(text, {"user.h": {b"A": 1}}), "user.h") == {b"A": None}
