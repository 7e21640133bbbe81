"""Who a kernel is: release, version string, machine, GNU build id, boot id and BTF, from any sysroot."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

from kheaders.errors import UsageError
from kheaders.sysroot import resolve

UTS_LEN = 64
"""Longest release, in bytes (``__NEW_UTS_LEN``, include/uapi/linux/utsname.h)."""

NT_GNU_BUILD_ID = 3
"""Type of the build id among the notes whose name is ``GNU`` (``elf.h``)."""

_NOTES_LIMIT = 1 << 20
_PROC_LIMIT = 1 << 12

_MACHINES = {
    "amd64": "x86_64",
    "x86-64": "x86_64",
    "i386": "i686",
    "arm64": "aarch64",
    "armhf": "armv7l",
    "armel": "armv5tel",
    "ppc64el": "ppc64le",
    "loong64": "loongarch64",
    "mips64el": "mips64",
    "mipsel": "mips",
}
"""Names that distributions give a machine → the name that uname gives it."""

_SRCARCH = (
    ("x86_64", "x86"),
    ("x86", "x86"),
    ("i386", "x86"),
    ("i486", "x86"),
    ("i586", "x86"),
    ("i686", "x86"),
    ("aarch64", "arm64"),
    ("arm64", "arm64"),
    ("arm", "arm"),
    ("riscv", "riscv"),
    ("s390", "s390"),
    ("ppc", "powerpc"),
    ("powerpc", "powerpc"),
    ("loongarch", "loongarch"),
    ("mips", "mips"),
)
"""Beginning of a machine's name → SRCARCH (SUBARCH in the kernel's scripts/subarch.include); the first match counts."""

MACHINES = {
    "x86": "x86_64",
    "arm64": "aarch64",
    "arm": "armv7l",
    "riscv": "riscv64",
    "s390": "s390x",
    "powerpc": "ppc64le",
    "loongarch": "loongarch64",
    "mips": "mips64",
}
"""SRCARCH → the usual machine of that architecture."""

_RELEASE_WORDS = {
    "amd64": "x86_64",  # Debian, also -cloud-amd64, -rt-amd64
    "arm64": "aarch64",  # Debian, also -cloud-arm64, -arm64-16k
    "armmp": "armv7l",  # Debian
    "powerpc64le": "ppc64le",  # Debian
    "s390x": "s390x",  # Debian, Fedora
    "riscv64": "riscv64",  # Debian, Fedora
    "loong64": "loongarch64",  # Debian
    "x86_64": "x86_64",  # Fedora and its kin, Arch: .fc39.x86_64, .el9.x86_64+rt
    "aarch64": "aarch64",  # Fedora
    "ppc64le": "ppc64le",  # Fedora
    "armv7hl": "armv7l",  # Fedora
    "i686": "i686",  # Fedora
}
"""Words of a release that can mean one machine only → that machine."""

_RELEASE_ENDS = {"-686": "i686", "-686-pae": "i686"}  # Debian; elsewhere in a release, 686 is just a number


class Kernel(NamedTuple):
    """The identity of one kernel; :func:`running` and :func:`named` make one, and check its release."""

    release: str
    """As ``uname -r`` prints it."""
    version: str
    """As ``uname -v`` prints it; empty where only the release is known."""
    machine: str
    """As ``uname -m`` prints it on that kernel."""
    srcarch: str
    """Directory of the machine below ``arch/`` of the kernel's source."""
    build_id: str | None
    """GNU build id in hex, None where unknown."""
    boot_id: str | None
    """Changes with every boot of this machine; None where there is no ``/proc``."""
    sysroot: Path
    running: bool
    """Whether it is the kernel that runs now, in the view of the sysroot."""
    btf: Path | None = None
    """The file that holds the kernel's BTF, None where there is none."""

    @property
    def key(self) -> str:
        """Hex digest of what tells two kernels apart: release, version string, machine and build id."""
        words = (self.release, self.version, self.machine, self.build_id or "")
        return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()

    def btf_digest(self) -> str | None:
        """sha256 of the BTF in hex, None where there is none to read. Reads some megabytes on each call."""
        if self.btf is None:
            return None
        try:
            with self.btf.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None


