"""Hostile BTF: every input is read or refused by a BtfError, soon and in little memory."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import btf as build
from kheaders.btf.cprint.vmlinux import header
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    """The fuzz target, so that its checks are those of the tests."""
    spec = importlib.util.spec_from_file_location("fuzz_btf", CHECKOUT / "fuzz/fuzz_btf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 1 << 48))
def test_damaged_words(fuzz: ModuleType, seed: int) -> None:
    """Any word exchanged for another."""
    fuzz.check(fuzz.mutated(seed))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_types(fuzz: ModuleType, data: bytes) -> None:
    """Any bytes as the type section."""
    b = build.Btf()
    for name in ("a", "b", "int"):
        b.string(name)
    b.types.append(data[: len(data) // 4 * 4])
    fuzz.check(b.write())


def printed(b: build.Btf) -> str:
    return "".join(header(Btf.parse(b.write())))


def refused(b: build.Btf, reason: str) -> None:
    with pytest.raises(BtfError, match=rf"byte \d+.*{reason}"):
        printed(b)


def test_cycles() -> None:
    """Of typedefs, of qualifiers, of records that contain themselves, of arrays."""
    makers: tuple[Callable[[build.Btf], object], ...] = (
        lambda b: b.typedef("t", 1),
        lambda b: (b.const(2), b.volatile(1), b.typedef("t", 1)),
        lambda b: b.struct("s", 4, [("s", 1, 0)]),
        lambda b: (b.struct("s", 4, [("a", 2, 0)]), b.array(1, 1)),
        lambda b: (b.array(1, 1), b.typedef("t", 1)),
        lambda b: (b.struct("", 8, [("p", 2, 0)]), b.pointer(1), b.typedef("t", 1)),
    )
    for make in makers:
        b = build.Btf()
        make(b)
        refused(b, "")


def test_pointers_to_oneself_are_no_cycle() -> None:
    """Lists are made of them."""
    b = build.Btf()
    b.struct("s", 8, [("next", 2, 0)])
    b.pointer(1)
    assert "struct s *next;" in printed(b)


def test_references_beyond_the_last_type() -> None:
    """Of every kind that refers."""
    bad = 1 << 30
    makers: tuple[Callable[[build.Btf], object], ...] = (
        lambda b: b.typedef("t", bad),
        lambda b: b.struct("s", 4, [("a", bad, 0)]),
        lambda b: b.typedef("t", b.pointer(bad)),
        lambda b: b.typedef("t", b.array(bad, 1)),
        lambda b: b.typedef("t", b.prototype(bad)),
        lambda b: b.typedef("t", b.prototype(0, [("p", bad)])),
        lambda b: b.decl_tag("x", bad),
    )
    for make in makers:
        b = build.Btf()
        make(b)
        refused(b, f"refers to type {bad}")


def test_anonymous_records_that_multiply() -> None:
    """Each level is written out in two places: 2 to the 40th lines."""
    b = build.Btf()
    number = b.integer("int", 4)
    b.struct("", 4, [("a", number, 0)])
    for level in range(2, 42):
        b.union("", 4, [(f"x{level}", level, 0), (f"y{level}", level, 0)])
    b.typedef("bomb", b.next_id - 1)
    refused(b, "")


def test_functions_that_multiply() -> None:
    """Each takes the one before twice."""
    b = build.Btf()
    last = b.prototype(0)
    for _ in range(60):
        last = b.prototype(0, [("a", last), ("b", last)])
    b.typedef("bomb", b.pointer(last))
    refused(b, "")


def test_depth() -> None:
    """Tens of thousands of records within each other, or of pointers to pointers."""
    b = build.Btf()
    last = b.integer("int", 4)
    for level in range(20_000):
        last = b.struct(f"s{level}", 4, [("a", last, 0)])
    text = printed(b)  # each is defined after the one before
    assert text.index("struct s1 {") < text.index("struct s19999 {")
    b = build.Btf()
    last = b.integer("int", 4)
    for _ in range(20_000):
        last = b.pointer(last)
    b.typedef("deep", last)
    refused(b, "")


def test_the_last_of_many_nested_records() -> None:
    """Asked for alone, the depth is refused and no recursion fails."""
    from kheaders.btf.cprint.vmlinux import definitions

    b = build.Btf()
    last = b.integer("int", 4)
    for level in range(20_000):
        last = b.struct(f"s{level}", 4, [("a", last, 0)])
    btf = Btf.parse(b.write())
    with pytest.raises(BtfError, match="byte"):
        "".join(definitions(btf, [last]))


def test_sizes_beyond_memory() -> None:
    """Nothing as large as it says is ever made."""
    b = build.Btf()
    number = b.integer("int", 4)
    b.struct("huge", 0xFFFFFFFF, [("a", number, 0), ("b", number, 0xFFFFFF00)])
    b.enum("many", {"A": 1}, size=0xFFFF)
    assert len(printed(b)) < 100_000
