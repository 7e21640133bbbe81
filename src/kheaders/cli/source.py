"""The program that a command is given, and the file that it is to make of it."""

from __future__ import annotations

import os
import sys

from kheaders.cli import objectfile
from kheaders.errors import UsageError


def standard_input() -> bytes:
    """All of standard input. Raises UsageError where it cannot be read."""
    stream = sys.stdin
    if stream is None:
        raise UsageError("standard input is closed", "name a C source file")
    try:
        raw = getattr(stream, "buffer", None)
        return raw.read() if raw is not None else stream.read().encode()
    except OSError as error:
        raise UsageError(f"standard input cannot be read ({error.strerror})", "name a C source file") from error


def check_destination(made: str, source: str) -> None:
    """Raise UsageError or StoreError where writing *made* could only fail, or destroy the program *source* itself."""
    if not made:
        raise UsageError("-o names no file", "name one")
    try:
        same = os.path.samefile(made, source)
    except (OSError, ValueError):
        same = False
    if same:
        raise UsageError(f"{made}: is the program itself", "name another file with -o")
    objectfile.check(made)