def running(sysroot: Path = Path("/"), *, host: Path = Path("/")) -> Kernel:
    """The kernel that runs in the system below *sysroot*.

    A sysroot without ``/proc`` (an unpacked image, a container's bare mount) is taken to run on this machine's
    kernel, which is read from *host* (this machine's root, which only tests move) and, without ``/proc`` there,
    from uname. What a sysroot with ``/proc`` lacks below ``/sys`` is taken from *host* if both run the same kernel.

    Raises UsageError where what stands there as the release cannot be one, the machine is of no known SRCARCH, or
    ``/proc`` below *sysroot* must not be read: another kernel must not be taken for that one.
    """
    if sysroot != host:
        _check_readable(sysroot)
    return _running(sysroot, host)


def _running(sysroot: Path, host: Path) -> Kernel:
    own = _names(sysroot)
    local = own if sysroot == host else _names(host)
    uname = os.uname()
    if local is None:
        local = (uname.release, uname.version)
    names = own or local
    roots = [sysroot] if own else []
    if names == local and host not in roots:
        roots.append(host)
    machine = _first(roots, "/proc/sys/kernel/arch")  # since 6.1; unlike uname, it is not bent by a personality
    if not machine and names != (uname.release, uname.version):
        machine = machine_in_release(names[0])
    machine = machine or uname.machine
    build_ids = (parse_build_id(_read(root, "/sys/kernel/notes", _NOTES_LIMIT)) for root in roots)
    btfs = (_file(root, "/sys/kernel/btf/vmlinux") for root in roots)
    return Kernel(
        release=check_release(names[0]),
        version=names[1],
        machine=machine,
        srcarch=srcarch_of(machine),
        build_id=next((found for found in build_ids if found), None),
        boot_id=_first([sysroot, host], "/proc/sys/kernel/random/boot_id") or None,
        sysroot=sysroot,
        running=True,
        btf=next((found for found in btfs if found), None),
    )


def named(release: str, *, machine: str = "", sysroot: Path = Path("/"), host: Path = Path("/")) -> Kernel:
    """The kernel called *release*, of which only the name is known; the running one if that is its name.

    *machine* is a name of uname's or of a distribution's (``aarch64`` and ``arm64``); without it the release tells
    it where that is beyond doubt (``6.1.0-18-amd64``), else it is that of the running kernel.

    Raises UsageError where the release cannot be one, or the machine is of no known SRCARCH.
    """
    check_release(release)
    machine = _MACHINES.get(machine, machine)
    srcarch = srcarch_of(machine) if machine else ""
    here = _running(sysroot, host)
    if release == here.release and srcarch in ("", here.srcarch):
        return here
    machine = machine or machine_in_release(release) or here.machine
    return Kernel(
        release=release,
        version="",
        machine=machine,
        srcarch=srcarch_of(machine),
        build_id=None,
        boot_id=here.boot_id,
        sysroot=sysroot,
        running=False,
    )


def tells_itself(sysroot: Path) -> bool:
    """Whether the system below *sysroot* says which kernel runs in it; else it is taken to run this machine's."""
    return _names(sysroot) is not None


def other(release: str, srcarch: str, machine: str, sysroot: Path, boot_id: str | None = None) -> Kernel:
    """The kernel *release* for *srcarch* where it is known not to be the running one, whatever that is called."""
    return Kernel(check_release(release), "", machine, srcarch, None, boot_id, sysroot, running=False)


def check_release(release: str) -> str:
    """*release* if it can be one and is safe as one component of a path and as an argument; else UsageError."""
    if not release:
        reason = "it is empty"
    elif len(release.encode("utf-8", "replace")) > UTS_LEN:
        reason = f"it is longer than {UTS_LEN} bytes"
    elif release.startswith((".", "-")):
        reason = f"it starts with {release[0]!r}"
    elif "/" in release:
        reason = "it contains '/'"
    elif " " in release or not release.isprintable():
        reason = "it contains a blank or a character that cannot be printed"
    else:
        return release
    shown = release if len(release) <= UTS_LEN else release[:UTS_LEN] + "…"
    raise UsageError(f"{shown!r} is not the release of a kernel: {reason}", "give it as uname -r prints it")


