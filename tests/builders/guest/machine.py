"""qemu without KVM: one guest from power on to power off, with its console, or the reason why there is no result."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builders.debian import Debian
from builders.guest.image import ROOT
from builders.kernel_archive import Unobtainable

RESULTS = 64 << 20
"""Bytes that a guest may give back."""

BOOT, SILENCE = 90.0, 400.0
"""Seconds that a guest may be silent: before its first word, and later, where each step tells when it starts."""

_PATIENCE = "no_timer_check"
"""On a busy machine an emulated timer may tick too late for the kernel, which then stops while it boots."""

_NEWER = ("bookworm", "bookworm-backports", ("qemu-system-x86", "qemu-system-common", "qemu-system-data"))
"""On this release, qemu of that suite is unpacked aside: it boots more reliably, and is nearly twice as fast."""


@dataclass(frozen=True)
class Qemu:
    """A qemu, and how many processors it emulates well."""

    argv: tuple[str, ...]
    processors: int
    cpu: str


@dataclass(frozen=True)
class Disk:
    """A file as an NVMe disk; guests find it by *serial*. What is written to a *scratch* one is thrown away."""

    serial: str
    path: Path
    scratch: bool = False


@dataclass(frozen=True)
class Boot:
    """What became of one guest."""

    status: int | None
    """The exit status of its script; None where it did not come to an end."""
    files: Mapping[str, bytes]
    console: str
    seconds: float
    reason: str = ""

    @property
    def told(self) -> str:
        """For a person: the reason and the console's last lines."""
        lines = self.console.splitlines()[-150:]
        return "\n".join([f"guest: {self.reason or f'status {self.status}'} after {self.seconds:.0f} s", *lines])


def find_qemu() -> Qemu:
    """The qemu to use. Raises Unobtainable."""
    found = shutil.which("qemu-system-x86_64")
    if found is None:
        raise Unobtainable("qemu-system-x86_64 is not installed")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = int(told.split("version ")[1].split(".")[0])
    if version >= 10:
        return Qemu((found,), 2, "max")
    aside = _newer()
    if aside is not None:
        return aside
    return Qemu((found,), 1, "max,-cx16")  # what 7.2 boots 6.12 with


def _newer() -> Qemu | None:
    own, suite, names = _NEWER
    if f"VERSION_CODENAME={own}" not in Path("/etc/os-release").read_text():
        return None
    try:
        place = Debian(suite).unpacked(*names)
    except Unobtainable:
        return None
    program = str(place / "usr/bin/qemu-system-x86_64")
    firmware = ("-L", str(place / "usr/share/qemu"), "-L", "/usr/share/seabios")
    if subprocess.run([program, "--version"], capture_output=True, check=False).returncode:
        return None  # its libraries are those of the older one, which may lack some
    return Qemu((program, *firmware), 2, "max")


def payload(path: Path, files: Mapping[str, Path | bytes]) -> Path:
    """Write the tar that a guest finds in /payload: name → a file, a directory, or bytes."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            if isinstance(content, Path):
                tar.add(content, name, filter=_plain)
            else:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
    os.truncate(path, -(-path.stat().st_size // (1 << 20)) << 20)
    return path


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if "__pycache__" in entry.name:
        return None
    entry.uid = entry.gid = 0
    entry.mode |= 0o444 | (0o111 if entry.isdir() else 0)
    return entry


def boot(
    qemu: Qemu, kernel: Path, disks: Sequence[Disk], work: Path, *, timeout: float, words: str = "", memory: int = 1024
) -> Boot:
    """Boot *kernel* with *disks* (one of them the root image) and wait for its end, *timeout* seconds at most.

    A guest that falls silent before its script has started is booted once more: emulated processors sometimes hang.
    """
    for attempt in (1, 2):
        done = _once(qemu, kernel, disks, work, timeout, words, memory)
        if done.status is not None or "guest: " in done.console or attempt == 2:
            return done
    raise AssertionError("not reached")


def _once(qemu: Qemu, kernel: Path, disks: Sequence[Disk], work: Path, timeout: float, words: str, memory: int) -> Boot:
    results, log = work / "results.img", work / "console.log"
    results.write_bytes(b"")
    os.truncate(results, RESULTS)
    log.write_bytes(b"")
    append = f"console=ttyS0 panic=-1 oops=panic quiet root={ROOT} rootwait init=/init {_PATIENCE} {words}"
    argv: list[str | Path] = [*qemu.argv, "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", qemu.cpu]
    argv += ["-smp", str(qemu.processors), "-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-no-reboot", "-net", "none", "-serial", f"file:{log}", "-kernel", kernel, "-append", append]
    for number, disk in enumerate([*disks, Disk("results", results)]):
        snapshot = ",snapshot=on" if disk.scratch else ""
        argv += ["-drive", f"file={disk.path},format=raw,if=none,id=d{number},cache=unsafe{snapshot}"]
        argv += ["-device", f"nvme,serial={disk.serial},drive=d{number}"]
    start = time.monotonic()
    said = work / "qemu.log"
    with said.open("wb") as out, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as child:
        try:
            reason = _wait(child, log, timeout)
        finally:
            if child.poll() is None:
                child.kill()
    if not reason and child.returncode:
        reason = f"qemu ended with status {child.returncode}: {said.read_text(errors='replace').strip()}"
    seconds = time.monotonic() - start
    console = log.read_text(errors="replace")
    files = _read(results)
    results.unlink()
    status = files.pop("status", b"").strip()
    if not status.isdigit():
        return Boot(None, files, console, seconds, reason or "the guest ended without a result")
    return Boot(int(status), files, console, seconds, reason)


def _wait(child: subprocess.Popen[bytes], log: Path, timeout: float) -> str:
    """Wait for the end of qemu; why it was not waited for any longer, or nothing."""
    start = heard = time.monotonic()
    size = 0
    while True:
        try:
            child.wait(timeout=1)
            return ""
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if log.stat().st_size != size:
            size, heard = log.stat().st_size, now
        silence = SILENCE if size else BOOT
        if now - heard > silence:
            return f"not a word on the console for {silence:.0f} s"
        if now - start > timeout:
            return f"no end within {timeout:.0f} s"


def _read(results: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(results, "r:") as tar:
            found = {}
            for entry in tar:
                stream = tar.extractfile(entry) if entry.isreg() else None
                if stream is not None:
                    found[entry.name.removeprefix("./")] = stream.read()
            return found
    except tarfile.TarError:
        return {}
