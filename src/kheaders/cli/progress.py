"""What a person sees while waiting, on standard error; others see one line a stage, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kheaders.cli import output

Report = Callable[[str, "int | None", "int | None"], None]
"""Called with a stage, and bytes (or what COUNTED says) so far and in all where they are known."""

STAGES = {
    "lists": "reading the archive's lists of packages",
    "packages": "downloading packages",
    "checking": "unpacking and verifying headers",
    "headers": "finding and verifying headers",
    "pack": "packing headers",
    "module": "building the module",
    "extract": "writing headers",
    "survey": "looking which headers can be included",
    "index": "preprocessing and indexing every header",
    "write": "writing the blob",
    "pch": "precompiling the headers",
    "export": "compressing the blob",
    "import": "rebuilding the blob",
    "verify": "checking every page and number",
}

COUNTED = {"index": "headers"}
"""Stages that count something else than bytes."""


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show on a terminal that something is going on; elsewhere nothing."""
    if not (output.is_terminal(sys.stderr) and _rich()):
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Report]:
    """A function to report progress to: bars on a terminal with rich, else one line a stage, or nothing if *quiet*."""
    if not (output.is_terminal(sys.stderr) and _rich()):
        yield _nothing if quiet else _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, object] = {}

        def report(stage: str, done: int | None, total: int | None) -> None:
            if stage not in tasks:
                for known in bars.tasks:
                    if not known.finished:
                        bars.remove_task(known.id)
                tasks[stage] = bars.add_task(STAGES.get(stage, stage), total=total, amount="")
            amount = _amount(stage, done or 0, total) if total else ""
            bars.update(tasks[stage], completed=done or 0, total=total, amount=amount)  # type: ignore[arg-type]  # an id of rich's

        yield report


def _amount(stage: str, done: int, total: int) -> str:
    if stage in COUNTED:
        return f"{done:,} of {total:,} {COUNTED[stage]}"
    return f"{output.size(done)} of {output.size(total)}"


def _nothing(stage: str, done: int | None, total: int | None) -> None:
    """Report nothing."""


def _lines() -> Report:
    seen: set[str] = set()

    def report(stage: str, done: int | None, total: int | None) -> None:
        if stage in seen:
            return
        seen.add(stage)
        size = f" ({output.size(total)})" if total and stage not in COUNTED else ""
        output.complain(f"kheaders: {STAGES.get(stage, stage)}{size}\n")

    return report


def _rich() -> bool:
    from importlib.util import find_spec

    return find_spec("rich") is not None
