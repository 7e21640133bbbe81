from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builders.cli import Run


@pytest.fixture
def show(run: Run, small_blob: Path) -> Run:
    return lambda *words: run("show", "--blob", str(small_blob), *words)


def test_place_then_text(show: Run) -> None:
    lines = show("bird").out.splitlines()[1:]
    assert lines[0] == "include/uapi/linux/birds.h:2: struct bird"
    assert lines[1:] == ["struct bird { int wings; };"]


def test_value_in_decimal_and_hex(show: Run) -> None:
    assert show("ANIMAL_LIMIT").out.splitlines()[1:] == [
        f"include/linux/animals.h:{line_of('ANIMAL_LIMIT')}: macro ANIMAL_LIMIT = 13 (0xd)",
        "#define ANIMAL_LIMIT (PAW_SIZE * LEGS_MAX + 1)",
    ]
    assert "constant ANIMAL_OWL of enum animal_kind = 8" in show("ANIMAL_OWL").out
    assert r'= "cat \"Tom\" \\ \t\n\u0001"' in show("ANIMAL_NAME").out
    assert "(takes arguments)" in show("ANIMAL_MADE").out
    assert "=" not in show("--no-value", "ANIMAL_OWL").out.splitlines()[1]


def line_of(macro: str) -> int:
    from builders.interface import ANIMALS

    return next(i for i, line in enumerate(ANIMALS.splitlines(), 1) if line.startswith(f"#define {macro} "))


def test_every_definition(show: Run) -> None:
    places = [line for line in show("ANIMAL_SPEED").out.splitlines() if "macro" in line]
    assert [place.rpartition(" = ")[2] for place in places] == ["10 (0xa)", "90 (0x5a)"]


@pytest.mark.parametrize("words", [("struct", "animal"), ("struct animal",), ("--kind", "struct", "animal")])
def test_kind(show: Run, words: tuple[str, ...]) -> None:
    assert "struct animal" in show(*words).out


def test_another_kind(show: Run) -> None:
    done = show("union", "animal")
    assert done.status == 10 and done.error == "'animal' is no union; it is: struct"


def test_users(show: Run) -> None:
    rows = [line.split() for line in show("--users", "LEGS_MAX").out.splitlines()[1:]]
    assert {(row[0], row[1]) for row in rows} == {
        ("struct", "animal"),
        ("inline", "animal_weight"),
        ("macro", "ANIMAL_LIMIT"),
    }
    assert show("--users", "ANIMAL_HUGE").out.splitlines()[1:] == ["nothing refers to ANIMAL_HUGE"]


def test_json(show: Run) -> None:
    (item,) = show("--json", "ANIMAL_DOG").json["items"]
    assert set(item) == {"kind", "name", "file", "line", "text", "value", "reason", "owner", "remark"}
    assert (item["kind"], item["value"], item["owner"]) == ("constant", 7, "animal_kind")
    assert show("--json", "animal_feed").json["items"][0]["kind"] == "function"


def test_a_typo(show: Run) -> None:
    done = show("animal_wieght")
    assert done.status == 10 and "did you mean animal_weight" in done.error
    done = show("--json", "animal_wieght")
    assert done.json["error"]["kind"] == "BlobError"


def test_no_blob_and_no_name(run: Run, empty_root: tuple[str, ...], tmp_path: Path) -> None:
    done = run("show", "animal", *empty_root)
    assert done.status == 10 and "kheaders blob build" in done.error
    done = run("show", "--blob", str(tmp_path / "none"), "animal")
    assert done.status == 10 and "no such blob" in done.error
    assert run("show").status == 2 and run("show", "struct", "a", "b").status == 2


def test_colours_on_a_terminal_only(terminal: Callable[..., tuple[int, str]], show: Run, small_blob: Path) -> None:
    pytest.importorskip("rich")
    status, seen = terminal("show", "--blob", str(small_blob), "animal_weight")
    assert status == 0 and "\x1b[" in seen and "animal_weight" in seen
    status, plain = terminal("show", "--blob", str(small_blob), "animal_weight", env={"NO_COLOR": "1"})
    assert status == 0 and "\x1b[" not in plain
    assert "\x1b[" not in show("animal_weight").out
