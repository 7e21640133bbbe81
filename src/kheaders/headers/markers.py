"""What stands for the host's inline assembly in headers compiled for BPF, and how it shows where it is reached."""

from __future__ import annotations

MARKER = "kheaders_host_assembly"
"""First word of the template that stands for the host's assembly."""
REGISTER_MARKER = "kheaders_host_register"
"""Name of the external symbol that stands for a variable bound to a register of the host."""


def reached(output: bytes) -> bool:
    """Whether an object shows that host assembly was reached."""
    return MARKER.encode() in output or REGISTER_MARKER.encode() in output


def complained(diagnostics: str) -> bool:
    """Whether what a compiler printed shows that."""
    return MARKER in diagnostics or REGISTER_MARKER in diagnostics
