"""Programs made of the headers themselves, a sample of them: the same code from the blob as from full headers.

``KHEADERS_TEST_CENSUS=SEED:COUNT`` takes another sample, ``KHEADERS_TEST_KERNELS`` other kernels.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders import census, corpus, need
from builders.compilers import compilers
from builders.differential import kernel
from builders.kernel_archive import Unobtainable
from kheaders.clang.find import find

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("name", corpus.chosen(["6.1-amd64", "6.12-arm64"]))
def test_a_sample_of_all_headers(name: str, tmp_path: Path) -> None:
    need.network()
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    version, architecture = name.split("-")
    try:
        headers = corpus.headers(version, architecture)
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no headers of {name}: {error}")
    seed, count = map(int, os.environ.get("KHEADERS_TEST_CENSUS", "1:25").split(":"))
    wrong, done = [], 0
    with kernel(headers, find(), tmp_path / "blob.kheaders") as opened:
        for names, program in census.programs(opened, seed, count, tmp_path):
            done += 1
            outcome = opened.both(program, *census.WORDS)
            if outcome.verdict != "same":
                wrong.append(f"{' '.join(names)}: {outcome}\n{program.read_text()}")
    assert done == count
    assert not wrong, "\n".join(wrong)
