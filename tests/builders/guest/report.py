"""What became of the steps that a guest went through."""

from __future__ import annotations

import json
import os

import pytest

from builders.guest.machine import Boot


def report(series: str, done: Boot, name: str) -> None:
    """Print what each step took, and fail with the console where one failed."""
    steps = json.loads(done.files.get(f"{name}.json", b"[]"))
    print(f"\n{series} {name}: {done.seconds:.0f} s")
    for step in steps:
        print(
            f"  {step['seconds']:6.1f} s  {'ok' if step['ok'] else 'FAILED':6}  {step['name']}: {step['detail']}"[:200]
        )
    failed = [step["name"] for step in steps if not step["ok"]]
    if failed or done.status != 0 or not steps:
        pytest.fail(f"{series} {name}: {', '.join(failed) or 'no end'}\n{done.told}", pytrace=False)
    if os.environ.get("KHEADERS_TEST_CONSOLE"):
        print(done.console)
