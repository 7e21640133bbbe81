"""bcc and bpftrace as Debian packages them, unpacked aside: nothing is installed.

Kept in the tests' cache: ``consumers/root``. They run under ``/usr/bin/python3``, for which the packages are made.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builders import need
from builders.kernel_archive import Unobtainable, default_cache, locked

PACKAGES = (
    *("python3-bpfcc", "bpfcc-tools", "libbpfcc", "bpftrace"),
    *("libbpf1", "libclang-cpp14", "libclang1-14", "libllvm14", "libdw1", "libedit2", "libbsd0"),
)
PYTHON = Path("/usr/bin/python3")
_CHECKED = "import bcc, sys; assert sys.version_info >= (3, 11)"

COMPILE = """\
import ctypes, json, os, sys
from bcc import lib

def code(module, function):
    # the numbers of maps are descriptors, so only their order counts
    raw = bytearray(ctypes.string_at(lib.bpf_function_start(module, function), lib.bpf_function_size(module, function)))
    maps = {}
    for at in range(0, len(raw), 8):
        if raw[at] == 0x18 and raw[at + 1] >> 4:
            raw[at + 4 : at + 8] = maps.setdefault(bytes(raw[at + 4 : at + 8]), len(maps)).to_bytes(4, "little")
    return raw.hex()

with open(sys.argv[1], "rb") as file:
    text = file.read()
module = lib.bpf_module_create_c_from_string(text, 0, None, 0, True, None)
names = [lib.bpf_function_name(module, i) for i in range(lib.bpf_num_functions(module))] if module else []
print(json.dumps({name.decode(): code(module, name) for name in names}))
sys.exit(0 if module else 3)
"""
"""Compiles the program in a file as bcc's BPF class does, and prints each function's code; loads nothing."""


def root(cache: Path | None = None) -> Path:
    """The directory in which the packages lie unpacked. Raises Unobtainable."""
    place = (cache or default_cache()) / "consumers"
    place.mkdir(parents=True, exist_ok=True)
    with locked(place / ".lock"):
        ready = place / "ready"
        if not ready.exists():
            if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
                raise Unobtainable("no apt-get here")
            shutil.rmtree(place / "root", ignore_errors=True)
            shutil.rmtree(place / "debs", ignore_errors=True)
            (place / "debs").mkdir()
            done = subprocess.run(
                ["apt-get", "-qq", "download", *PACKAGES],
                cwd=place / "debs",
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise Unobtainable(f"bcc cannot be downloaded: {done.stderr.strip()[-200:]}")
            for deb in sorted((place / "debs").glob("*.deb")):
                subprocess.run(["dpkg-deb", "-x", deb, place / "root"], check=True)
            shutil.rmtree(place / "debs")
            ready.touch()
    return place / "root"


def environment(root: Path) -> dict[str, str]:
    """Variables with which programs of *root* run."""
    return {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("KHEADERS_", "BCC_", "BPFTRACE_"))
        },
        "LD_LIBRARY_PATH": str(next((root / "usr/lib").glob("*/libbcc.so.0")).parent),
        "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def obtained() -> Path:
    """The packages' root, where bcc can be imported from it; else the test is skipped with the reason."""
    if not (default_cache() / "consumers/ready").exists():
        need.network()
    need.root()  # it makes maps
    try:
        place = root()
    except (Unobtainable, OSError) as error:
        need.missing(f"no bcc: {error}")
    done = subprocess.run([PYTHON, "-c", _CHECKED], env=environment(place), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        need.missing(f"bcc cannot be imported by {PYTHON}: {done.stderr.strip()[-200:]}")
    return place


def codes(done: subprocess.CompletedProcess[bytes]) -> Mapping[str, str]:
    """What COMPILE printed: function → code."""
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    found: Any = json.loads(done.stdout)
    return dict(found)
