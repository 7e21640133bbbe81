"""Whether headers and a kernel agree on the layout of types: programs, compiled with -g, against the kernel's BTF.

What the object knows by name (structs, unions, enums and what they embed) is compared. This finds headers of a kernel
that was rebuilt under the same version string with another configuration, and layouts that were randomised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kheaders.errors import BtfError
from kheaders.headers.verify import Check

if TYPE_CHECKING:
    from kheaders.btf.compare import Difference
    from kheaders.btf.table import Btf
    from kheaders.kernel import Kernel

CORE = ("task_struct", "mm_struct", "vm_area_struct", "cred", "file", "inode", "dentry", "super_block", "page",
        "sk_buff", "sock", "net_device", "pt_regs", "bpf_map", "module")  # fmt: skip
"""Structs whose layout depends on hundreds of options, and that tracing programs read most."""

USES = "".join(f"struct {name} *kheaders_layout_of_{name};\n" for name in CORE).encode()
"""What a program says to have these types, whole, in its BTF."""

_SHOWN = 3


class Agreement(NamedTuple):
    """What was compared, and what differs."""

    types: int
    """Named types that both know."""
    differences: tuple[Difference, ...]

    @property
    def records(self) -> tuple[str, ...]:
        """The types that differ, each once."""
        return tuple(dict.fromkeys(difference.record for difference in self.differences))


def types_of(kernel: Kernel) -> Btf:
    """The BTF of *kernel*, which has one. Raises BtfError."""
    from kheaders.btf.container import read_btf

    if kernel.btf is None:
        raise BtfError(f"no BTF of kernel {kernel.release} is at hand", "name a file that has it with --btf")
    return read_btf(kernel.btf)


def held_against(kernel: Btf, program: bytes) -> Agreement:
    """The types in *program*, an object compiled with -g, held against those of the *kernel*. Raises BtfError."""
    from kheaders.btf.compare import Known, differences

    ours = types_in(program)
    mine = Known(ours)
    theirs = Known(kernel, frozenset(mine.titles))
    return Agreement(len(mine.titles.keys() & theirs.titles.keys()), tuple(differences(mine, theirs)))


def types_in(program: bytes) -> Btf:
    """The BTF in *program*, an object compiled with -g. Raises BtfError."""
    from kheaders.btf.container import btf_bytes, parse_sections

    return parse_sections(btf_bytes(program, "the compiled headers"), name="the compiled headers")


def check(kernel: Kernel, program: bytes) -> Check:
    """The layouts in the object *program* against those of *kernel*, as one check of a verification."""
    try:
        agreement = held_against(types_of(kernel), program)
    except BtfError as error:
        return Check("layouts", "skipped", str(error))
    if not agreement.types:
        return Check("layouts", "skipped", "headers and BTF know no type in common")
    if not agreement.differences:
        return Check("layouts", "ok", f"{agreement.types} types lie as in {kernel.btf}")
    return Check("layouts", "failed", told(agreement))


def told(agreement: Agreement) -> str:
    """What differs, in one line."""
    names = agreement.records
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"they are of a kernel that was built otherwise: {', '.join(names[:_SHOWN])}{more} "
        f"{'differ' if len(names) > 1 else 'differs'} from the kernel's BTF ({agreement.differences[0]})"
    )
