"""The oracle: what is read off every declaration of a kernel is what libclang says of the same text."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import oracle
from kheaders.interface.blob import Blob


@pytest.mark.slow
def test_names_tags_and_members_are_those_of_libclang(debian_blob: Path) -> None:
    """All but a few in a thousand are compared: not those in which headers contradict others, or that libclang drops."""
    pytest.importorskip("clang.cindex")
    with Blob(debian_blob) as blob:
        found = oracle.sources(blob)
    told = oracle.parsed(found)
    compared = 0
    different = []
    for source, names in zip(found, told, strict=True):
        read = (set(source.found.names), set(source.found.tags), set(source.found.members))
        if not names.refused and (any(names[:3]) or not any(read)):
            compared += 1
            if read != names[:3]:
                different.append((source.text[:200], names))
    assert compared > 0.99 * len(found)
    assert not different
