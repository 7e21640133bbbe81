"""The command line, run within the process of the tests."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kheaders.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What one command gave."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, parsed."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of the error; nothing else may be on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("kheaders: error: ")
        return lines[0].removeprefix("kheaders: error: ")


Run = Callable[..., Outcome]


def run_main(*words: str) -> Outcome:
    """Run a command within this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="surrogateescape") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
        out.flush()
    texts = [stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (out, err)]
    return Outcome(status, *texts)
