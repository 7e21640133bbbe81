"""The sections of an ELF file, by name."""

from __future__ import annotations

import io

from elftools.elf.elffile import ELFFile


def of(data: bytes) -> dict[str, bytes]:
    """Name → bytes."""
    return {section.name: section.data() for section in ELFFile(io.BytesIO(data)).iter_sections()}
