"""Work that another process does, which shares all that this one holds, while this one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeVar

from kheaders.errors import BlobError

T = TypeVar("T")


@contextmanager
def aside(work: Callable[[], T], apart: bool) -> Iterator[Callable[[], T]]:
    """Start *work* in another process, which sees everything as it is now; what is yielded waits for the result.

    Without *apart* it is done here, when its result is asked for. Raises BlobError, when asked, if the process ended.
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
            found: T = receiving.recv()
        except (EOFError, OSError) as error:
            raise BlobError("a process that took part in the work was ended", "build the blob again") from error
        return found

    try:
        yield cache(answer)
    finally:
        child.kill()
        child.join()
        child.close()
        receiving.close()


def _send(work: Callable[[], Any], sending: Any) -> None:
    sending.send(work())
