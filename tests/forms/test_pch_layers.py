"""Layers of precompiled headers: what the lower ones define is there in all above them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from builders.compilers import Clang
from kheaders.forms.pchbuild import _macros_saved

LOWER = b"#define entry(p) (p)\n#define other 1\n"
UPPER = b"struct s { int entry; };\n"
PROGRAM = b"#ifndef entry\n#error entry is lost\n#endif\nint x = entry(3) + other;\n"


def test_a_macro_that_the_upper_layer_names_otherwise(clang: Clang, tmp_path: Path) -> None:
    def compiled(text: bytes, *words: str) -> int:
        command = [*clang.argv, "-target", "bpf", *words]
        return subprocess.run(command, input=text, cwd=tmp_path, capture_output=True).returncode

    saved = _macros_saved([LOWER], [UPPER])
    assert saved == b'#pragma push_macro("entry")\n#pragma pop_macro("entry")\n'
    assert compiled(LOWER, "-x", "c-header", "-", "-o", "lower.pch") == 0
    assert compiled(UPPER + saved, "-include-pch", "lower.pch", "-x", "c-header", "-", "-o", "upper.pch") == 0
    assert compiled(PROGRAM, "-include-pch", "upper.pch", "-x", "c", "-c", "-", "-o", "program.o") == 0


def test_the_lowest_layer_saves_nothing() -> None:
    assert _macros_saved([], [UPPER]) == b""
