"""Words to arguments: the parsers, the options that every command has, and the context that they describe."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from kheaders import __version__
from kheaders.cli import output
from kheaders.errors import UsageError

if TYPE_CHECKING:
    from kheaders.api import Context
    from kheaders.btf.table import Btf

COMMANDS = {
    "doctor": "tell what this machine has: kernel, compilers, store, and every source of headers",
    "locate": "print the directory with the verified headers, making it if need be",
    "extract": "write the verified headers to a directory of your own",
    "fetch": "download the distribution's header packages into the store",
    "compile": "compile a C program to a BPF object",
    "cflags": "print flags with which any clang build uses the verified headers",
    "blob": "build, examine or ship the kernel's blob: its whole C interface in one file",
    "pch": "build, examine or ship a precompiled header of the kernel for one compiler",
    "show": "tell what a name is: struct, function, macro ... with its text, place and value",
    "verify": "compare the headers' types with the kernel's own, and list each difference",
    "types": "print the kernel's types as C, from its BTF: a vmlinux.h, or those that are named",
    "slice": "print the few lines of C that a program needs from the kernel",
    "exec": "run a tool (of bcc, bpftrace, a build) with what kheaders verified",
    "mount": "show the verified headers at a directory, as a read-only filesystem",
    "umount": "undo 'kheaders mount'",
    "pack": "pack a kernel's headers into an archive, as the kernel's own script would",
    "module": "build, install, load or remove the module that carries an archive",
    "boot": "have headers found and verified at each boot",
    "cache": "list or clear what is kept in the store",
    "completion": "print a script that completes kheaders' words in a shell",
}
"""Command → what it does; each is the module of its name in this package."""

DESCRIPTION = "The running kernel's headers: found, verified, and served to whatever compiles for BPF."

EPILOG = """\
examples:
  kheaders doctor                             what is here, and what to do next
  kheaders compile -g prog.bpf.c              find, verify, compile to prog.bpf.o
  clang $(kheaders cflags) -O2 -c prog.bpf.c  the same with your own build
  kheaders fetch                              if nothing here has headers

'kheaders COMMAND --help' tells the options of a command, with examples.
Settings also come from the environment (KHEADERS_ORDER, KHEADERS_CC, ...) and
from ~/.config/kheaders/config.toml.
"""

_VALUED = ("--kernel", "--machine", "--sysroot", "--headers", "--order", "--cc", "--store", "--cache")
_FLAGS = ("-v", "-vv", "-vvv", "--verbose", "--json")


class Command(Protocol):
    """What the module of a command provides."""

    DESCRIPTION: str
    EPILOG: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and return the exit status."""
        ...


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in two columns; examples as they are written, other paragraphs filled."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, **{**more, "max_help_position": 26, "width": _columns() - 2})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "examples:" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


@cache
def _columns() -> int:
    """What ``shutil.get_terminal_size`` tells; argparse would import that at every start, for help or not."""
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    try:
        return columns if columns > 0 else os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return 80


class Parser(argparse.ArgumentParser):
    """A parser that reports what it cannot parse as a UsageError."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        # argparse quotes choices and words in messages of its own, some of several lines
        raise UsageError(" ".join(message.split()), f"'{self.prog} --help' tells what can be said")

    def _print_message(self, message: str, file: object = None) -> None:
        # argparse's own swallows the error of a full disk or a reader that went away
        output.say_words([message], "")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments, the ``command`` and its function ``run``. Raises UsageError; SystemExit after ``--help``."""
    early, rest = _hoist(words)
    if not rest or rest[0].startswith("-"):
        top(every=True).parse_args(rest[:1])  # --help and --version end here
        raise UsageError(
            f"no command is named; there are {', '.join(COMMANDS)}", "'kheaders --help' tells what each does"
        )
    name, own = rest[0], [*early, *rest[1:]]
    if name not in COMMANDS:
        raise UsageError(f"{name!r} is no command", _suggestion(name))
    extra: list[str] | None = None
    if name in ("compile", "exec") and "--" in own:
        cut = own.index("--")
        own, extra = own[:cut], own[cut + 1 :]
    module = command(name)
    args = configured(Parser(prog=f"kheaders {name}", **_texts(module)), module).parse_args(own)
    if any(value == [] for key, value in vars(args).items() if key not in ("defines", "includes")):
        raise UsageError("'--' stands where a value should", f"'kheaders {name} --help' tells what can be said")
    args.command, args.run, args.extra = name, module.run, extra or []
    return args


