"""Patterns that are compiled late do what others do."""

from __future__ import annotations

import re

import pytest

from kheaders.patterns import pattern


def test_it_is_compiled_when_it_is_used() -> None:
    broken = pattern("(")
    with pytest.raises(re.error):
        broken.search("(")


def test_it_does_what_the_compiled_one_does() -> None:
    late, early = pattern(rb"^(\w+) *= *(\w+)$", re.M), re.compile(rb"^(\w+) *= *(\w+)$", re.M)
    text = b"one = 1\ntwo\nthree=3\n"
    for _ in range(2):
        assert late.findall(text) == early.findall(text) == [(b"one", b"1"), (b"three", b"3")]
        assert late.sub(rb"\2", text) == early.sub(rb"\2", text)
        assert late.split(text) == early.split(text)
    assert (late.pattern, late.flags, late.groups) == (early.pattern, early.flags, early.groups)
