"""Programs made of the headers themselves: the same code from the blob as from full headers, or a refusal.

``KHEADERS_TEST_CENSUS=SEED:COUNT`` takes another order, and COUNT batches of it; COUNT 0 takes all headers: hours of
processor time. ``KHEADERS_TEST_KERNELS`` takes other kernels.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from builders import census, corpus, need
from builders.compilers import compilers
from builders.differential import Kernel, kernel
from builders.kernel_archive import Unobtainable
from kheaders.clang.find import find
from kheaders.interface.blob import Blob

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(7200)]

_REFUSED = 200
"""Of so many headers, one may be refused by slice that full headers compile; docs/blob.md tells why."""


def outcomes(opened: Kernel, batches: list[list[str]], place: Path) -> Iterator[census.Found]:
    """What came of the batches, by as many processes as there are processors."""

    def work(paths: list[str]) -> list[census.Found]:
        # SQLite's connections are not to be used by another process than the one that opened them
        with Blob(opened.blob.path) as blob:
            return list(census.run(opened.with_blob(blob), paths, place))

    _works[:] = [work]  # what is there when the processes are forked
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as pool:
        for found in pool.map(_called, batches):
            yield from found


_works: list[Callable[[list[str]], list[census.Found]]] = []


def _called(paths: list[str]) -> list[census.Found]:
    return _works[0](paths)


@pytest.mark.parametrize("name", corpus.chosen(["6.1-amd64", "6.12-arm64"]))
def test_headers_in_batches(name: str, tmp_path: Path) -> None:
    need.network()
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    version, architecture = name.split("-")
    try:
        headers = corpus.headers(version, architecture)
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no headers of {name}: {error}")
    seed, count = map(int, os.environ.get("KHEADERS_TEST_CENSUS", "1:12").split(":"))
    verdicts: Counter[str] = Counter()
    different, refused = [], []
    with kernel(headers, find(), tmp_path / "blob.kheaders") as opened:
        for found in outcomes(opened, census.batches(headers, seed, count), tmp_path):
            verdicts[found.verdict] += len(found.names)
            if found.verdict == "different":
                different.append(f"{' '.join(found.names)}: {found.told}")
            elif found.verdict == "slice fails":
                refused.append(f"{' '.join(found.names)}: {found.told}")
    print(f"{name}: {dict(verdicts)}")
    assert verdicts["same"] > verdicts["none"]
    assert not different, "\n".join(different)
    assert len(refused) <= max(1, verdicts["same"] // _REFUSED), "\n".join(refused)
