"""Work done by another process: its result, what it sees, and what becomes of it."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import time

import pytest

from kheaders.errors import BlobError, ToolFailed
from kheaders.interface.aside import aside


@pytest.mark.parametrize("apart", [False, True])
def test_the_result_comes_back(apart: bool) -> None:
    seen = ["before"]
    with aside(lambda: (os.getpid(), list(seen)), apart) as answer:
        here, found = answer()
        assert answer() == (here, found)
    assert found == ["before"]
    assert (here != os.getpid()) == apart


def test_it_begins_at_once_and_ends_with_the_body() -> None:
    reading, writing = os.pipe()

    def work() -> None:
        os.write(writing, b"begun")
        select.select([], [], [], 1000)

    with aside(work, apart=True):
        os.close(writing)
        assert os.read(reading, 5) == b"begun"
    assert os.read(reading, 1) == b"", "the other process is gone, and its end of the pipe with it"
    os.close(reading)


def test_a_process_that_ends_without_an_answer_is_an_error() -> None:
    with aside(lambda: os._exit(0), apart=True) as answer, pytest.raises(BlobError, match="was ended"):
        answer()


@pytest.mark.parametrize("apart", [False, True])
def test_an_error_is_raised_where_the_answer_is_asked_for(apart: bool) -> None:
    def work() -> None:
        raise ToolFailed("clang: ended with status 1", "run it again", "error: all of it")

    with aside(work, apart) as answer, pytest.raises(ToolFailed, match="status 1; run it") as caught:
        answer()
    assert caught.value.log == "error: all of it"


def test_an_interrupted_process_ends_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    """A terminal interrupts all; the one that waits tells of it."""
    reading, writing = os.pipe()

    def work() -> None:
        os.write(writing, b"begun")
        time.sleep(1000)

    with aside(work, apart=True) as answer:
        assert os.read(reading, 5) == b"begun"
        (child,) = multiprocessing.active_children()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)
        with pytest.raises(BlobError, match="was ended"):
            answer()
    assert capfd.readouterr() == ("", "")
    os.close(reading)
    os.close(writing)
