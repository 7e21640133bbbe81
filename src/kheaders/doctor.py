"""Everything that decides which headers are used, asked and told: kernel, compilers, store, and every source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from kheaders import kconfig
from kheaders.clang.find import Compiler, find, find_all
from kheaders.errors import CompilerError, StoreError
from kheaders.headers.chain import Chain
from kheaders.headers.verify import Check
from kheaders.interface.shelf import locate
from kheaders.kernel import Kernel
from kheaders.trial import approver


class Examined(NamedTuple):
    """One answer of one source: headers that were verified, or a refusal."""

    source: str
    location: str
    ok: bool
    reason: str = ""
    """Why not; empty for good headers."""
    hint: str = ""
    checks: tuple[Check, ...] = ()


class Report(NamedTuple):
    """What was found out."""

    kernel: Kernel
    btf_digest: str | None
    config: str | None
    """Where the kernel's configuration was read, or None."""
    compilers: tuple[Compiler | CompilerError, ...]
    """Every compiler there is; those that cannot be used as the error that says why."""
    compiler: Compiler | None
    """The one that a command would use."""
    store: Mapping[str, str | None]
    """``boot`` and ``persistent``: why the area cannot be written to, or None."""
    sources: tuple[Examined, ...]
    """Every answer, in the order of asking."""
    blob: Path | None = None
    """The kernel's blob in the store, if there is one."""

    @property
    def chosen(self) -> Examined | None:
        """What a command would use: the first good answer."""
        return next((answer for answer in self.sources if answer.ok), None)


def examine(chain: Chain, cc: str | None = None) -> Report:
    """Ask every source of *chain*, also after the first good one, and verify and prove each offer."""
    kernel = chain.request.kernel
    found = find_all(records=chain.store)
    try:
        compiler = find(cc, records=chain.store)
    except CompilerError as error:
        compiler = None
        found = [*found, error] if cc else found
    config = kconfig.read(kernel)
    return Report(
        kernel,
        kernel.btf_digest(),
        config.origin if config else None,
        tuple(found),
        compiler,
        {area: chain.store.writable(area) for area in ("boot", "persistent")},
        tuple(_answers(chain, compiler)),
        _blob(chain),
    )


def _blob(chain: Chain) -> Path | None:
    kernel = chain.request.kernel
    try:
        return locate(chain.store, kernel, kernel.srcarch)
    except StoreError:
        return None  # why the store cannot be used is told with the store


def _answers(chain: Chain, compiler: Compiler | None) -> list[Examined]:
    answers: list[Examined] = []

    def refusals() -> None:
        for r in chain.rejections:
            answers.append(Examined(r.source, r.location, False, r.reason, r.hint))
        chain.rejections.clear()

    for found in chain.found():
        refusals()
        if compiler is None or chain.approve(found, approver(compiler, chain.kernel_of(found))):
            candidate = found.candidate
            answers.append(Examined(candidate.source, candidate.location, True, checks=found.verdict.checks))
    refusals()
    return answers
