"""The program: from words to an exit status, whatever happens in between.

Statuses beside those of :mod:`kheaders.errors`: 70 for an error in kheaders itself (EX_SOFTWARE, sysexits.h), 130 after
an interrupt, 143 and 129 after SIGTERM and SIGHUP, 141 where the reader of standard output went away (128 and the
signal's number, as shells show them).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from kheaders.cli import options, output
from kheaders.errors import KheadersError, UsageError

_SWITCH = 0.0005
"""Seconds after which a thread gives up the interpreter. A decompressor needs it often, and for a moment only."""

INTERNAL = 70
INTERRUPTED = 130
BROKEN_PIPE = 141


_OWN_SIGNALS = frozenset(("exec", "mount"))
"""Commands that pass signals on, or leave them to the library that serves."""


def main(argv: Sequence[str] | None = None, *, stoppable: bool = False) -> int:
    """Run one command with the words *argv* (default: those of the process) and return its exit status.

    If it is *stoppable*, SIGTERM and SIGHUP leave nothing behind; their handlers stay, as the process is to end then.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Where the words cannot even be parsed, what they ask for is still told in the way that they ask for.
    own = words[: words.index("--")] if "--" in words else words
    as_json = "--json" in own
    verbose = sum(word.count("v") if not word.startswith("--") else 1 for word in own if word in _VERBOSE)
    try:
        try:
            status = _run(words, stoppable)
        except SystemExit as done:  # argparse, after --help and --version, or a signal
            status = done.code if isinstance(done.code, int) else 0
        output.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        output.abandon()
        return BROKEN_PIPE
    except KheadersError as error:
        return _failed(error, verbose, as_json)
    except Exception as error:
        return _internal(error, verbose, as_json)


def entry() -> NoReturn:
    """The command ``kheaders``: as :func:`main`, but nothing is taken apart at the end, which the system does faster.

    Everything that must be undone is undone by ``with`` blocks before; what was printed is flushed.
    """
    sys.setswitchinterval(_SWITCH)
    gc.set_threshold(100_000, 50, 1000)  # a command makes few cycles, and is gone before they count
    status = main(stoppable=True)
    with suppress(OSError, ValueError, AttributeError):  # it may be closed, or not there at all
        sys.stderr.flush()
    os._exit(status)


_VERBOSE = ("-v", "-vv", "-vvv", "--verbose")


def _run(words: list[str], stoppable: bool) -> int:
    if any("\0" in word for word in words):
        raise UsageError("a word of the command line contains a NUL character", "correct what makes the command line")
    args = options.parse(words)
    if stoppable and args.command not in _OWN_SIGNALS:
        import signal

        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # nohup(1) has SIGHUP ignored
                signal.signal(number, _stop)
    status: int = args.run(args)
    return status


def _stop(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _failed(error: KheadersError, verbose: int, as_json: bool) -> int:
    try:
        output.failure(error, verbose=verbose, as_json=as_json)
        if _debugging(verbose):
            _traceback()
        output.flush()
    except BrokenPipeError:
        output.abandon()
    except KheadersError:
        output.abandon()  # standard output cannot take the error as JSON; the line on standard error was written
    return error.exit_code


def _internal(error: Exception, verbose: int, as_json: bool) -> int:
    what = f"{type(error).__name__}: {error}"
    try:
        output.internal_error(what, as_json=as_json)
        if _debugging(verbose):
            _traceback()
        output.flush()
    except (BrokenPipeError, KheadersError):
        output.abandon()
    return INTERNAL


def _debugging(verbose: int) -> bool:
    return verbose > 1 or os.environ.get("KHEADERS_DEBUG", "") not in ("", "0")


def _traceback() -> None:
    import traceback

    output.complain(traceback.format_exc())
