"""``kheaders verify``: headers held against the kernel's own types."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kheaders.cli import options, output
from kheaders.errors import VerificationError

if TYPE_CHECKING:
    from kheaders.verification import Verification

DESCRIPTION = """\
Compare the layouts of the headers' types with the kernel's BTF, and list each difference: of the kernel's core structs,
or with --full of every struct, union and enum that both know. Headers of a kernel that was built with another
configuration differ, even if its version is the same."""

EPILOG = """\
examples:
  kheaders verify                              the core structs
  kheaders verify --full                       every type; half a minute, unless the blob is built
  kheaders verify --headers kheaders.tar.xz --btf vmlinux

It ends with 0 if nothing differs, with 4 if something does.

--json: ok, release, source, location, btf, types (how many were compared),
        differences (record, member, headers, kernel), others (names that stand
        for another type in the kernel), skipped (what does not compile alone)
"""

SHOWN = 200
"""Differences that are listed without ``-v``."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--full", action="store_true", help="compare every struct, union and enum that both know")
    options.add_btf(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, and tell."""
    from kheaders.cli.progress import waiting

    with waiting("comparing types"):
        context = options.context(args)
        outcome = context.verify(full=args.full, btf=options.btf(args, context))
    if args.json:
        output.say_json(_facts(outcome))
    else:
        _tell(outcome, args.verbose)
    return 0 if outcome.ok else VerificationError.exit_code


def _tell(outcome: Verification, verbose: int) -> None:
    where = outcome.found.candidate.location
    chosen = outcome.differences if verbose else outcome.differences[:SHOWN]
    for difference in chosen:
        output.say(output.shown(str(difference)))
    if len(chosen) < len(outcome.differences):
        output.say(f"... and {len(outcome.differences) - len(chosen)} more (all of them with -v)")
    if verbose:
        for title in outcome.others:
            output.note(f"{title}: another type of that name")
        for title in outcome.skipped:
            output.note(f"{title}: does not compile by itself")
    compared = output.plural(outcome.types, "type")
    ending = f"{compared} compared with {outcome.btf}, none differs"
    if not outcome.ok:
        ending = f"{len(outcome.records)} of {compared} differ from {outcome.btf}: of a kernel that was built otherwise"
    output.say(output.shown(f"{where}: {ending}"))


def _facts(outcome: Verification) -> dict[str, Any]:
    candidate = outcome.found.candidate
    return {
        "ok": outcome.ok,
        "release": outcome.found.facts.release,
        "source": candidate.source,
        "location": candidate.location,
        "btf": outcome.btf,
        "types": outcome.types,
        "differences": [
            {"record": d.record, "member": d.member, "headers": d.ours, "kernel": d.theirs} for d in outcome.differences
        ],
        "others": list(outcome.others),
        "skipped": list(outcome.skipped),
    }
