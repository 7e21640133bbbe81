"""``kheaders exec``: any tool, with the environment that makes it use what kheaders verified."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from kheaders.cli import options, output
from kheaders.errors import KheadersError, StoreError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from kheaders.api import Context
    from kheaders.consumers.surroundings import Headers
    from kheaders.interface.blob import Blob

DESCRIPTION = """\
Run a tool with the environment that makes it use what kheaders verified: bcc, bpftrace, or a build by make or clang.
Tools of bcc and bpftrace need no headers where there is a blob. Input, output, signals and the exit status are the
tool's own, and nothing is left behind."""

EPILOG = """\
examples:
  kheaders exec -- opensnoop-bpfcc             a tool of bcc, from slices of the blob
  kheaders exec -- bpftrace tcpdrop.bt         a script that includes kernel headers
  kheaders exec -- make                        a Makefile that uses $(KHEADERS_CFLAGS)
  kheaders exec -v -- tcpconnect-bpfcc         tells for each program what it was compiled from
  kheaders exec -- sh -c 'eval "clang $KHEADERS_CFLAGS -O2 -c prog.bpf.c"'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.usage = "kheaders exec [options] -- COMMAND ..."
    options.add_blob(parser)


def run(args: argparse.Namespace) -> int:
    """Prepare, run the tool, and pass on how it ended."""
    command: list[str] = args.extra
    if not command or not command[0]:
        raise UsageError("no command is named", "name it after --: kheaders exec -- opensnoop-bpfcc")
    status = _attend(args, command)
    if status < 0:  # as a shell sees the tool's own death; what had to be undone is undone
        output.flush()
        _die_by(-status)
        return 128 - status
    return status


def _attend(args: argparse.Namespace, command: list[str]) -> int:
    from kheaders.consumers.surroundings import surround
    from kheaders.run import attended

    context = options.context(args)
    blob, lack = _blob(context, args.blob)
    try:
        context = context.of_blob(blob) if blob is not None else context  # the tool gets nothing of another kernel
        headers, why = _headers(context)
        btf = context.kernel.btf if str(context.sysroot) != "/" else None  # elsewhere tools find it by themselves
        with _directory(context) as (directory, obstacle):
            made = surround(command, os.environ, directory, headers, blob, btf=btf, places=_places(context))
            if args.verbose:
                _tell(headers, why, blob, lack, (*made.remarks, *filter(None, (obstacle,))))
            status = attended(command, made.env)
            outcomes = made.outcomes()
        if args.verbose:
            for form, reason in outcomes:
                output.note(f"a program of bcc, form {form}{f': not from a slice: {reason}' if reason else ''}")
        failed = [reason for form, reason in outcomes if form == "none"]
        if status and failed:
            output.note(f"a program could not be compiled without headers: {failed[-1]}")
        elif status and headers is None and (made.needed or _is_bcc(command)) and (blob is None or obstacle):
            output.note(f"there were no headers for the tool: {why if blob is None else obstacle}")
        return status
    finally:
        if blob is not None:
            blob.close()


@contextmanager
def _directory(context: Context) -> Iterator[tuple[Path | None, str]]:
    """A private directory for the tool, or None and what is in the way: the tool may do without."""
    with ExitStack() as stack:
        try:
            context.store.sweep()
            found, obstacle = stack.enter_context(context.store.scratch(boot=True)), ""
        except StoreError as error:
            found, obstacle = None, f"nothing can be made for the tool: {error}"
        yield found, obstacle


def _is_bcc(command: list[str]) -> bool:
    return os.path.basename(command[0]).endswith("-bpfcc")


def _tell(headers: Headers | None, why: str, blob: Blob | None, lack: str, remarks: tuple[str, ...]) -> None:
    output.note(f"headers: {headers.tree if headers is not None else f'none: {why}'}")
    output.note(f"blob: {blob.path if blob is not None else f'none: {lack}'}")
    for remark in remarks:
        output.note(remark)


def _blob(context: Context, named: str | None) -> tuple[Blob | None, str]:
    """The blob, or why there is none; one that the user named must be good."""
    try:
        return context.blob(named), ""
    except KheadersError as error:
        if named is not None:
            raise
        return None, str(error)


def _headers(context: Context) -> tuple[Headers | None, str]:
    """The tree of verified headers, or why there is none."""
    from kheaders.consumers.surroundings import Headers
    from kheaders.forms.directory import DirectoryForm

    try:
        found, entry = context.directory()
        flags = DirectoryForm(entry.path, found.facts).flags(context.compiler)
        return Headers(entry.path, (*flags, *context.bpf_flags())), ""
    except KheadersError as error:
        return None, str(error)


def _places(context: Context) -> dict[str, str]:
    """Where the kheaders that runs inside the tool finds the same store."""
    named = {"KHEADERS_STORE": context.settings.store, "KHEADERS_CACHE": context.settings.cache}
    return {name: os.path.abspath(path) for name, path in named.items() if path is not None}


def _die_by(number: int) -> None:
    """End this process by the signal *number*, without a second core; returns only for one that does not end it."""
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
