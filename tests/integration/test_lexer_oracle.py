"""The lexer against clang's own, over headers of a real kernel: the same tokens at the same places."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from builders import corpus, need
from builders.compilers import compilers
from builders.kernel_archive import Unobtainable
from builders.raw_tokens import differences

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(1200)]
HEADERS = 300


@pytest.mark.parametrize("name", corpus.chosen(["6.1-amd64"]))
def test_the_tokens_of_headers(name: str, tmp_path: Path) -> None:
    need.network()
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    version, architecture = name.split("-")
    try:
        headers = corpus.headers(version, architecture)
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no headers of {name}: {error}")
    place = tmp_path / "header.h"
    wrong = {}
    for path in random.Random(1).sample(sorted(headers.files), HEADERS):
        place.write_bytes(headers.files[path])
        if found := differences(compilers()[0].argv, place):
            wrong[path] = found[:5]
    assert not wrong
