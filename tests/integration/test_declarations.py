"""The oracle: what is read off every declaration of a kernel is what libclang says of the same text."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import oracle
from kheaders.interface.blob import Blob


@pytest.mark.slow
def test_names_tags_and_members_are_those_of_libclang(debian_blob: Path) -> None:
    """Of what libclang tells something of: that is all but a few in a thousand, where headers contradict others."""
    pytest.importorskip("clang.cindex")
    with Blob(debian_blob) as blob:
        found = oracle.sources(blob)
    told = oracle.parsed(found)
    asked = zip(found, told, strict=True)
    good = [(source, names) for source, names in asked if not names.refused and (names.names or names.tags)]
    assert len(good) > 0.99 * len(found)
    different = [
        (source.text[:200], wanted)
        for source, wanted in good
        if (set(source.found.names), set(source.found.tags), set(source.found.members)) != wanted[:3]
    ]
    assert not different
