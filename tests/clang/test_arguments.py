"""The words of a command line, against the spellings that clang documents and the line that it makes of them itself."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.compilers import compilers
from kheaders.c.include_path import IncludeSearch
from kheaders.clang.arguments import Arguments, Macro, expanded, read, tokens
from kheaders.errors import UsageError

INCLUDES = {
    "angled": (["-I", "inc"], ["-Iinc"], ["--include-directory", "inc"], ["--include-directory=inc"]),
    "quote": (["-iquote", "inc"], ["-iquoteinc"]),
    "system": (["-isystem", "inc"], ["-isysteminc"]),
    "after": (["-idirafter", "inc"], ["-idirafterinc"], ["--include-directory-after=inc"]),
}


@pytest.mark.parametrize(
    ("kind", "words"), [(kind, words) for kind, all_words in INCLUDES.items() for words in all_words]
)
@pytest.mark.parametrize("through", ["driver", "cc1", "preprocessor", "comma"])
def test_directories_in_every_spelling(kind: str, words: list[str], through: str) -> None:
    wrapped = {
        "driver": words,
        "cc1": [piece for word in words for piece in ("-Xclang", word)],
        "preprocessor": [piece for word in words for piece in ("-Xpreprocessor", word)],
        "comma": ["-Wp," + ",".join(words)],
    }[through]
    assert read(wrapped) == Arguments(search=IncludeSearch(**{kind: ("inc",)}))


@pytest.mark.parametrize(
    "words",
    [["-include", "a.h"], ["-includea.h"], ["--include=a.h"], ["-Xclang", "-include", "-Xclang", "a.h"]],
)
def test_included_files(words: list[str]) -> None:
    assert read(words) == Arguments(includes=("a.h",))


@pytest.mark.parametrize("words", [["-imacros", "a.h"], ["-imacrosa.h"], ["--imacros=a.h"]])
def test_files_of_macros(words: list[str]) -> None:
    assert read(words) == Arguments(imacros=("a.h",))


@pytest.mark.parametrize(
    ("words", "macro"),
    [
        (["-DA"], Macro("A", "", "1")),
        (["-D", "A="], Macro("A", "", "")),
        (["--define-macro=A=b=c"], Macro("A", "", "b=c")),
        (["--define-macro", "A=2"], Macro("A", "", "2")),
        (["-D", "F(x, y)=x + y"], Macro("F", "(x, y)", "x + y")),
        (["-DF(x)"], Macro("F", "(x)", "1")),
        (["-DA=1\n#error"], Macro("A", "", "1")),
        (["-UA"], Macro("A", "", None)),
        (["-U", "A"], Macro("A", "", None)),
        (["--undefine-macro=A"], Macro("A", "", None)),
        (["-Wp,-DA=3"], Macro("A", "", "3")),
        (["-Wp,-MD,out.d,-D,A=3"], Macro("A", "", "3")),
    ],
)
def test_macros(words: list[str], macro: Macro) -> None:
    assert read(words) == Arguments(macros=(macro,))
    assert read([macro.word()]) == Arguments(macros=(macro,))


def test_what_xclang_gives_comes_last() -> None:
    words = ["-Xclang", "-DA=3", "-Wp,-DA=2", "-DA=1"]
    assert [macro.body for macro in read(words).macros] == ["1", "2", "3"]


def test_order_of_directories() -> None:
    words = [
        *("-idirafter", "d", "-iprefix", "p/", "-iwithprefix", "w", "-iwithprefixbefore", "b"),
        *("-Ii", "-isystem", "s", "-iquote", "q", "-Ij"),
    ]
    search = IncludeSearch(quote=("q",), angled=("i", "j", "p/b"), system=("s",), after=("p/w", "d"))
    assert read(words).search == search
    assert search.ahead(quoted=True) == ("q", "i", "j", "p/b")
    assert search.ahead(quoted=False) == ("i", "j", "p/b")
    assert search.behind == ("s", "p/w", "d")


def test_a_directory_for_system_headers_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    words = [f"-I{tmp_path}", "-Iother", "-isystem", f"{tmp_path}/link"]
    assert read(words).search == IncludeSearch(angled=("other",), system=(f"{tmp_path}/link",))


@pytest.mark.parametrize(
    "words",
    [
        *(["-Wall"], ["-Wno-error"], ["-Werror=unused"], ["-w"], ["-v"], ["-pedantic"], ["-c"], ["-MD"], ["-H"]),
        *(["-MF", "x"], ["-MFx"], ["-o", "x"], ["-ox"], ["-x", "c"], ["-xc"], ["-save-temps=obj"], ["-nostdinc"]),
    ],
)
def test_what_means_nothing_to_the_text(words: list[str]) -> None:
    assert read(words) == Arguments()


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["-O2"], False),
        (["-O3"], False),
        (["-Os"], True),
        (["-O0"], True),
        (["-mcpu=v3"], False),
        (["-mllvm", "-inline-threshold=9"], False),
        (["-std=gnu11"], True),
        (["-funsigned-char"], True),
        (["-fshort-enums"], True),
        (["-undef"], True),
        (["-Xclang", "-target-feature", "-Xclang", "+alu32"], False),
        (["-ffreestanding"], True),
        (["-fms-extensions"], False),
    ],
)
def test_language_and_code_generation(words: list[str], asked: bool) -> None:
    found = read(words)
    assert found.language == tuple(words)
    assert found.predefining == (tuple(words) if asked else ())
    assert not found.not_understood


@pytest.mark.parametrize(
    ("words", "trigraphs"),
    [
        (["-std=c11"], True),
        (["-std=gnu11"], False),
        (["-std=c23"], False),
        (["-std=c11", "-std=gnu11"], False),
        (["-std=c11", "-fno-trigraphs"], False),
        (["-trigraphs"], True),
        (["-ansi"], True),
        ([], False),
    ],
)
def test_trigraphs(words: list[str], trigraphs: bool) -> None:
    assert read(words).trigraphs is trigraphs


@pytest.mark.parametrize(
    ("words", "debug"),
    [(["-g"], True), (["-g", "-g0"], False), (["-g0", "-gdwarf-5"], True), (["-gz"], False), ([], False)],
)
def test_debug_information(words: list[str], debug: bool) -> None:
    assert read(words).debug is debug


@pytest.mark.parametrize(
    "words",
    [
        ["-target", "x86_64"],
        ["--target=bpfeb"],
        ["-mbig-endian"],
        ["-include-pch", "a.pch"],
        ["-ivfsoverlay", "a.yaml"],
        ["-fmodules"],
        ["-femit-all-decls"],
        ["-I-"],
        ["-Finc"],
        ["--config=a.cfg"],
        ["-working-directory", "d"],
        ["other.c"],
        ["-nobody-knows-it"],
        ["-Xclang", "-nobody-knows-it"],
        ["-I"],
    ],
)
def test_what_is_not_understood_is_named(words: list[str]) -> None:
    assert read(words).not_understood == (" ".join(words),)


@pytest.mark.parametrize(
    "word", ["-E", "-S", "-M", "-MM", "-fsyntax-only", "-emit-llvm", "-flto", "-flto=thin", "-###", "--version", "--"]
)
def test_what_makes_no_object_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match=f"^{word}: with it the compiler makes no object"):
        read(["-g", word]).refuse_other_output()


def test_what_is_taken_back_makes_an_object() -> None:
    read(["-flto", "-fno-lto"]).refuse_other_output()


def test_response_files(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.write_text("-DB -I 'a directory'\n")
    outer = tmp_path / "outer"
    outer.write_bytes(b'\xef\xbb\xbf-DA @%s\n"-DC=\\"x\\""' % bytes(inner))
    assert expanded(["-g", f"@{outer}", "@absent"]) == ("-g", "-DA", "-DB", "-I", "a directory", '-DC="x"', "@absent")
    assert read([f"@{outer}"]).search.angled == ("a directory",)


def test_a_response_file_that_names_itself(tmp_path: Path) -> None:
    file = tmp_path / "loop"
    file.write_text(f"-DA @{file}")
    with pytest.raises(UsageError, match="names itself"):
        expanded([f"@{file}"])


def test_prelude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here.h").touch()
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "mine.h").touch()
    monkeypatch.chdir(tmp_path)
    words = ["-DA", "-UB", "-includehere.h", "-include", "mine.h", "-Iinc", "-include", "linux/fs.h", "-imacros", "m.h"]
    assert read(words).prelude().decode().splitlines() == [
        "#define A 1",
        "#undef B",
        "#include <m.h>",
        f'#include "{tmp_path}/here.h"',
        f'#include "{tmp_path}/inc/mine.h"',
        "#include <linux/fs.h>",
    ]


NAMES = st.sampled_from(["A", "B=1", "F(x)=x", "C="])
DIRECTORIES = st.sampled_from(["inc", "a dir", "/x", "sub/inc"])


def spelled(values: st.SearchStrategy[str], *spellings: str) -> st.SearchStrategy[list[str]]:
    """Words of one option: a spelling that ends with a space has its value in the next word."""

    def words(spelling: str, value: str) -> list[str]:
        return [spelling.rstrip(), value] if spelling.endswith(" ") else [spelling + value]

    return st.builds(words, st.sampled_from(spellings), values)


OPTIONS = st.one_of(
    spelled(NAMES, "-D", "-D ", "--define-macro=", "--define-macro ", "-Wp,-D"),
    spelled(st.sampled_from(["A", "B", "F"]), "-U", "-U ", "--undefine-macro=", "--undefine-macro ", "-Wp,-U"),
    spelled(DIRECTORIES, "-I", "-I ", "--include-directory=", "--include-directory "),
    spelled(DIRECTORIES, "-isystem", "-isystem ", "-iquote", "-iquote ", "-idirafter", "-idirafter "),
    spelled(DIRECTORIES, "-include", "-include ", "--include=", "-imacros", "-imacros ", "--imacros="),
    st.sampled_from(["-g", "-O3", "-Wall", "-std=gnu11", "-MD", "-mcpu=v3", "-funsigned-char"]).map(
        lambda word: [word]
    ),
    st.sampled_from(["-DX", "-UA", "-Iinc", "-includea.h"]).map(lambda word: ["-Xclang", word]),
    st.sampled_from(["-DX", "-UA", "-Iinc"]).map(lambda word: ["-Xpreprocessor", word]),
    st.sampled_from([["-MF", "-DX"], ["-x", "c"], ["-mllvm", "-inline-threshold=9"], ["-L", "-Iinc"], ["-o-Iinc"]]),
)


def of_cc1(line: str) -> tuple[list[str], ...]:
    """Macros, files and directories of the line that clang gives its compiler proper, each spelling apart."""
    found: dict[str, list[str]] = {}
    words = iter(shlex.split(line))
    for word in words:
        if word in ("-mllvm", "-x", "-o", "-main-file-name", "-dependency-file", "-MT"):
            next(words)
            continue
        if word == "-D__GCC_HAVE_DWARF2_CFI_ASM=1":
            continue  # some versions of clang add it to -g
        for option in ("-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-D", "-U", "-I"):
            if word == option or (word.startswith(option) and not word.startswith("-include-pch")):
                value = next(words) if word == option else word.removeprefix(option)
                key = "-D" if option == "-U" else option
                found.setdefault(key, []).append(option + value if key == "-D" else value)
                break
    return tuple(
        found.get(key, []) for key in ("-D", "-I", "-isystem", "-iquote", "-idirafter", "-include", "-imacros")
    )


@pytest.mark.parametrize("compiler", compilers(), ids=lambda compiler: compiler.name)
def test_the_same_as_clang_itself(compiler: object) -> None:
    argv: Sequence[str] = compiler.argv  # type: ignore[attr-defined]

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(st.lists(OPTIONS, max_size=8))
    def holds(options: list[list[str]]) -> None:
        words = [word for option in options for word in option]
        command = [*argv, "-###", "-target", "bpf", *words, "-c", "-x", "c", "-", "-o", "-"]
        told = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
        line = told.stderr.strip().splitlines()[-1]
        found = read(words)
        assert not found.not_understood
        defined = [f"-D{m.name}{m.parameters}={m.body}" if m.body is not None else f"-U{m.name}" for m in found.macros]
        expected = of_cc1(line)
        assert defined == [word if word.startswith("-U") or "=" in word else f"{word}=1" for word in expected[0]]
        later = {*found.search.system, *found.search.after}
        assert list(found.search.angled) == [directory for directory in expected[1] if directory not in later]
        assert [list(found.search.system), list(found.search.quote), list(found.search.after)] == list(expected[2:5])
        assert [list(found.includes), list(found.imacros)] == list(expected[5:7])

    holds()


def test_tokens_of_a_response_file() -> None:
    assert tokens("a\\ b 'c \"d' \"e\\\"f\" ''\n\tg\\") == ["a b", 'c "d', 'e"f', "", "g\\"]
