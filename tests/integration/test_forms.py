"""Precompiled headers of real kernels: the same code as from full headers, with the headers gone, over whole corpora.

``KHEADERS_TEST_KERNELS=all`` (or a list such as ``6.12-amd64,7.2-arm64``) runs more kernels than the usual one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import corpus, need
from builders.compilers import compilers
from builders.differential import parts
from builders.kernel_archive import Unobtainable
from builders.need import CHECKOUT
from kheaders import kernel as kernels
from kheaders.clang.find import Compiler, find
from kheaders.clang.job import Job, Result, execute
from kheaders.forms.directory import DirectoryForm, extract
from kheaders.forms.pch import Options
from kheaders.forms.pchshelf import Shelf
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.markers import reached
from kheaders.kernel import MACHINES
from kheaders.objects import compare
from kheaders.precompiled import PchAttempt, attempt_pch
from kheaders.store import Store

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.bpf.c"))
KERNELS = corpus.chosen(["6.1-amd64"])
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


class Kept:
    """A store on a machine that has no source of headers, in which a blob and a PCH of a real kernel were built."""

    def __init__(self, place: Path, archive: Path) -> None:
        self.archive = archive
        (place / "root").mkdir()
        self._environ = {
            **os.environ,
            "KHEADERS_STORE": str(place / "store"),
            "KHEADERS_CACHE": str(place / "cache"),
            "KHEADERS_ORDER": "build",
        }
        self._bare = ["--sysroot", str(place / "root"), "--kernel"]
        with archive.open("rb") as stream:
            self._bare.append(HeaderSet.from_archive(stream).release or "")
        for form in ("pch", "blob"):
            done = self.run(form, "build", "--headers", archive, bare=False)
            assert done.returncode == 0, done.stderr

    def run(self, *words: str | Path, bare: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command; *bare*: on the machine without headers."""
        command = [sys.executable, "-m", "kheaders", *map(str, words), *(self._bare if bare else ())]
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def kept(debian_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    return Kept(tmp_path_factory.mktemp("kept"), debian_archive)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_everything_compiles_with_the_headers_gone(example: Path, kept: Kept, tmp_path: Path) -> None:
    assert kept.run("locate").returncode == 3, "there must be no headers"
    done = kept.run(
        "compile", "--form", "memory", "--headers", kept.archive, "-o", tmp_path / "full.o", example, bare=False
    )
    assert done.returncode == 0, done.stderr
    for form in ("pch", "slice", "auto"):
        done = kept.run("compile", "--form", form, "-o", tmp_path / f"{form}.o", example)
        assert done.returncode == 0, done.stderr
        assert compare((tmp_path / f"{form}.o").read_bytes(), (tmp_path / "full.o").read_bytes()) == []


class Both:
    """A kernel whose programs are compiled from full headers and with its PCH."""

    def __init__(self, headers: HeaderSet, place: Path) -> None:
        self.headers = headers
        self.compiler: Compiler = find()
        extract(headers, place / "tree")
        self._flags = DirectoryForm(place / "tree", headers).flags(self.compiler)
        store = Store.open(boot=place / "run", cache=place / "cache", boot_id="boot-1")
        kernel = kernels.named(headers.release or "", machine=MACHINES[headers.srcarch or ""])
        self.shelf = Shelf(store, kernel, headers.srcarch or "", self.compiler)
        self.shelf.build(headers, Options())

    def full(self, job: Job) -> Result:
        """From full headers."""
        return execute(self.compiler, job, self._flags)

    def verdict(self, path: Path, includes: tuple[str, ...] = ()) -> tuple[str, PchAttempt]:
        """``same``, ``both fail``, ``routed``, or what must not be: ``different``, ``full fails``."""
        job = Job(path, includes=includes)
        full, made = self.full(job), attempt_pch(self.shelf, job, path.read_bytes(), lambda: self.headers)
        good = full.ok and not reached(full.output)
        if not made.ok or made.result is None:
            return ("routed" if good else "both fail"), made
        if not good:
            return "full fails", made
        return ("same" if parts(full.output) == parts(made.result.output) else "different"), made


@pytest.fixture(scope="module", params=KERNELS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    need.network()
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    version, architecture = str(request.param).split("-")
    try:
        headers = corpus.headers(version, architecture)
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no headers of {request.param}: {error}")
    yield Both(headers, tmp_path_factory.mktemp(str(request.param)))


@pytest.mark.network
def test_the_corpus(both: Both) -> None:
    """Code is identical wherever the PCH is used at all, and it is used for nearly every program of our own."""
    found = {path.name: both.verdict(path) for path in corpus.own_programs()}
    wrong = {name: made.reason for name, (verdict, made) in found.items() if verdict in ("different", "full fails")}
    assert not wrong
    assert found["not_included.bpf.c"][0] == "routed"
    counts = Counter(verdict for verdict, _ in found.values())
    assert counts["same"] > 40, {name: made.reason for name, (verdict, made) in found.items() if verdict != "same"}


@pytest.mark.network
def test_the_samples_of_the_kernel(both: Both) -> None:
    """Programs that include libbpf's headers after few of the kernel's are often ones that a PCH would change."""
    try:
        samples = corpus.samples()
    except (Unobtainable, OSError) as error:
        pytest.skip(f"no samples: {error}")
    found = {path.name: both.verdict(path, samples.includes) for path in samples.programs()}
    wrong = {name: made.reason for name, (verdict, made) in found.items() if verdict in ("different", "full fails")}
    assert not wrong
    assert Counter(verdict for verdict, _ in found.values())["same"] > 25
