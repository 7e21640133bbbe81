"""`kheaders pack` against the kernel's own script, on the same trees, in turn, in one run.

    python bench/pack.py [--runs N] [--level L] [--json]

Each is a whole process. The trees are Debian's source of 6.1 and the header package of the same version
(tests/builders/kernel_script.py). Wanted: at most a fifth of the script's time, at the default level; --level 6
compresses as the script does. Exit status 1: missed; 77: something needed is not here.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "tests")]

from builders import kernel_script  # noqa: E402
from builders.kernel_archive import Unobtainable  # noqa: E402
from harness import Command, CommandFailed, compare, fresh_directory, python, report, workspace  # noqa: E402

LIMIT = 0.2
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from builders import kernel_script
kernel_script.run(kernel_script.Trees(Path(sys.argv[1]), Path(sys.argv[2])), Path(sys.argv[3]))
"""
"""The copy of the build tree that the script works in costs some hundredths of a second of its time."""


def main() -> int:
    """Measure, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--level", default="")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    missing = [name for name in kernel_script.TOOLS if shutil.which(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 77
    try:
        trees = kernel_script.trees()
    except Unobtainable as error:
        print(f"no source of a real kernel: {error}", file=sys.stderr)
        return 77
    with workspace() as made:
        work, out = made / "script", made / "ours.tar.xz"
        level = ["--level", args.level] if args.level else []
        kheaders = str(Path(sys.executable).with_name("kheaders"))
        ours = Command(
            "pack", [kheaders, "pack", str(trees.source), "--build", str(trees.build), "-o", str(out), *level]
        )
        argv = python(SCRIPT, trees.source, trees.build, work, CHECKOUT / "tests")
        theirs = Command("script", argv, prepare=fresh_directory(work))
        name = f"pack{f', level {args.level}' if args.level else ''} / kernel/gen_kheaders.sh"
        try:
            done = compare(name, [ours, theirs], runs=args.runs, limit=LIMIT if not level else None)
        except CommandFailed as error:
            print(error, file=sys.stderr)
            return 77
        return report([done], as_json=args.json)


if __name__ == "__main__":
    sys.exit(main())
