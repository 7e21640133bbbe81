"""``kheaders pch``: build, examine and ship precompiled headers."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kheaders.cli import options, output, progress
from kheaders.errors import UsageError

if TYPE_CHECKING:
    from kheaders.forms.pch import Options
    from kheaders.forms.pchshelf import Pch

DESCRIPTION = """\
A PCH is a precompiled header: the headers that BPF programs include most, as one compiler understood them. With it a
program compiles many times sooner, and needs no header. It serves that compiler and those options only. 'kheaders
compile' finds it by itself, and does without where a program would mean something else with it."""

EPILOG = """\
examples:
  kheaders pch build                           for the running kernel and the usual compiler
  kheaders pch build --cc clang-19 -O s --mcpu v3
  kheaders pch build --with linux/usb.h        with a header that few programs include
  kheaders pch info                            what is in it, and which others are in the store
  kheaders pch export -o /opt/pch              for use as: clang @/opt/pch/flags -c prog.c

--json: path, size, layers, release, compiler, options, headers, left_out, and:
        build: built, seconds; info: others; export: directory
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("action", choices=("build", "info", "export"), help="what to do")
    parser.add_argument("-o", "--output", metavar="DIR", help="export: a new or empty directory")
    parser.add_argument(
        "--with",
        dest="wanted",
        metavar="HEADER",
        action="append",
        help="build: a header more, as include lines name it",
    )
    parser.add_argument("-O", dest="optimise", choices=("1", "2", "3", "s"), default="2", help="level (default: 2)")
    parser.add_argument("--mcpu", "-mcpu", metavar="V", help="the BPF instruction set, as for 'compile'")
    parser.add_argument(
        "-D", dest="defines", metavar="NAME[=VALUE]", action="append", default=[], help="a macro that headers look at"
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    if (args.action == "export") != bool(args.output):
        if args.action == "export":
            raise UsageError("pch export: where to is not said", "name a directory with -o")
        raise UsageError(f"pch {args.action} takes no -o", "it lies in the store; 'kheaders pch export' writes it")
    if args.wanted and args.action != "build":
        raise UsageError(f"pch {args.action} takes no --with", "say it to 'kheaders pch build'")
    return {"build": _build, "info": _info, "export": _export}[args.action](args)


def _options(args: argparse.Namespace) -> Options:
    from kheaders.forms.pch import Options

    return Options(args.optimise, args.mcpu, tuple(f"-D{define}" for define in args.defines))


def _build(args: argparse.Namespace) -> int:
    context = options.context(args)
    start = time.monotonic()
    with progress.stages() as report:
        pch = context.build_pch(
            _options(args), wanted=args.wanted or (), progress=lambda stage: report(stage, None, None)
        )
    seconds = time.monotonic() - start
    if args.json:
        output.say_json({**_facts(args, pch), "built": pch.built, "seconds": round(seconds, 2)})
        return 0
    size = output.size(pch.size)
    how = f"in {seconds:.1f} s" if pch.built else "there already"
    output.say(f"{pch.path}: PCH of {pch.form.release} for {context.compiler.name}, {size}, {how}")
    for header, reason in pch.left_out.items():
        output.note(f"left out: {header}: {reason}")
    return 0


def _info(args: argparse.Namespace) -> int:
    from kheaders.forms.pchshelf import listing

    context = options.context(args)
    chosen = _options(args)
    pch = context.pch(chosen)
    others = [entry for entry in listing(context.store) if entry.key != pch.key]
    if args.json:
        rows = [{"path": str(e.path), "size": e.size, **dict(e.manifest)} for e in others]
        output.say_json({**_facts(args, pch), "others": rows})
        return 0
    names = pch.form.names
    told = [
        ("file", f"{pch.path} ({output.size(pch.size)}, in {output.plural(len(names.layers), 'layer')})"),
        ("kernel", str(pch.form.release)),
        ("compiler", f"{context.compiler.name} ({context.compiler.argv[0]})"),
        ("options", chosen.shown()),
        ("holds", f"{len(names.files):,} headers by {len(names.umbrella)} include lines"),
        ("kept apart", output.plural(len(names.kept), "header") + " without a guard"),
        ("left out", output.plural(len(names.left_out), "header")),
        ("others", output.plural(len(others), "PCH")),
    ]
    for line in output.columns([(name, output.shown(text)) for name, text in told]):
        output.say(line)
    for header, reason in names.left_out.items():
        output.say(f"  left out: {output.shown(header)}: {output.shown(reason)}")
    for entry in others:
        what = " ".join(str(entry.manifest.get(word) or "") for word in ("release", "compiler", "options"))
        chained = " (chained)" if entry.manifest.get("base") else ""
        output.say(f"  {entry.path.name[:16]}  {output.size(entry.size):>9}  {output.shown(what)}{chained}")
    return 0


def _export(args: argparse.Namespace) -> int:
    context = options.context(args)
    chosen = _options(args)
    place = context.export_pch(Path(args.output), chosen)
    if args.json:
        output.say_json({**_facts(args, context.pch(chosen)), "directory": str(place)})
    else:
        output.say(f"{place}: compile with {context.compiler.argv[0]} @{place}/flags")
    return 0


def _facts(args: argparse.Namespace, pch: Pch) -> dict[str, Any]:
    names = pch.form.names
    return {
        "path": str(pch.path),
        "size": pch.size,
        "layers": list(pch.form.places),
        "release": pch.form.release,
        "compiler": options.context(args).compiler.name,
        "options": _options(args).shown(),
        "headers": len(names.files),
        "left_out": names.left_out,
    }
