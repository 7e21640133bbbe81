"""Kernels and programs over which slices are proven: Debian's kernels, its BPF samples, and our own.

Our own are in tests/corpus.

Everything is fetched by apt and kept in the tests' cache: ``fetched/SUITE-ARCH``, ``samples-6.1``.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from builders.kernel_archive import Unobtainable, default_cache
from kheaders.debpkg import headers_from_debs
from kheaders.errors import KheadersError
from kheaders.headers.headerset import HeaderSet
from kheaders.sources.apt import FetchRequest, fetch

OWN = Path(__file__).resolve().parents[1] / "corpus"
SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", "7.2": "sid"}
ALL = [f"{version}-{architecture}" for version in SUITES for architecture in ("amd64", "arm64")]
_SOURCE = "linux-source-6.1"
_WANTED = (
    "samples/bpf/",
    "tools/lib/bpf/",
    "tools/testing/selftests/bpf/bpf_",
    "scripts/bpf_doc.py",
    "include/uapi/linux/bpf.h",
)
_KERNEL_HEADER = re.compile(rb"^[ \t]*#[ \t]*include[ \t]*<(?:linux|net|uapi|asm|generated)/", re.M)


def chosen(usual: list[str]) -> list[str]:
    """The kernels to run over: those that KHEADERS_TEST_KERNELS names (``all``, or a list of ALL's), or the *usual*."""
    asked = os.environ.get("KHEADERS_TEST_KERNELS", "")
    return ALL if asked == "all" else [name for name in asked.split(",") if name] or usual


def own_programs() -> list[Path]:
    """The programs of this project."""
    return sorted(OWN.glob("*.bpf.c"))


def headers(version: str, architecture: str, cache: Path | None = None) -> HeaderSet:
    """Headers of Debian's cloud kernel *version*. Raises Unobtainable."""
    suite = SUITES[version]
    place = (cache or default_cache()) / "fetched" / f"{suite}-{architecture}"
    package = f"linux-headers-cloud-{architecture}"
    try:
        fetched = fetch(FetchRequest(package=package, suite=suite, architecture=architecture), place)
        return HeaderSet(headers_from_debs(fetched.paths), name=fetched.release)
    except KheadersError as error:
        raise Unobtainable(str(error)) from error


class Samples:
    """The BPF programs of a kernel's source, and the directories of their own headers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.includes = tuple(str(root / name) for name in ("libbpf", "samples/bpf", "tools/testing/selftests/bpf"))

    def programs(self) -> list[Path]:
        """Those that include kernel headers: ``*_kern.c``, ``*.bpf.c`` and programs for the old ``iproute2``."""
        found = sorted((self.root / "samples/bpf").glob("*.c"))
        texts = {path: path.read_bytes() for path in found}
        return [path for path, text in texts.items() if _KERNEL_HEADER.search(text) and b"SEC(" in text]


def samples(cache: Path | None = None) -> Samples:
    """The samples of Debian's 6.1 source, with libbpf's headers from the same tree. Raises Unobtainable."""
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    final = cache / "samples-6.1"
    with (cache / ".samples.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.is_dir():
            part = cache / "samples-6.1.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            _unpack_source(part)
            lay_out_libbpf(part)
            part.rename(final)
    return Samples(final)


def _unpack_source(place: Path) -> None:
    _run(["apt-get", "-qq", "download", _SOURCE], place)
    deb = next(place.glob("*.deb"))
    _run(["dpkg-deb", "-x", str(deb), "deb"], place)
    (archive,) = place.glob(f"deb/usr/src/{_SOURCE}.tar.*")
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            if member.isfile() and name.startswith(_WANTED):
                member.name = name
                tar.extract(member, place, filter="data")
    deb.unlink()
    shutil.rmtree(place / "deb")


def lay_out_libbpf(place: Path) -> None:
    """libbpf's headers as ``make install_headers`` lays them out: ``bpf/*.h``, one of them generated."""
    into = place / "libbpf/bpf"
    into.mkdir(parents=True)
    for path in (place / "tools/lib/bpf").glob("*.h"):
        shutil.copy(path, into)
    script = place / "scripts/bpf_doc.py"
    text = _run(["python3", str(script), "--header", "--file", "include/uapi/linux/bpf.h"], place)
    (into / "bpf_helper_defs.h").write_text(text)


def _run(argv: list[str], cwd: Path) -> str:
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    except OSError as error:
        raise Unobtainable(f"{argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Unobtainable(f"{argv[0]} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout
