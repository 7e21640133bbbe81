"""``kheaders blob``: build, examine, check and ship the file that holds a kernel's whole C interface."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kheaders.cli import options, output, progress
from kheaders.errors import BlobError, UsageError

if TYPE_CHECKING:
    from kheaders.interface.blob import Blob

DESCRIPTION = """\
The blob is one file that holds all that a kernel's headers declare: types, macros, inline functions. Once it is
built, programs compile from it alone, and the headers may go. 'build' makes it from the verified headers and keeps it
in the store; 'info' tells what is in it, 'verify' reads all of it; 'export' writes it as one small file for shipping,
from which 'import' makes the very same blob again."""

EPILOG = """\
examples:
  kheaders blob build                          for the running kernel, into the store
  kheaders blob build -o 6.1.kheaders --headers /mnt/kheaders.tar.xz
  kheaders blob info --left-out                with the headers that are not in it, and why
  kheaders blob verify --blob 6.1.kheaders     status 10 if anything is wrong
  kheaders blob export -o 6.1.kheaders.xz
  kheaders blob import 6.1.kheaders.xz         into the store, for the kernel that it was built for
  kheaders blob import 6.1.kheaders.xz -o 6.1.kheaders

--json: path, size, and: build: release, seconds; info: schema, meta, counts,
        left_out (path: reason); verify: problems; export, import: from
"""

ACTIONS = ("build", "info", "verify", "export", "import")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("file", metavar="FILE", nargs="?", help="import: the exported file")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="build, import: here instead of the store; export: where"
    )
    parser.add_argument("--left-out", action="store_true", help="info: list the headers that cannot be included")
    options.add_blob(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    if (args.action == "import") != (args.file is not None):
        if args.file is None:
            raise UsageError("blob import: no file is named", "name the file that 'kheaders blob export' made")
        raise UsageError(
            f"blob {args.action} takes no file {args.file!r}", "name a blob with --blob, what is to be made with -o"
        )
    if args.action == "export" and not args.output:
        raise UsageError(f"blob {args.action}: where to is not said", "name a file with -o")
    if args.output == "":
        raise UsageError("-o names no file", "name one")
    action = {"build": _build, "info": _info, "verify": _verify, "export": _export, "import": _import}[args.action]
    return action(args)


def _build(args: argparse.Namespace) -> int:
    context = options.context(args)
    start = time.monotonic()
    with progress.stages() as report:
        path = context.build_blob(args.output, report)
    seconds = time.monotonic() - start
    with context.blob(path) as blob:
        release, counts, left_out = blob.meta.get("release"), blob.meta["counts"], len(blob.failed)
    size = os.path.getsize(path)
    if args.json:
        output.say_json({"path": os.path.abspath(path), "size": size, "release": release, "seconds": round(seconds, 2)})
        return 0
    output.say(f"{path}: blob of {release}, {output.size(size)}, in {seconds:.1f} s")
    output.say(
        f"{counts['declarations']:,} declarations, {counts['macros']:,} macros of {counts['files']:,} headers; "
        f"{output.plural(left_out, 'header')} left out"
    )
    return 0


def _info(args: argparse.Namespace) -> int:
    from kheaders.interface.schema import SCHEMA

    with options.context(args).blob(args.blob) as blob:
        meta, failed, path = dict(blob.meta), dict(blob.failed), blob.path
    size = os.path.getsize(path)
    counts = meta.pop("counts", {})
    if args.json:
        facts: dict[str, Any] = {"path": os.path.abspath(path), "size": size, "schema": SCHEMA}
        output.say_json({**facts, "meta": meta, "counts": counts, "left_out": failed})
        return 0
    kernel = meta.get("kernel") or {}
    rows = [
        ("file", f"{path} ({output.size(size)}, schema {SCHEMA})"),
        ("kernel", " ".join(str(word) for word in (meta.get("release"), kernel.get("version")) if word)),
        ("architecture", str(meta.get("srcarch"))),
        ("build id", str(kernel.get("build_id") or "unknown")),
        ("headers", f"{meta.get('headers', 0):,} with digest {meta.get('digest')}"),
        ("made by", f"kheaders {meta.get('tool')}, {meta.get('compiler')}"),
        ("holds", ", ".join(f"{count:,} {what}" for what, count in counts.items())),
        ("left out", output.plural(len(failed), "header")),
    ]
    for line in output.columns([(name, output.shown(text)) for name, text in rows]):
        output.say(line)
    for header, reason in failed.items() if args.left_out else ():
        output.say(f"  {output.shown(header)}: {output.shown(reason)}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from kheaders.interface.verify import problems

    with options.context(args).blob(args.blob) as blob, progress.waiting(progress.STAGES["verify"]):
        wrong, path = problems(blob), blob.path
    if args.json:
        output.say_json({"path": os.path.abspath(path), "size": os.path.getsize(path), "problems": wrong})
        return BlobError.exit_code if wrong else 0
    if wrong:
        raise BlobError(f"{path}: {'; '.join(wrong[:3])}", "build it again")
    output.say(f"{path}: ok")
    return 0


def _export(args: argparse.Namespace) -> int:
    from kheaders.interface.transfer import export

    with options.context(args).blob(args.blob) as blob:
        _keep(blob, args.output)
        with progress.stages() as report:
            report("export", None, None)
            export(blob, Path(args.output))
        source = blob.path
    return _made(args, source)


def _import(args: argparse.Namespace) -> int:
    from kheaders.interface.transfer import restore

    with progress.stages() as report:
        report("import", None, None)
        if args.output is not None:
            restore(Path(args.file), Path(args.output))
            return _made(args, Path(args.file))
        context = options.context(args)
        path, fits = context.import_blob(args.file)
    if not fits:
        output.note(f"{args.file}: is the blob of another kernel than {context.kernel.release}, and kept for that one")
    args.output = str(path)
    return _made(args, Path(args.file))


def _keep(blob: Blob, destination: str) -> None:
    try:
        same = os.path.samefile(blob.path, destination)
    except (OSError, ValueError):
        same = False
    if same:
        raise UsageError(f"{destination}: is the blob itself", "name another file with -o")


def _made(args: argparse.Namespace, source: Path) -> int:
    size = os.path.getsize(args.output)
    if args.json:
        output.say_json({"path": os.path.abspath(args.output), "size": size, "from": os.path.abspath(source)})
    else:
        output.say(f"{args.output}: {output.size(size)}, from {source} ({output.size(os.path.getsize(source))})")
    return 0
