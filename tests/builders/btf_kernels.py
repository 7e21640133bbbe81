"""BTF of Debian's kernels and the kernel's own tests of it: packages, downloaded aside, of which little is kept.

Nothing is installed. ``btf-SERIES`` (the BTF in an image) and ``btf-selftests/`` are kept beside the other downloads.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from builders.kernel_archive import Unobtainable, default_cache
from kheaders.btf.container import btf_of_file
from kheaders.sources import bootimage

SERIES = ("6.1", "6.12", "7.2")
SUITES = ("bookworm", "bookworm-backports", "trixie", "sid")
"""Where Debian's archive has them."""
MIRROR = "http://deb.debian.org/debian"
_PROGS = "*/tools/testing/selftests/bpf/progs/btf_dump_test_case_*.c"


def vmlinux_btf(series: str) -> Path:
    """The BTF of the newest cloud kernel of a *series*. Raises Unobtainable."""
    target = default_cache() / f"btf-{series}"
    if target.exists():
        return target
    pattern = rf"linux-(image|binary)-{re.escape(series)}\.[\w.+~-]*cloud-amd64$"
    with tempfile.TemporaryDirectory(prefix="btf-") as name:
        work = Path(name)
        deb = download(work, pattern)
        run("dpkg-deb", "-x", deb, work / "root")
        images = sorted((work / "root").rglob("vmlinuz*"))
        if not images:
            raise Unobtainable(f"{deb.name} holds no kernel image")
        _keep(btf_of_file(images[0], unpack=bootimage.unpack).btf, target)
    return target


def cached_self_tests() -> Path | None:
    """The self-tests if they were fetched before."""
    target = default_cache() / "btf-selftests"
    return target if target.is_dir() else None


def self_tests() -> Path:
    """The directory with ``btf_dump_test_case_*.c`` of linux-source-6.1. Raises Unobtainable."""
    target = default_cache() / "btf-selftests"
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix="btf-") as name:
        work = Path(name)
        deb = download(work, r"linux-source-6\.1$")
        run("dpkg-deb", "-x", deb, work / "root")
        archive = next((work / "root").rglob("linux-source-*.tar.xz"))
        (work / "cases").mkdir()
        run("tar", "-xJf", archive, "-C", work / "cases", "--wildcards", _PROGS, "--transform", "s,.*/,,")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(work / "cases", target)
    return target


def download(work: Path, pattern: str) -> Path:
    """The newest package whose name matches *pattern*, in *work*, by apt with lists of its own."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unobtainable("no apt-get or dpkg-deb here to download a package with")
    options = _own_lists(work)
    run("apt-get", "-qq", *options, "update")
    names = run("apt-cache", *options, "pkgnames", "linux-").split()
    found = [name for name in names if re.match(pattern, name)]
    if not found:
        raise Unobtainable(f"Debian's archive has no package {pattern}")
    newest = max(found, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])
    run("apt-get", "-qq", *options, "download", newest, cwd=work)
    return next(work.glob("*.deb"))


def _own_lists(work: Path) -> tuple[str, ...]:
    for below in ("lists/partial", "cache/archives/partial"):
        (work / below).mkdir(parents=True)
    (work / "sources.list").write_text("".join(f"deb {MIRROR} {suite} main\n" for suite in SUITES))
    settings = {
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "APT::Architecture": "amd64",
    }
    return tuple(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))


def run(*argv: str | Path, cwd: Path | None = None) -> str:
    """What a program prints. Raises Unobtainable if it fails."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise Unobtainable(f"{argv[0]} failed: {last[0]}")
    return done.stdout


def _keep(data: object, target: Path) -> None:
    assert isinstance(data, bytes)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f"{target.name}.new")
    new.write_bytes(data)
    new.replace(target)
