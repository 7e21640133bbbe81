from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from builders.btf import Btf
from builders.cli import Run

PROGRAM = "#include <linux/animals.h>\nunsigned int f(struct animal *a) { return animal_weight(a) + ANIMAL_LIMIT; }\n"


@pytest.fixture
def cut(run: Run, small_blob: Path, own_surroundings: Path) -> Run:
    (own_surroundings / "prog.c").write_text(PROGRAM)
    return lambda *words: run("slice", "--blob", str(small_blob), *words)


def test_to_standard_output(cut: Run) -> None:
    text = cut("prog.c").out
    assert "struct animal {" in text and "#define ANIMAL_LIMIT" in text
    assert "bird" not in text and "ANIMAL_HUGE" not in text


def test_to_a_file(cut: Run, own_surroundings: Path) -> None:
    assert cut("-o", "out.h", "prog.c").out == ""
    assert (own_surroundings / "out.h").read_text() == cut("prog.c").out
    done = cut("-o", "prog.c", "prog.c")
    assert done.status == 2 and "the program itself" in done.error
    assert (own_surroundings / "prog.c").read_text() == PROGRAM


def test_own_headers(cut: Run, own_surroundings: Path) -> None:
    (own_surroundings / "mine").mkdir()
    (own_surroundings / "mine/own.h").write_text("#include <uapi/linux/birds.h>\nstatic struct bird mine;\n")
    (own_surroundings / "two.c").write_text("#include <own.h>\nint f(void) { return mine.wings; }\n")
    assert "struct bird" not in cut("two.c").out
    assert "struct bird { int wings; }" in cut("-I", "mine", "two.c").out


def test_json(cut: Run) -> None:
    answer = cut("--json", "prog.c").json
    assert answer["includes"] == ["linux/animals.h"] and answer["unknown"] == []
    assert answer["lines"] == answer["text"].count("\n") and answer["macros"] > 0
    assert set(cut("--json", "-o", "out.h", "prog.c").json) == set(answer) - {"text"} | {"path"}


def test_standard_input(cut: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PROGRAM.encode())))
    assert cut("-").out == cut("prog.c").out


def test_what_cannot_be(cut: Run, run: Run, empty_root: tuple[str, ...], tmp_path: Path) -> None:
    assert cut("no-such.c").status == 2
    assert run("slice", "prog.c", *empty_root).status == 10
    (tmp_path / "junk").write_bytes(b"\x00\xff" * 5000)
    assert run("slice", "--blob", str(tmp_path / "junk"), "prog.c").status == 10


class TestTypesOfBtf:
    """Types that no header declares, from a file that is told."""

    @pytest.fixture
    def btf(self, own_surroundings: Path) -> str:
        types = Btf()
        number = types.integer("int", 4, signed=True)
        types.struct("hidden", 8, [("deep", number, 0), ("count", types.integer("unsigned int", 4), 32)])
        (own_surroundings / "types").write_bytes(types.write())
        return "types"

    def test_only_in_btf(self, cut: Run, btf: str, own_surroundings: Path) -> None:
        (own_surroundings / "lib.c").write_text('#include "vmlinux.h"\nint f(struct hidden *h) { return h->deep; }\n')
        assert "struct hidden {" not in cut("lib.c").out
        assert "struct hidden {\n\tint deep;\n\tunsigned int count;\n};" in cut("--btf", btf, "lib.c").out

    def test_a_file_without_btf(self, cut: Run, own_surroundings: Path) -> None:
        (own_surroundings / "lib.c").write_text('#include "vmlinux.h"\nint f;\n')
        (own_surroundings / "junk").write_bytes(b"junk" * 9)
        done = cut("--btf", "junk", "lib.c")
        assert done.status == 11 and "junk" in done.error


def test_macros_of_the_command_line(cut: Run, own_surroundings: Path) -> None:
    (own_surroundings / "lib.c").write_text('#include "vmlinux.h"\nint f(void) { return WHICH + ANIMAL_LIMIT; }\n')
    assert "#define ANIMAL_HUGE" not in cut("lib.c").out
    assert "#define ANIMAL_HUGE" in cut("-DWHICH=ANIMAL_HUGE", "lib.c").out
    assert "#define ANIMAL_LIMIT" not in cut("-D", "ANIMAL_LIMIT=1", "lib.c").out
