"""C from BTF: text, order, names, and layouts that a compiler confirms."""

from __future__ import annotations

import random
import re
import subprocess
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


@pytest.mark.parametrize("bad", ["x; } evil", "*/ evil", "a b", "1st", "while", "é", 'x"', "__typeof__", "nullptr"])
def test_names_that_are_not_c_are_replaced_and_told(bad: str, clang: Clang, tmp_path: Path) -> None:
    """They would change the meaning of the text around them."""
    b = build.Btf()
    number, *_ = numbers(b)
    b.struct("good", 4, [(bad, b.struct(bad, 4, [(bad, number, 0)]), 0)])
    b.enum(bad, {bad: 1})
    b.typedef("t", b.integer("int; evil", 4))
    text = printed(b)
    first, _, rest = text.partition("\n")
    assert first.startswith(f"/* {ascii(bad).replace('*/', '* /')} is called ") and "evil" not in re.sub(
        r"\w+", " ", rest
    )
    btf = Btf.parse(b.write())
    _, again = round_trip(btf, clang.argv, tmp_path)
    assert [again.size_of(one) for one in again.find("good")] == [4]


def test_two_names_are_not_replaced_by_one() -> None:
    b = build.Btf()
    number, *_ = numbers(b)
    b.struct("s", 8, [("a-b", number, 0), ("a+b", number, 32)])
    assert "struct s {\n\tint a_b_;\n\tint a_b_2;\n};" in printed(b)


def test_tags_are_quoted(clang: Clang, tmp_path: Path) -> None:
    """Text in a tag cannot end it; one that no attribute can have is left out."""
    b = build.Btf()
    number = b.integer("int", 4)
    record = b.struct("s", 8, [("p", b.pointer(b.type_tag('a"))) evil\\ é', number)), 0)])
    b.decl_tag('say "this"', record)
    b.typedef("t", b.pointer(b.type_tag("two\nlines", number)))
    text = printed(b)
    assert 'btf_type_tag("a\\"))) evil\\\\ é")' in text and 'btf_decl_tag("say \\"this\\"")' in text
    assert "typedef int *t;" in text
    round_trip(Btf.parse(b.write()), clang.argv, tmp_path)


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


# ---- types of other machines and languages ----

STANDARDS = ("gnu11", "gnu17", "gnu2x")


