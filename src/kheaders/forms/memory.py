"""The memory form: clang reads the headers, and no header is written to any filesystem.

Each header that the program can reach becomes an anonymous file (memfd_create(2)); a VFS overlay, itself one, gives
them their names below a directory that does not exist. All of it is gone when the compiler and the ``with`` block have
ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kheaders.clang.find import Compiler
from kheaders.clang.flags import architecture, include_directories
from kheaders.clang.overlay import virtual_files
from kheaders.forms.closure import Closure
from kheaders.forms.served import Served, flags_for
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import rewritten
from kheaders.interface.program import is_vmlinux

ROOT = "/kheaders"
"""Where the compiler thinks that headers lie; each release has a directory below it."""
ALWAYS = "include/linux/kconfig.h"


class MemoryForm:
    """Serves a header set from memory; with *everything*, all of it and not only what a program can reach."""

    name = "memory"

    def __init__(self, headers: HeaderSet, *, everything: bool = False, gathered: Closure | None = None) -> None:
        self.headers = headers
        self._everything = everything
        self._gathered = gathered

    @contextmanager
    def serve(self, compiler: Compiler, program: bytes, user_directories: tuple[str, ...] = ()) -> Iterator[Served]:
        """Serve the headers that *program* can reach, or that were gathered for it while the headers were read.

        Raises StoreError where the system allows too few open files.
        """
        root = f"{ROOT}/{self.headers.release or 'unknown'}"
        flags = flags_for(self.headers, root, compiler)
        if self._everything:
            texts = {path: rewritten(path, self.headers[path]) for path in (*self.headers.files, *self.headers.aliases)}
        else:
            arch = architecture(self.headers.srcarch or "", self.headers.config)
            reached = self._gathered or gathering(program, user_directories)
            texts = reached.texts(self.headers, include_directories(arch))
        with virtual_files({f"{root}/{path}": text for path, text in texts.items()}) as files:
            yield Served((*flags, *files.flags), files.pass_fds, complete=self._everything)


def gathering(
    program: bytes,
    user_directories: tuple[str, ...] = (),
    last: Callable[[str], bytes | None] = lambda name: None,
) -> Closure:
    """What gathers the headers for *program*; it may be offered them while they are read."""
    return Closure(program, user_directories, (ALWAYS,), rewritten, last, is_vmlinux)
