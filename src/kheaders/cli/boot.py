"""``kheaders boot``: headers that are ready when they are first asked for, from the boot on."""

from __future__ import annotations

import argparse
from pathlib import Path

from kheaders.cli import options, output, progress
from kheaders.errors import UsageError

DESCRIPTION = """\
Have this kernel's headers found, verified and kept once a boot, so that nobody waits for that later. 'install' writes
a systemd unit and a tmpfiles.d entry, 'remove' takes them away. 'warm' is what the unit runs; systems without systemd
call it from their own scripts of the boot. Nothing is downloaded."""

EPILOG = """\
examples:
  kheaders boot install                        then: systemctl enable --now kheaders.service
  kheaders boot install --blob                 the blob is built as well, once a kernel
  kheaders boot install --sysroot /mnt/image   into an image
  kheaders boot warm --blob                    from rc.local, OpenRC, cron's @reboot ...
  kheaders boot remove                         after: systemctl disable kheaders.service

--json: install, remove: paths; warm: path, release, source, blob
"""

ACTIONS = ("install", "remove", "warm")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("--blob", action="store_true", help="install, warm: the kernel's blob, too")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    if args.action == "remove" and args.blob:
        raise UsageError("boot remove takes no --blob", "leave it out")
    return _warm(args) if args.action == "warm" else _files(args)


def _files(args: argparse.Namespace) -> int:
    from kheaders.boot import install

    root = Path(args.sysroot or "/")
    installing = args.action == "install"
    paths = install.install(root, blob=args.blob) if installing else install.remove(root)
    if args.json:
        output.say_json({"paths": [str(path) for path in paths]})
        return 0
    for path in paths:
        output.say(str(path))
    if installing and root == Path("/"):
        output.say("To start it now and at each boot: systemctl enable --now kheaders.service")
    return 0


def _warm(args: argparse.Namespace) -> int:
    context = options.context(args)
    with progress.waiting("finding and verifying headers"):
        found, entry = context.directory()
    blob = None
    if args.blob:
        with progress.stages() as report:
            blob = context.build_blob(None, report)
    if args.json:
        facts = {"path": str(entry.path), "release": found.facts.release, "source": found.candidate.source}
        output.say_json({**facts, "blob": str(blob) if blob else None})
        return 0
    output.say(f"{entry.path}: headers of {found.facts.release}, from {found.candidate.location}")
    if blob:
        output.say(f"{blob}: its blob")
    return 0
