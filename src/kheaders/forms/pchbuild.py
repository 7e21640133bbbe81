"""Precompiled headers, built: one that holds the headers which BPF programs include most, or one chained to it.

clang writes the header itself; beside it a second run of the preprocessor tells what is in it (:mod:`pchnames`). Both
see the headers from memory. ``-fmodules-embed-all-files`` puts the headers' texts into the file, so that clang needs
none of them afterwards, and ``-fno-pch-timestamp`` leaves their times out of it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import Architecture, architecture, include_directories
from kheaders.compilers.vfs import virtual_files
from kheaders.errors import FormError, VerificationError
from kheaders.forms.closure import Closure
from kheaders.forms.memory import MemoryForm
from kheaders.forms.pchnames import ALWAYS, Names, index
from kheaders.forms.popular import popular
from kheaders.forms.served import Served, flags_for
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import rewritten
from kheaders.interface.resolver import Resolver
from kheaders.run import Completed, run

EMBED = ("-Xclang", "-fmodules-embed-all-files", "-Xclang", "-fno-pch-timestamp")
_STDIN = re.compile(r"^(?:In file included from )?<stdin>:(\d+)[:,]", re.M)


class Made(NamedTuple):
    """A precompiled header, not yet kept anywhere."""

    data: bytes
    names: Names


class Setting(NamedTuple):
    """What is compiled for whom: headers, compiler, and the words that clang compares with those of a program."""

    headers: HeaderSet
    compiler: Compiler
    words: tuple[str, ...]

    @property
    def arch(self) -> Architecture:
        """The architecture. Raises VerificationError where the headers do not tell."""
        if self.headers.srcarch is None:
            raise VerificationError(f"{self.headers.name}: the architecture of the headers cannot be told",
                                    "run 'kheaders doctor'")  # fmt: skip
        return architecture(self.headers.srcarch, self.headers.config)


def build(setting: Setting, wanted: Sequence[str] = (), progress: Callable[[str], None] | None = None) -> Made:
    """The precompiled header of the popular and the *wanted* headers, as far as the kernel has them and they compile.

    Raises FormError if it has none of them, or clang stops for another reason; VerificationError, StoreError.
    """
    resolver, search = _resolver(setting)
    names = [name for name in dict.fromkeys([*popular(), *wanted]) if resolver.resolve(name, "", False)]
    left_out = {name: "this kernel has no such header" for name in wanted if name not in names}
    root = f"/kheaders/{setting.headers.release or 'unknown'}"

    def shown(path: str) -> bytes:
        return rewritten(path, setting.headers[path])

    while True:
        if progress is not None:
            progress("pch")
        text = _umbrella(names)
        with MemoryForm(setting.headers).serve(setting.compiler, text) as served:
            made, printed = _both(setting, served, text, served, text)
        if made.returncode == 0 and printed.returncode == 0:
            return Made(made.stdout, index(printed.stdout, resolver, root, shown, search, left_out, tuple(names)))
        failed = _failed(made.errors, names) or _failed(printed.errors, names)
        if not failed:
            raise _refused(setting, made)
        left_out |= failed  # with each round there are fewer, so that this comes to an end
        names = [name for name in names if name not in failed]


def chain(setting: Setting, base: Names, place: str, wanted: Sequence[str]) -> Made:
    """A precompiled header of the headers with the names *wanted*, on top of the one at *place*, which holds *base*.

    Raises FormError if one of them is missing or cannot be included.
    """
    resolver, search = _resolver(setting)
    for name in wanted:
        if resolver.resolve(name, "", False) is None:
            raise FormError(f"kernel {setting.headers.release} has no header <{name}>", "correct the include line")
    release = setting.headers.release or "unknown"
    covered = frozenset(base.files)
    text = _umbrella(wanted)

    def shown(path: str) -> bytes:
        return rewritten(path, setting.headers[path])

    def told(path: str) -> bytes:
        """What the compiler is shown: of what is in the base, only what must be read again."""
        return base.kept.get(path, "").encode("latin-1") if path in covered else shown(path)

    root = f"/kheaders/{release}+"
    reached = Closure(text, (), (ALWAYS,)).texts(setting.headers, search)
    flags = flags_for(setting.headers, root, setting.compiler)
    flags[flags.index("-include") : flags.index("-include") + 2] = ["-include-pch", place]
    umbrella = tuple(dict.fromkeys([*base.umbrella, *wanted]))
    everything = _umbrella(umbrella)
    with (
        virtual_files({f"{root}/{path}": told(path) for path in reached}) as files,
        MemoryForm(setting.headers).serve(setting.compiler, everything) as whole,
    ):
        # The preprocessor cannot go on from a PCH, so it is given all of it; the compiler works at the same time.
        made, printed = _both(setting, Served((*flags, *files.flags), files.pass_fds), text, whole, everything)
    if made.returncode or printed.returncode:
        raise _refused(setting, made if made.returncode else printed)
    names = index(printed.stdout, resolver, f"/kheaders/{release}", shown, search, base.left_out, umbrella)
    return Made(made.stdout, names)


def _resolver(setting: Setting) -> tuple[Resolver, tuple[str, ...]]:
    search = include_directories(setting.arch)
    return Resolver([*setting.headers.files, *setting.headers.aliases], search), search


def _umbrella(names: Iterable[str]) -> bytes:
    return "".join(f"#include <{name}>\n" for name in names).encode()


def _both(
    setting: Setting, compiled: Served, text: bytes, preprocessed: Served, everything: bytes
) -> tuple[Completed, Completed]:
    """The compiler's run over *text* and the preprocessor's over *everything*, at the same time."""
    head = [*setting.compiler.argv, "-fno-crash-diagnostics"]
    tail = [*setting.words, "-ferror-limit=0", "-w"]
    results: list[Completed | BaseException] = []

    def compile_header() -> None:
        try:
            words = [*head, *compiled.flags, *tail, "-x", "c-header", "-", *EMBED, "-o", "-"]
            results.append(run(words, input=text, pass_fds=compiled.pass_fds, check=False))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=compile_header, name="kheaders-pch")
    thread.start()
    try:
        words = [*head, *preprocessed.flags, *tail, "-E", "-dD", "-dI", "-x", "c", "-", "-o", "-"]
        printed = run(words, input=everything, pass_fds=preprocessed.pass_fds, check=False)
    finally:
        thread.join()
    made = results[0]
    if isinstance(made, BaseException):
        raise made
    return made, printed


def _failed(errors: str, names: Sequence[str]) -> dict[str, str]:
    """The included headers that errors are in → the first error of each."""
    failed: dict[str, str] = {}
    current = ""
    for line in errors.splitlines():
        found = _STDIN.match(line)
        if found:
            number = int(found[1])
            current = names[number - 1] if number <= len(names) else ""
        if "error:" in line and current:
            failed.setdefault(current, line.partition("error:")[2].strip())
    return failed


def _refused(setting: Setting, made: Completed) -> FormError:
    lines = made.errors.strip().splitlines()
    first = next((line for line in lines if "error:" in line), lines[0] if lines else "no message")
    release = os.fspath(setting.headers.release or "unknown")
    return FormError(f"no PCH of kernel {release} with {setting.compiler.name}: {first}", "run 'kheaders doctor'")
