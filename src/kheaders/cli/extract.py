"""``kheaders extract``: the verified headers in a directory of the user's own."""

from __future__ import annotations

import argparse
import os

from kheaders.cli import options, output, progress

DESCRIPTION = """\
Write the verified headers to a directory, which must be missing or empty. It appears whole or not at all.
What is in the store lasts until the next boot; what you extract is yours to keep, and to keep up to date."""

EPILOG = """\
examples:
  kheaders extract ./headers
  kheaders extract --headers /mnt/kheaders.tar.xz /srv/headers/6.1
  kheaders cflags --headers ./headers

--json: path, headers, release, srcarch, source, location, digest, checks
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("directory", metavar="DIR", help="where to; must be missing or empty")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Extract, and tell how much of what."""
    context = options.context(args)
    with progress.stages(quiet=True) as report:
        found = context.extract(args.directory, progress=report)
    path = os.path.abspath(args.directory)
    if args.json:
        output.say_json({"path": path, "headers": len(found.headers.files), **output.found_facts(found)})
        return 0
    count = output.plural(len(found.headers.files), "header")
    output.say(f"{path}: {count} of {found.facts.release} ({found.facts.srcarch}), from {found.candidate.location}")
    return 0
