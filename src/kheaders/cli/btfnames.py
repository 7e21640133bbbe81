"""What BTF says of a name, for ``kheaders show``: layouts, and types that no header declares."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kheaders.cli import options, output
from kheaders.errors import BtfError

if TYPE_CHECKING:
    from kheaders.api import Context
    from kheaders.btf.table import Btf

_KINDS = {"fwd": "struct", "func": "function", "enum64": "enum"}


def layout(args: argparse.Namespace, context: Context, name: str, tag: str) -> int:
    """Print the layout of each record of that name, and of which kernel it is."""
    from kheaders.btf import pahole

    title = f"{tag} {name}" if tag else name
    found = context.layout(title, blob=args.blob, btf=options.btf(args, context), cacheline=args.cacheline)
    if args.json:
        layouts = [pahole.as_dict(layout) for layout in found.layouts]
        output.say_json({"name": name, **output.whose(found.kernel, found.file), "btf": found.file, "layouts": layouts})
    else:
        output.say(f"{output.source_line(found.kernel, found.file)}:")
        output.say("\n".join(pahole.as_text(found.btf, layout) for layout in found.layouts).rstrip("\n"))
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

    btf = context.btf(options.btf(args, context))
    kernel = context.btf_identity(btf)
    found = [
        (kind, alone(btf, type_id), *_remark(btf, type_id, name)) for type_id, kind in _found(btf, name, args.kind)
    ]
    items = [(word or kind, text, remark) for kind, text, word, remark in found]
    if args.json:
        facts = {"name": name, "file": btf.name, "line": 0, "value": None, "reason": "", "owner": ""}
        told = [{**facts, "kind": kind, "text": text, "remark": remark} for kind, text, remark in items]
        output.say_json({"name": name, **output.whose(kernel, btf.name), "items": told})
        return 0
    output.say(f"{output.source_line(kernel, btf.name)}:")
    for number, (kind, text, remark) in enumerate(items):
        why = f" ({remark})" if remark else ""
        output.say(f"{chr(10) if number else ''}{output.shown(btf.name)}: {kind} {name}{why}")
        output.say(text.rstrip("\n"))
    return 0


def _remark(btf: Btf, type_id: int, name: str) -> tuple[str, str]:
    """The word for a helper, and whether BPF programs may call a function; empty for anything else."""
    from kheaders.btf import calls
    from kheaders.btf.kinds import Kind

    if btf.kind(type_id) is not Kind.FUNC:
        return "", ""
    number = calls.helper_number(btf, name)
    if number is not None:
        return "helper", calls.helper_remark(number)
    return "", calls.REMARKS[calls.callable_from_bpf(btf, type_id)]


def _found(btf: Btf, name: str, kinds: Sequence[str] | None) -> list[tuple[int, str]]:
    from kheaders.btf.lookup import find

    named = ((i, btf.kind(i).name.lower()) for i in find(btf, name))
    found = [(type_id, _KINDS.get(kind, kind)) for type_id, kind in named]
    chosen = [item for item in found if not kinds or item[1] in kinds]
    if not chosen:
        have = ", ".join(dict.fromkeys(kind for _, kind in found))
        raise BtfError(f"{btf.name}: {name} is no {' or '.join(kinds or ())}", f"it is: {have}")
    return chosen
