"""The memory form: clang reads the headers, and no header is written to any filesystem.

Each header that the program can reach becomes an anonymous file (memfd_create(2)); a VFS overlay, itself one, gives them
their names below a directory that does not exist. All of it is gone when the compiler and the ``with`` block have ended.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import architecture, include_directories
from kheaders.errors import StoreError
from kheaders.forms.closure import closure
from kheaders.forms.served import Served, flags_for, overlay
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import rewrite

ROOT = "/kheaders"
"""Where the compiler thinks that headers lie; each release has a directory below it."""
ALWAYS = "include/linux/kconfig.h"
_SPARE = 64


class MemoryForm:
    """Serves a header set from memory; with *everything*, all of it and not only what a program can reach."""

    name = "memory"

    def __init__(self, headers: HeaderSet, *, everything: bool = False) -> None:
        self.headers = headers
        self._everything = everything

    @contextmanager
    def serve(self, compiler: Compiler, program: bytes, user_directories: tuple[str, ...] = ()) -> Iterator[Served]:
        """Serve the headers that *program* can reach. Raises StoreError where the system allows too few open files."""
        root = f"{ROOT}/{self.headers.release or 'unknown'}"
        flags = flags_for(self.headers, root, compiler)
        if self._everything:
            paths = set(self.headers)
        else:
            arch = architecture(self.headers.srcarch or "", self.headers.config)
            paths = closure(self.headers, include_directories(arch), program, user_directories, (ALWAYS,))
        texts = {path: self.headers[path] for path in paths}
        texts.update(rewrite(texts))
        with ExitStack() as stack:
            descriptors = stack.enter_context(_anonymous_files(texts))
            listing = overlay({f"{root}/{path}": f"/proc/self/fd/{fd}" for path, fd in descriptors.items()})
            index = stack.enter_context(_anonymous_files({"overlay": listing}))["overlay"]
            yield Served(
                (*flags, "-ivfsoverlay", f"/proc/self/fd/{index}"),
                (*descriptors.values(), index),
                complete=self._everything,
            )


@contextmanager
def _anonymous_files(texts: Mapping[str, bytes]) -> Iterator[dict[str, int]]:
    descriptors: dict[str, int] = {}
    try:
        with _room_for(len(texts)):
            for path, text in texts.items():
                try:
                    descriptors[path] = os.memfd_create("kheaders", os.MFD_CLOEXEC)
                    os.write(descriptors[path], text)
                except OSError as error:
                    raise StoreError(
                        f"memory form: {len(texts)} headers cannot be held open ({error.strerror})",
                        "raise 'ulimit -n', or use --form directory",
                    ) from error
            yield descriptors
    finally:
        for fd in descriptors.values():
            os.close(fd)


@contextmanager
def _room_for(count: int) -> Iterator[None]:
    """Lift the soft limit on open files as far as needed, and put it back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE + _open_now()
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        yield
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise StoreError(
            f"memory form: {count} headers need as many open files, and the limit is {hard}",
            "raise 'ulimit -Hn', or use --form directory",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _open_now() -> int:
    try:
        return max(map(int, os.listdir("/proc/self/fd")))
    except (OSError, ValueError):
        return 256
