"""What a test needs from the machine: a skip with its reason, or a failure where the set-up should have provided it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

PACKAGE_OF = {
    "bpftool": "bpftool",
    "clang": "clang",
    "fusermount3": "fuse3",
    "cpio": "cpio",
    "insmod": "kmod",
    "gcc": "gcc",
    "ld": "binutils",
    "llvm-objdump": "llvm",
    "lz4": "lz4",
    "lzop": "lzop",
    "mkfs.erofs": "erofs-utils",
    "make": "make",
    "modprobe": "kmod",
    "perl": "perl",
    "qemu-system-x86_64": "qemu-system-x86",
    "strace": "strace",
    "strip": "binutils",
    "xz": "xz-utils",
    "zstd": "zstd",
}
"""Program → the package that ``.ci/tools`` installs for it."""


def tool(name: str) -> Path:
    """The program *name*; without it the test is skipped, or fails where ``make test`` should have installed it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found:
        return Path(found)
    missing(f"the program {name} is not installed", package=PACKAGE_OF.get(name))


def missing(reason: str, *, package: str | None = None) -> NoReturn:
    """Skip with *reason*; fail instead if *package* is one that the set-up of a CI machine installs."""
    if package is not None and promised(package):
        pytest.fail(f"{reason}, though `make test` installs {package} on this machine", pytrace=False)
    pytest.skip(reason)


def root() -> None:
    """Skip the test unless it runs as root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


def guests() -> None:
    """Skip the test unless guests were asked for (``make test-vm`` does); fail where that should have qemu."""
    if os.environ.get("KHEADERS_TEST_GUESTS") != "1":
        pytest.skip("guests are booted by `make test-vm` only")
    root()
    tool("qemu-system-x86_64")


def network() -> None:
    """Skip the test where downloads were turned off."""
    if os.environ.get("KHEADERS_TEST_NETWORK") == "0":
        pytest.skip("downloads are turned off by KHEADERS_TEST_NETWORK=0")


@cache
def promised(package: str) -> bool:
    """Whether this is a CI machine on which ``.ci/tools`` installs *package*: root, apt, and a candidate to install."""
    if os.environ.get("CI") != "true" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    listed = subprocess.run([CHECKOUT / ".ci/tools", "--list"], capture_output=True, text=True, check=True).stdout
    policy = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False).stdout
    return package in listed.split() and "Candidate:" in policy and "Candidate: (none)" not in policy
