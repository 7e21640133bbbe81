"""Every program of the corpus, from full headers and from the blob alone: the same code, or both ways refuse it.

``KHEADERS_TEST_KERNELS=all`` (or a list such as ``6.12-amd64,7.2-arm64``) runs more kernels than the usual two.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import corpus, need
from builders.compilers import compilers
from builders.differential import Kernel, kernel
from builders.kernel_archive import Unobtainable
from kheaders.clang.find import find

USUAL = ["6.1-amd64", "6.1-arm64"]
MUST_FAIL = {"host_assembly", "wrong_member"}
"""Programs of our own that no kernel's headers may compile; every other must compile on 6.1."""

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", params=corpus.chosen(USUAL))
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel, its headers whole and its blob."""
    need.network()
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    version, architecture = str(request.param).split("-")
    try:
        headers = corpus.headers(version, architecture)
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no headers of {request.param}: {error}")
    path = tmp_path_factory.mktemp(str(request.param)) / "blob.kheaders"
    with kernel(headers, find(), path) as opened:
        yield opened


@pytest.fixture(scope="module")
def samples() -> corpus.Samples:
    """The samples of Debian's 6.1 source."""
    try:
        return corpus.samples()
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no samples: {error}")


def told(outcomes: dict[str, str]) -> str:
    """What to print of programs that came out wrong."""
    return "\n".join(f"{name}: {what}" for name, what in outcomes.items())


@pytest.mark.parametrize("program", corpus.own_programs(), ids=lambda path: path.name.removesuffix(".bpf.c"))
def test_a_program_of_our_own(real: Kernel, program: Path) -> None:
    outcome = real.both(program)
    name = program.name.removesuffix(".bpf.c")
    assert outcome.verdict in ("same", "both fail"), str(outcome)
    if name in MUST_FAIL:
        assert outcome.verdict == "both fail"
    elif (real.headers.release or "").startswith("6.1."):
        assert outcome.verdict == "same", f"it is no test of anything on this kernel: {outcome}"


def test_the_samples_of_the_kernel(real: Kernel, samples: corpus.Samples) -> None:
    programs = samples.programs()
    assert len(programs) > 40
    verdicts = {}
    wrong = {}
    for path in programs:
        outcome = real.both(path, includes=samples.includes)
        verdicts[path.name] = outcome.verdict
        if outcome.verdict not in ("same", "both fail"):
            wrong[path.name] = str(outcome)
    assert not wrong, told(wrong)
    assert sum(verdict == "same" for verdict in verdicts.values()) > 35


def test_hardly_anything_is_missing_at_the_first_cut(real: Kernel) -> None:
    """Repair is for the unforeseen: for nine in ten of our own programs one compile is enough."""
    from kheaders.clang.flags import architecture, include_directories
    from kheaders.clang.job import Job
    from kheaders.interface.slice import Cutter

    search = include_directories(architecture(real.headers.srcarch or "", real.headers.config))
    repaired = []
    for path in corpus.own_programs():
        attempt = real.sliced(Job(path))
        if attempt.ok and Cutter(real.blob, search).cut(attempt.program).text != attempt.piece.text:
            repaired.append(path.name)
    assert len(repaired) <= len(corpus.own_programs()) // 10, repaired
