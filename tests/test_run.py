from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from types import FrameType

import pytest

from kheaders.errors import ToolError, ToolFailed, ToolMissing, ToolTimeout
from kheaders.run import attended, environment, run, started, which

WAIT = 30
"""Seconds after which a descriptor that should long be closed counts as held open."""

# The grandchild keeps the descriptor named by $1 open, but none of the pipes that run() itself reads.
SPAWN = "sleep 1000 >/dev/null 2>&1 & echo started >/proc/self/fd/$1; wait"


def read_to_end(descriptor: int) -> bytes:
    """All that is written to a pipe; fails if somebody still holds its other end open after WAIT seconds."""
    data = b""
    while True:
        assert select.select([descriptor], [], [], WAIT)[0], "a process that should be dead holds the pipe open"
        piece = os.read(descriptor, 4096)
        if not piece:
            return data
        data += piece


def test_what_is_printed_comes_back() -> None:
    done = run(["sh", "-c", "printf out; printf err >&2; exit 3"], check=False)
    assert (done.stdout, done.stderr, done.errors, done.returncode) == (b"out", b"err", "err", 3)
    assert done.argv == ("sh", "-c", "printf out; printf err >&2; exit 3")


def test_it_runs_before_its_end_is_waited_for() -> None:
    reading, writing = os.pipe()
    script = f"echo begun >/proc/self/fd/{writing}; cat"  # sh knows only descriptors of one digit by >&
    with started(["sh", "-c", script], input=b"given", pass_fds=(writing,)) as finish:
        os.close(writing)
        assert os.read(reading, 6) == b"begun\n"
        assert finish().stdout == b"given"
    os.close(reading)


def test_what_nobody_waits_for_is_killed() -> None:
    reading, writing = os.pipe()
    with started(["sh", "-c", SPAWN, "sh", str(writing)], pass_fds=(writing,)):
        os.close(writing)
    read_to_end(reading)
    os.close(reading)


def test_the_command_can_be_replayed_by_a_shell() -> None:
    words = ["printf", "%s|", "a b", "$HOME", "it's", "*"]
    done = run(words)
    assert run(["sh", "-c", done.command]).stdout == done.stdout == b"a b|$HOME|it's|*|"


def test_no_shell_is_involved(tmp_path: Path) -> None:
    words = ["$(touch made)", "; touch made", "`touch made`", "*", "$HOME", "> made", ""]
    done = run(["printf", "%s\\n", *words], cwd=tmp_path)
    assert done.stdout.decode().split("\n")[:-1] == words
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ToolMissing):
        run(["echo hello"])


def test_the_locale_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_NUMERIC"):
        monkeypatch.setenv(name, "de_DE.UTF-8")
    monkeypatch.setenv("KHEADERS_TEST", "kept")
    lines = run(["env"]).stdout.decode().splitlines()
    assert [line for line in lines if line.startswith(("LANG", "LC_"))] == ["LC_ALL=C.UTF-8"]
    assert "KHEADERS_TEST=kept" in lines
    assert os.environ["LC_ALL"] == "de_DE.UTF-8"


def test_an_environment_is_added() -> None:
    assert (
        environment({"LC_ALL": "C", "X": "1"}).items() >= {"LC_ALL": "C", "X": "1", "PATH": os.environ["PATH"]}.items()
    )
    assert run(["sh", "-c", "echo $X$PATH"], env={"X": "1"}).stdout.decode() == f"1{os.environ['PATH']}\n"


def test_standard_input() -> None:
    assert run(["cat"], input=b"\0bytes\n").stdout == b"\0bytes\n"
    assert run(["cat"]).stdout == b""


def test_descriptors_are_passed_only_when_named() -> None:
    reader, writer = os.pipe()
    hidden, other = os.pipe()
    try:
        for descriptor in (writer, other):
            os.set_inheritable(descriptor, True)
        code = "import os, sys\nfor n in sys.argv[1:]:\n  try: os.write(int(n), b'x')\n  except OSError: print(n)"
        done = run([sys.executable, "-c", code, str(writer), str(other)], pass_fds=[writer])
        assert done.stdout.decode().split() == [str(other)]
        os.close(writer)
        assert read_to_end(reader) == b"x"
    finally:
        for descriptor in (reader, hidden, other):
            os.close(descriptor)


