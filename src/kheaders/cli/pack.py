"""``kheaders pack``: a kernel's headers as the archive that the kernel itself could carry."""

from __future__ import annotations

import argparse
import os
import time

from kheaders.cli import options, output, progress
from kheaders.errors import UsageError

DESCRIPTION = """\
Pack a kernel's headers into kheaders.tar.xz: the same members with the same bytes as from the kernel's own script,
kernel/gen_kheaders.sh, in a fraction of its time. SOURCE is a kernel source tree (with --build, the directory that it
is built in), a build directory, a distribution's header directory, header packages, or the release of a kernel, whose
packages are downloaded if nothing here has them. The archive appears whole or not at all, and depends on nothing but
the headers: members have the time of SOURCE_DATE_EPOCH, else of KBUILD_BUILD_TIMESTAMP, else a fixed one."""

EPILOG = """\
examples:
  kheaders pack /lib/modules/6.1.0-49-amd64/build -o kheaders.tar.xz
  kheaders pack ~/linux --build ~/build/linux -o kheaders.tar.xz --level 6
  kheaders pack linux-headers-6.1.0-49-amd64_6.1.192-2_amd64.deb -o kheaders.tar.xz
  kheaders pack 6.1.0-49-amd64 -o kheaders.tar.xz
  kheaders doctor --headers kheaders.tar.xz

--json: path, release, srcarch, headers, links, unpacked, size, seconds
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("source", metavar="SOURCE", nargs="+", help="what to pack; several only if all are packages")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the archive to make")
    parser.add_argument("--build", metavar="DIR", help="the build directory of the source tree")
    parser.add_argument("--keep-comments", action="store_true", help="leave comments in")
    parser.add_argument(
        "--level",
        type=int,
        choices=range(10),
        metavar="N",
        help="of xz: 0 is fast, 9 small, 6 the script's (default: 2)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="to compress with (default: one a processor)")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Pack, and tell what came out."""
    if not args.output:
        raise UsageError("-o names no file", "name one")
    if "" in (*args.source, args.build):
        raise UsageError("SOURCE or --build is empty", "name a directory")
    if args.threads is not None and not 0 < args.threads <= 1024:
        raise UsageError(f"--threads {args.threads}: is not between 1 and 1024", "leave it out for one a processor")
    start = time.monotonic()
    with progress.stages() as report:
        packed = options.context(args).pack(
            args.source,
            args.output,
            build=args.build,
            keep_comments=args.keep_comments,
            level=args.level,
            threads=args.threads,
            progress=report,
        )
    seconds = time.monotonic() - start
    if args.json:
        facts = packed._asdict() | {"path": os.path.abspath(packed.path), "seconds": round(seconds, 2)}
        output.say_json(facts)
        return 0
    output.say(
        f"{args.output}: {output.plural(packed.headers, 'header')} of {packed.release} ({packed.srcarch}), "
        f"{output.size(packed.size)}, in {seconds:.1f} s"
    )
    return 0