def srcarch_of(machine: str) -> str:
    """The SRCARCH of a machine, named as by uname or by a distribution. Raises UsageError if there is none."""
    name = _MACHINES.get(machine, machine)
    for beginning, srcarch in _SRCARCH:
        if name.startswith(beginning):
            return srcarch
    known = ", ".join(sorted({srcarch for _, srcarch in _SRCARCH}))
    raise UsageError(f"{machine!r} is no machine that kheaders knows", f"known architectures: {known}")


def machine_in_release(release: str) -> str:
    """The machine that a distribution wrote into a release, or "" unless exactly one is meant."""
    words = release.replace("+", ".").replace("-", ".").split(".")
    found = {_RELEASE_WORDS[word] for word in words if word in _RELEASE_WORDS}
    found |= {machine for end, machine in _RELEASE_ENDS.items() if release.endswith(end)}
    return found.pop() if len(found) == 1 else ""


def parse_build_id(notes: bytes) -> str | None:
    """The GNU build id, in hex, among ELF notes of either byte order, or None; never raises.

    The format: three 32-bit words (size of name, size of description, type), then name and description, both padded
    to four bytes (elf(5)). Truncated notes end the search.
    """
    for order in "<>":
        offset = 0
        while offset + 12 <= len(notes):
            name_size, size, kind = struct.unpack_from(f"{order}3I", notes, offset)
            name = offset + 12
            start = name + (name_size + 3 & ~3)
            end = start + size
            if end > len(notes):
                break
            if kind == NT_GNU_BUILD_ID and size and notes[name : name + name_size] == b"GNU\0":
                return notes[start:end].hex()
            offset = start + (size + 3 & ~3)
    return None


def _names(root: Path) -> tuple[str, str] | None:
    """Release and version string as ``/proc`` below *root* tells them, or None."""
    release = _first([root], "/proc/sys/kernel/osrelease")
    version = _first([root], "/proc/sys/kernel/version")
    if release and version:
        return release, version
    # "Linux version R (builder) (compiler) #1 SMP …" (linux_proc_banner, init/version.c)
    banner = _first([root], "/proc/version")
    words = banner.split()
    if words[:2] == ["Linux", "version"] and len(words) > 2:
        release = release or words[2]
        number = banner.find(" #")
        version = version or (banner[number + 1 :] if number >= 0 else "")
    return (release, version) if release else None


def _check_readable(root: Path) -> None:
    """Raise UsageError where something keeps this user from seeing which kernel runs below *root*."""
    for path in ("/proc/sys/kernel/osrelease", "/proc/version"):
        try:
            with resolve(root, path).open("rb"):
                return
        except PermissionError as error:
            raise UsageError(
                f"{error.filename}: permission denied, so the kernel that runs below {root} cannot be told",
                "run as root, or name the kernel with --kernel",
            ) from error
        except OSError:
            continue


def _first(roots: list[Path], path: str) -> str:
    """The text of *path* below the first of *roots* that has any, without surrounding blanks, or ""."""
    texts = (_read(root, path, _PROC_LIMIT).decode("utf-8", "replace").strip() for root in roots)
    return next((text for text in texts if text), "")


def _read(root: Path, path: str, limit: int) -> bytes:
    """At most *limit* bytes of *path* below *root*, none where it cannot be read."""
    file = _file(root, path)
    if file is None:
        return b""
    try:
        with file.open("rb") as stream:
            return stream.read(limit)
    except OSError:
        return b""


def _file(root: Path, path: str) -> Path | None:
    """Where the regular file *path* below *root* really lies, None where there is none."""
    try:
        real = resolve(root, path)
        return real if real.is_file() else None
    except OSError:
        return None
