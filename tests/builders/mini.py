"""A header tree of a few files that passes every check and compiles the trial program, in milliseconds.

mini(release="6.1.0-7")                           # relative path → bytes
mini(extra={"include/linux/x.h": b"…"})           # with more or other files
mini_archive(…), mini_root(tmp_path)              # as kheaders.tar.xz; as a machine that shows it in sysfs
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from builders.archive import archive
from builders.root import RELEASE, FakeRoot, header_files
from kheaders.api import Context
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request

OPTIONS = {"CONFIG_X86": "y", "CONFIG_64BIT": "y", "CONFIG_SMP": "y", "CONFIG_HZ": "250"}

_MORE = {
    "include/linux/mm.h": b"#include <linux/types.h>\nstruct page { unsigned long flags; };\n",
    "include/linux/fs.h": b"#include <linux/types.h>\nstruct file { u32 f_flags; };\n",
    "include/linux/skbuff.h": b"#include <linux/types.h>\nstruct sk_buff { u32 len; };\n",
    "include/linux/compiler.h": (
        b'#define barrier() __asm__ __volatile__("" : : : "memory")\n'
        b'#define OPTIMIZER_HIDE_VAR(var) __asm__ ("" : "=r" (var) : "0" (var))\n'
    ),
    "include/net/sock.h": b"#include <linux/types.h>\nstruct sock { u32 sk_family; };\n",
    "include/uapi/linux/ptrace.h": b"#include <asm/ptrace.h>\n",
    "include/uapi/linux/bpf.h": b"enum bpf_map_type { BPF_MAP_TYPE_UNSPEC, BPF_MAP_TYPE_HASH };\n",
    "include/linux/host.h": (
        b"static inline unsigned long host_flags(void)\n{\n\tunsigned long f;\n"
        b'\tasm volatile("pushf ; pop %0" : "=rm" (f) : /* no input */ : "memory");\n\treturn f;\n}\n'
    ),
}


def mini(
    release: str = RELEASE,
    srcarch: str = "x86",
    *,
    options: Mapping[str, str] | None = None,
    extra: Mapping[str, bytes] | None = None,
    without: Iterable[str] = (),
) -> dict[str, bytes]:
    """The files, with *extra* ones, and *without* some."""
    files = {**header_files(release, srcarch, OPTIONS if options is None else options), **_MORE}
    files[f"arch/{srcarch}/include/asm/ptrace.h"] = b"struct pt_regs { unsigned long ip, sp; };\n"
    files.update(extra or {})
    return {path: data for path, data in files.items() if path not in set(without)}


def mini_archive(
    release: str = RELEASE,
    *,
    extra: Mapping[str, bytes] | None = None,
    links: Mapping[str, str] | None = None,
    without: Iterable[str] = (),
    options: Mapping[str, str] | None = None,
) -> bytes:
    """The files as an archive."""
    return archive(mini(release, extra=extra, without=without, options=options), links=links)


def mini_root(directory: Path, data: bytes | None = None, *, release: str = RELEASE) -> FakeRoot:
    """A machine that runs *release* and shows the archive *data* in sysfs."""
    root = FakeRoot(directory, release=release)
    root.write("/sys/kernel/kheaders.tar.xz", mini_archive(release) if data is None else data)
    return root


def context(root: FakeRoot, place: Path, **more: object) -> Context:
    """The context for the running kernel of *root*, with a store of its own at *place*, and no other settings."""
    environ = {"HOME": str(place), "XDG_CONFIG_HOME": str(place / "none")}
    words = {"sysroot": root.path, "environ": environ, "store": place / "run", "cache": place / "cache", **more}
    return Context.open(**words)  # type: ignore[arg-type]


class Offers:
    """A source that answers with what it was given, and counts how often it was asked and read."""

    def __init__(self, name: str, *answers: Candidate | Rejection | bytes) -> None:
        self.name = name
        self.asked = 0
        self.read = 0
        self._answers = answers

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """The answers; bytes stand for an archive whose fingerprint is its content."""
        self.asked += 1
        for answer in self._answers:
            yield self._archive(answer) if isinstance(answer, bytes) else answer

    def _archive(self, data: bytes) -> Candidate:
        def opened() -> BinaryIO:
            self.read += 1
            return io.BytesIO(data)

        return Candidate(self.name, f"{self.name}'s archive", ArchiveContent(opened), hashlib.sha256(data).hexdigest())
