"""What benches of compiles start from: the distribution's headers as an archive, a compiler, a private directory."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "tests")]

from builders.kernel_archive import Unobtainable, obtain  # noqa: E402
from harness import workspace  # noqa: E402
from kheaders.clang.find import Compiler, find  # noqa: E402
from kheaders.errors import FormError, ToolMissing  # noqa: E402

KHEADERS = str(Path(sys.executable).with_name("kheaders"))
EXAMPLES = sorted((CHECKOUT / "examples").glob("*.bpf.c"))


class Missing(Exception):
    """Something that the measurement needs is not on this machine."""


CANNOT = (Missing, Unobtainable, FormError, ToolMissing)
"""What says that nothing can be measured here."""


class Setting(NamedTuple):
    """Everything in a directory on tmpfs, where there is one."""

    work: Path
    archive: Path
    compiler: Compiler


def arguments(description: str, runs: int) -> argparse.ArgumentParser:
    """The options that these benches share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=runs, help=f"rounds after one warm-up (default {runs})")
    parser.add_argument("--cc", help="the compiler (default: ziglang's, else the system's)")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--svg", type=Path, help="draw them here")
    return parser


@contextmanager
def prepared(cc: str | None) -> Iterator[Setting]:
    """The setting, for the time of the body. Raises one of CANNOT."""
    archive, compiler = obtain().archive, find(cc)
    with workspace() as work:
        yield Setting(work, Path(shutil.copy(archive, work / "kheaders.tar.xz")), compiler)


def cannot(error: Exception) -> int:
    """Say why nothing was measured, and give the exit status for it."""
    print(f"cannot measure: {error}", file=sys.stderr)
    return 77
