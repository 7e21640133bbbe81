"""What BTF says of a name, for ``kheaders show``: layouts, and types that no header declares."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kheaders.cli import output
from kheaders.errors import BtfError

if TYPE_CHECKING:
    from kheaders.api import Context
    from kheaders.btf.table import Btf

_KINDS = {"fwd": "struct", "func": "function", "enum64": "enum"}


def layout(args: argparse.Namespace, context: Context, name: str, tag: str) -> int:
    """Print the layout of each record of that name."""
    from kheaders.btf import pahole

    btf = context.btf(args.btf)
    found = context.layouts(f"{tag} {name}" if tag else name, btf=btf, cacheline=args.cacheline)
    if args.json:
        output.say_json({"name": name, "btf": btf.name, "layouts": [pahole.as_dict(layout) for layout in found]})
    else:
        output.say("\n".join(pahole.as_text(btf, layout) for layout in found).rstrip("\n"))
    return 0


def known(context: Context, name: str, kinds: Sequence[str] | None) -> bool:
    """Whether the kernel's BTF, if it has one, knows the name."""
    if context.kernel.btf is None:
        return False
    try:
        return bool(_found(context.btf(), name, kinds))
    except BtfError:
        return False


def definition(args: argparse.Namespace, context: Context, name: str) -> int:
    """Print what BTF has of that name, each as C. Raises BtfError if there is nothing."""
    from kheaders.btf.cprint.vmlinux import alone

    btf = context.btf(args.btf)
    items = [(kind, alone(btf, type_id)) for type_id, kind in _found(btf, name, args.kind)]
    if args.json:
        facts = {"name": name, "file": btf.name, "line": 0, "value": None, "reason": "", "owner": ""}
        output.say_json({"name": name, "items": [{**facts, "kind": kind, "text": text} for kind, text in items]})
        return 0
    for number, (kind, text) in enumerate(items):
        output.say(f"{chr(10) if number else ''}{output.shown(btf.name)}: {kind} {name}")
        output.say(text.rstrip("\n"))
    return 0


def _found(btf: Btf, name: str, kinds: Sequence[str] | None) -> list[tuple[int, str]]:
    from kheaders.btf.lookup import find

    named = ((i, btf.kind(i).name.lower()) for i in find(btf, name))
    found = [(type_id, _KINDS.get(kind, kind)) for type_id, kind in named]
    chosen = [item for item in found if not kinds or item[1] in kinds]
    if not chosen:
        have = ", ".join(dict.fromkeys(kind for _, kind in found))
        raise BtfError(f"{btf.name}: {name} is no {' or '.join(kinds or ())}", f"it is: {have}")
    return chosen
