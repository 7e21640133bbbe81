"""``kheaders cache``: what is kept in the store, and removing it."""

from __future__ import annotations

import argparse
import time

from kheaders.cli import options, output
from kheaders.store import Entry, Store

DESCRIPTION = """\
List what kheaders keeps in your store, or remove it. Trees of headers last until the next boot, downloaded packages
stay until they are removed or the store's limit is reached. What is in use is not removed."""

EPILOG = """\
examples:
  kheaders cache list
  kheaders cache list --kind tree --json
  kheaders cache clear                       everything, records included
  kheaders cache clear --kind deb

--json, list: total, entries (kind, key, release, source, size, used, area,
              path, damaged)
--json, clear: removed, bytes, kept
"""

SHORT_KEY = 12


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("action", choices=("list", "clear"), help="list what is kept, or remove it")
    parser.add_argument(
        "--kind", metavar="K", action="append", help="only this kind: tree, deb, ... (may be given more than once)"
    )
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List or clear."""
    store = options.context(args).store
    return _clear(args, store) if args.action == "clear" else _list(args, store)


def _clear(args: argparse.Namespace, store: Store) -> int:
    cleared = store.clear(kinds=args.kind)
    if args.json:
        output.say_json({"removed": cleared.entries, "bytes": cleared.bytes, "kept": cleared.kept})
        return 0
    kept = f"; kept {cleared.kept} that are in use" if cleared.kept else ""
    if cleared.entries:
        output.say(f"freed {output.size(cleared.bytes)}: removed {output.plural(cleared.entries, 'entry')}{kept}")
    else:
        output.say(f"nothing to remove{kept}")
    return 0


def _list(args: argparse.Namespace, store: Store) -> int:
    entries = [entry for entry in reversed(store.entries()) if not args.kind or entry.kind in args.kind]
    total = sum(entry.size for entry in entries)
    if args.json:
        output.say_json({"entries": [_facts(entry) for entry in entries], "total": total})
        return 0
    if not entries:
        output.say("nothing is kept" + (f" of kind {', '.join(map(output.shown, args.kind))}" if args.kind else ""))
        return 0
    now = time.time()
    rows = [("kind", "key", "size", "last used", "area", "what")]
    for entry in entries:
        age = output.ago(now - entry.used)
        rows.append((entry.kind, entry.key[:SHORT_KEY], output.size(entry.size), age, entry.area, _what(entry)))
    for line in output.columns(rows, right=(2,)):
        output.say(line)
    output.say(f"{output.size(total)} in {output.plural(len(entries), 'entry')}")
    return 0


def _what(entry: Entry) -> str:
    if entry.damaged:
        return "damaged; it is made again when it is needed"
    words = [entry.manifest.get(word) for word in ("release", "srcarch", "package")]
    where = entry.manifest.get("source") or entry.manifest.get("origin")
    return output.shown(", ".join(str(word) for word in [*words, where] if word))


def _facts(entry: Entry) -> dict[str, object]:
    return {
        "kind": entry.kind,
        "key": entry.key,
        "release": entry.manifest.get("release"),
        "source": entry.manifest.get("source") or entry.manifest.get("origin"),
        "size": entry.size,
        "used": entry.used,
        "area": entry.area,
        "path": str(entry.path),
        "damaged": entry.damaged,
    }
