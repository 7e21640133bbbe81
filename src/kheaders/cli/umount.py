"""``kheaders umount``: undo ``kheaders mount``."""

from __future__ import annotations

import argparse

from kheaders.cli import options, output

DESCRIPTION = """\
Unmount what 'kheaders mount' mounted; the process that served it ends, and its memory is free. Also the way out where
that process was killed, and every access says "Transport endpoint is not connected"."""

EPILOG = """\
examples:
  kheaders umount /run/headers
  kheaders umount --lazy /run/headers          also while it is in use

--json: path, kind, source, server
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("directory", metavar="DIR", help="where it is mounted")
    parser.add_argument("--lazy", action="store_true", help="do not wait for those who use it")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Unmount."""
    mounted = options.context(args).umount(args.directory, lazy=args.lazy)
    if args.json:
        output.say_json({"path": str(mounted.place), "kind": mounted.kind, "source": mounted.source,
                         "server": mounted.server})  # fmt: skip
    else:
        output.say(f"{mounted.place}: unmounted")
    return 0
