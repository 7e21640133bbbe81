"""The archive that the running kernel shows: in sysfs since 5.2, in procfs in 5.1's release candidates and backports.

Both files exist with CONFIG_IKHEADERS=y, or =m while the module ``kheaders`` is loaded (kernel/kheaders.c).
"""

from __future__ import annotations

from collections.abc import Iterator

from kheaders.kernel import Kernel
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.files import Unusable, look

SYSFS = "/sys/kernel/kheaders.tar.xz"
PROCFS = "/proc/kheaders.tar.xz"


class SysfsSource:
    """``/sys/kernel/kheaders.tar.xz`` of the running kernel."""

    name = "sysfs"
    location = SYSFS

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """The one file, if the kernel that is asked for is the one that runs."""
        if not request.kernel.running:
            reason = f"tells about the running kernel only, not about {request.kernel.release}"
            yield Rejection(self.name, self.location, reason)
            return
        found = look(request, self.location)
        if isinstance(found, Unusable):
            hint = "a kernel with CONFIG_IKHEADERS has it, where that is a module after: modprobe kheaders"
            yield Rejection(self.name, self.location, found.reason, hint if found.absent else found.hint)
            return
        content = ArchiveContent(found.open)
        yield Candidate(self.name, self.location, content, fingerprint(request.kernel, found.status.st_size))


class ProcfsSource(SysfsSource):
    """``/proc/kheaders.tar.xz``, the archive's first home."""

    name = "procfs"
    location = PROCFS


def fingerprint(kernel: Kernel, size: int) -> str:
    """What tells the archive of one boot from another: the kernel cannot change its archive while it runs.

    Empty, which means never to rely on it, where the boot cannot be told.
    """
    return f"{size}:{kernel.boot_id}:{kernel.key}" if kernel.boot_id else ""
