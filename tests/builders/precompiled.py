"""A small kernel for precompiled headers: what is popular, what is not, and what must not be stubbed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builders.mini import mini
from kheaders.headers.headerset import HeaderSet


def _guarded(name: str, text: str) -> bytes:
    return f"#ifndef _{name}_H\n#define _{name}_H\n{text}\n#endif\n".encode()


EXTRA = {
    "include/linux/kernel.h": _guarded(
        "KERNEL",
        "#include <linux/types.h>\n#define KERNEL_LIMIT 7\n#define FADES 5\n#define TWICE 1\n"
        "#ifdef DEBUG\n#define LEVEL 2\n#else\n#define LEVEL 1\n#endif\n"
        "#ifdef SMALL\ntypedef u32 number_t;\n#else\ntypedef unsigned long number_t;\n#endif\n"
        "static inline int level(void) { return LEVEL; }\nextern int jiffies;\n",
    ),
    "include/linux/fs.h": _guarded(
        "FS", "#include <linux/types.h>\nstruct file { u32 f_flags; };\nstruct request { int id; };"
    ),
    "include/linux/string.h": b"#ifdef ENTRY\nENTRY(alpha)\nENTRY(beta)\n#endif\n",
    "include/linux/errno.h": b"#include <uapi/linux/errno.h>\n",
    "include/uapi/linux/errno.h": _guarded("ERRNO", "#define ENOENT 2"),
    "include/linux/list.h": _guarded(
        "LIST", "#define temporary int\n#undef temporary\nstruct list { struct list *next; };"
    ),
    "include/linux/rbtree.h": b"#error not here\n",
    "include/linux/bio.h": _guarded("BIO", "struct bio { struct no_such value; };"),
    "include/linux/host.h": _guarded("HOST", mini()["include/linux/host.h"].decode()),
    "arch/x86/include/asm/ptrace.h": _guarded("ASM_PTRACE", "struct pt_regs { unsigned long ip, sp; };"),
    "include/uapi/linux/bpf.h": _guarded("BPF", "enum bpf_map_type { BPF_MAP_TYPE_UNSPEC, BPF_MAP_TYPE_HASH };"),
    "include/linux/swap.h": _guarded(
        "SWAP", "#include <linux/kernel.h>\n#undef FADES\n#define TWICE 2\nstruct page_table { u32 pages; };"
    ),
    "include/linux/tcp.h": _guarded(
        "TCP", "#include <linux/swap.h>\n#undef TWICE\n#define TWICE 3\nstruct segment { number_t length; };"
    ),
    "include/linux/usb.h": _guarded(
        "USB", '#include <linux/kernel.h>\n#include "rare.h"\nstruct usb { number_t number; };\n#define USB_LIMIT 9'
    ),
    "include/linux/rare.h": _guarded("RARE", "struct rare { int rare; };"),
}
"""``string.h`` has no guard: it is one that is read each time. ``rbtree.h`` and ``bio.h`` cannot be included. A PCH has
``swap.h`` in its second layer and ``tcp.h`` in its third; what ``kernel.h`` defines they define otherwise."""


def headers(extra: Mapping[str, bytes] | None = None) -> HeaderSet:
    """The headers."""
    return HeaderSet(mini(extra={**EXTRA, **(extra or {})}), name="made-up headers")


def program(directory: Path, text: str, name: str = "p.c") -> Path:
    """A program in a file."""
    path = directory / name
    path.write_text(text)
    return path
