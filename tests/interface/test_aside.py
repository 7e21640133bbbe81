"""Work done by another process: its result, what it sees, and what becomes of it."""

from __future__ import annotations

import os
import select

import pytest

from kheaders.errors import BlobError
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
