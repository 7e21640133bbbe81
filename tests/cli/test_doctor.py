from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.cli import Run
from builders.root import RELEASE, FakeRoot
from kheaders.cli.report import Row, Section, plain

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_machine_without_headers(run: Run, empty_root: tuple[str, ...]) -> None:
    done = run("doctor", *empty_root)
    assert done.status == 3
    lines = done.out.splitlines()
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles[:4] == ["kernel", "compilers", "store", "sources of headers"]
    assert f"result: no headers of {RELEASE}" in lines
    assert lines[-1].startswith("next:   'kheaders fetch' downloads")
    answers = [line.split()[1] for line in lines if line.startswith("  -- ")]
    assert answers[-5:] == ["sysfs", "module", "build", "distro", "store"]


def test_json_has_its_keys(run: Run, empty_root: tuple[str, ...], places: tuple[str, ...]) -> None:
    done = run("doctor", *empty_root, "--json")
    assert done.status == 3
    assert set(done.json) == {"kernel", "compilers", "compiler", "store", "blob", "sources", "chosen", "next"}
    assert done.json["kernel"]["release"] == RELEASE and done.json["kernel"]["srcarch"] == "x86"
    assert [answer["source"] for answer in done.json["sources"]] == ["sysfs", "module", "build", "distro", "store"]
    assert all(answer["reason"] and not answer["ok"] for answer in done.json["sources"])
    assert done.json["chosen"] is None
    assert done.json["store"]["boot"]["writable"] is True
    assert done.json["store"]["boot"]["path"] == places[1]


def test_real_headers_are_chosen(run: Run, debian_archive: Path) -> None:
    done = run("doctor", "--headers", str(debian_archive))
    if "no clang that can emit BPF" in done.out:
        pytest.skip("no compiler here")
    assert done.status == 0
    assert re.search(r"^  -> explicit +\S*kheaders.tar.xz$", done.out, re.M)
    answer = run("doctor", "--headers", str(debian_archive), "--json").json
    assert answer["chosen"]["source"] == "explicit"
    release = next(check["detail"] for check in answer["chosen"]["checks"] if check["name"] == "release")
    assert f"result: headers of {release} from explicit, verified" in done.out
    assert answer["compiler"]["argv"] and answer["compiler"] in answer["compilers"]
    assert {check["name"] for check in answer["chosen"]["checks"]} >= {"files", "release", "compiles"}


def test_without_a_compiler_nothing_is_proven(run: Run, debian_archive: Path) -> None:
    done = run("doctor", "--headers", str(debian_archive), "--cc", "/no/such/clang")
    assert done.status == 6
    assert "not proven by a compile" in done.out
    assert done.out.splitlines()[-1] == "next:   pip install 'kheaders[compiler]', or install clang 13 or later"


def test_a_hostile_name_stays_on_its_line(run: Run, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.link(f"{root.modules}/build", "/nowhere\x1b[2J\n  ok build  /trust/me")
    out = run("doctor", "--sysroot", str(root.path), "--order", "build").out
    assert ESCAPE not in out
    assert not re.search(r"^  ok build", out, re.M)


# ---- terminals ------------------------------------------------------------------------------------------------------

Terminal = Callable[..., tuple[int, str]]


def test_a_terminal_sees_colour_and_lines_that_fit(terminal: Terminal, empty_root: tuple[str, ...]) -> None:
    pytest.importorskip("rich")
    status, seen = terminal("doctor", *empty_root, env={"COLUMNS": "80"})
    assert status == 3
    report = seen[seen.index("kernel") :]
    assert COLOUR.search(report)
    assert max(len(COLOUR.sub("", line)) for line in report.splitlines()) <= 80


def test_no_color_is_respected(terminal: Terminal, empty_root: tuple[str, ...]) -> None:
    _, seen = terminal("doctor", *empty_root, env={"NO_COLOR": "1"})
    coloured = [code for code in re.findall(r"\x1b\[([0-9;]*)m", seen) if set(code.split(";")) - {"", "0", "1", "2"}]
    assert not coloured


def test_a_dumb_terminal_gets_plain_lines(terminal: Terminal, empty_root: tuple[str, ...]) -> None:
    _, seen = terminal("doctor", *empty_root, env={"TERM": "dumb"})
    assert ESCAPE not in seen


def test_no_terminal_no_escapes(
    process: Callable[..., object], empty_root: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    done = process("doctor", *empty_root)
    assert b"\x1b" not in done.stdout + done.stderr  # type: ignore[attr-defined]


# ---- the report -----------------------------------------------------------------------------------------------------


def test_plain_text_is_folded_only_for_terminals() -> None:
    row = Row("no", "build", "a reason of many words, " * 8, "a hint")
    sections = [Section("sources", [row])]
    piped = plain(sections, "nothing", "look", 5, 0)
    assert len([line for line in piped if "reason" in line]) == 1
    folded = plain(sections, "nothing", "look", 5, 60)
    assert max(map(len, folded)) <= 60
    assert " ".join(" ".join(folded).split()) == " ".join(" ".join(piped).split())
