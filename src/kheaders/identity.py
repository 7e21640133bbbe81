"""Of which kernel a thing is, and the refusal where things of two kernels meet in one request.

A request names a kernel in many ways: ``--kernel``, ``--machine`` or ``--target-arch``, ``--sysroot``, and by what it
names to be read, a blob, headers, BTF. Each of them knows some facts and not others (a machine has no release, raw BTF
no version), and two of them contradict each other where both know a fact and it differs.
"""

from __future__ import annotations

from typing import NamedTuple

from kheaders.errors import UsageError
from kheaders.kernel import Kernel


class Identity(NamedTuple):
    """What is known of the kernel that one thing is of; None or empty for what is not known."""

    what: str
    """The thing, for people: ``the blob a.kheaders``, ``--machine arm64``."""
    release: str | None = None
    srcarch: str | None = None
    version: str = ""
    """As ``uname -v`` prints it."""
    build_id: str | None = None

    def __str__(self) -> str:
        return f"{self.what} {'asks for' if self.what.startswith('--') else 'is of'} {self.kernel}"

    @property
    def kernel(self) -> str:
        """The kernel, for people."""
        if self.release is None:
            return self.srcarch or "a kernel that it does not name"
        return f"{self.release} ({self.srcarch})" if self.srcarch else self.release


def of_kernel(what: str, kernel: Kernel) -> Identity:
    """What *kernel* itself knows."""
    return Identity(what, kernel.release, kernel.srcarch, kernel.version, kernel.build_id)


def contradiction(one: Identity, other: Identity) -> str:
    """How the two differ, in words that name both; empty where they may be of one kernel."""
    if _differ(one.srcarch, other.srcarch) or _differ(one.release, other.release):
        return f"{one}, and {other}"
    if _differ(one.build_id, other.build_id):
        return f"{one} with the build id {one.build_id}, and {other} with the build id {other.build_id}"
    if _differ(one.version, other.version):
        return f"{one} {one.version!r}, and {other} {other.version!r}"
    return ""


def hold_together(*things: Identity) -> None:
    """Raise UsageError where two of *things* are not of one kernel."""
    for number, one in enumerate(things):
        for other in things[number + 1 :]:
            why = contradiction(one, other)
            if why:
                raise UsageError(why, "name what is of one kernel, or leave one of them out")


def _differ(one: str | None, other: str | None) -> bool:
    return bool(one) and bool(other) and one != other
