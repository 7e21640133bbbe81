"""Finding a compiler that can emit BPF: the one that the user names, the ziglang wheel's, the system's clang."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from kheaders.clang.diagnostics import first_error
from kheaders.clang.environment import cleaned
from kheaders.clang.output import instead_of_object
from kheaders.errors import CompilerError, KheadersError, ToolError
from kheaders.patterns import pattern
from kheaders.run import Completed, run, which

OLDEST = (13, 0)
"""The oldest clang that the flags and forms are made for."""
NEWEST_NAME = 30
"""Versioned names ``clang-30`` … ``clang-13`` are looked for on PATH."""

_PROBE = b"""\
int kheaders_probe(int x) { return x + sizeof(void *); }
char _license[] __attribute__((section("license"))) = "GPL";
"""
_VERSION = pattern(r"clang version (\d+)\.(\d+)(?:\.(\d+))?")
_INSTALLED = pattern(r"^InstalledDir: (/.*)$", re.M)
_NO_CONFIG = "--no-default-config"
"""Keeps clang 15 and later from reading configuration files beside it and in directories of the system and the user."""
_SCRIPT_LIMIT = 1 << 20


class Records(Protocol):
    """Where conclusive probes are remembered; the store is one."""

    def record(self, kind: str, key: str) -> Mapping[str, Any] | None: ...

    def put_record(self, kind: str, key: str, value: Mapping[str, Any], *, boot: bool) -> None: ...


class Compiler(NamedTuple):
    """A compiler that was seen to emit BPF."""

    argv: tuple[str, ...]
    """The words that start its clang driver: ``("/usr/bin/clang-19",)``, ``("…/zig", "clang")``."""
    kind: str
    """``clang`` or ``zig``."""
    version: tuple[int, int, int]
    """Version of the clang inside."""
    include: str
    """Directory of its own headers (stddef.h, stdarg.h)."""
    identity: str
    """Changes with the program file, with a script in its place, and with files that its words name: a digest."""

    options: tuple[str, ...] = ()
    """Words that every call begins with: they keep configuration files away where this version has a word for it."""

    @property
    def command(self) -> tuple[str, ...]:
        """The words that every command line begins with."""
        return (*self.argv, *self.options)

    @property
    def name(self) -> str:
        """For people: ``zig (clang 22.1.8)``, ``clang 19.1.7``."""
        version = ".".join(map(str, self.version))
        return f"zig (clang {version})" if self.kind == "zig" else f"clang {version}"


def find(cc: str | None = None, *, records: Records | None = None, path: str | None = None) -> Compiler:
    """The compiler to use: *cc* (a name or path, words allowed) or the first usable of ziglang's and the system's.

    *path* stands for PATH. Raises CompilerError, which says what was tried and why each could not be used.
    """
    refused = []
    for argv in [_named(cc, path)] if cc else _candidates(path):
        try:
            return examine(argv, records)
        except CompilerError as error:
            if cc:
                raise
            refused.append(error.what)
    tried = f" ({'; '.join(refused)})" if refused else ""
    raise CompilerError(
        f"no compiler that can emit BPF{tried}", "pip install 'kheaders[compiler]', or install clang 13 or later"
    )


def find_all(*, records: Records | None = None, path: str | None = None) -> list[Compiler | CompilerError]:
    """Every compiler on this machine, each examined; those that cannot be used as the error that says why."""
    found: list[Compiler | CompilerError] = []
    for argv in _candidates(path):
        try:
            found.append(examine(argv, records))
        except CompilerError as error:
            found.append(error)
    return found


def examine(argv: tuple[str, ...], records: Records | None = None) -> Compiler:
    """Probe one compiler by compiling with it; a positive answer is remembered by path, size and mtime.

    Raises CompilerError if it cannot be run, is too old or emits no BPF.
    """
    program = Path(argv[0])
    try:
        status = os.stat(program)
    except OSError as error:
        raise CompilerError(f"{argv[0]}: no such compiler ({error.strerror})", "name another with --cc") from error
    # ccache is called by several names, and knows by them what it stands for
    stamp = f"{program}\0{os.path.realpath(program)}\0{argv[1:]}\0{status.st_size}\0{status.st_mtime_ns}"
    digest = hashlib.sha256(stamp.encode("utf-8", "surrogateescape"))
    for text in (_script(program), *map(_named_file, argv[1:])):
        digest.update(b"\0" + text)
    key = digest.hexdigest()
    if records is not None and (known := _remembered(records, key)) is not None:
        return known
    try:
        compiler = _probe(argv, key)
    except ToolError as error:
        raise CompilerError(error.what, "name another with --cc") from error
    if records is not None:
        try:
            records.put_record("compiler", key, compiler._asdict(), boot=False)
        except KheadersError:
            pass  # a probe that cannot be remembered is made again
    return compiler


def _script(program: Path) -> bytes:
    """The text of a script that stands for a compiler; empty for a program."""
    try:
        with open(program, "rb") as file:
            return file.read(_SCRIPT_LIMIT) if file.read(2) == b"#!" else b""
    except OSError:
        return b""


def _named_file(word: str) -> bytes:
    """The text of a file that a word of a compiler's command names: a configuration file, a response file."""
    path = word.partition("=")[2] or word.removeprefix("@")
    try:
        with open(path, "rb") as file:
            return file.read(_SCRIPT_LIMIT)
    except (OSError, ValueError):
        return b""


