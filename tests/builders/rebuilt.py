"""A machine whose kernel shows BTF, and headers that are its own, or of the same version built otherwise."""

from __future__ import annotations

from pathlib import Path

from builders.compilers import Clang
from builders.mini import mini, mini_archive, mini_root
from builders.root import FakeRoot
from kheaders.agreement import USES
from kheaders.btf.container import btf_bytes
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute
from kheaders.forms.memory import MemoryForm
from kheaders.headers.headerset import HeaderSet
from kheaders.trial import PROGRAM

SCHED = b"#include <linux/types.h>\nstruct task_struct { int pid; %s int tgid; char comm[16]; };\n"
SAME: dict[str, bytes] = {}
OTHERWISE = {"include/linux/sched.h": SCHED % b"void *security;"}
"""A member more, as an option of the configuration adds one."""


def vmlinux(clang: Clang, extra: dict[str, bytes] = SAME) -> bytes:
    """The BTF of a kernel that is built from the small headers with *extra* files."""
    compiler = examine(clang.argv)
    with MemoryForm(HeaderSet(mini(extra=extra))).serve(compiler, PROGRAM) as served:
        result = execute(compiler, Job(PROGRAM + USES, debug=True), served.flags, served.pass_fds)
    assert result.ok, result.diagnostics
    data = btf_bytes(result.output, "the kernel").btf
    assert isinstance(data, bytes)
    return data


def machine(directory: Path, clang: Clang, *, headers: dict[str, bytes] = SAME) -> FakeRoot:
    """A machine with the BTF of the small headers, and an archive of them with *headers* in place of some."""
    root = mini_root(directory, mini_archive(extra=headers))
    root.write("/sys/kernel/btf/vmlinux", vmlinux(clang))
    return root
