"""The compilers of this machine that tests run with."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Clang:
    """A compiler of this machine: a name for the test's id and the words that start it as a clang."""

    name: str
    argv: tuple[str, ...]


@cache
def compilers() -> tuple[Clang, ...]:
    """Every clang here that a test may use: zig's, then the system's, each once."""
    found = []
    try:
        import ziglang
    except ImportError:
        pass
    else:
        found.append(Clang("zig", (str(Path(ziglang.__file__).parent / "zig"), "clang")))
    seen = set()
    for name in ("clang", *(f"clang-{version}" for version in range(13, 30))):
        path = shutil.which(name)
        if path and os.path.realpath(path) not in seen:
            real = os.path.realpath(path)
            seen.add(real)
            version = re.search(r"llvm-(\d+)", real)
            found.append(Clang(f"clang-{version[1]}" if version else name, (path,)))
    return tuple(found)
