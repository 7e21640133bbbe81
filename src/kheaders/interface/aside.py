"""Work that another process does, which shares all that this one holds, while this one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeVar, cast

from kheaders.errors import BlobError, KheadersError

T = TypeVar("T")


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
    child = context.Process(target=_send, args=(work, sending))
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

    try:
        yield cache(answer)
    finally:
        child.kill()
        child.join()
        child.close()
        receiving.close()


def _send(work: Callable[[], Any], sending: Any) -> None:
    try:
        sending.send((work(), None))
    except KheadersError as error:
        sending.send((None, error))
    except KeyboardInterrupt:
        pass  # which a terminal sends to all: who waits for this process is told as well
