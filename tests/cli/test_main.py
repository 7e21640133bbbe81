from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import kheaders
from builders.cli import Run, run_main
from kheaders.api import Context
from kheaders.cli import options
from kheaders.cli.main import BROKEN_PIPE, INTERNAL, INTERRUPTED
from kheaders.errors import HeadersNotFound, KheadersError, ToolFailed

ARGUMENTS = {
    "extract": ["d"],
    "compile": ["p.c"],
    "blob": ["info"],
    "pch": ["info"],
    "mount": ["d"],
    "umount": ["d"],
    "show": ["x"],
    "slice": ["p.c"],
    "cache": ["list"],
    "completion": ["bash"],
    "pack": ["d", "-o", "k"],
    "module": ["status"],
    "boot": ["warm"],
}
"""What a command needs besides options."""


def raising(error: BaseException) -> Callable[..., Context]:
    """A stand-in for the library that does nothing but raise."""

    def open(**_: object) -> Context:
        raise error

    return open


def errors(base: type[KheadersError] = KheadersError) -> list[type[KheadersError]]:
    return [base, *(found for below in base.__subclasses__() for found in errors(below))]


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", options.COMMANDS)
def test_help_of_each_command_has_examples_that_parse(name: str) -> None:
    done = run_main(name, "--help")
    assert done.status == 0 and not done.err
    examples = re.findall(rf"^ .*?\bkheaders ({name} [^>|)\n]*?)(?:  .*|[>|)\"\n].*|)$", done.out, re.M)
    assert "examples:\n" in done.out and examples
    assert max(map(len, done.out.splitlines())) <= 100
    for line in examples:
        words = [word.strip("\"'") for word in line.split()]
        assert options.parse(words).run, line


def test_help_of_the_whole_names_each_command() -> None:
    done = run_main("--help")
    assert done.status == 0 and "examples:" in done.out
    assert all(re.search(rf"^    {name}\b", done.out, re.M) for name in options.COMMANDS)


@pytest.mark.parametrize("words", [["--version"], ["locate", "--version"], ["-v", "--version"]])
def test_version(words: list[str]) -> None:
    assert run_main(*words).out == f"kheaders {kheaders.__version__}\n"


@pytest.mark.parametrize("name", options.COMMANDS)
def test_common_options_stand_before_or_after_the_command(name: str) -> None:
    words = ["--kernel", "6.1.0", "--sysroot=/x", "-v", "--order", "sysfs"]
    own = ARGUMENTS.get(name, [])
    before, after = options.parse([*words, name, *own]), options.parse([name, *own, *words])
    assert before == after
    assert (before.kernel, before.sysroot, before.verbose) == ("6.1.0", "/x", 1)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "no command is named; there are doctor"),
        (["-v"], "no command is named"),
        (["docter"], "did you mean 'doctor'?"),
        (["zzz"], "'zzz' is no command; there are doctor"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["locate", "--kernal", "x"], "unrecognized arguments: --kernal x"),
        (["locate", "--kern", "x"], "unrecognized arguments"),
        (["locate", "--headers", ""], "argument --headers: is empty"),
        (["locate", "--headers=--"], "'--' stands where a value should"),
        (["locate", "a\0b"], "a NUL character"),
        (["compile"], "SOURCE"),
        (["compile", "p.c", "-O", "9"], "invalid choice: '9'"),
        (["cache", "burn"], "invalid choice: 'burn'"),
        (["completion", "fish"], "invalid choice: 'fish'"),
        (["cflags", "--null", "--json"], "not allowed with argument"),
    ],
)
def test_what_cannot_be_meant_is_one_line(words: list[str], expected: str) -> None:
    done = run_main(*words)
    assert done.status == 2
    assert expected in done.error
    if "--json" in words:
        assert done.json["error"]["kind"] == "UsageError"
    else:
        assert not done.out


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", errors(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_each_error_is_one_line_and_its_status(
    kind: type[KheadersError], as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "open", raising(kind("thing: is\nwrong", "do this")))
    done = run_main("locate", *(["--json"] if as_json else []))
    assert done.error == "thing: is wrong; do this"
    assert done.status == kind.exit_code
    if as_json:
        error = done.json["error"]
        assert (error["kind"], error["what"], error["hint"]) == (kind.__name__, "thing: is\nwrong", "do this")
        assert error["exit_code"] == kind.exit_code
    else:
        assert done.out == ""


def test_verbose_tells_what_is_behind_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "open", raising(HeadersNotFound("none", "h", ["sysfs: not there", "build: dangles"])))
    assert run_main("locate", "-v").err == "  sysfs: not there\n  build: dangles\nkheaders: error: none; h\n"
    monkeypatch.setattr(Context, "open", raising(ToolFailed("apt: failed", log="line 1\nline 2")))
    assert run_main("locate", "-v").err == "line 1\nline 2\nkheaders: error: apt: failed\n"
    assert run_main("locate").err == "kheaders: error: apt: failed\n"


