"""What options change of the macros that clang predefines: it is asked, since versions differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack

from kheaders.clang.arguments import Macro
from kheaders.clang.diagnostics import first_error
from kheaders.clang.environment import cleaned
from kheaders.clang.find import Compiler
from kheaders.errors import CompilerError
from kheaders.patterns import pattern
from kheaders.run import started

USUAL = ("-O2",)
"""The words that headers are preprocessed with where the user gives none."""

_DEFINE = pattern(r"^#define (\w+)(\([^)]*\))? ?(.*)$", re.M)


def changes(compiler: Compiler, flags: Sequence[str], words: Sequence[str]) -> tuple[Macro, ...]:
    """What *words* add to, change in and remove from the macros that are predefined for the target of *flags*.

    Raises CompilerError where the compiler does not take them.
    """
    target = [f"{word}" for at, word in enumerate(flags) if word == "-target" or (at and flags[at - 1] == "-target")]
    tail = ("-E", "-dM", "-x", "c", "-", "-o", "-")
    with ExitStack() as stack:
        argvs = [[*compiler.command, *target, *some, *tail] for some in (USUAL, words)]
        waiting = [stack.enter_context(started(argv, input=b"", environ=cleaned(), timeout=60)) for argv in argvs]
        told = [finish() for finish in waiting]
    for done in told:
        if done.returncode:
            raise CompilerError(f"{compiler.name}: {first_error(done.errors)}", "correct the options")
    before, after = (
        {match[1]: Macro(match[1], match[2] or "", match[3]) for match in _DEFINE.finditer(done.stdout.decode())}
        for done in told
    )
    gone = [Macro(name, "", None) for name in before if name not in after]
    return (*gone, *(macro for name, macro in after.items() if before.get(name) != macro))
