"""What `kheaders` exports is meant to be exported, has a docstring, and is described in docs/library.md."""

from __future__ import annotations

import inspect
import re

import pytest

import kheaders
from builders.need import CHECKOUT

EXPORTED = sorted(getattr(kheaders, "__all__", ()))


def test_exports_are_listed() -> None:
    public = {
        name
        for name, value in vars(kheaders).items()
        if not name.startswith("_") and str(getattr(value, "__module__", "")).startswith("kheaders")
    }
    assert EXPORTED
    assert not public - set(EXPORTED)


@pytest.mark.parametrize("name", EXPORTED)
def test_export_is_documented(name: str) -> None:
    value = getattr(kheaders, name)
    if inspect.isclass(value) or callable(value):
        assert inspect.getdoc(value), f"{name} has no docstring"
        assert value.__module__.startswith("kheaders"), f"{name} belongs to {value.__module__}"
    assert re.search(rf"`{name}\b|\b{name}\b.*\(", (CHECKOUT / "docs/library.md").read_text()), (
        f"{name} is not described"
    )
