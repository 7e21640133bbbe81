"""``kheaders types``: the kernel's types as C."""

from __future__ import annotations

import argparse

from kheaders.cli import objectfile, options, output, source

DESCRIPTION = """\
Print a vmlinux.h from the kernel's BTF: every type with its layout, and the functions that BPF programs may call. With
names, only these, with all that they embed; what they point to is declared. No headers and no blob are needed."""

EPILOG = """\
examples:
  kheaders types -o vmlinux.h                  as 'bpftool btf dump ... format c' does
  kheaders types task_struct sk_buff           these two, and what they embed
  kheaders types --btf nf_conntrack.ko nf_conn
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.usage = "kheaders types [options] [NAME ...]"
    parser.add_argument(
        "name", metavar="NAME", nargs="*", default=(), help="a type or function, as in C: 'struct foo', foo"
    )
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where to (default: standard output)")
    options.add_btf(parser)


def run(args: argparse.Namespace) -> int:
    """Print or write."""
    if args.output != "-":
        source.check_destination(args.output, args.btf or "")
    context = options.context(args)
    btf = context.btf(options.btf(args, context))
    head = output.comment(context.btf_identity(btf), btf.name)
    text = "".join((head, *context.types(args.name or None, btf=btf))).encode()
    if args.output != "-":
        objectfile.write(args.output, text)
    else:
        output.say_bytes(text)
    return 0
