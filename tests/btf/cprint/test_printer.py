"""C from BTF: text, order, names, and layouts that a compiler confirms."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from builders import btf as build
from builders.btf_compile import compiled, round_trip, uses, wrong
from builders.compilers import Clang
from kheaders.btf.cprint.printer import Printer
from kheaders.btf.cprint.vmlinux import definitions, header
from kheaders.btf.lookup import find
from kheaders.btf.table import Btf
from kheaders.errors import BtfError


def printed(b: build.Btf) -> str:
    """All types, without empty lines."""
    text = "".join(Printer(Btf.parse(b.write())).everything())
    return re.sub(r"\n\n+", "\n", text)


def numbers(b: build.Btf) -> tuple[int, int, int]:
    return b.integer("int", 4, signed=True), b.integer("char", 1, char=True), b.integer("long unsigned int", 8)


# ---- text ----


def test_a_struct() -> None:
    """Pointers, arrays and functions as members."""
    b = build.Btf()
    number, char, _ = numbers(b)
    proto = b.prototype(number, [("what", number), ("", 0)])
    b.struct(
        "s",
        48,
        [
            ("pointer", b.pointer(b.pointer(number)), 0),
            ("text", b.array(char, 16, number), 64),
            ("call", b.pointer(proto), 192),
            ("rows", b.pointer(b.array(number, 3)), 256),
            ("any", b.pointer(b.const(0)), 320),
        ],
    )
    assert printed(b) == (
        "struct s {\n"
        "\tint **pointer;\n"
        "\tchar text[16];\n"
        "\tint (*call)(int what, ...);\n"
        "\tint (*rows)[3];\n"
        "\tconst void *any;\n"
        "};\n"
    )


def test_enums() -> None:
    """Signed values, 64 bits, sizes that only an attribute gives, and one without values."""
    b = build.Btf()
    b.enum("small", {"ONE": 1}, size=1)
    b.enum("below", {"MINUS": -1}, signed=True)
    b.enum64("wide", {"BIG": 1 << 40})
    b.enum64("least", {"LEAST": -(1 << 63)}, signed=True)
    b.enum("empty", {})
    assert printed(b) == (
        "enum small {\n\tONE = 1,\n} __attribute__((mode(byte)));\n"
        "enum below {\n\tMINUS = -1,\n};\n"
        "enum wide {\n\tBIG = 1099511627776ULL,\n};\n"
        "enum least {\n\tLEAST = (-9223372036854775807LL - 1),\n};\n"
        "enum empty;\n"
    )


def test_what_is_pointed_to_is_declared_and_what_is_embedded_defined_before() -> None:
    """The order in which C needs them, whatever the order in BTF."""
    b = build.Btf()
    outer, inner, other = 1, 2, 3
    b.struct("outer", 24, [("in", inner, 0), ("other", 5, 64), ("self", 6, 128)])
    b.struct("inner", 8, [("back", 6, 0)])
    b.struct("other", 8, [("in", inner, 0)])
    b.integer("int", 4)
    b.pointer(other)
    b.pointer(outer)
    assert printed(b) == (
        "struct outer;\n"
        "struct inner {\n\tstruct outer *back;\n};\n"
        "struct other;\n"
        "struct outer {\n\tstruct inner in;\n\tstruct other *other;\n\tstruct outer *self;\n};\n"
        "struct other {\n\tstruct inner in;\n};\n"
    )


def test_anonymous_records_and_enums_stand_where_they_are_used() -> None:
    """Nested, qualified, named by a member."""
    b = build.Btf()
    number, *_ = numbers(b)
    union = b.union("", 4, [("a", number, 0), ("b", b.enum("", {"A1": 1}), 0)])
    b.struct("s", 8, [("", union, 0), ("named", b.const(b.struct("", 4, [("x", number, 0)])), 32)])
    assert printed(b) == (
        "struct s {\n\tunion {\n\t\tint a;\n\t\tenum {\n\t\t\tA1 = 1,\n\t\t} b;\n\t};\n"
        "\tconst struct {\n\t\tint x;\n\t} named;\n};\n"
    )


def test_names_that_are_taken_get_a_suffix() -> None:
    """Tags of one name, a typedef and a constant of one name; CO-RE ignores what follows three underscores."""
    b = build.Btf()
    number, char, _ = numbers(b)
    b.struct("s", 4, [("a", number, 0)])
    b.struct("s", 1, [("b", char, 0)])
    b.typedef("t", number)
    b.enum("e", {"t": 1})
    text = printed(b)
    assert "struct s {\n\tint a;" in text
    assert "struct s___2 {\n\tchar b;" in text
    assert "typedef int t;" in text
    assert "t___2 = 1" in text


def test_a_declaration_of_another_keyword_does_not_clash() -> None:
    """``union x`` is declared and ``struct x`` defined: one of them gets another name."""
    b = build.Btf()
    number, *_ = numbers(b)
    b.struct("x", 4, [("a", number, 0)])
    b.forward("x", union=True)
    b.forward("x")
    text = printed(b)
    assert "union x___2;" in text
    assert text.count("struct x;") <= 1


def test_members_of_named_records_without_a_name_of_their_own() -> None:
    """What needs -fms-extensions is written out, so that no compiler loses it."""
    b = build.Btf()
    number, *_ = numbers(b)
    inner = b.struct("inner", 8, [("x", number, 0), ("y", number, 32)])
    b.struct("outer", 12, [("", b.typedef("inner_t", inner), 0), ("z", number, 64)])
    assert "struct outer {\n\tstruct {\n\t\tint x;\n\t\tint y;\n\t};\n\tint z;\n};" in printed(b)


def test_tags() -> None:
    """Type tags stand before the star, declaration tags behind what they are on."""
    b = build.Btf()
    number, *_ = numbers(b)
    pointer = b.pointer(b.type_tag("user", number))
    spaced = b.pointer(b.type_tag("address_space(1)", 0, attribute=True))
    record = b.struct("s", 16, [("p", pointer, 0), ("q", spaced, 64)])
    b.decl_tag("whole", record)
    b.decl_tag("part", record, component=0)
    b.decl_tag("named", b.typedef("t", number))
    text = printed(b)
    assert '\tint __attribute__((btf_type_tag("user"))) *p __attribute__((btf_decl_tag("part")));\n' in text
    assert "\tvoid __attribute__((address_space(1))) *q;\n" in text
    assert '} __attribute__((btf_decl_tag("whole")));\n' in text
    assert 'typedef int t __attribute__((btf_decl_tag("named")));\n' in text


def test_names_that_are_not_c_are_refused() -> None:
    """They would change the meaning of the text around them."""
    for bad in ("x; } evil", "a b", "1st", "while", "é", 'x"'):
        b = build.Btf()
        number, *_ = numbers(b)
        b.struct(bad, 4, [("a", number, 0)])
        with pytest.raises(BtfError, match=r"damaged BTF at byte \d+: .* cannot be in C"):
            printed(b)
    b = build.Btf()
    b.typedef("t", b.integer("int; evil", 4))
    with pytest.raises(BtfError, match="cannot be in C"):
        printed(b)


def test_tags_are_quoted() -> None:
    """Text in a tag cannot end it."""
    b = build.Btf()
    b.typedef("t", b.pointer(b.type_tag('a"))) evil\\\n', b.integer("int", 4))))
    assert 'btf_type_tag("a\\042))) evil\\134\\012")' in printed(b)


# ---- a header, a closure ----


def test_closure_of_a_struct() -> None:
    """What it embeds comes with it, what it points to is declared, the rest stays away."""
    btf = Btf.parse(build.everything().write())
    text = "".join(definitions(btf, find(btf, "struct node")))
    assert "struct node {" in text
    assert "enum color {" in text
    assert "struct hidden;" in text
    for away in ("union value", "size_t", "enum wide", "call"):
        assert away not in text


def test_a_function_brings_what_it_needs() -> None:
    """Its prototype stands behind the types."""
    btf = Btf.parse(build.everything().write())
    text = "".join(definitions(btf, find(btf, "call")))
    assert text.endswith(
        'extern int call(struct node *node, size_t size, ...) __attribute__((weak, section(".ksyms")));\n'
    )
    assert "typedef long unsigned int size_t;" in text
    assert "struct node;" in text


def test_header(clang: Clang, tmp_path: Path) -> None:
    """It guards itself, marks records for CO-RE, declares kfuncs, and compiles; twice included, too."""
    text = "".join(header(Btf.parse(build.everything().write())))
    assert text.startswith("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n")
    assert "preserve_access_index" in text
    assert "extern int call(" in text
    compiled(text + text + "struct node *use;\n", clang.argv, tmp_path)


def test_names_to_look_up() -> None:
    """With a keyword or without; what there is instead is told."""
    btf = Btf.parse(build.everything().write())
    assert find(btf, "struct node") == btf.find("node")
    assert find(btf, "size_t") == btf.find("size_t")
    with pytest.raises(BtfError, match="node is no union; it is: struct"):
        find(btf, "union node")
    with pytest.raises(BtfError, match="has no type nothing"):
        find(btf, "nothing")


# ---- compilers agree ----


def random_records(chance: random.Random, count: int) -> build.Btf:
    """Structs and unions whose members lie anywhere: bit-fields, gaps, packed, nested, too large, over-aligned."""
    b = build.Btf()
    scalars = [(b.integer(name, size), size) for name, size in (("char", 1), ("short", 2), ("int", 4), ("long", 8))]
    scalars += [(b.enum("e1", {"E1": 1}, size=1), 1), (b.pointer(), 8)]
    kinds = list(scalars)
    for number in range(count):
        members: list[build.Member] = []
        here = 0
        tight = chance.random() < 0.5
        union = chance.random() < 0.2
        for index in range(chance.randint(0, 8)):
            of, size = chance.choice(kinds)
            here = 0 if union else here
            if (of, size) in scalars[:4] and chance.random() < 0.5:
                width = chance.randint(1, 8 * size)
                if chance.random() < 0.5:
                    here += chance.randint(0, 70) * (not union)
                unit = 8 * size
                if not tight and here // unit != (here + width - 1) // unit:
                    here = -(-here // unit) * unit
                members.append((f"m{index}", of, here, width))
                here += width
                continue
            here = -(-here // 8) * 8
            align = 8 if tight else 8 * min(8, size & -size or 1)
            here = -(-here // align) * align
            if chance.random() < 0.2 and not union:
                here += align * chance.randint(1, 40)
            members.append((f"m{index}", of, here))
            here += 8 * size
        flagged = [m if len(m) == 4 else (*m, 0) for m in members] if any(len(m) == 4 for m in members) else members
        ends = [m[2] + (m[3] if len(m) == 4 and m[3] else 8 * dict(kinds)[m[1]]) for m in flagged]
        size = -(-max(ends, default=0) // 8)
        size += chance.choice((0, 0, 0, 1, 7, 64)) if chance.random() < 0.4 else -size % 8
        made = (b.union if union else b.struct)(f"r{number}", size, flagged)
        if chance.random() < 0.3 and size < 1 << 12:
            rows = chance.randint(1, 3)
            kinds.append((b.array(made, rows), rows * size) if chance.random() < 0.3 else (made, size))
    return b


@pytest.mark.parametrize("seed", range(6))
def test_any_layout_is_kept(seed: int, clang: Clang, tmp_path: Path) -> None:
    """Compiled, each record has the size and the offsets that its BTF says."""
    btf = Btf.parse(random_records(random.Random(seed), 300).write())
    printer, again = round_trip(btf, clang.argv, tmp_path)
    assert wrong(btf, printer, again) == []


def test_every_kind_round_trip(clang: Clang, tmp_path: Path) -> None:
    """One of each."""
    btf = Btf.parse(build.everything().write())
    printer, again = round_trip(btf, clang.argv, tmp_path)
    assert wrong(btf, printer, again) == []


def test_split_btf_is_printed_with_its_base(clang: Clang, tmp_path: Path) -> None:
    """Types of a module that embed the kernel's."""
    kernel = build.everything()
    module = build.Btf(base=kernel)
    (node,) = Btf.parse(kernel.write()).find("node")
    module.struct("device", 48, [("at", node, 0)])
    btf = Btf.parse(module.write(), base=Btf.parse(kernel.write()))
    printer = Printer(btf)
    text = "".join(printer.everything())
    assert text.index("struct node {") < text.index("struct device {")
    again = compiled(text + "".join(uses(printer, btf)), clang.argv, tmp_path)
    assert wrong(btf, printer, again) == []