def top(*, every: bool = False) -> argparse.ArgumentParser:
    """The parser of the whole program; with *every*, all commands have their options, for help and completion."""
    parser = Parser(
        prog="kheaders",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kheaders {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, summary in COMMANDS.items():
        if every:
            module = command(name)
            configured(commands.add_parser(name, help=summary, **_texts(module)), module)
    return parser


def command(name: str) -> Command:
    """The module of a command; only the chosen one is ever imported."""
    return cast(Command, import_module(f"kheaders.cli.{name}"))


def configured(parser: argparse.ArgumentParser, module: Command) -> argparse.ArgumentParser:
    """*parser* with the command's own options and the common ones."""
    module.configure(parser)
    common = parser.add_argument_group("options of every command")

    def add(name: str, metavar: str, text: str, kind: Callable[[str], str] = _some) -> None:
        common.add_argument(name, metavar=metavar, type=kind, help=text)

    add("--kernel", "R", "the kernel with this release, as 'uname -r' prints it (default: the running one)", str)
    add("--machine", "M", "its machine or architecture, such as x86_64 or arm64")
    add("--sysroot", "DIR", "the directory that stands for / (a container's /host, an unpacked image)")
    add("--headers", "PATH", "use these headers alone: an archive, directory, module, kernel image or .deb")
    add("--order", "A,B,C", "sources in the order of asking; naming apt allows downloads", str)
    add("--cc", "CC", "the clang to use, a name or a path (default: ziglang's, else the system's)", str)
    add("--store", "DIR", "where header trees are kept until the next boot", str)
    add("--cache", "DIR", "where downloads and records are kept for longer", str)
    common.add_argument("-v", "--verbose", action="count", default=0, help="tell more; twice: tracebacks, too")
    common.add_argument("--version", action="version", version=f"kheaders {__version__}")
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option ``--json``, for commands that report."""
    parser.add_argument(
        "--json", action="store_true", help='print one JSON object, also for an error ({"error": {...}})'
    )


def add_blob(parser: argparse.ArgumentParser) -> None:
    """The option ``--blob``, for commands that read one."""
    parser.add_argument(
        "--blob", metavar="FILE", type=_some, help="the blob to read (default: the kernel's own in the store)"
    )


def add_btf(parser: argparse.ArgumentParser) -> None:
    """The option ``--btf``, for commands that read types or take them for slices."""
    parser.add_argument(
        "--btf",
        metavar="FILE",
        type=_some,
        help="the BTF to read: raw, or in a vmlinux, module, kernel image or object (default: the kernel's own)",
    )
    parser.add_argument(
        "--btf-base",
        metavar="FILE",
        type=_some,
        help="the BTF that a module's goes on from (default: that of the kernel that the module was built for)",
    )


def btf(args: argparse.Namespace, context: Context) -> str | Btf | None:
    """What ``--btf`` names, read where ``--btf-base`` names its base."""
    return context.btf(args.btf, base=args.btf_base) if args.btf_base is not None else args.btf


def add_types(parser: argparse.ArgumentParser) -> None:
    """The options ``--core``, ``--types`` and ``--btf``, for commands that use slices."""
    parser.add_argument(
        "--core",
        action="store_true",
        help="mark the kernel's records for CO-RE: one object runs on many kernels",
    )
    parser.add_argument(
        "--types",
        choices=("headers", "btf"),
        default="headers",
        help="where types come from that headers and the kernel's BTF both have (default: headers)",
    )
    add_btf(parser)


def context(args: argparse.Namespace, *, machine: str | None = None) -> Context:
    """The context that the common options describe; *machine* in place of ``--machine``. Raises UsageError."""
    from kheaders.api import Context

    return Context.open(
        kernel=args.kernel,
        sysroot=args.sysroot or "/",
        headers=args.headers,
        machine=machine or args.machine or "",
        order=args.order,
        cc=args.cc,
        store=args.store,
        cache=args.cache,
    )


def _texts(module: Command) -> dict[str, Any]:
    return {
        "description": module.DESCRIPTION,
        "epilog": module.EPILOG,
        "formatter_class": Formatter,
        "allow_abbrev": False,
    }


def _hoist(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The common options before the command's name, and the rest."""
    at = 0
    while at < len(words):
        word = words[at]
        if word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            at += 1
        elif word in _VALUED:
            at += 2
        else:
            break
    return list(words[:at]), list(words[at:])


def _some(text: str) -> str:
    """*text*, unless it is empty: an unset variable in a script must not become the current directory."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return os.fspath(text)


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(COMMANDS), 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(COMMANDS)}"
