"""The build directory of a kernel: ``/lib/modules/R/build``, with ``source`` beside it where the tree is split."""

from __future__ import annotations

import os
from collections.abc import Iterator

from kheaders.places import MODULES
from kheaders.sources.candidate import Candidate, Rejection, Request
from kheaders.sources.trees import examine, install_hint, link_target, present, resolved


class BuildSource:
    """Where ``make modules_install`` and packages leave a link to the tree that a kernel is made from.

    Layouts known: one whole directory (Fedora, Arch, Ubuntu's with links); Debian's pair of ``build`` (generated
    headers) and ``source`` (all others); kernels built with ``O=``, whose directory names its source by a link
    ``source`` or by the ``include`` of its Makefile.
    """

    name = "build"

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """One answer for each build directory that is there, one refusal if there is none."""
        release = request.kernel.release
        seen = set()
        for base in MODULES:
            location = f"{base}/{release}/build"
            real = resolved(request.sysroot, location)
            parent = resolved(request.sysroot, f"{base}/{release}")
            link = parent / "build" if parent else request.path(location)
            if real is None:
                yield Rejection(self.name, location, "is a loop of links", f"remove it, or {install_hint(release)}")
                continue
            if (not os.path.lexists(link) and not present(link)) or real in seen:
                continue
            seen.add(real)
            if os.path.islink(link) and not present(real):
                reason = f"is a link to {link_target(link)}, which does not exist"
                yield Rejection(self.name, location, reason, install_hint(release))
                continue
            yield examine(
                self.name,
                location,
                real,
                sysroot=request.sysroot,
                srcarch=request.srcarch,
                release=release,
                beside=f"{base}/{release}/source",
            )
        if not seen and resolved(request.sysroot, f"{MODULES[0]}/{release}/build") is not None:
            parents = [resolved(request.sysroot, f"{base}/{release}") for base in MODULES]
            modules = any(parent and os.path.isdir(parent) for parent in parents)
            what = (
                "no link and no directory of that name" if modules else f"this kernel has no directory in {MODULES[0]}"
            )
            yield Rejection(self.name, f"{MODULES[0]}/{release}/build", what, install_hint(release))
