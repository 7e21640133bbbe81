"""``kheaders cflags``: flags with which any clang build reads the verified headers."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from kheaders.cli import options, output
from kheaders.errors import UsageError

DESCRIPTION = """\
Print the flags with which clang compiles for BPF with the verified headers, on one line.
The words are plain, as pkg-config prints them: meant for an unquoted $(kheaders cflags), where the quotes in
-DKBUILD_MODNAME="kheaders" are part of the word. Where a shell reads the text once more (eval, a recipe of make),
use --quote; where no shell is involved, --null or --json.
With --form pch they make clang take the precompiled header, which is built if there is none. It is for one compiler
(--cc) and -O2, and shows a program more than it includes: 'kheaders compile' looks whether that does harm, these flags
cannot."""

EPILOG = """\
examples:
  clang $(kheaders cflags) -O2 -g -c prog.bpf.c -o prog.bpf.o
  CFLAGS := $(shell kheaders cflags --quote)       in a Makefile
  clang-19 $(kheaders cflags --form pch --cc clang-19) -g -c prog.bpf.c
  eval "clang $(kheaders cflags --quote) -c prog.bpf.c"
  kheaders cflags --null | xargs -0 sh -c 'exec clang "$@" -O2 -c prog.bpf.c' sh

--json: a list of words
"""

_SPECIAL = set(" \t\r\n\f\v*?[]{}()<>|&;$`'\\")
"""What splits or changes an unquoted word in a shell; double quotes are known to come through an expansion."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--mounted", metavar="DIR", help="the headers that 'kheaders mount' shows there")
    parser.add_argument(
        "--form", choices=("directory", "pch"), default="directory", help="what the flags name (default: directory)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quote", action="store_true", help="quote words for a shell that reads them as text")
    form.add_argument("--null", action="store_true", help="end each word with a NUL character")
    form.add_argument("--json", action="store_true", help='print a JSON list; an error as {"error": {...}}')


def run(args: argparse.Namespace) -> int:
    """Print the flags."""
    context = options.context(args)
    flags = context.mounted_flags(args.mounted) if args.mounted else context.cflags(args.form)
    if args.json:
        output.say_json(flags)
    elif args.null:
        output.say_words(flags, "\0")
    elif args.quote:
        output.say(shlex.join(flags))
    else:
        output.say(plain(flags))
    return 0


def plain(flags: Sequence[str]) -> str:
    """*flags* as words for an unquoted expansion. Raises UsageError if a shell would take one of them apart."""
    for word in flags:
        if not word or _SPECIAL & set(word):
            raise UsageError(
                f"the flag {word!r} cannot be given to a shell as plain words",
                "use --quote, --null or --json, or name a --store without such characters",
            )
    return " ".join(flags)
