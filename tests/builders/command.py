"""What the command line of this version can do."""

from __future__ import annotations

from builders.cli import run_main


def options_of(name: str) -> str:
    """The help of a command."""
    return run_main(name, "--help").out
