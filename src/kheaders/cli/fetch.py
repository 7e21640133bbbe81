"""``kheaders fetch``: the distribution's header packages, downloaded into the store."""

from __future__ import annotations

import argparse

from kheaders.cli import options, output, progress

DESCRIPTION = """\
Download the distribution's header packages of the kernel and keep them in the store, where every later command finds
them. Nothing is installed and nothing of the system is written; it works without root.
Where the distribution has none for the running kernel, the newest of its kind comes as a stand-in."""

EPILOG = """\
examples:
  kheaders fetch                               for the running kernel
  kheaders fetch --kernel 6.1.0-49-amd64       for this one and no other
  kheaders fetch --suite bookworm-backports    from another suite
  kheaders fetch --package linux-headers-arm64 --arch arm64

--json: release, srcarch, origin, packages, size, stand_in, running,
        use (the options that select these headers)
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--package", metavar="P", help="the package with the headers, or one that leads to it")
    parser.add_argument("--suite", metavar="S", help="a suite of the archive: trixie, sid, bookworm-backports ...")
    parser.add_argument("--arch", metavar="A", help="the distribution's name of an architecture: amd64, arm64 ...")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Download, and tell what came and how to use it."""
    context = options.context(args)
    with progress.stages() as report:
        fetched = context.fetch(package=args.package, suite=args.suite, architecture=args.arch, progress=report)
    kernel = context.kernel
    mine = kernel.running and fetched.release == kernel.release and fetched.srcarch == kernel.srcarch
    use = [] if mine else ["--kernel", fetched.release]
    if fetched.srcarch != kernel.srcarch:
        use += ["--machine", fetched.srcarch]
    if args.json:
        output.say_json(
            {
                "release": fetched.release,
                "srcarch": fetched.srcarch,
                "origin": fetched.origin,
                "packages": list(fetched.packages),
                "size": fetched.size,
                "stand_in": fetched.stand_in,
                "running": kernel.release if kernel.running else None,
                "use": use,
            }
        )
        return 0
    kept = f"{output.plural(len(fetched.packages), 'package')}, {output.size(fetched.size)}"
    output.say(f"headers of {fetched.release} ({fetched.srcarch}), from {fetched.origin}: {kept}")
    if args.verbose:
        for package in fetched.packages:
            output.say(f"  {package}")
    options_of_use = " ".join([*use, ""])
    if fetched.stand_in and fetched.srcarch == kernel.srcarch:
        output.say(f"These are a stand-in: they belong to another kernel than {kernel.release}, whose members may lie")
        output.say("elsewhere. To use them, with each access moved to where the member lies (CO-RE):")
        output.say(f"  kheaders blob build {options_of_use}".rstrip())
        output.say(f"  kheaders compile --core -g {options_of_use}PROGRAM.bpf.c")
    else:
        output.say(f"To use them: kheaders compile {options_of_use}PROGRAM.bpf.c")
    return 0
