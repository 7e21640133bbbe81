"""Split BTF only on its own base."""

from __future__ import annotations

import pytest

from builders import btf as build
from kheaders.btf.container import Sections, parse_sections
from kheaders.btf.references import prove_base, references
from kheaders.btf.table import Btf
from kheaders.errors import BtfError


def kernel(*more: str) -> build.Btf:
    """A kernel with the structs ``point`` and *more*."""
    b = build.Btf()
    number = b.integer("int", 4, signed=True)
    for name in (*more, "point"):
        b.struct(name, 8, [("x", number, 0), ("y", number, 32)])
    return b


def module(base: build.Btf) -> build.Btf:
    """Every kind that refers to something, with names of the base's among its own."""
    number, point = 1, len(base.types)
    b = build.Btf(base=base)
    record = b.struct("device", 12, [("at", point, 0), ("y", number, 64)])
    b.union("either", 8, [("x", point, 0), ("own", number, 0)])
    pointer = b.pointer(record)
    proto = b.prototype(number, [("point", pointer), ("", b.array(point, number, 2))])
    b.function("probe", proto)
    b.enum("int", {"x": 0, "OWN": 1})
    b.section(".data", 12, [(b.variable("y", record), 0, 12)])
    b.typedef("point", point)
    return b


def test_on_its_own_base() -> None:
    base = kernel("other")
    prove_base(Btf.parse(module(base).write(), base=Btf.parse(base.write())))
    prove_base(Btf.parse(base.write()))


@pytest.mark.parametrize("others", [(), ("o",), ("another",), ("other", "one_more")], ids=str)
def test_on_the_base_of_another_kernel(others: tuple[str, ...]) -> None:
    data = module(kernel("other")).write()
    wrong = Btf.parse(kernel(*others).write(), name="vmlinux-2")
    with pytest.raises(BtfError, match=r"m\.ko: does not go on from vmlinux-2: .*\(--btf-base\)"):
        parse_sections(Sections(data), base=wrong, name="m.ko")


def test_a_base_that_has_too_few_types() -> None:
    """Its strings may be the same: the ids tell."""
    base = kernel("other")
    data = module(base).write()
    base.types.pop()
    with pytest.raises(BtfError, match="of its types are not there"):
        parse_sections(Sections(data), base=Btf.parse(base.write()), name="m.ko")


def test_all_that_types_refer_to_is_asked() -> None:
    """Each name and id that is changed breaks the proof, whatever kind it stands in."""
    base = kernel("other")
    parsed = Btf.parse(base.write())
    good = Btf.parse(module(base).write(), base=parsed)
    inside = parsed.strings.index(b"ther")
    places = [(at, is_name) for i in good.ids() for at, is_name in references(good, i, good.starts[i - good.first_id])]
    assert len(places) > 30
    for at, is_name in places:
        split = Btf.parse(module(base).write(), base=parsed)
        split.words[at] = inside if is_name else good.end_id
        with pytest.raises(BtfError, match="does not go on"):
            prove_base(split)