def test_a_bug_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "open", raising(ZeroDivisionError("by\nzero")))
    done = run_main("locate")
    assert done.status == INTERNAL
    assert done.err.startswith("kheaders: internal error: ZeroDivisionError: by zero; please report it")
    assert done.err.count("\n") == 1
    assert run_main("locate", "--json").json["error"]["kind"] == "InternalError"


@pytest.mark.parametrize("how", ["-vv", "-v -v", "KHEADERS_DEBUG"])
def test_a_traceback_for_those_who_ask(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "open", raising(ZeroDivisionError("x")))
    words = how.split() if how.startswith("-") else []
    if not words:
        monkeypatch.setenv(how, "1")
    assert "Traceback (most recent call last)" in run_main("locate", *words).err


def test_words_for_the_compiler_are_no_options_of_ours(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setattr(Context, "open", raising(HeadersNotFound("none", "", ["a reason"])))
    done = run_main("compile", program.name, "--", "-vv", "--json")
    assert done.error == "none" and not done.out


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "open", raising(KeyboardInterrupt()))
    done = run_main("locate")
    assert (done.status, done.out, done.err) == (INTERRUPTED, "", "")


def test_control_characters_of_names_do_not_reach_the_terminal(run: Run, own_surroundings: Path) -> None:
    done = run("locate", "--headers", "bad\x1b[31mname")
    assert "\x1b" not in done.err and "bad\\x1b[31mname" in done.error


@pytest.mark.parametrize("words", [["doctor", "--help"], ["completion", "bash"]])
def test_a_reader_that_goes_away(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "kheaders", *words], stdout=write, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (BROKEN_PIPE, b"")


def test_standard_output_that_is_full() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kheaders", "completion", "bash"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 5
    assert done.stderr.decode().splitlines() == [
        "kheaders: error: standard output cannot be written to (No space left on device);"
        " free space, or redirect it elsewhere"
    ]


@pytest.mark.parametrize("closed", ["1", "2", "1 2"])
def test_closed_descriptors(closed: str) -> None:
    line = " ".join(f"{number}>&-" for number in closed.split())
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {line}', "sh", sys.executable, "-m", "kheaders", "completion", "bash"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (0 if closed == "2" else 5)
    assert "Traceback" not in done.stderr


# ---- anything -------------------------------------------------------------------------------------------------------

VOCABULARY = [
    *options.COMMANDS,
    *("--kernel", "--machine", "--sysroot", "--headers", "--order", "--cc", "--store", "--cache", "--json", "--json="),
    *("-v", "--verbose", "--help", "--version", "-", "--", "-o", "-O", "-g", "-D", "-I", "-O2", "-DX=1", "-mcpu=v3"),
    *("--form", "--mcpu", "--target-arch", "--package", "--suite", "--arch", "--kind", "--null", "--quote", "--cc="),
    *(
        "list",
        "clear",
        "bash",
        "zsh",
        "memory",
        "/dev/null",
        "/",
        ".",
        "..",
        "~",
        "apt",
        "sysfs,build",
        "6.1.0",
        "arm64",
    ),
]
VERBOSE = re.compile(r"-v+$|--verbose$")
"""Said twice, in two words or in one, it asks for a traceback."""
WORD = st.one_of(st.sampled_from(VOCABULARY), st.text(max_size=8), st.binary(max_size=6).map(os.fsdecode))


@given(st.lists(WORD, max_size=7))
@example(["compile", "-", "-o"])
@example(["locate", "--cc", "'"])
@example(["locate", "\udcff"])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_words_give_a_traceback(words: list[str]) -> None:
    """The library behind the words is left out; its own errors are the business of the test after this one."""
    words = ["-v" if VERBOSE.match(word) else word for word in words]
    words = [word for at, word in enumerate(words) if word != "-v" or word not in words[:at]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "open", raising(HeadersNotFound("none", "look")))
        done = run_main(*words)
    assert "Traceback" not in done.err and "internal error" not in done.err
    assert done.status in (0, 2, 3, 5)
    if done.status:
        assert done.err.count("\n") <= 1


@given(
    st.sampled_from(["--kernel", "--machine", "--sysroot", "--headers", "--order", "--cc"]),
    st.one_of(
        st.text(max_size=30),
        st.binary(max_size=10).map(os.fsdecode),
        st.sampled_from(["x" * 300, "a/" * 3000, "/proc/self/mem", "/dev/null", "'", "~", "/dev/tty", "\n"]),
    ),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_gives_a_traceback(empty_root: tuple[str, ...], run: Run, option: str, value: str) -> None:
    done = run("locate", *empty_root[:2], "--order", "store", f"{option}={value}")
    assert done.status in (2, 3, 4, 6), done.err
    assert done.error
