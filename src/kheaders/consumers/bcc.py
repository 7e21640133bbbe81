"""bcc's BPF class, whose programs are compiled from slices: ``from kheaders.consumers.bcc import BPF``.

bcc's library reads the kernel's headers from the directory that ``BCC_KERNEL_SOURCE`` names, three times for each
program. For the time of one compile that is a directory with the program's slice. bcc's text, flags, rewriting and
messages stay as they are. A program that its slice cannot compile is compiled from the full headers, as bcc does
without kheaders.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kheaders.errors import KheadersError, ToolMissing

if TYPE_CHECKING:
    from kheaders.interface.blob import Blob
    from kheaders.settings import Settings
    from kheaders.store import Store

SOURCE = "BCC_KERNEL_SOURCE"
"""The variable by which bcc is told where the kernel's headers are."""
BLOB = "KHEADERS_EXEC_BLOB"
"""The blob to cut slices from, if ``kheaders exec`` runs the tool; by default the running kernel's."""
NOTES = "KHEADERS_EXEC_NOTES"
"""A file to which the form of each program is added, if ``kheaders exec`` runs the tool."""

_CREATE = "bpf_module_create_c_from_string"
_lock = threading.RLock()


class Outcome(NamedTuple):
    """How the program that was compiled last got its headers."""

    form: str
    """``slice``, ``full``, or ``none`` where neither would do."""
    reason: str = ""
    """Why not from a slice; empty if it was."""


class Compiler:
    """Stands for the function of bcc's library that compiles; the slice is tried first.

    *original* is that function, *library* the path of libbcc. ``last`` tells of the last program.
    """

    def __init__(self, original: Callable[..., Any], library: str) -> None:
        self._original = original
        self._library = library
        self.last = Outcome("none")

    def __call__(self, text: bytes, debug: int, flags: Any, count: int, *rest: Any) -> Any:
        """The module that bcc makes of *text*, or None. Its messages are on standard error, as bcc's are."""
        given = [os.fsdecode(flag) for flag in (flags or ())[:count] if flag] if flags else []
        with _lock:
            module, reason, messages = self._from_slice(
                text, given, lambda: self._original(text, debug, flags, count, *rest)
            )
            if module:
                self._tell("slice", "")
                _stderr(messages)
                return module
            with _full_headers() as found:
                if found:
                    self._tell("full", reason)
                    return self._original(text, debug, flags, count, *rest)
            self._tell("none", reason)
            _stderr(messages)
            return None

    def _from_slice(self, text: bytes, flags: list[str], compile: Callable[[], Any]) -> tuple[Any, str, bytes]:
        """The module or None, why there is none, and what bcc printed."""
        from kheaders.consumers import bccfiles, kernelsource
        from kheaders.consumers.bccslice import ROUNDS, BccSlice

        try:
            _, store = _surroundings()
            with _blob(store) as blob:
                piece = BccSlice(blob, bccfiles.read(self._library), text, flags)
                if piece.refusal:
                    return None, piece.refusal, b""
                messages = b""
                with store.scratch(boot=True) as directory:
                    for _ in range(ROUNDS):
                        kernelsource.write(directory, piece.texts())
                        with _variable(SOURCE, str(directory)), _captured() as printed:
                            module = compile()
                        messages = printed()
                        if module:
                            return module, "", messages
                        if not piece.learn(messages.decode("utf-8", "replace")):
                            break
                return None, _first_error(messages), messages
        except KheadersError as error:
            return None, str(error), b""

    def _tell(self, form: str, reason: str) -> None:
        self.last = Outcome(form, reason)
        if path := os.environ.get(NOTES):
            try:
                with open(path, "a", encoding="utf-8", errors="replace") as notes:
                    notes.write(f"{form}\t{reason}\n")
            except OSError:
                pass  # whoever wanted to know is gone


def install() -> Compiler:
    """Make every program of this process's bcc compile from its slice first. Raises ToolMissing without bcc."""
    from kheaders.consumers import bccfiles

    try:
        from bcc import lib
    except ImportError as error:
        raise ToolMissing(f"bcc is not installed for this Python ({error})", "install python3-bpfcc") from error
    with _lock:
        current = getattr(lib, _CREATE)
        if isinstance(current, Compiler):
            return current
        made = Compiler(current, bccfiles.loaded())
        setattr(lib, _CREATE, made)
        return made


def __getattr__(name: str) -> Any:
    if name == "BPF":
        install()
        from bcc import BPF

        return BPF
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _surroundings() -> tuple[Settings, Store]:
    """The settings of the environment, and the store. Raises UsageError."""
    from kheaders import settings
    from kheaders.store import Store

    chosen = settings.load(environ=os.environ, overrides={})
    store = Store.open(boot=chosen.store, cache=chosen.cache, limit=chosen.store_limit, environ=os.environ)
    return chosen, store


def _blob(store: Store) -> Blob:
    """The blob to cut slices from. Raises BlobError, UsageError."""
    from kheaders.interface.blob import Blob

    if named := os.environ.get(BLOB):
        return Blob(Path(named))
    from kheaders import kernel
    from kheaders.interface import shelf

    running = kernel.running(Path("/"))
    place = shelf.locate(store, running, running.srcarch)
    if place is None:
        raise shelf.missing(running)
    return Blob(place)


def _tree() -> Path:
    """The tree of the running kernel's verified headers in the store. Raises KheadersError."""
    from kheaders import kernel
    from kheaders.archive import Limits
    from kheaders.clang.find import find
    from kheaders.forms.directory import tree
    from kheaders.headers.chain import Chain
    from kheaders.sources.candidate import Request
    from kheaders.sources.registry import sources
    from kheaders.trial import approver

    settings, store = _surroundings()
    order = tuple(name for name in settings.order if name not in ("explicit", "apt"))
    limits = Limits(unpacked=settings.unpack_limit)
    chain = Chain(
        Request(kernel.running(Path("/")), Path("/"), None), sources(order, store), store, limits, False, None
    )
    compiler = find(settings.cc, records=store)
    return tree(chain, chain.first(lambda found: approver(compiler, found))).path


@contextmanager
def _full_headers() -> Iterator[bool]:
    """Whether bcc finds headers for the time of the body: its own, or else those that kheaders verifies."""
    build = Path("/lib/modules", os.uname().release, "build/include/linux/kconfig.h")
    if os.environ.get(SOURCE) or build.is_file():
        yield True
        return
    try:
        place = _tree()
    except KheadersError:
        yield False
        return
    with _variable(SOURCE, str(place)):
        yield True


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the time of the body; bcc's library reads no other place."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _captured() -> Iterator[Callable[[], bytes]]:
    """Standard error goes to memory for the time of the body; the function gives what was written."""
    data = b""
    saved = os.dup(2)
    try:
        memory = os.memfd_create("messages", os.MFD_CLOEXEC)
        try:
            os.dup2(memory, 2)
            try:
                yield lambda: data
            finally:
                os.dup2(saved, 2)
            data = os.pread(memory, os.fstat(memory).st_size, 0)
        finally:
            os.close(memory)
    finally:
        os.close(saved)


def _stderr(messages: bytes) -> None:
    """Pass on what bcc wrote to its standard error."""
    while messages:
        messages = messages[os.write(2, messages) :]


def _first_error(messages: bytes) -> str:
    line = next((line for line in messages.splitlines() if b"error:" in line), b"bcc did not compile its slice")
    return line.decode("utf-8", "replace")