def checked(b: build.Btf, sizes: str, clang: Clang, place: Path, *words: str) -> None:
    """The header of all types compiles without a warning in each standard, and the assertions *sizes* hold."""
    text = "".join(header(Btf.parse(b.write())))
    source = place / "p.c"
    source.write_text(f"{text}\n{sizes}\n")
    for standard in STANDARDS:
        flags = ("-Wall", "-Werror", f"-std={standard}", "-g", "-O2", *words)
        done = subprocess.run(
            [*clang.argv, "-target", "bpf", *flags, "-c", source, "-o", place / "p.o"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{standard}: {done.stderr[:2000]}\n{text}"


def layout(record: str, size: int, **offsets: int) -> str:
    """Assertions on what a record's layout is."""
    told = [f"sizeof(struct {record}) == {size}"]
    told += [f"__builtin_offsetof(struct {record}, {name}) == {at}" for name, at in offsets.items()]
    return "".join(f'_Static_assert({one}, "");\n' for one in told)


def test_a_32_bit_kernel(clang: Clang, tmp_path: Path) -> None:
    """Pointers and ``long`` have 4 bytes, whatever BPF's have; numbers of 8 bytes may be aligned to 4 (i386)."""
    b = build.Btf()
    word, wide = b.integer("long unsigned int", 4), b.integer("long long unsigned int", 8)
    head = b.struct("head", 8, [("next", b.pointer(word), 0), ("run", b.pointer(b.prototype(word)), 32)])
    table = b.array(b.pointer(head), 3)
    b.struct(
        "s",
        36,
        [
            ("at", head, 0),
            ("wide", wide, 64),
            ("table", table, 128),
            ("n", word, 224),
            ("t", b.typedef("f", b.pointer()), 256),
        ],
    )
    checked(b, layout("head", 8, next=0, run=4) + layout("s", 36, wide=8, table=16, n=28, t=32), clang, tmp_path)


def test_members_in_another_order(clang: Clang, tmp_path: Path) -> None:
    """As Rust lays them out."""
    b = build.Btf()
    byte, word = b.integer("u8", 1), b.integer("u32", 4)
    b.struct("s", 12, [("a", byte, 64), ("b", word, 32), ("c", byte, 72), ("d", word, 0)])
    checked(b, layout("s", 12, a=8, b=4, c=9, d=0), clang, tmp_path)


@pytest.mark.parametrize(
    "members",
    [[("a", 0), ("b", 16)], [("a", 0), ("b", 80)], [("a", 4), ("b", 64)]],
    ids=["overlap", "beyond", "within a byte"],
)
def test_members_that_c_cannot_have(members: list[tuple[str, int]], clang: Clang, tmp_path: Path) -> None:
    """The record is bytes, and its users lie where they did."""
    b = build.Btf()
    word = b.integer("int", 4)
    odd = b.struct("odd", 12, [(name, word, at) for name, at in members])
    b.struct("user", 20, [("x", word, 0), ("odd", odd, 32), ("y", word, 128)])
    checked(b, layout("odd", 12) + layout("user", 20, odd=4, y=16), clang, tmp_path)
    assert "int a;" not in printed(b)


def test_numbers_that_bpf_has_not(clang: Clang, tmp_path: Path) -> None:
    b = build.Btf()
    floats = [
        b.floating(*one)
        for one in (("long double", 16), ("_Float16", 2), ("f32", 4), ("double", 8), ("long double", 12))
    ]
    odd = [b.integer("u128", 16), b.integer("char", 4), b.integer("bool", 1, boolean=True), b.integer("_BitInt(24)", 3)]
    at, members = 0, []
    for number, (one, size) in enumerate(zip((*floats, *odd), (16, 2, 4, 8, 12, 16, 4, 1, 3), strict=True)):
        members.append((f"m{number}", one, 8 * at))
        at += size
    b.struct("s", at, members)
    checked(b, layout("s", 66, m1=16, m2=18, m3=22, m4=30, m5=42, m6=58, m7=62, m8=63), clang, tmp_path)


def test_enums_whose_values_btf_cannot_hold(clang: Clang, tmp_path: Path) -> None:
    """Of 8 bytes, with values of 4: a constant that may be wrong is not declared."""
    b = build.Btf()
    flags = b.enum("flags", {"VALID": 0, "ERROR": 0}, size=8)
    b.struct("s", 16, [("flags", flags, 0), ("more", b.enum("", {"LOST": 7}, size=8), 64)])
    checked(b, layout("s", 16, flags=0, more=8) + "int VALID, ERROR, LOST;", clang, tmp_path)
    found = Btf.parse(b.write()).type(flags)
    assert found.values == ()  # type: ignore[union-attr]


def test_what_is_declared_and_never_defined(clang: Clang, tmp_path: Path) -> None:
    """A declaration without a name, enums without constants, and a later one that has them."""
    b = build.Btf()
    number = b.integer("int", 4)
    b.struct(
        "s",
        24,
        [
            ("p", b.pointer(b.forward("")), 0),
            ("e", b.enum("e", {}), 64),
            ("n", b.enum("", {}), 96),
            ("l", b.enum("late", {}), 128),
            ("m", number, 160),
        ],
    )
    b.enum("late", {"LATE": 3})
    checked(b, layout("s", 24, p=0, e=8, n=12, l=16, m=20) + "int late = LATE;", clang, tmp_path)


def test_nothing_to_mark(clang: Clang, tmp_path: Path) -> None:
    """A header without a record has no pragma that clang would warn of."""
    b = build.Btf()
    b.typedef("t", b.integer("int", 4))
    checked(b, "t x;", clang, tmp_path)
    b.struct("s", 4, [("a", 1, 0)])
    checked(b, "struct s y;", clang, tmp_path)


def test_names_of_c23(clang: Clang, tmp_path: Path) -> None:
    """``bool``, ``true`` and ``false`` are declared, and members called so, where they are no keywords."""
    b = build.Btf()
    boolean = b.typedef("bool", b.integer("_Bool", 1, boolean=True))
    b.enum("", {"false": 0, "true": 1})
    b.struct("s", 3, [("bool", boolean, 0), ("true", boolean, 8), ("constexpr", boolean, 16)])
    checked(b, layout("s", 3, ___bool=0, ___true=1, constexpr_=2) + "bool x = true;", clang, tmp_path)


def test_the_other_byte_order(clang: Clang, tmp_path: Path) -> None:
    """Bit-fields would lie at other bits: refused."""
    b = build.Btf(big_endian=True)
    number = b.integer("int", 4)
    b.struct("s", 4, [("a", number, 0, 3), ("b", number, 3, 29)])
    checked(b, layout("s", 4), clang, tmp_path, "-target", "bpfeb")
    with pytest.raises(AssertionError, match="big-endian kernel: compile with -target bpfeb"):
        checked(b, layout("s", 4), clang, tmp_path)