def _named(cc: str, path: str | None) -> tuple[str, ...]:
    import shlex  # a compiler that is known needs none of it

    try:
        words = shlex.split(cc)
    except ValueError as error:
        raise CompilerError(f"{cc}: cannot be read as a command ({error})", "correct its quotes") from error
    found = which(words[0], path) if words else None
    if found is None:
        raise CompilerError(
            f"{cc}: no such compiler", "name one that is installed, or pip install 'kheaders[compiler]'"
        )
    argv = (str(found), *words[1:])
    return (*argv, "clang") if len(argv) == 1 and found.name.startswith("zig") else argv


def _candidates(path: str | None) -> Iterator[tuple[str, ...]]:
    if (zig := _wheel()) is not None:
        yield (str(zig), "clang")
    seen = set()
    for name in ["clang", *(f"clang-{n}" for n in range(NEWEST_NAME, OLDEST[0] - 1, -1))]:
        found = which(name, path)
        if found is not None and (real := os.path.realpath(found)) not in seen:
            seen.add(real)
            yield (str(found),)


def _wheel() -> Path | None:
    from importlib.util import find_spec  # a compiler that the user names needs none of it

    spec = find_spec("ziglang")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(place) / "zig"
        if program.is_file():
            return program
    return None


def _remembered(records: Records, key: str) -> Compiler | None:
    value = records.record("compiler", key)
    if value is None:
        return None
    try:
        known = Compiler(
            tuple(value["argv"]),
            value["kind"],
            tuple(value["version"]),
            value["include"],
            value["identity"],
            tuple(value["options"]),
        )
    except (KeyError, TypeError):
        return None
    return known if os.path.isfile(f"{known.include}/stddef.h") else None


def _probe(argv: tuple[str, ...], identity: str) -> Compiler:
    import shlex

    shown = shlex.join(argv)
    other = "name another with --cc"
    answer = _asked(argv, "--version")
    match = _VERSION.search(answer.stdout.decode("utf-8", "replace"))
    if match is None:
        raise CompilerError(f"{shown}: is no clang", other)
    version = (int(match[1]), int(match[2]), int(match[3] or 0))
    if version[:2] < OLDEST:
        raise CompilerError(f"{shown}: clang {version[0]} is too old, {OLDEST[0]} is the oldest that works", other)
    compile_it = ("-target", "bpf", "-O2", "-x", "c", "-c", "-", "-o", "-")
    kind = "zig" if argv[1:] == ("clang",) else "clang"
    options: tuple[str, ...] = (_NO_CONFIG,)
    probe = _asked(argv, *options, *compile_it, input=_PROBE)
    if probe.returncode or _NO_CONFIG in probe.errors:  # a version that does not know the word, or has no use for it
        options = ()
        probe = _asked(argv, *compile_it, input=_PROBE)
    if probe.returncode:
        raise CompilerError(f"{shown}: cannot emit BPF ({_first(probe.errors)})", other)
    if what := instead_of_object(probe.stdout):
        raise CompilerError(f"{shown}: cannot emit BPF (it gave {what})", other)
    own = _own_headers(argv, _INSTALLED.search(answer.stdout.decode("utf-8", "replace")))
    return Compiler(argv, kind, version, own, identity, options)


def _asked(argv: tuple[str, ...], *words: str, input: bytes | None = None) -> Completed:
    return run([*argv, *words], input=input, environ=cleaned(), timeout=60, check=False)


def _own_headers(argv: tuple[str, ...], installed: re.Match[str] | None) -> str:
    """The directory of clang's own headers. zig keeps them elsewhere than it says, and a script may stand for it."""
    printed = _asked(argv, "-print-resource-dir").stdout.decode("utf-8", "replace").strip()
    program = installed[1] if installed else os.path.dirname(os.path.realpath(argv[0]))
    for place in (f"{printed}/include", f"{program}/lib/include"):
        if os.path.isfile(f"{place}/stddef.h"):
            return place
    import shlex

    raise CompilerError(
        f"{shlex.join(argv)}: its own headers (stddef.h) are missing",
        "install its resource directory (libclang-common)",
    )


def _first(text: str) -> str:
    return first_error(text) if text.strip() else "it printed nothing"
