"""Kernels of every age from the distribution's archive: their headers are whole, and parse for BPF."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.kernel_archive import default_cache
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute
from kheaders.debpkg import headers_from_debs
from kheaders.errors import FetchError, ToolError
from kheaders.forms.memory import MemoryForm
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import lines_added, neutralise, rewrite
from kheaders.headers.markers import MARKER
from kheaders.headers.verify import verify_identity
from kheaders.sources.apt import FetchRequest, fetch
from kheaders.trial import try_compile

KERNELS = [
    ("bullseye", "amd64"),
    ("bookworm", "arm64"),
    ("bookworm-backports", "amd64"),
    ("trixie", "arm64"),
    ("sid", "amd64"),
    ("sid", "arm64"),
]


@cache
def headers(suite: str, architecture: str) -> HeaderSet:
    """Headers of the newest cloud kernel of a suite; downloaded once, kept between runs."""
    directory = default_cache() / "fetched" / f"{suite}-{architecture}"
    directory.mkdir(parents=True, exist_ok=True)
    request = FetchRequest(None, f"linux-headers-cloud-{architecture}", suite, architecture)
    fetched = fetch(request, directory)
    return HeaderSet(headers_from_debs(fetched.paths, srcarch=None, release=fetched.release), name=fetched.release)


@pytest.fixture(params=KERNELS, ids="-".join)
def kernel(request: pytest.FixtureRequest) -> HeaderSet:
    try:
        return headers(*request.param)
    except (FetchError, ToolError) as error:
        pytest.skip(f"cannot be downloaded here: {error}")


pytestmark = [pytest.mark.network, pytest.mark.slow]


def test_whole_and_lines_kept(kernel: HeaderSet) -> None:
    verdict = verify_identity(kernel, None)
    assert verdict.ok, verdict.reason
    changed = rewrite(kernel.files)
    assert len(changed) > 20
    for path, new in changed.items():
        assert new.count(b"\n") == kernel[path].count(b"\n") + lines_added(path, kernel[path]), path
        assert neutralise(new) == new, path


def test_trial_compiles(kernel: HeaderSet, clang: Clang) -> None:
    verdict = try_compile(kernel, examine(clang.argv))
    assert verdict.ok and verdict.checks[0].state == "ok", verdict.reason


def test_current_is_never_silent(kernel: HeaderSet, clang: Clang, tmp_path: Path) -> None:
    program = b"#include <linux/sched.h>\nint f(void) { return current->pid; }\n"
    compiler = examine(clang.argv)
    with MemoryForm(kernel).serve(compiler, program) as served:
        result = execute(compiler, Job(program), served.flags, served.pass_fds)
    assert not result.ok and MARKER in result.diagnostics, result.diagnostics
