"""The root file system of guests: Debian's packages, the embedded compiler, and a first process that runs one script.

No daemon, no network, no header of any kernel. NVMe controllers get their names in any order, so the kernel finds this
image, the one partition of its disk, by ROOT, and the guest the other disks by serial number: ``payload`` (a tar: files
for /payload), ``results`` (a tar comes back).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from builders.debian import CACHE, Debian
from builders.guest.kernels import merge
from builders.kernel_archive import Unobtainable

SUITE = "bookworm"
PACKAGES = ("python3.11", "kmod", "libbpf1", "dash", "coreutils", "util-linux", "mount", "tar", "sed")
MEGABYTES = 900


@dataclass(frozen=True)
class Content:
    """What is in an image; *label* begins its name in the cache."""

    label: str
    packages: tuple[str, ...]
    compiler: bool
    """Whether the embedded compiler is in it."""


PLAIN = Content("root", PACKAGES, compiler=True)
CONSUMERS = Content("consumers", (*PACKAGES, "bpfcc-tools", "bpftrace"), compiler=False)
"""With tools that compile by themselves; they bring LLVM as libraries, and kheaders has no compiler there."""

_SIGNATURE, _START = 0x6B686472, 2048
ROOT = f"PARTUUID={_SIGNATURE:08x}-01"
"""The value of ``root=``: the partition table's signature and the partition's number (block/early-lookup.c)."""

INIT = """#!/bin/sh
# The only process of the guest: file systems, the payload, the script in it, its results, power off.
export PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=755,nosuid,nodev run /run
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
mount -o remount,rw /
for controller in /sys/class/nvme/nvme*; do
    serial=$(tr -d ' ' <$controller/serial)
    for space in $controller/nvme*n1 $controller/nvme*c*n1; do
        [ -e "$space" ] && ln -sf /dev/$(basename $space | sed 's/c[0-9]*n/n/') /run/disk-$serial
    done
done
mkdir -p /payload /run/results
tar -xf /run/disk-payload -C /payload
echo "guest: $(uname -r) is up"
/usr/bin/python3.11 /payload/main.py
echo $? >/run/results/status
tar -cf /run/disk-results -C /run/results .
sync
echo "guest: done"
/usr/bin/python3.11 -c 'import ctypes; ctypes.CDLL(None).reboot(0x1234567)'
sleep 60
"""


def root_image(content: Content = PLAIN) -> Path:
    """The image, made once for each set of packages and compiler. Not to be changed. Raises Unobtainable."""
    debian = Debian(SUITE)
    names = debian.closure([*content.packages])
    packages = debian.fetch(names)
    zig = _zig() if content.compiler else None
    size = str(zig.stat().st_size) if zig is not None else ""
    told = "\n".join([*(package.name for package in packages), size, INIT, ROOT, str(MEGABYTES)])
    final = CACHE() / "guest" / f"{content.label}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.img"
    if final.exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    for old in final.parent.glob(f"{content.label}-*.img"):
        old.unlink()
    part = final.with_name(f"part-{os.getpid()}")
    with tempfile.TemporaryDirectory(prefix="vm-root-") as place:
        root = Path(place, "root")
        root.mkdir(mode=0o755)
        try:
            for package in packages:
                subprocess.run(["dpkg-deb", "-x", package, root], check=True)
            _complete(root, zig)
            options: list[str | Path] = [
                "-t",
                "ext4",
                "-O",
                "^has_journal",
                "-m",
                "0",
                "-E",
                f"offset={_START * 512}",
                "-d",
                root,
                part,
                f"{MEGABYTES}M",
            ]
            part.write_bytes(_partition_table())
            os.truncate(part, _START * 512 + (MEGABYTES << 20))
            subprocess.run(["/usr/sbin/mke2fs", "-q", *options], check=True)
            part.rename(final)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Unobtainable(f"the root file system of guests cannot be made: {error}") from error
        finally:
            part.unlink(missing_ok=True)
    return final


def _partition_table() -> bytes:
    """A master boot record with one partition of type Linux, which the image's file system fills."""
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", _START, MEGABYTES << 11)
    return struct.pack("<440xIH", _SIGNATURE, 0) + entry.ljust(64, b"\0") + b"\x55\xaa"


def _complete(root: Path, zig: Path | None) -> None:
    merge(root)
    for name in ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info", "usr/include"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "var/cache", "payload", "etc", "home/user"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    os.chown(root / "home/user", 1000, 1000)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nuser:x:1000:\n")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    if zig is not None:
        _put_compiler(root / "opt/ziglang", zig)


def _put_compiler(compiler: Path, zig: Path) -> None:
    (compiler / "lib").mkdir(parents=True)
    shutil.copy2(zig, compiler / "zig")
    shutil.copytree(zig.parent / "lib/include", compiler / "lib/include")
    for name in ("c.zig", "zig.h"):  # how zig knows its own directory
        if (zig.parent / "lib" / name).exists():
            shutil.copy2(zig.parent / "lib" / name, compiler / "lib" / name)
    shutil.copytree(zig.parent / "lib/std", compiler / "lib/std")
    (compiler / "__init__.py").write_text("")


def _zig() -> Path:
    import ziglang

    return Path(next(iter(ziglang.__path__))) / "zig"
