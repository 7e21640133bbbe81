"""``kheaders locate``: the directory with the verified headers."""

from __future__ import annotations

import argparse

from kheaders.cli import options, output

DESCRIPTION = """\
Print the directory that holds the headers of the kernel, verified and proven by a compile.
It lies in the store and lasts until the next boot; if it is not there, or was changed, it is made."""

EPILOG = """\
examples:
  kheaders locate
  BPFTRACE_KERNEL_SOURCE=$(kheaders locate) bpftrace -e '...'
  kheaders locate --headers /mnt/kheaders.tar.xz
  kheaders locate --sysroot /host --json

--json: path, release, srcarch, source, location, digest, checks
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the path."""
    found, entry = options.context(args).directory()
    if args.json:
        output.say_json({"path": str(entry.path), **output.found_facts(found)})
        return 0
    output.say(str(entry.path))
    if args.verbose:
        output.note(f"headers of {found.facts.release} from {found.candidate.source}: {found.candidate.location}")
    return 0
