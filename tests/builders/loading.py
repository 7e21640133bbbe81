"""Whether the running kernel takes a BPF object: by bpftool, in a mount namespace of its own, so that nothing stays."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from builders import elf_sections, need


def load(target: Path) -> None:
    """Load every program of the object *target*; skips the test where that cannot be tried."""
    need.root()
    bpftool, unshare = need.tool("bpftool"), need.tool("unshare")
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("the running kernel has no BTF to relocate onto")
    place = "/sys/fs/bpf/kheaders-test"
    done = subprocess.run(
        [unshare, "--mount", bpftool, "prog", "loadall", target, place], capture_output=True, text=True, check=False
    )
    if done.returncode and "Operation not permitted" in done.stderr:
        pytest.skip("this process may not load programs")
    assert done.returncode == 0, done.stderr[-3000:]


def core_relocations(data: bytes) -> int:
    """Bytes of CO-RE relocations in an object: the third part of .BTF.ext (tools/lib/bpf/libbpf_internal.h)."""
    ext = elf_sections.of(data).get(".BTF.ext", b"")
    if len(ext) < 32:
        return 0
    (length,) = struct.unpack_from("<I", ext, 4)
    return struct.unpack_from("<I", ext, 28)[0] if length >= 32 else 0
