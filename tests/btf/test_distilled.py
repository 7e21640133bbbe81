"""Split BTF on a distilled base, put onto a kernel's: each type is found again, or it is told which is not."""

from __future__ import annotations

import pytest

from builders import btf as build
from kheaders.btf import model
from kheaders.btf.container import Sections, parse_sections
from kheaders.btf.table import Btf
from kheaders.errors import BtfError


def kernel(*, size: int = 16, extra: int = 3) -> Btf:
    """A kernel in which ids differ from those of the distilled base."""
    b = build.Btf()
    for number in range(extra):
        b.floating(f"filler{number}", 8)
    number = b.integer("int", 4, signed=True)
    b.struct("sk", size, [("a", number, 0), ("b", number, 32)])
    b.forward("hidden")
    b.enum("mode", {"ON": 1})
    return Btf.parse(b.write(), name="vmlinux")


def module(*, embedded: bool = False) -> Sections:
    """A module that refers to the kernel's types, with the base that ``pahole`` distils for it."""
    base = build.Btf()
    number = base.integer("int", 4, signed=True)
    sk = base.struct("sk", 16)
    hidden = base.forward("hidden")
    mode = base.enum("mode", {})
    split = build.Btf(base=base)
    pointer = split.pointer(sk)
    members: list[build.Member] = [("count", number, 0), ("sk", sk if embedded else pointer, 64)]
    members.append(("hidden", split.pointer(hidden), 192))
    members.append(("mode", mode, 256))
    split.struct("device", 40, members)
    proto = split.prototype(number, [("sk", pointer)])
    split.function("probe", proto)
    split.decl_tag("bpf_kfunc", proto + 1)
    return Sections(split.write(), base.write())


@pytest.mark.parametrize("embedded", [False, True])
def test_types_are_found_again(embedded: bool) -> None:
    """Ids and names are the kernel's; offsets stay."""
    base = kernel()
    btf = parse_sections(module(embedded=embedded), base=base, name="m.ko")
    (device,) = btf.find("device")
    found = btf.type(device)
    assert isinstance(found, model.Struct)
    assert [(m.name, m.bit_offset) for m in found.members] == [("count", 0), ("sk", 64), ("hidden", 192), ("mode", 256)]
    assert btf.type(found.members[0].type) is base.type(base.find("int")[0])
    sk = btf.type(found.members[1].type)
    target = sk if embedded else btf.type(sk.target) if isinstance(sk, model.Ptr) else None
    assert target is base.type(base.find("sk")[0])
    (tag,) = btf.find("bpf_kfunc")
    tagged = btf.type(tag)
    assert isinstance(tagged, model.DeclTag)
    assert btf.type_name(tagged.target) == "probe"


def test_without_a_kernel_it_stands_on_the_distilled_base() -> None:
    """Names and sizes then, but no members of the kernel's types."""
    btf = parse_sections(module(), name="m.ko")
    (sk,) = btf.find("sk")
    found = btf.type(sk)
    assert isinstance(found, model.Struct)
    assert (found.size, found.members) == (16, ())


def test_a_record_that_is_embedded_must_have_its_size() -> None:
    """Where it is only pointed to, it need not."""
    parse_sections(module(), base=kernel(size=24), name="m.ko")
    with pytest.raises(BtfError, match=r"type 2 at byte \d+, STRUCT sk of 16 bytes, is not in vmlinux, which has"):
        parse_sections(module(embedded=True), base=kernel(size=24), name="m.ko")


def test_a_type_that_the_kernel_lacks() -> None:
    """The name and its place are told."""
    b = build.Btf()
    b.integer("int", 4, signed=True)
    with pytest.raises(BtfError, match=r"STRUCT sk of 16 bytes, is not in vmlinux; rebuild the module"):
        parse_sections(module(), base=Btf.parse(b.write(), name="vmlinux"), name="m.ko")


def test_several_types_of_one_name() -> None:
    """The size tells which is meant; if it cannot, that is an error."""
    for sizes, good in (((16, 24), True), ((16, 16), False)):
        b = build.Btf()
        number = b.integer("int", 4, signed=True)
        for size in sizes:
            b.struct("sk", size, [("a", number, 0)])
        b.forward("hidden")
        b.enum("mode", {"ON": 1})
        base = Btf.parse(b.write(), name="vmlinux")
        if good:
            parse_sections(module(), base=base, name="m.ko")
        else:
            with pytest.raises(BtfError, match="may be any of 2, 3"):
                parse_sections(module(), base=base, name="m.ko")


def test_byte_orders_must_agree() -> None:
    """A module of another architecture."""
    big = Btf.parse(build.everything(big_endian=True).write(), name="vmlinux")
    with pytest.raises(BtfError, match="byte order"):
        parse_sections(module(), base=big, name="m.ko")
