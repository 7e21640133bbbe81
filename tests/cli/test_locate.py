"""locate, extract and cflags: the headers as a directory."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.cli import Run
from builders.compilers import Clang
from builders.kernel_archive import DebianHeaders
from kheaders.cli.cflags import plain
from kheaders.errors import UsageError

Process = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def archive(debian_archive: Path) -> tuple[str, str]:
    return ("--headers", str(debian_archive))


def cc(argv: tuple[str, ...]) -> tuple[str, ...]:
    """``--cc`` for a compiler of the tests."""
    return ("--cc", shlex.join(argv))


# ---- locate ---------------------------------------------------------------------------------------------------------


def test_locate_prints_the_directory(run: Run, archive: tuple[str, str]) -> None:
    done = run("locate", *archive)
    assert done.status == 0, done.err
    path = Path(done.out.removesuffix("\n"))
    assert (path / "include/linux/sched.h").is_file()
    answer = run("locate", *archive, "--json").json
    assert set(answer) == {"path", "release", "srcarch", "source", "location", "digest", "checks"}
    assert (answer["path"], answer["source"], answer["location"]) == (str(path), "explicit", archive[1])
    assert answer["release"] in (path / "include/generated/utsrelease.h").read_text()
    assert {check["state"] for check in answer["checks"]} <= {"ok", "skipped"}


def test_locate_says_why_there_is_nothing(run: Run, empty_root: tuple[str, ...]) -> None:
    done = run("locate", *empty_root)
    assert done.status == 3 and not done.out
    assert "no headers of kernel" in done.error and "kheaders doctor" in done.error
    answer = run("locate", *empty_root, "--json").json
    assert answer["error"]["kind"] == "HeadersNotFound" and len(answer["error"]["reasons"]) == 5
    assert not [reason for reason in answer["error"]["reasons"] if "::" in reason]


@pytest.mark.parametrize("command", ["locate", "cflags"])
def test_headers_of_another_machine_are_refused(
    run: Run, archive: tuple[str, str], command: str, debian_headers: DebianHeaders
) -> None:
    other = "riscv" if debian_headers.srcarch != "riscv" else "arm64"
    assert run(command, *archive).status == 0
    done = run(command, *archive, "--machine", other)
    assert done.status == 3 and f"they are headers for {debian_headers.srcarch}, not for {other}" in done.error
    assert run(command, *archive, "--machine", debian_headers.srcarch).status == 0


def test_a_path_that_is_no_utf8(process: Process, tmp_path: Path, debian_archive: Path) -> None:
    home = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(home)
    done = process("locate", "--headers", str(debian_archive), b"--store", home + b"/store")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(home + b"/store/trees/")
    done = process("locate", b"--headers", home + b"/absent")
    assert b"caf\\xe9/absent: does not exist" in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "en_US.ISO-8859-1"])
def test_any_locale(process: Process, locale: str, empty_root: tuple[str, ...]) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("LC_")} | {"LC_ALL": locale, "PYTHONUTF8": "0"}
    done = process("locate", "--headers", "/no/ä→", env=env | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 3 and done.stderr.count(b"\n") == 1
    assert b"Traceback" not in done.stderr


# ---- extract --------------------------------------------------------------------------------------------------------


def test_extract_tells_how_much_of_what(run: Run, archive: tuple[str, str], own_surroundings: Path) -> None:
    done = run("extract", *archive, "tree")
    assert done.status == 0, done.err
    tree = own_surroundings / "tree"
    headers = [path for path in tree.rglob("*.h") if ".bpf" not in path.parts and not path.is_symlink()]
    assert done.out.startswith(f"{tree}: {len(headers)} headers of ")
    answer = run("extract", *archive, "other", "--json").json
    assert (answer["path"], answer["headers"]) == (str(own_surroundings / "other"), len(headers))


def test_extract_overwrites_nothing(run: Run, archive: tuple[str, str], own_surroundings: Path) -> None:
    (own_surroundings / "tree").mkdir()
    (own_surroundings / "tree/mine").write_text("precious")
    done = run("extract", *archive, "tree")
    assert done.status == 2 and "is not empty" in done.error
    assert os.listdir(own_surroundings) == ["tree"] and os.listdir(own_surroundings / "tree") == ["mine"]


# ---- cflags ---------------------------------------------------------------------------------------------------------

COMPILE = {
    "plain": '"$@" $(cat flags) -O2 -c prog.bpf.c -o prog.o',
    "--quote": 'eval "$CC $(cat flags) -O2 -c prog.bpf.c -o prog.o"',
    "--null": "xargs -0 sh -c 'exec $CC \"$@\" -O2 -c prog.bpf.c -o prog.o' sh < flags",
}


@pytest.mark.parametrize("form", COMPILE)
def test_any_shell_can_use_the_flags(
    form: str, process: Process, archive: tuple[str, str], program: Path, clang: Clang
) -> None:
    argv = clang.argv
    program.write_text(
        program.read_text() + 'const char name[] = KBUILD_MODNAME;\n_Static_assert(sizeof(name) == 9, "");\n'
    )
    done = process("cflags", *archive, *cc(argv), *([form] if form != "plain" else []))
    assert done.returncode == 0, done.stderr
    (program.parent / "flags").write_bytes(done.stdout)
    env = os.environ | {"CC": shlex.join(argv)}
    shell = subprocess.run(
        ["sh", "-c", COMPILE[form], "sh", *argv], env=env, capture_output=True, text=True, check=False
    )
    assert shell.returncode == 0, shell.stderr
    assert (program.parent / "prog.o").read_bytes()[:4] == b"\x7fELF"


def test_a_recipe_of_make_can_use_the_flags(
    process: Process, archive: tuple[str, str], program: Path, need_tool: Callable[[str], Path], clang: Clang
) -> None:
    argv = clang.argv
    flags = process("cflags", *archive, *cc(argv), "--quote").stdout.decode()
    (program.parent / "flags").write_text(flags)
    lines = [
        "CFLAGS := $(shell cat flags)",
        "prog.o: prog.bpf.c",
        f"\t{shlex.join(argv)} $(CFLAGS) -O2 -c $< -o $@",
        "",
    ]
    (program.parent / "Makefile").write_text("\n".join(lines))
    subprocess.run([need_tool("make")], check=True, capture_output=True)
    assert (program.parent / "prog.o").exists()


def test_all_forms_say_the_same(run: Run, archive: tuple[str, str]) -> None:
    words = run("cflags", *archive, "--json").json
    assert run("cflags", *archive).out == " ".join(words) + "\n"
    assert run("cflags", *archive, "--null").out.split("\0") == [*words, ""]
    assert shlex.split(run("cflags", *archive, "--quote").out) == words
    assert '-DKBUILD_MODNAME="kheaders"' in words


@pytest.mark.parametrize("char", [*" \t\n*?[]{}()<>|&;$`'\\", ""])
def test_words_that_a_shell_would_change_are_refused(char: str) -> None:
    with pytest.raises(UsageError, match="plain words"):
        plain(["-a", f"/x{char}y" if char else ""])


def test_a_blank_in_the_stores_path(run: Run, archive: tuple[str, str], tmp_path: Path) -> None:
    place = ("--store", str(tmp_path / "my store"))
    done = run("cflags", *archive, *place)
    assert done.status == 2 and "--quote" in done.error
    assert any("my store" in word for word in run("cflags", *archive, *place, "--json").json)


# ---- what is imported -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["locate", "cflags"])
def test_nothing_heavy_is_imported_when_warm(process: Process, archive: tuple[str, str], command: str) -> None:
    process(command, *archive)
    env = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    done = process(command, *archive, env=env)
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.decode().splitlines() if "|" in line}
    assert "kheaders.api" in imported
    heavy = {"rich", "shtab", "elftools", "zstandard", "lz4", "difflib", "tempfile", "asyncio", "socket", "tarfile"}
    others = {f"kheaders.cli.{name}" for name in ("doctor", "fetch", "extract", "compile", "cache", "completion")}
    assert not imported & (heavy | others)
