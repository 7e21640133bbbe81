"""Running a part of a test as a user to whom permissions apply."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

NOBODY = 65534


def unprivileged(call: Callable[[], Result]) -> Result:
    """What *call* gives (it must survive pickling) when an ordinary user makes it; root forks and becomes nobody."""
    if os.geteuid() != 0:
        return call()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            result: object = call()
        except BaseException as error:
            result = error
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(result, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    answer = pickle.loads(data)
    if isinstance(answer, BaseException):
        raise answer
    found: Result = answer
    return found
