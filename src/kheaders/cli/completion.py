"""``kheaders completion``: a script that completes kheaders' words in a shell, made by shtab."""

from __future__ import annotations

import argparse
from typing import Any

from kheaders.cli import options, output
from kheaders.errors import ToolMissing

DESCRIPTION = "Print a script with which a shell completes the commands, options and files of kheaders."

EPILOG = """\
examples:
  kheaders completion bash > ~/.local/share/bash-completion/completions/kheaders
  kheaders completion zsh > ~/.zfunc/_kheaders
  kheaders completion tcsh > ~/.kheaders.tcsh
  source <(kheaders completion bash)           for this bash only

For zsh, ~/.zshrc needs 'fpath=(~/.zfunc $fpath)' before compinit;
for tcsh, ~/.tcshrc needs 'source ~/.kheaders.tcsh'.
"""

_FILES = ("PATH", "SOURCE", "OUT", "CC")
_DIRECTORIES = ("DIR",)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell that will read the script")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError as error:
        raise ToolMissing("completion needs the Python package shtab", "pip install 'kheaders[cli]'") from error
    parser = options.top(every=True)
    _complete_files(parser, shtab.FILE, shtab.DIRECTORY)
    output.say(shtab.complete(parser, shell=args.shell).rstrip("\n"))
    return 0


def _complete_files(parser: argparse.ArgumentParser, file: Any, directory: Any) -> None:
    """Say of each option below *parser* whether a file or directory is its value, in the words of shtab."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for below in action.choices.values():
                _complete_files(below, file, directory)
        elif action.metavar in _FILES:
            action.complete = file  # type: ignore[attr-defined]  # where shtab looks for it
        elif action.metavar in _DIRECTORIES:
            action.complete = directory  # type: ignore[attr-defined]
