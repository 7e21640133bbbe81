"""The oracle: what is read off every declaration of a kernel is what libclang says of the same text."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import oracle
from kheaders.interface.blob import Blob


@pytest.mark.slow
def test_names_tags_and_members_are_those_of_libclang(debian_blob: Path) -> None:
    """Of what libclang takes for C: that is all but one declaration in a thousand, where headers contradict others."""
    pytest.importorskip("clang.cindex")
    with Blob(debian_blob) as blob:
        found = oracle.sources(blob)
    told = oracle.parsed(found)
    good = [(source, names) for source, names in zip(found, told, strict=True) if not names.refused]
    assert len(good) > 0.995 * len(found)
    different = [
        (source.text[:200], wanted)
        for source, wanted in good
        if (set(source.found.names), set(source.found.tags), set(source.found.members)) != wanted[:3]
    ]
    assert not different
