"""``kheaders slice``: the C text that a program needs from the kernel."""

from __future__ import annotations

import argparse
import os

from kheaders.cli import objectfile, options, output, source
from kheaders.interface.shelf import identity

DESCRIPTION = """\
Print the slice of a program: the declarations and macros of the kernel that it needs, as C, cut from the kernel's blob.
'kheaders compile' does this by itself; the text is for those who want to read it, or to compile without kheaders."""

EPILOG = """\
examples:
  kheaders slice prog.bpf.c                    to standard output
  kheaders slice -I include -o prog.slice.h prog.bpf.c
  kheaders slice --blob 6.1.kheaders - < prog.bpf.c
  kheaders slice prog.bpf.c -o vmlinux.h       for a libbpf program that includes vmlinux.h
  kheaders slice -DDEBUG --blob 6.1.kheaders --btf vmlinux -o vmlinux.h prog.bpf.c

--json: release and srcarch of the kernel, from (the blob), lines, declarations,
        macros, includes (the include lines that the slice stands for), unknown
        (those that the kernel has no header for), failed, and text, or path
        with -o
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("source", metavar="PROG", help="the program, or - for standard input")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where to (default: standard output)")
    parser.add_argument("-D", dest="defines", metavar="NAME[=VALUE]", action="append", default=[], help="a macro")
    parser.add_argument("-I", dest="includes", metavar="DIR", action="append", default=[], help="your own headers")
    options.add_blob(parser)
    options.add_types(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Cut, and print or write."""
    if args.output != "-":
        source.check_destination(args.output, args.source)
    program = source.standard_input() if args.source == "-" else args.source
    context = options.context(args)
    with context.blob(args.blob) as opened:
        kernel, path = identity(opened), str(opened.path)
    piece = context.slice(
        program,
        defines=args.defines,
        includes=args.includes,
        blob=path,
        core=args.core,
        types=args.types,
        btf=options.btf(args, context),
    )
    head = output.comment(kernel, path).encode()
    if args.output != "-":
        objectfile.write(args.output, head + piece.text)
    if args.json:
        where = {"path": os.path.abspath(args.output)} if args.output != "-" else {}
        text = {} if where else {"text": piece.text.decode("utf-8", "replace")}
        output.say_json(
            {
                **output.whose(kernel, path),
                "lines": piece.lines,
                "declarations": len(piece.declarations),
                "macros": len(piece.macros),
                "includes": list(piece.includes),
                "unknown": list(piece.unknown),
                "failed": dict(piece.failed),
                **where,
                **text,
            }
        )
    elif args.output == "-":
        output.say_bytes(head + piece.text)
    for path, reason in piece.failed:
        output.note(f"{path} cannot be included: {reason}")
    if args.verbose:
        counts = f"{output.plural(len(piece.declarations), 'declaration')}, {output.plural(len(piece.macros), 'macro')}"
        output.note(f"slice of {piece.lines} lines: {counts}")
    return 0
