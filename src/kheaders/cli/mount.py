"""``kheaders mount``: headers as a read-only filesystem."""

from __future__ import annotations

import argparse

from kheaders.cli import options, output, progress

DESCRIPTION = """\
Show the verified headers at a directory, without extracting them. A process in the background serves them (FUSE),
takes memory only when they are first used, and ends when the directory is unmounted. The tree is the one that 'kheaders
locate' prints: bcc and others take it by BCC_KERNEL_SOURCE, clang by the flags that 'kheaders cflags --mounted' prints.
Mounting as a user needs fusermount3; as root everybody can read the mount."""

EPILOG = """\
examples:
  mkdir /run/headers && kheaders mount /run/headers
  clang $(kheaders cflags --mounted /run/headers) -O2 -c prog.bpf.c
  kheaders mount --idle 600 ~/headers          unmounts itself after ten minutes without use
  kheaders mount --image /run/headers          by the kernel, from an erofs image; takes root
  kheaders umount /run/headers

--json: path, kind, source, server
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("directory", metavar="DIR", help="an empty directory that nobody else can write to")
    parser.add_argument(
        "--idle", metavar="SECONDS", type=_seconds, default=0, help="unmount after this time without use"
    )
    parser.add_argument("--image", action="store_true", help="let the kernel serve an erofs image; takes root")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Mount, and tell how to use it."""
    context = options.context(args)
    if args.image and args.idle:
        from kheaders.errors import UsageError

        raise UsageError("--idle and --image contradict each other", "an image holds no memory; leave --idle out")
    with progress.waiting(progress.STAGES["headers"]):
        mounted = context.mount(args.directory, idle=args.idle, image=args.image)
    if args.json:
        output.say_json({"path": str(mounted.place), "kind": mounted.kind, "source": mounted.source,
                         "server": mounted.server})  # fmt: skip
        return 0
    by = f"process {mounted.server}" if mounted.server else mounted.source
    output.say(f"{mounted.place}: mounted, served by {by}; undo it with: kheaders umount {mounted.place}")
    return 0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
