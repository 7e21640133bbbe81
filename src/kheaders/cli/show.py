"""``kheaders show``: what a name is on this kernel."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kheaders.cli import btfnames, options, output
from kheaders.errors import BlobError, UsageError
from kheaders.interface.shelf import identity

if TYPE_CHECKING:
    from kheaders.interface.lookup import Item

DESCRIPTION = """\
Tell what a name is: each struct, union, enum, enumeration constant, typedef, function, inline function, variable and
macro of that name, with header, line and text, from the kernel's blob; of a function, whether BPF programs may call
it. Macros and constants come with their value, as the compiler computes it. Types that no header declares, and layouts,
come from the kernel's BTF, for which no blob is needed. The first line names the kernel, and the file that was read."""

EPILOG = """\
examples:
  kheaders show task_struct                    the struct, with file and line
  kheaders show TASK_COMM_LEN                  the enum that it is in, and = 16
  kheaders show --kind macro HZ                every definition where headers disagree
  kheaders show --users TASK_COMM_LEN          what refers to it
  kheaders show --json ip_hdr
  kheaders show struct sk_buff --layout        offsets, sizes, holes and cache lines of its members
  kheaders show nf_conn --layout --btf nf_conntrack.ko

--json: name, release and srcarch of the kernel, from (the blob or BTF), items
        (kind, name, file, line, text, value, reason, owner, remark: whether
        BPF programs may call a function);
        with --layout: name, release, srcarch, from, btf, layouts
"""

KINDS = ("struct", "union", "enum", "constant", "typedef", "function", "inline", "variable", "macro", "helper")
_NAMES = {"prototype": "function"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.usage = "kheaders show [options] [struct|union|enum] NAME"
    parser.add_argument("name", metavar="NAME", nargs="+", help="a name as it stands in C")
    parser.add_argument("--users", action="store_true", help="show the declarations and macros that refer to it")
    parser.add_argument(
        "--kind",
        metavar="K",
        action="append",
        choices=KINDS,
        help=f"only this kind: {', '.join(KINDS)} (may be given more than once)",
    )
    parser.add_argument("--no-value", action="store_true", help="do not ask the compiler for values")
    parser.add_argument("--layout", action="store_true", help="show where the members of a struct or union lie")
    parser.add_argument(
        "--cacheline", metavar="N", type=int, default=64, help="bytes of a cache line, for --layout (default: 64)"
    )
    options.add_blob(parser)
    options.add_btf(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look up, and print."""
    name, tag = _asked(args.name)
    if tag:
        args.kind = [tag]
    context = options.context(args)
    if args.layout:
        return btfnames.layout(args, context, name, tag)
    if args.btf is not None:
        context.hold(blob=args.blob, btf=options.btf(args, context))
        return btfnames.definition(args, context, name)
    mine = True
    try:
        with context.blob(args.blob) as opened:
            whose, path, mine = identity(opened), opened.path, context.is_of(opened)
        items = context.show(name, blob=path, values=not args.no_value, users=args.users)
    except BlobError:
        # what the headers of another kernel lack says nothing of this one's types
        if args.users or not mine or not btfnames.known(context, name, args.kind):
            raise
        return btfnames.definition(args, context, name)
    chosen = [item for item in items if not args.kind or _kind(item) in args.kind]
    if items and not chosen:
        kinds = ", ".join(dict.fromkeys(_kind(item) for item in items))
        raise BlobError(f"{name!r} is no {' or '.join(args.kind)}", f"it is: {kinds}")
    if args.json:
        told = [_facts(item) for item in chosen]
        output.say_json({"name": name, **output.whose(whose, str(path)), "items": told})
        return 0
    output.say(f"{output.source_line(whose, str(path))}:")
    if args.users:
        _list(chosen, name)
    else:
        _print(chosen)
    return 0


def _asked(words: Sequence[str]) -> tuple[str, str]:
    """The name, and the keyword before it if there is one. Raises UsageError for more than that."""
    parts = " ".join(words).split()
    if len(parts) == 2 and parts[0] in ("struct", "union", "enum"):
        return parts[1], parts[0]
    if len(parts) == 1:
        return parts[0], ""
    raise UsageError("one name is wanted", "say NAME, or struct NAME, union NAME, enum NAME")


def _kind(item: Item) -> str:
    return _NAMES.get(item.kind, item.kind)


def _facts(item: Item) -> dict[str, object]:
    return {
        "kind": _kind(item),
        "name": item.name,
        "file": item.file,
        "line": item.line,
        "text": item.text,
        "value": item.value,
        "reason": item.reason,
        "owner": item.owner,
        "remark": item.remark,
    }


def _list(items: Sequence[Item], name: str) -> None:
    if not items:
        output.say(f"nothing refers to {output.shown(name)}")
        return
    for line in output.columns([(_kind(item), item.name or "-", f"{item.file}:{item.line}") for item in items]):
        output.say(line)


def _print(items: Sequence[Item]) -> None:
    colours = _colours()
    for number, item in enumerate(items):
        if number:
            output.say("")
        what = f"{_kind(item)} {item.name}" + (f" of enum {item.owner}" if item.owner else "")
        value = f" = {_value(item)}" if item.value is not None else ""
        _heading(f"{item.file}:{item.line}", f"{what}{value}", item.reason or item.remark, colours)
        _text(item.text, colours)


def _value(item: Item) -> str:
    import json

    if isinstance(item.value, str):
        return json.dumps(item.value)
    return str(item.value) if abs(item.value or 0) < 10 else f"{item.value} ({item.value:#x})"


def _colours() -> bool:
    from importlib.util import find_spec

    return output.is_terminal(sys.stdout) and "NO_COLOR" not in os.environ and find_spec("rich") is not None


def _heading(place: str, what: str, reason: str, colours: bool) -> None:
    why = f" ({reason})" if reason else ""
    if not colours:
        output.say(output.shown(f"{place}: {what}{why}"))
        return
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((output.shown(place), "cyan"), ": ", (output.shown(what), "bold"), (output.shown(why), "dim"))
    Console(highlight=False, soft_wrap=True).print(line)


def _text(text: str, colours: bool) -> None:
    if not colours:
        output.say("\n".join(output.shown(line) if not line.isprintable() else line for line in _lines(text)))
        return
    from rich.console import Console
    from rich.syntax import Syntax

    syntax = Syntax("\n".join(_lines(text)), "c", theme="ansi_dark", background_color="default", word_wrap=True)
    Console().print(syntax)


def _lines(text: str) -> list[str]:
    return [line.expandtabs(8).rstrip() for line in text.split("\n")]
