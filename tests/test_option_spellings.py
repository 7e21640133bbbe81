"""The user's own headers and macros in every spelling of their options: each form gives the object of the plain one."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import context, mini, mini_archive, mini_root
from kheaders.clang.find import examine
from kheaders.errors import KheadersError, UsageError
from kheaders.headers.headerset import HeaderSet
from kheaders.interface.build import build

EXTRA = {
    "include/linux/early.h": b"#ifndef GUARD\n#define GUARD\n#ifndef EARLY\n#define EARLY 2\n#endif\n#endif\n",
    "include/linux/sized.h": b"#ifdef __OPTIMIZE_SIZE__\n#define SIZED 1\n#else\n#define SIZED 2\n#endif\n",
}
MINE = "#if __has_include(<linux/early.h>)\n#define ANSWER 1\n#else\n#define ANSWER 2\n#endif\n"
ASKED = '#include "mine.h"\n#include <linux/early.h>\nint f(void) { return ANSWER * 8 + EARLY; }\n'
GIVEN = "#include <linux/early.h>\nint f(void) { return ANSWER * 8 + EARLY; }\n"
FORMS = ("memory", "directory", "slice")

SPELLINGS = [
    (ASKED, ["-I", "inc"]),
    (ASKED, ["-Iinc"]),
    (ASKED, ["-isystem", "inc"]),
    (ASKED, ["-isysteminc"]),
    (ASKED, ["-iquoteinc"]),
    (ASKED, ["-idirafterinc"]),
    (ASKED, ["--include-directory=inc"]),
    (ASKED, ["-Wp,-Iinc"]),
    (ASKED, ["-Xclang", "-I", "-Xclang", "inc"]),
    (ASKED, ["@words"]),
    (GIVEN, ["-include", "inc/mine.h"]),
    (GIVEN, ["-includeinc/mine.h"]),
    (GIVEN, ["-Iinc", "-include", "mine.h"]),
]


class Place:
    """A program with its own headers, and a kernel's headers and blob, in one directory, which is the working one."""

    def __init__(self, directory: Path, clang: Clang, monkeypatch: pytest.MonkeyPatch) -> None:
        (directory / "inc" / "linux").mkdir(parents=True)
        (directory / "inc" / "mine.h").write_text(MINE)
        (directory / "words").write_text("-I inc")
        archive = directory / "kheaders.tar.xz"
        archive.write_bytes(mini_archive(extra=EXTRA))
        self.blob = directory / "mini.kheaders"
        build(HeaderSet(mini(extra=EXTRA)), examine(clang.argv), self.blob)
        self.program = directory / "program" / "p.c"
        self.program.parent.mkdir()
        self.context = context(mini_root(directory), directory, headers=archive, cc=" ".join(clang.argv))
        monkeypatch.chdir(directory)

    def compile(self, text: str, form: str, *words: str) -> bytes:
        self.program.write_text(text)
        blob = self.blob if form in ("slice", "auto") else None
        return self.context.compile(self.program, form=form, extra=words, blob=blob).object  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path, clang: Clang, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, clang, monkeypatch)


@pytest.mark.parametrize("form", FORMS)
def test_every_spelling_finds_the_users_headers(place: Place, form: str) -> None:
    expected = place.compile("int f(void) { return 1 * 8 + 2; }\n", "directory")
    code = {f"{' '.join(words)}": place.compile(text, form, *words) for text, words in SPELLINGS}
    assert {name for name, data in code.items() if data != expected} == set()


@pytest.mark.parametrize("form", FORMS)
def test_macros_in_every_spelling(place: Place, form: str) -> None:
    text = "#include <linux/early.h>\nint f(void) { return EARLY; }\n"
    expected = place.compile("int f(void) { return 5; }\n", "directory")
    spellings = (
        ["-DEARLY=5"],
        ["-D", "EARLY=5"],
        ["--define-macro=EARLY=5"],
        ["-Wp,-DEARLY=5"],
        ["-Xclang", "-DEARLY=5"],
    )
    for words in spellings:
        try:
            assert place.compile(text, form, *words) == expected, words
        except KheadersError as error:
            assert form == "slice", error  # what a header tests may be refused, not got wrong


def test_a_slice_is_not_cut_for_other_predefined_macros(place: Place) -> None:
    text = "#include <linux/sized.h>\nint f(void) { return SIZED; }\n"
    assert place.compile(text, "auto", "-Os") == place.compile(text, "directory", "-Os")
    assert place.compile(text, "auto", "-O3") == place.compile(text, "directory", "-O3")


@pytest.mark.parametrize("words", [["-ivfsoverlay", "none.yaml"], ["-femit-all-decls"], ["-working-directory", "inc"]])
def test_what_is_not_understood_is_refused_by_a_slice(place: Place, words: list[str]) -> None:
    with pytest.raises(KheadersError, match=f"^{' '.join(words)} may change what the headers mean"):
        place.compile(GIVEN, "slice", *words)


@pytest.mark.parametrize("form", FORMS)
def test_what_makes_no_object_is_refused(place: Place, form: str) -> None:
    with pytest.raises(UsageError, match=r"^-S: with it the compiler makes no object"):
        place.compile(GIVEN, form, "-S")


@pytest.mark.parametrize("form", FORMS)
def test_macros_of_the_flags_are_the_programs_too(place: Place, form: str) -> None:
    include = "#include <linux/early.h>\n"
    function = "int f(void) { return sizeof(KBUILD_MODNAME); }\n"
    expected = place.compile("int f(void) { return 4; }\n", "directory", "-Wno-macro-redefined")
    define = '#define KBUILD_MODNAME "foo"\n'
    assert place.compile(define + include + function, form, "-Werror") == expected
    assert place.compile(include + define + function, form, "-Werror") == expected
    assert place.compile(include + function, form, "-Werror", '-DKBUILD_MODNAME="foo"') == expected
