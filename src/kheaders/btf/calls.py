"""What a BPF program may call, as a kernel's BTF tells: helpers by number, kfuncs by their tag, nothing else."""

from __future__ import annotations

from typing import Literal

from kheaders.btf import model
from kheaders.btf.kinds import ENUMS, Kind
from kheaders.btf.table import Btf

KFUNC_TAG = "bpf_kfunc"
"""The declaration tag of functions that BPF programs may call; pahole writes it since 1.26 (``decl_tag_kfuncs``)."""
HELPER_PREFIX = "BPF_FUNC_"
"""What the constant of a helper's number begins with (enum bpf_func_id, include/uapi/linux/bpf.h)."""

Callable = Literal["kfunc", "no", "unknown"]

REMARKS: dict[Callable, str] = {
    "kfunc": "a kfunc, callable from BPF",
    "no": "a function of the kernel, not callable from BPF",
    "unknown": "a function of the kernel; whether BPF programs may call it, no BTF at hand tells",
}
"""What to say of a function."""


def kfuncs(btf: Btf) -> frozenset[int] | None:
    """The functions (FUNC) that BPF programs may call; None where the BTF has no tags that tell, in itself or its base.

    Those of ``btf``'s base count, too. Raises BtfError for damage.
    """
    tags = btf.find(KFUNC_TAG, Kind.DECL_TAG)
    targets = (found.target for tag in tags if isinstance(found := btf.type(tag), model.DeclTag))
    return frozenset(targets) if tags else None


def callable_from_bpf(btf: Btf, function: int) -> Callable:
    """Whether BPF programs may call the FUNC *function*. Raises BtfError for damage."""
    known = kfuncs(btf)
    if known is None:
        return "unknown"
    return "kfunc" if function in known else "no"


def helper_number(btf: Btf, name: str) -> int | None:
    """The number of the helper *name* (``bpf_get_current_comm``: 16), or None. Raises BtfError for damage."""
    return _helpers(btf).get(name)


def _helpers(btf: Btf) -> dict[str, int]:
    return {
        "bpf_" + one.name.removeprefix(HELPER_PREFIX): one.value
        for type_id in btf.find("bpf_func_id", *ENUMS)
        if isinstance(found := btf.type(type_id), model.Enum | model.Enum64)
        for one in found.values
        if one.name.startswith(HELPER_PREFIX)
    }


def helper_remark(number: int | str) -> str:
    """What to say of the helper with that *number*, or with the enumerator of that name."""
    return f"helper {number}, declared by libbpf's bpf_helpers.h"