def test_no_such_program(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-program: no such program; ") as caught:
        run(["no-such-program", "x"])
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    with pytest.raises(ToolMissing, match="Permission denied"):
        run([plain])


def test_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin/program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    assert which("program", str(program.parent)) is None
    program.chmod(0o755)
    assert which("program", str(program.parent)) == program
    monkeypatch.chdir(tmp_path)
    assert which("program", "bin") == program
    assert which("no-such-program") is None


def test_failure_is_one_line_with_the_whole_log() -> None:
    with pytest.raises(ToolFailed) as caught:
        run(["sh", "-c", "echo first >&2; echo last >&2; exit 5"])
    error = caught.value
    assert str(error).startswith("sh: ended with status 5: last; replay: sh -c ")
    assert "\n" not in str(error)
    assert error.log == "first\nlast\n"


def test_failure_without_a_word_and_by_a_signal() -> None:
    with pytest.raises(ToolFailed, match="status 1: no message"):
        run(["false"])
    with pytest.raises(ToolFailed, match=f"signal {signal.SIGTERM.value}: no message"):
        run(["sh", "-c", "kill -TERM $$"])


def test_bytes_that_are_no_text_in_the_log() -> None:
    with pytest.raises(ToolFailed, match="\ufffdx"):
        run(["sh", "-c", r"printf '\377x\n' >&2; exit 1"])


def test_a_command_of_several_lines_still_fails_in_one() -> None:
    with pytest.raises(ToolFailed) as caught:
        run(["sh", "-c", "\n\nexit 1\n"])
    assert "\n" not in str(caught.value)


def overrun(timeout: float) -> tuple[ToolTimeout, bytes]:
    """The error of a run that takes too long, and what its grandchild said before it died."""
    reader, writer = os.pipe()
    try:
        with pytest.raises(ToolTimeout) as caught:
            run(["sh", "-c", f"echo partial >&2; {SPAWN}", "sh", str(writer)], timeout=timeout, pass_fds=[writer])
        os.close(writer)
        return caught.value, read_to_end(reader)
    finally:
        os.close(reader)


def test_on_timeout_the_whole_group_dies() -> None:
    # On a busy machine the grandchild takes a while to start; without one the test would prove nothing.
    attempts = ((timeout, *overrun(timeout)) for timeout in (0.5, 2.0, 10.0, 60.0))
    timeout, error, started = next(attempt for attempt in attempts if attempt[2])
    assert started == b"started\n"
    assert error.log == "partial\n"
    assert str(error).startswith(f"sh: did not end within {timeout:g} s; ")


def test_an_interrupted_caller_leaves_no_child() -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupt

    reader, writer = os.pipe()
    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupt):
            # It interrupts once it is told to, by its standard input: then the caller waits for it.
            script = SPAWN.replace("wait", "read go; kill -USR1 $PPID; wait")
            run(["sh", "-c", script, "sh", str(writer)], input=b"go\n", pass_fds=[writer])
        os.close(writer)
        assert read_to_end(reader) == b"started\n"
    finally:
        signal.signal(signal.SIGUSR1, previous)
        os.close(reader)


def test_every_error_is_a_tool_error() -> None:
    assert all(issubclass(error, ToolError) for error in (ToolMissing, ToolFailed, ToolTimeout))


def test_attended_tells_status_or_signal() -> None:
    assert attended(["sh", "-c", "exit 5"], dict(os.environ)) == 5
    assert attended(["sh", "-c", "kill -9 $$"], dict(os.environ)) == -9


def test_attended_gives_the_environment_and_nothing_else() -> None:
    env = {"PATH": os.environ["PATH"], "ONE": "1"}
    assert attended(["sh", "-c", 'test "$ONE" = 1 && test -z "$HOME"'], env) == 0


def test_attended_leaves_signals_as_they_were() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(ToolMissing, match="no-such: no such program"):
        attended(["no-such"], dict(os.environ))
    assert attended(["true"], dict(os.environ)) == 0
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
