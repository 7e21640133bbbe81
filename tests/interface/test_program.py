"""A program, read before any compiler saw it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kheaders.interface.program import Program, read


def told(text: str | bytes, directory: Path | None = None, *includes: Path) -> Program:
    """The program *text*, read."""
    data = text.encode() if isinstance(text, str) else text
    return read(data, str(directory) if directory else None, [str(path) for path in includes])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#include <linux/a.h>\n", ("linux/a.h",)),
        ("  #  include\t<linux/a.h> // why\n", ("linux/a.h",)),
        ("#include <linux/a.h> /* why\n not */\n#include <b.h>", ("linux/a.h", "b.h")),
        ("#include /* odd */ <linux/a.h>\n", ("linux/a.h",)),
        ("/* before */ #include <linux/a.h>\n", ("linux/a.h",)),
        ("#include \\\n <linux/a.h>\n", ("linux/a.h",)),
        ("#inc\\\nlude <linux/a.h>\n", ("linux/a.h",)),
        ('#include "linux/a.h"\n', ("linux/a.h",)),
        ("#include <a.h>\r\n#include <b.h>\r\n", ("a.h", "b.h")),
        ("#include_next <a.h>\n", ("a.h",)),
        ("#if __has_include(<a.h>)\n#endif\n", ("a.h",)),
        ("#include <a.h>\n#include <a.h>\n", ("a.h",)),
        ("// #include <a.h>\n", ()),
        ("// goes on \\\n#include <a.h>\n", ()),
        ("/*\n#include <a.h>\n*/\n", ()),
        ("/* one */ /*\n#include <a.h>\n*/\n", ()),
        ('char *t = "/*";\n#include <a.h>\nchar *u = "*/";\n', ("a.h",)),
        ("int a; #include <a.h>\n", ()),
        ("", ()),
    ],
)
def test_include_lines(text: str, wanted: tuple[str, ...]) -> None:
    assert told(text).includes == wanted


def test_a_name_made_by_a_macro_is_noticed() -> None:
    assert told("#define H <linux/a.h>\n#include H\n").uncertain
    assert not told("#include <linux/a.h>\n").uncertain
    assert not told("/*\n#include H\n*/\n").uncertain


def test_conditional_include_lines_are_noticed() -> None:
    assert told("#if 1\n#include <linux/a.h>\n#endif\n").uncertain
    assert told("#ifdef A\n#elif defined(B)\n#include <linux/a.h>\n#endif\n").uncertain
    assert not told("#ifndef A_H\n#define A_H\n#include <linux/a.h>\n#endif\n").uncertain
    assert not told("#ifdef A\n#define B\n#endif\n#include <linux/a.h>\n").uncertain


def test_a_byte_order_mark_is_skipped() -> None:
    assert told(b"\xef\xbb\xbf#include <linux/a.h>\n").includes == ("linux/a.h",)


def test_digraphs() -> None:
    read = told("%:include <linux/a.h>\n%:define P(x) AF_%:%:x\nstruct own <% int a<:2:>; %>;\n")
    assert read.includes == ("linux/a.h",)
    assert read.defined == {"own"}
    assert read.pastes == ("P(x) AF_##x",)


def test_what_is_defined_before_an_include_line(tmp_path: Path) -> None:
    (tmp_path / "own.h").write_text("#define IN_OWN 1\n#include <linux/b.h>\n#define AFTER_OWN 2\n")
    text = "#define A (1)\n#undef B\n#define F(x) x\n#include <linux/a.h>\n#define C\n#include <own.h>\n#define D\n"
    early = told(text, None, tmp_path).early
    wanted = {"A": "(1)", "B": None, "F": "(x) x", "C": "", "IN_OWN": "1"}
    assert early == {name: {body} for name, body in wanted.items()}


def test_what_macros_may_paste() -> None:
    own = "#define C_(a, b) a##b\n#define C(a, b) C_(a, b)\n#define P CONFIG_\n"
    read = told(own + "int f(void) { return C(P, 64BIT); }\nint g(void) { return h(other); }\n")
    assert {"P", "CONFIG_", "64BIT"} <= read.pasted
    assert "other" not in read.pasted
    assert "64BIT" in read.numbers


def test_words_are_those_of_code() -> None:
    program = told(
        'int f(void) { return seen + "unseen; \\" unseen2"[0] + \'u\'; } // unseen3 \\\nunseen4\n/* unseen5 */'
    )
    assert {"seen", "f"} <= program.words
    assert not {word for word in program.words if word.startswith("unseen")}


def test_continued_lines_are_one() -> None:
    program = told("#define TWO(a) \\\n  ((a)->member \\\n + other)\nint g;")
    assert {"member", "other"} <= program.words
    assert "member" in program.touched
    assert "g" in program.declared


def test_what_the_program_declares() -> None:
    program = told(
        "struct own { int a; struct nested { int b; } n; };\nenum { ONE };\ntypedef int t;\n"
        "int f(void) { int local; }\n"
        "extern int v;\nint given(void);\nstruct later;\n"
    )
    assert {"ONE", "t", "f", "v"} <= program.declared
    assert not {"given", "local", "a"} & program.declared
    assert {"own", "nested"} == program.defined


def test_pointers_are_weak_and_values_strong() -> None:
    program = told("struct a *p; struct b v; int f(struct c *c) { return sizeof(struct d) + c->e; }")
    assert {"b", "d"} <= program.strong
    assert {"a", "c"} <= program.weak
    assert not program.strong & {"a", "c"}
    assert "e" in program.touched


def test_what_is_named_before_headers() -> None:
    program = told(
        "#ifdef ONE\n#endif\nint two;\n#include <linux/a.h>\n"
        "#define THREE FOUR\n#include <linux/b.h>\nint five = ONE;\n"
    )
    assert program.includes == ("linux/a.h", "linux/b.h")
    assert program.before == {"ONE": 0, "int": 0, "two": 0, "THREE": 1, "FOUR": 1}
    assert program.since == {"THREE": 1}


def test_what_is_named_counts_as_first_where_includes_are_conditional() -> None:
    program = told("#include <linux/a.h>\nint one;\n#if one\n#include <linux/b.h>\n#endif\n")
    assert program.before == {"int": 0, "one": 0}


def test_own_macros_that_paste() -> None:
    assert told("#define P(x) \\\n BPF_##x\n").pastes == ("P(x) \\\n BPF_##x",) or told(
        "#define P(x) B_##x\n"
    ).pastes == ("P(x) B_##x",)


def test_own_headers_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "inc/sub").mkdir(parents=True)
    (tmp_path / "a.h").write_text('#include "b.h"\n#include <c.h>\n#include <linux/x.h>\nint from_a;\n')
    (tmp_path / "b.h").write_text('#include "a.h"\n#include "b.h"\nint from_b;\n')
    (tmp_path / "inc/c.h").write_text('#include "sub/d.h"\nint from_c;\n')
    (tmp_path / "inc/sub/d.h").write_text("#include <linux/y.h>\nint from_d;\n")
    program = told('#include "a.h"\n', tmp_path, tmp_path / "inc")
    assert {"from_a", "from_b", "from_c", "from_d"} <= program.declared
    assert set(program.includes) == {"linux/x.h", "linux/y.h"}


def test_a_quoted_header_is_looked_for_beside_its_includer_first(tmp_path: Path) -> None:
    for name, text in (("here.h", "int beside;"), ("inc/here.h", "int far;")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert "beside" in told('#include "here.h"', tmp_path, tmp_path / "inc").declared
    assert "far" in told("#include <here.h>", tmp_path, tmp_path / "inc").declared


def test_a_directory_or_a_strange_name_in_an_include_line_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "dir.h").mkdir()
    program = told('#include "dir.h"\n#include "a\0b"\n#include ""\n', tmp_path)
    assert program.includes == ("dir.h", "a\0b")
    assert not program.files


@given(st.binary(max_size=300))
@example(b"\0\xff#include <\xff>\n")
@example(b'#include "')
@example(b"/*")
@example(b"@;@")
@settings(max_examples=200)
def test_junk_is_read(text: bytes) -> None:
    told(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"int x;\n" * 700_000, id="5 MB of declarations"),
        pytest.param(bytes(range(256)) * 4_000, id="1 MB of every byte"),
        pytest.param(b"/*" * 100_000, id="comments that never end"),
        pytest.param(b'"\\' * 20_000, id="strings that never end"),
        pytest.param(b"a(" * 20_000, id="calls that never end"),
        pytest.param(b"{" * 1_000_000, id="open braces"),
        pytest.param(b"//\\\n" * 100_000, id="a comment of many lines"),
        pytest.param(b"#define \\\n" * 100_000, id="a directive of many lines"),
        pytest.param(b"struct " * 100_000, id="keywords"),
        pytest.param(b"a" * 2_000_000, id="one long word"),
        pytest.param(b" " * 2_000_000, id="blanks"),
        pytest.param(b"\n" * 2_000_000, id="empty lines"),
        pytest.param(b"# include " * 100_000, id="unfinished include lines"),
    ],
)
def test_reading_ends(text: bytes) -> None:
    told(text)
