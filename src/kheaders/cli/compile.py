"""``kheaders compile``: a C program to a BPF object."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from kheaders.cli import objectfile, options, output, source
from kheaders.errors import UsageError

if TYPE_CHECKING:
    from kheaders.api import Context
    from kheaders.compile import Compiled

DESCRIPTION = """\
Compile a C program to a BPF object with the verified headers, found as 'kheaders locate' finds them.
The compiler's messages come through as they are. The object appears whole or not at all."""

EPILOG = """\
examples:
  kheaders compile prog.bpf.c                  to prog.bpf.o in this directory
  kheaders compile -g -O2 -DDEBUG -I include -o out.o prog.bpf.c
  generate | kheaders compile -o prog.o -      from standard input
  kheaders compile -o - prog.bpf.c | loader    to standard output
  kheaders compile --target-arch arm64 --kernel 6.1.0-49-arm64 prog.bpf.c
  kheaders compile prog.bpf.c -- -Wall         words for clang after --
  kheaders compile --form slice prog.bpf.c     from the blob alone, whatever headers there are
  kheaders compile --form pch prog.bpf.c       by the precompiled header, built if need be
  kheaders compile --check prog.bpf.c          status 1 if the full headers give another program

--json: object, size, form, compiler, seconds, diagnostics, release, srcarch,
        source, location, digest, checks
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.usage = "kheaders compile [options] SOURCE|- [-- CLANG-WORDS ...]"
    parser.add_argument("source", metavar="SOURCE", help="the program, or - for standard input (then -o is needed)")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="the object, or - for standard output (default: SOURCE with .o for .c)"
    )
    parser.add_argument(
        "--form",
        choices=("auto", "slice", "pch", "memory", "directory"),
        default="auto",
        help="what clang is given: the slice of the blob, a precompiled header, the headers from memory, or from the "
        "store's directory (auto: the slice if there is a blob, else the PCH if there is one, else the headers)",
    )
    parser.add_argument("-g", "--debug", action="store_true", help="add debug information: BTF and DWARF")
    parser.add_argument("-O", dest="optimise", choices=("1", "2", "3", "s"), default="2", help="level (default: 2)")
    parser.add_argument("-D", dest="defines", metavar="NAME[=VALUE]", action="append", default=[], help="a macro")
    parser.add_argument("-I", dest="includes", metavar="DIR", action="append", default=[], help="your own headers")
    parser.add_argument("--mcpu", "-mcpu", metavar="V", help="the BPF instruction set: v1, v2, v3, v4, generic, probe")
    parser.add_argument("--target-arch", metavar="A", help="the architecture of the traced machine: x86, arm64 ...")
    parser.add_argument("--blob", metavar="FILE", help="cut slices from this blob (default: the kernel's in the store)")
    parser.add_argument(
        "--check", action="store_true", help="compile from the full headers as well, and say where the objects differ"
    )
    options.add_types(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compile, put the object in place, and tell what is worth telling."""
    start = time.monotonic()
    if args.target_arch and args.machine and args.target_arch != args.machine:
        raise UsageError("--target-arch and --machine name different architectures", "give one of them")
    destination = _destination(args)
    program = source.standard_input() if args.source == "-" else args.source
    context = options.context(args, machine=args.target_arch)
    compiled = context.compile(
        program,
        form=args.form,
        optimise=args.optimise,
        debug=args.debug,
        mcpu=args.mcpu,
        defines=args.defines,
        includes=args.includes,
        extra=args.extra,
        blob=args.blob,
        check=args.check,
        core=args.core,
        types=args.types,
        btf=options.btf(args, context),
    )
    output.complain(compiled.result.diagnostics)
    if destination == "-":
        output.say_bytes(compiled.object)
    else:
        objectfile.write(destination, compiled.object)
    _tell(args, context, compiled, destination, time.monotonic() - start)
    return 1 if any(d.kind != "BTF" for d in compiled.differences or ()) else 0


def _tell(args: argparse.Namespace, context: Context, compiled: Compiled, destination: str, seconds: float) -> None:
    found, result = compiled.found, compiled.result
    if compiled.release != context.kernel.release and not context.named:
        runs = "this machine runs" if context.kernel.running else "asked for was"
        output.note(f"compiled with headers of {compiled.release}; {runs} {context.kernel.release}")
    elif not args.core and (stood_for := context.stand_in(compiled.release)) is not None:
        output.note(
            f"compiled with headers of {compiled.release}, a stand-in: members lie as in that kernel, and may lie "
            f"elsewhere in {stood_for}, which runs here; build the blob (kheaders blob build --kernel "
            f"{compiled.release}) and compile with --core, which has each access moved"
        )
    if args.verbose:
        if compiled.why_not_slice:
            output.note(f"not from a slice: {compiled.why_not_slice}")
        if compiled.why_not_pch:
            output.note(f"not from a PCH: {compiled.why_not_pch}")
        if found is not None:
            output.note(f"headers of {compiled.release} from {found.candidate.source}: {found.candidate.location}")
        if compiled.slice is not None:
            output.note(f"slice of {compiled.slice.lines} lines, without headers")
        output.note(
            f"{context.compiler.name}, {compiled.form} form: {result.seconds:.2f} s of {seconds:.2f} s, "
            f"{output.size(len(compiled.object))} to {destination}"
        )
    for difference in compiled.differences or ():
        output.note(f"check: {difference.section} ({difference.kind}): {difference.detail}")
    if compiled.differences is not None and not compiled.differences:
        output.note("check: the same program as from the full headers")
    if args.verbose > 1:
        import shlex

        output.note(shlex.join(result.argv))
    if args.json:
        output.say_json(
            {
                "object": os.path.abspath(destination),
                "size": len(compiled.object),
                "form": compiled.form,
                "compiler": context.compiler.name,
                "seconds": round(result.seconds, 3),
                "diagnostics": result.diagnostics,
                "release": compiled.release,
                "why_not_slice": compiled.why_not_slice,
                "why_not_pch": compiled.why_not_pch,
                "slice_lines": compiled.slice.lines if compiled.slice is not None else None,
                "differences": None if compiled.differences is None else [d._asdict() for d in compiled.differences],
                **(output.found_facts(found) if found is not None else {}),
            }
        )


def _destination(args: argparse.Namespace) -> str:
    """Where the object goes, by default as cc does it. Raises UsageError for what could only destroy something."""
    if args.output is None:
        if args.source == "-":
            raise UsageError("a program from standard input has no name for its object", "name the object with -o")
        base = os.path.basename(args.source)
        made = f"{base.removesuffix('.c') if base.endswith('.c') else os.path.splitext(base)[0]}.o"
    else:
        made = args.output
    if made == "-":
        if args.json:
            raise UsageError("-o - and --json both want standard output", "name a file with -o")
        if output.is_terminal(sys.stdout):
            raise UsageError("an object is nothing for a terminal", "redirect standard output, or name a file with -o")
        return made
    source.check_destination(made, args.source)
    return made
