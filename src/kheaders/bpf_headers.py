"""libbpf's headers for BPF programs (``bpf/bpf_helpers.h`` and its like): where they lie, how a compiler finds them.

They are looked for after everything else, as by ``-idirafter``, and alone: the directory that holds ``bpf`` on a system
holds the C library's headers and copies of the kernel's as well, of which none may take the place of a kernel header.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kheaders.clang.job import Last
from kheaders.clang.overlay import anonymous_files, overlay
from kheaders.patterns import pattern

if TYPE_CHECKING:
    from kheaders.store import Store

PLACES = ("usr/local/include", "usr/include")
"""Directories of a system that may hold ``bpf``, in clang's order of search."""
PREFIX = "bpf/"
"""What the names of these headers begin with in include lines."""
ROOT = "/kheaders/libbpf"
"""Where the compiler thinks that the headers of a system lie."""

_MARK = "bpf_helpers.h"
"""Every program for libbpf includes it; a directory without it holds something else."""
_LIMIT = 4 << 20
_ELSEWHERE = {
    "bpf/usdt.bpf.h": b"#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_tracing.h>\n"
    b"static inline void kheaders_usdt(void) { struct pt_regs *regs;"
    b" BPF_MAP_TYPE_HASH; BPF_MAP_TYPE_ARRAY; BPF_NOEXIST; BPF_ANY; }\n"
}
"""What those ask of the kernel that do not come with kheaders: the build that a header is made for may have them."""
_COMMENT = pattern(rb"/\*.*?\*/", re.S)
_HELPER = pattern(
    rb"^static[^;{}()=\n]*\([ \t]*\*[ \t]*(?:const[ \t]+)?(\w+)\)[ \t]*\([^;{}]*\)[ \t]*=[ \t]*\(void \*\)[ \t]*\d+;",
    re.M,
)
"""The declaration of a helper: a pointer to a function whose value is the helper's number."""
_TYPE = pattern(rb"\b__[a-z]+\d*\b")
"""The types by value in such declarations are the kernel's; structs are declared beside them."""


class BpfHeaders:
    """The headers in one directory, which is called ``bpf``."""

    def __init__(self, directory: Path, alone: bool) -> None:
        self.directory = directory
        self.alone = alone
        """Whether nothing else lies beside *directory*, so that its parent can be searched as it is."""

    @cached_property
    def names(self) -> frozenset[str]:
        """Names as include lines have them."""
        try:
            return frozenset(f"{PREFIX}{name}" for name in os.listdir(self.directory) if name.endswith(".h"))
        except OSError:
            return frozenset()

    def text(self, name: str) -> bytes | None:
        """The text of the header that include lines call *name*; None if there is none."""
        if name not in self.names:
            return None
        try:
            with open(self._path(name), "rb") as file:
                return file.read(_LIMIT)
        except OSError:
            return None

    def told(self, name: str) -> bytes | None:
        """What a reader of programs needs to know of the header: of prototypes, the names and the types alone.

        The parameters of two hundred helpers are no words of a program that calls one of them.
        """
        text = self.text(name)
        if text is None or b"(void *)" not in text:
            return _ELSEWHERE.get(name) if text is None else text
        types: set[bytes] = set()

        def short(match: re.Match[bytes]) -> bytes:
            types.update(_TYPE.findall(match[0]))
            return b"static int %s;" % match[1]

        found = _HELPER.sub(short, _COMMENT.sub(b" ", text))
        return found + b"".join(b"\nextern %s kheaders_%s;" % (name, name) for name in sorted(types))

    @contextmanager
    def shown(self) -> Iterator[Last]:
        """The headers as a compiler finds them, for the time of the body. Raises StoreError."""
        if self.alone:
            root = str(self.directory.parent)
            yield Last(("-idirafter", root), (), self.told, str(self.directory), root)
            return
        files = {f"{ROOT}/{name}": self._path(name) for name in sorted(self.names)}
        with anonymous_files({"overlay": overlay(files)}) as index:
            place = f"/proc/self/fd/{index['overlay']}"
            flags = ("-ivfsoverlay", place, "-idirafter", ROOT)
            yield Last(flags, (index["overlay"],), self.told, str(self.directory), ROOT)

    def kept(self, store: Store) -> Path:
        """A directory that holds nothing but these, as ``bpf``, at least until the next boot. Raises StoreError."""
        if self.alone:
            return self.directory.parent
        texts = {name: text for name in sorted(self.names) if (text := self.text(name)) is not None}
        digest = hashlib.sha256()
        for name, text in texts.items():
            digest.update(b"%s\0%d\0%s" % (os.fsencode(name), len(text), text))
        key = digest.hexdigest()

        def fill(root: int) -> dict[str, object]:
            from kheaders.extraction import TreeWriter

            with TreeWriter(root, str(store.tree_path(key))) as tree:
                for name, text in texts.items():
                    tree.add_file(name, text)
            return {"files": len(texts)}

        return store.publish_tree(key, fill, meta={"source": str(self.directory)}).path

    def _path(self, name: str) -> str:
        return str(self.directory / name.removeprefix(PREFIX))


def find(sysroot: Path = Path("/")) -> BpfHeaders | None:
    """Those of the system below *sysroot*, or else those that come with kheaders."""
    for place in PLACES:
        directory = sysroot / place / "bpf"
        if (directory / _MARK).is_file():
            return BpfHeaders(directory, alone=False)
    return bundled()


def of_system(sysroot: Path = Path("/")) -> Callable[[str], bytes | None]:
    """What gives the text of any header, the C library's and others, that compilers find below *sysroot* by themselves.

    Debian and its like have a directory for each architecture, which is searched before the common one.
    """
    machine = os.uname().machine
    directories = [sysroot / place for place in (PLACES[0], f"usr/include/{machine}-linux-gnu", PLACES[1])]

    def text(name: str) -> bytes | None:
        for directory in directories:
            try:
                with open(directory / name, "rb") as file:
                    return file.read(_LIMIT)
            except (OSError, ValueError):
                continue
        return None

    return text


def bundled() -> BpfHeaders | None:
    """Those that come with kheaders; None where the package does not lie in a directory."""
    from kheaders.libbpf import __file__ as package

    directory = Path(package).parent / "include" / "bpf"
    return BpfHeaders(directory, alone=True) if directory.is_dir() else None
