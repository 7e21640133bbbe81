"""The index over preprocessed text: places, macros, packing, the include graph, headers that are read twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kheaders.c.include_path import ROOT, Resolver
from kheaders.c.preprocessed import batches
from kheaders.interface.index import Index, build
from kheaders.interface.schema import KINDS
from kheaders.system.ragged import Rows

FILES = ("include/linux/a.h", "include/linux/b.h", "arch/x86/include/asm/c.h", "include/linux/asm/local.h")
SEARCH = ("arch/x86/include", "include", "include/uapi")


def indexed(text: str, workers: int = 1) -> Index:
    """The index of *text*, in which ``@a`` stands for the marker of line 1 of include/linux/a.h."""
    for letter, path in (("a", FILES[0]), ("b", FILES[1]), ("c", FILES[2])):
        text = text.replace(f"@{letter}\n", f'# 1 "{ROOT}/{path}" 1\n')
    return build([text.encode()], Resolver(FILES, SEARCH), workers)


def places(index: Index) -> list[tuple[str, str, int]]:
    """(text, file, line) of each declaration."""
    rows = zip(index.texts, index.decl_files, index.decl_lines, strict=True)
    return [(text.decode(), index.files[file], line) for text, file, line in rows]


def macros(index: Index) -> list[tuple[bytes, bytes, int]]:
    """(name, text, line) of each macro."""
    numbers = (index.names[number] for number in index.macro_names)
    return list(zip(numbers, index.macro_texts, index.macro_lines, strict=True))


def names(index: Index, rows: Rows, number: int) -> set[bytes]:
    """A row, by name."""
    return {index.names[value] for value in rows.values[rows.starts[number] : rows.starts[number + 1]]}


def test_declarations_know_their_file_and_line() -> None:
    index = indexed(
        '@a\nint one;\n\nint\ntwo;\n@b\nint three; int four;\n# 9 "' + f"{ROOT}/{FILES[0]}" + '" 2\nint five;\n'
    )
    assert places(index) == [
        ("int one;", FILES[0], 1),
        ("int\ntwo;", FILES[0], 3),
        ("int three;", FILES[1], 1),
        ("int four;", FILES[1], 1),
        ("int five;", FILES[0], 9),
    ]


def test_directives_count_as_lines() -> None:
    index = indexed("@a\n#define A 1\nint one;\n#undef A\n#pragma x\nint two;\n")
    assert [(text, line) for text, _, line in places(index)] == [("int one;", 2), ("int two;", 5)]
    assert macros(index) == [(b"A", b"A 1", 1), (b"A", b"", 3)]


def test_a_directive_within_a_declaration_does_not_end_it() -> None:
    index = indexed("@a\nstruct s {\n#define INSIDE first\n int first;\n#pragma y\n int second; };\n")
    assert len(index.texts) == 1
    assert names(index, index.rows["members"], 0) == {b"first", b"second"}
    assert macros(index) == [(b"INSIDE", b"INSIDE first", 2)]


def test_packing_goes_with_the_declaration() -> None:
    index = indexed(
        "@a\n#pragma pack(push, 1)\nstruct a { int i; };\n#pragma pack(push, 2)\nstruct b { int i; };\n"
        "#pragma pack(pop)\n"
        "struct c { int i; };\n#pragma pack(pop)\nstruct d { int i; };\n#pragma pack(4)\nstruct e { int i; };\n"
        "#pragma pack()\n"
        "struct f { int i; };\n"
    )
    packed = [text.split(b"\n")[0] for text in index.texts]
    assert packed == [
        b"#pragma pack(push, 1)",
        b"#pragma pack(push, 2)",
        b"#pragma pack(push, 1)",
        b"struct d { int i; };",
        b"#pragma pack(push, 4)",
        b"struct f { int i; };",
    ]


def test_the_include_graph() -> None:
    index = indexed('@a\n#include <linux/b.h>\n@b\n#include <asm/c.h>\n#include "asm/local.h"\n#include <nowhere.h>\n')
    graph = {
        file: {
            index.files[n]
            for n in index.rows["includes"].values[
                index.rows["includes"].starts[i] : index.rows["includes"].starts[i + 1]
            ]
        }
        for i, file in enumerate(index.files)
    }
    assert graph[FILES[0]] == {FILES[1]}
    assert graph[FILES[1]] == {FILES[2], FILES[3]}


def test_a_header_without_a_guard_is_kept_once() -> None:
    assert [text for text, _, _ in places(indexed("@a\nint one;\n@a\nint one;\n@b\nint one;\n"))] == ["int one;"] * 2


def test_a_header_that_differs_the_second_time_is_kept_twice() -> None:
    assert len(indexed("@a\nint x_1;\n@a\nint x_2;\n").texts) == 2


def test_words_are_names_that_something_declares() -> None:
    index = indexed(
        "@a\ntypedef int u32;\nint global;\nint helper(int);\n"
        "static int f(u32 local) { return helper(local) + global; }\n"
    )
    number = len(index.texts) - 1
    assert KINDS[index.kinds[number]] == "inline"
    assert names(index, index.rows["words"], number) == {b"u32", b"helper", b"global"}


def test_macros_know_the_words_of_their_bodies() -> None:
    index = indexed("@a\nint global;\n#define A(x) ((x) + B + global + nobody)\n#define B 1\n")
    assert names(index, index.rows["macro_words"], 0) == {b"B", b"global"}


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_number_of_workers_changes_nothing(workers: int) -> None:
    text = "@a\n" + "".join(
        f"struct s{n} {{ int m{n}; struct s{n // 2} *p; }};\n"
        f"static int f{n}(void) {{ return {'f' + str(n - 1) + '()' if n else 0}; }}\n"
        for n in range(1500)
    )
    one, other = indexed(text), indexed(text, workers)
    assert one.texts == other.texts
    assert one.kinds == other.kinds
    for rows in ("words", "strong", "weak", "members", "touched", "declares", "defines"):
        for number in range(0, len(one.texts), 97):
            assert names(one, one.rows[rows], number) == names(other, other.rows[rows], number)


def test_nothing_gives_nothing() -> None:
    assert not indexed("").texts


@given(
    st.lists(st.sampled_from([b"\n@;\n", b"int a;\n", b"@", b";", b"\n", b"x" * 40]), max_size=80), st.integers(1, 60)
)
def test_batches_are_the_same_however_the_text_came(parts: list[bytes], size: int) -> None:
    whole = b"".join(parts)
    found = list(batches(iter([whole]), size))
    assert b"".join(found) == whole
    assert found == list(batches(iter(parts), size)) == list(batches((bytes([byte]) for byte in whole), size))
    for batch in found[:-1]:
        assert batch.endswith(b"\n@;\n") and len(batch) >= size
