"""``kheaders module``: the kernel module that carries an archive, for kernels that have none."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from kheaders.cli import options, output, progress
from kheaders.errors import UsageError

if TYPE_CHECKING:
    from kheaders.kmodule.carrier import Carrier

DESCRIPTION = """\
Give a kernel that was built without CONFIG_IKHEADERS its /sys/kernel/kheaders.tar.xz, by a small module that carries
the archive. 'build' makes it against the kernel's header package with the system's make and compiler; 'install' puts it
where modprobe finds it, 'load' and 'unload' do what they say, 'status' tells what is there; 'source' writes what DKMS
builds it from. A kernel that has an archive of its own is left alone."""

EPILOG = """\
examples:
  kheaders module build                        kheaders_archive.ko for the running kernel
  kheaders module build --kernel 6.1.0-49-amd64 --archive kheaders.tar.xz -o /tmp/k.ko
  kheaders module install && kheaders module load
  kheaders module load ./kheaders_archive.ko   without installing it
  kheaders module status                       what is installed, loaded and shown
  kheaders module source /usr/src/kheaders-archive-0.1     then: dkms install kheaders-archive/0.1

--json: build, install, source: path; load, unload: changed;
        status: kernel, installed, built_for, loaded, archive (none, ours, module or kernel), size
"""

ACTIONS = ("build", "install", "load", "unload", "status", "source")
_TAKES_FILE = {"install": "the module", "load": "the module", "source": "the directory"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("file", metavar="FILE", nargs="?", help="install, load: a built module; source: a directory")
    parser.add_argument("-o", "--output", metavar="FILE", help="build: where to (default: kheaders_archive.ko)")
    parser.add_argument("--archive", metavar="FILE", help="build, install: what it carries (default: packed anew)")
    parser.add_argument("--compiler", metavar="CC", help="build, install: for make (default: the headers' own choice)")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    _check(args)
    carrier = options.context(args).module
    action = {"build": _build, "install": _install, "load": _load, "unload": _unload, "status": _status}
    return action.get(args.action, _source)(args, carrier)


def _check(args: argparse.Namespace) -> None:
    if "" in (args.file, args.output, args.archive, args.compiler):
        raise UsageError("an empty word stands where a name should", "name a file")
    if args.file is not None and args.action not in _TAKES_FILE:
        raise UsageError(f"module {args.action} takes no file {args.file!r}", "name an archive with --archive")
    if args.output is not None and args.action != "build":
        raise UsageError(f"module {args.action} makes no file", "leave out -o")
    if (args.archive or args.compiler) and (args.action not in ("build", "install") or args.file):
        raise UsageError("--archive and --compiler are for building", "leave them out")
    if args.action == "source" and args.file is None:
        raise UsageError("module source: no directory is named", "name /usr/src/kheaders-archive-VERSION")


def _build(args: argparse.Namespace, carrier: Carrier) -> int:
    with progress.stages() as report:
        report("module", None, None)
        path = carrier.build(
            Path(args.output or "kheaders_archive.ko"), archive=_path(args.archive), compiler=args.compiler
        )
    return _made(args, path)


def _install(args: argparse.Namespace, carrier: Carrier) -> int:
    path = carrier.install(_path(args.file), archive=_path(args.archive), compiler=args.compiler)
    return _made(args, path)


def _source(args: argparse.Namespace, carrier: Carrier) -> int:
    from kheaders.kmodule.placing import write_source

    return _made(args, write_source(Path(args.file)))


def _load(args: argparse.Namespace, carrier: Carrier) -> int:
    return _changed(args, carrier.load(_path(args.file)), "loaded", "was loaded already")


def _unload(args: argparse.Namespace, carrier: Carrier) -> int:
    return _changed(args, carrier.unload(), "unloaded", "was not loaded")


def _status(args: argparse.Namespace, carrier: Carrier) -> int:
    status = carrier.status()
    if args.json:
        output.say_json(status._asdict() | {"installed": str(status.installed) if status.installed else None})
        return 0
    shown = {
        "none": "none is shown",
        "ours": "shown by this module",
        "module": "shown by the kernel's own module, kheaders",
        "kernel": "shown by the kernel itself",
    }[status.archive]
    size = f" ({output.size(status.size)})" if status.size is not None else ""
    place = "no"
    if status.installed is not None:
        other = "" if status.built_for == status.kernel else f", which belongs to {status.built_for or 'no kernel'}"
        place = f"{status.installed}{other}"
    rows = [
        ("kernel", status.kernel),
        ("installed", place),
        ("loaded", "yes" if status.loaded else "no"),
        ("archive", f"{shown}{size}"),
    ]
    for line in output.columns([(name, output.shown(text)) for name, text in rows]):
        output.say(line)
    return 0


def _path(word: str | None) -> Path | None:
    return Path(word) if word is not None else None


def _made(args: argparse.Namespace, path: Path) -> int:
    if args.json:
        output.say_json({"path": os.path.abspath(path)})
    else:
        output.say(str(path))
    return 0


def _changed(args: argparse.Namespace, changed: bool, done: str, before: str) -> int:
    if args.json:
        output.say_json({"changed": changed})
    else:
        output.say(f"kheaders_archive: {done if changed else before}")
    return 0
