"""The directories below ``/usr/src`` and the like where distributions put header packages, link or no link."""

from __future__ import annotations

import os
from collections.abc import Iterator

from kheaders.sources.candidate import Candidate, Rejection, Request
from kheaders.sources.trees import examine, install_hint, link_target, present, resolved

_COMMON = "-common"


class DistroSource:
    """Header directories by their distribution's naming, where ``/lib/modules/R/build`` is gone or wrong."""

    name = "distro"

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """One answer for each directory that is there, one refusal that lists all names if there is none."""
        seen = set()
        looked = []
        for path, beside in places(request):
            looked.append(path)
            real = resolved(request.sysroot, path)
            if real is None:
                yield Rejection(self.name, path, "is a loop of links", "remove it")
                continue
            if not present(real):
                if os.path.islink(request.path(path)):
                    target = link_target(request.path(path))
                    reason = f"is a link to {target}, which does not exist"
                    yield Rejection(self.name, path, reason, install_hint(request.kernel.release))
                    seen.add(real)
                continue
            if real in seen:
                continue
            seen.add(real)
            yield examine(
                self.name,
                path,
                real,
                sysroot=request.sysroot,
                srcarch=request.srcarch,
                release=request.kernel.release,
                beside=beside,
            )
        if not seen:
            reason = f"no header directory of a distribution; looked for {', '.join(looked)}"
            yield Rejection(self.name, "", reason, install_hint(request.kernel.release))


def places(request: Request) -> Iterator[tuple[str, str]]:
    """Where distributions put the headers of the request's kernel, and where the rest of a split tree would be.

    Both as the examined system names them, the most telling first.
    """
    release = request.kernel.release
    machine = request.kernel.machine
    yield f"/usr/src/linux-headers-{release}", _common(request)  # Debian, Ubuntu, Alpine, Photon
    yield f"/usr/src/kernels/{release}", ""  # Fedora and its kin, Amazon
    if not release.endswith(f".{machine}"):
        yield f"/usr/src/kernels/{release}.{machine}", ""
    version, dash, flavour = release.rpartition("-")
    if dash:
        yield f"/usr/src/linux-{version}-obj/{machine}/{flavour}", f"/usr/src/linux-{version}"  # SUSE
    yield f"/usr/src/linux-{release}-obj/{machine}", f"/usr/src/linux-{release}"
    yield f"/usr/src/linux-{release}", ""  # Gentoo, Slackware
    yield f"/usr/src/kernel-headers-{release}", ""  # Void
    if "microsoft" in release.lower():  # WSL
        yield "/usr/src/WSL2-Linux-Kernel", ""
        yield f"/usr/src/WSL2-Linux-Kernel-linux-msft-wsl-{release.partition('-')[0]}", ""
    yield "/usr/src/linux", ""


def _common(request: Request) -> str:
    """Debian's directory of the headers that the flavours of one ABI share: ``/usr/src/linux-headers-ABI-common``.

    A real-time flavour has its own, ``…-common-rt``. Empty where there is none.
    """
    real = resolved(request.sysroot, "/usr/src")
    try:
        names = os.listdir(real) if real else []
    except OSError:
        return ""
    found = []
    for name in names:
        abi, common, kind = name.removeprefix("linux-headers-").partition(_COMMON)
        if name.startswith("linux-headers-") and common and kind in ("", "-rt"):
            rest = request.kernel.release.removeprefix(f"{abi}-")
            if rest != request.kernel.release and (kind == "-rt") == rest.startswith("rt-"):
                found.append(name)
    return f"/usr/src/{max(found, key=len)}" if found else ""
