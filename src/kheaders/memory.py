"""Memory of this process that is the system's again."""

from __future__ import annotations

from contextlib import suppress


def give_back() -> None:
    """Let the system have memory that was freed (malloc_trim(3)): unpacking takes more than what it leaves."""
    import ctypes

    with suppress(AttributeError, OSError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)
