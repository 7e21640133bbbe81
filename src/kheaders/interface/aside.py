"""Work that another process does, which shares all that this one holds, while this one goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeVar, cast

from kheaders.errors import BlobError, KheadersError

T = TypeVar("T")
_PATIENCE = 2
"""Seconds that an interrupted process has to end by itself."""


@contextmanager
def aside(work: Callable[[], T], apart: bool) -> Iterator[Callable[[], T]]:
    """Start *work* in another process, which sees everything as it is now; what is yielded waits for the result.

    Without *apart* it is done here, when its result is asked for. Raises, when asked, what the work raised of kheaders'
    errors, and BlobError if the process ended.
    """
    if not apart:
        yield cache(work)
        return
    context = get_context("fork")  # what was read is shared with the child instead of being sent
    receiving, sending = context.Pipe(duplex=False)
    child = None
    try:
        with uninterrupted() as mask:
            child = context.Process(target=_send, args=(work, sending, mask))
            child.start()
        sending.close()

        def answer() -> T:
            try:
                found, error = receiving.recv()
            except (EOFError, OSError) as ended:
                raise BlobError("a process that took part in the work was ended", "build the blob again") from ended
            if error is not None:
                raise error
            return cast(T, found)

        yield cache(answer)
    finally:
        if child is not None and child.pid is not None:
            if child.is_alive():  # it may have begun another program, which it ends at an interrupt
                os.kill(child.pid, signal.SIGINT)
                child.join(_PATIENCE)
            child.kill()
            child.join()
            child.close()
        sending.close()
        receiving.close()


@contextmanager
def uninterrupted() -> Iterator[set[int]]:
    """Let signals that stop a command wait while a process is made: what is called at a fork must not raise.

    What is yielded is the mask that the new process has to :func:`resume` with.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    mask = {int(number) for number in blocked}
    try:
        yield mask
    finally:
        resume(mask)


def resume(mask: set[int]) -> None:
    """Let the signals come that are not in *mask*."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _send(work: Callable[[], Any], sending: Any, mask: set[int]) -> None:
    answer: tuple[Any, KheadersError | None]
    try:
        resume(mask)
        answer = work(), None
    except KheadersError as error:
        answer = None, error
    except KeyboardInterrupt:
        return  # which a terminal sends to all: who waits for this process is told as well
    # the work is done: who has the answer may interrupt this process while it ends
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    with suppress(BrokenPipeError):  # who waited was killed
        sending.send(answer)
