"""Real headers for tests and benches: a distribution's packages, downloaded, unpacked aside, packed as a kernel would.

Nothing is installed. All of it is kept in ``$XDG_CACHE_HOME/kheaders-tests`` (``~/.cache/kheaders-tests``), so that one
download serves every run: ``debs/``, ``root/`` (unpacked), ``kheaders.tar.xz``.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SRCARCH = {"amd64": "x86", "arm64": "arm64", "riscv64": "riscv", "s390x": "s390", "ppc64el": "powerpc", "armhf": "arm"}
META_PACKAGES = ("linux-headers-cloud-{}", "linux-headers-{}", "linux-headers-virtual", "linux-headers-generic")
"""Tried in this order: small cloud kernels before full ones, Debian's names before Ubuntu's."""


class Unobtainable(Exception):
    """The packages cannot be had on this machine; the text is the reason."""


@dataclass(frozen=True)
class DebianHeaders:
    """Headers of one kernel as the distribution ships them, and as the archive that such a kernel would carry."""

    release: str
    srcarch: str
    root: Path
    """The packages, unpacked: ``usr/src/linux-headers-…``, ``lib/modules/…``."""
    layers: tuple[Path, ...]
    """The common directory and the one with the generated files; the last one wins."""
    debs: tuple[Path, ...]
    archive: Path
    """``kheaders.tar.xz`` of both layers, made like kernel/gen_kheaders.sh makes it."""


def obtain(cache: Path | None = None) -> DebianHeaders:
    """The headers, from *cache* if it has them whole; else downloaded by apt. Raises Unobtainable."""
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / ".lock"):
        ready = cache / "ready"
        if not ready.exists():
            for name in ("debs", "root", "kheaders.tar.xz"):
                _remove(cache / name)
            debs = download(cache / "debs")
            for deb in debs:
                _run(["dpkg-deb", "-x", deb, cache / "root"])
            layers = find_layers(cache / "root")[2]
            pack(((path, strip_comments(data)) for path, data in merge(layers)), cache / "kheaders.tar.xz")
            ready.touch()
        release, srcarch, layers = find_layers(cache / "root")
    debs = tuple(sorted((cache / "debs").glob("*.deb")))
    return DebianHeaders(release, srcarch, cache / "root", layers, debs, cache / "kheaders.tar.xz")


def default_cache() -> Path:
    """Where downloads are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kheaders-tests"


def download(directory: Path) -> tuple[Path, ...]:
    """Download one kernel's header packages into *directory* by apt: with the system's lists, else with its own."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unobtainable("no apt-get or dpkg-deb here to download a header package with")
    directory.mkdir(parents=True)
    machine = _run(["dpkg", "--print-architecture"]).strip()
    own = directory.parent / "apt"
    reason = "apt failed"
    for own_lists in (False, True):
        options = _own_lists(own) if own_lists else ()
        try:
            if own_lists:
                _run(["apt-get", "-qq", *options, "update"])
            packages = header_packages(machine, options)
            if packages:
                _run(["apt-get", "-qq", *options, "download", *packages], cwd=directory)
                return tuple(sorted(directory.glob("*.deb")))
            reason = f"apt knows none of the header packages for {machine}"
        except Unobtainable as error:
            reason = str(error)
        finally:
            _remove(own)
    raise Unobtainable(reason)


def header_packages(machine: str, options: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the package with the generated headers and the one with the common headers, or nothing."""
    for template in META_PACKAGES:
        meta = template.format(machine)
        real = _depends(meta, options)
        if meta.endswith("virtual"):  # Ubuntu's virtual is one more step away
            real = [deeper for name in real for deeper in (_depends(name, options) or [name])]
        for generated in real:
            if re.match(r"linux-headers-\d", generated):
                needed = _depends(generated, options)
                common = [name for name in needed if re.match(r"linux-(.*-)?headers-\d", name)]
                return (generated, *common)
    return ()


def find_layers(root: Path) -> tuple[str, str, tuple[Path, ...]]:
    """Release, SRCARCH and the layers (common, generated) of the packages unpacked below *root*."""
    for autoconf in sorted(root.glob("usr/src/*/include/generated/autoconf.h")):
        generated = autoconf.parents[2]
        text = (generated / "include/generated/utsrelease.h").read_text()
        found = re.search(r'UTS_RELEASE "([^"]+)"', text)
        archs = [p.parent.parent.name for p in generated.glob("arch/*/include/generated")]
        if found and archs:
            others = [
                d for d in sorted((root / "usr/src").iterdir()) if d != generated and (d / "include/linux").is_dir()
            ]
            return found[1], archs[0], (*others, generated)
    raise Unobtainable(f"no header tree below {root}")


def merge(layers: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each header below include/ and arch/SRCARCH/include, sorted; the last layer wins."""
    archs = {p.parent.parent.name for p in layers[-1].glob("arch/*/include/generated")}
    files: dict[str, Path] = {}
    for layer in layers:
        for below in ("include", *(f"arch/{arch}/include" for arch in sorted(archs))):
            for directory, _, names in os.walk(layer / below, followlinks=True):
                for name in names:
                    path = Path(directory, name)
                    if name.endswith(".h") and path.is_file():
                        files[path.relative_to(layer).as_posix()] = path
    for name in sorted(files):
        yield name, files[name].read_bytes()


def strip_comments(data: bytes) -> bytes:
    """*data* without its comments, by the rule of kernel/gen_kheaders.sh."""
    return re.sub(rb"/\*(?:(?!SPDX).)*?\*/", b"", data, flags=re.DOTALL)


def pack(files: Iterator[tuple[str, bytes]] | Mapping[str, bytes], archive: Path, *, mode: str = "w:xz") -> Path:
    """Write *files* to *archive* as kernel/gen_kheaders.sh does: ``./`` names, directories too, owner 0:0, xz."""
    temporary = archive.with_name(archive.name + ".new")
    made: set[str] = set()
    with tarfile.open(temporary, mode, format=tarfile.GNU_FORMAT) as tar:  # type: ignore[call-overload]
        for name, data in files.items() if isinstance(files, Mapping) else files:
            parts = name.split("/")[:-1]
            for depth in range(len(parts) + 1):
                directory = "/".join([".", *parts[:depth]])
                if directory not in made:
                    made.add(directory)
                    tar.addfile(_entry(directory, tarfile.DIRTYPE, 0o755))
            tar.addfile(_entry(f"./{name}", tarfile.REGTYPE, 0o644, len(data)), io.BytesIO(data))
    temporary.replace(archive)
    return archive


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.uname, entry.gname = kind, mode, size, "root", "root"
    return entry


def _depends(package: str, options: Sequence[str]) -> list[str]:
    done = subprocess.run(
        ["apt-cache", *options, "depends", "--important", package], capture_output=True, text=True, check=False
    )
    return re.findall(r"^ +Depends: (\S+)$", done.stdout, re.MULTILINE)


def _own_lists(directory: Path) -> tuple[str, ...]:
    (directory / "lists/partial").mkdir(parents=True, exist_ok=True)
    (directory / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    return ("-o", f"Dir::State::Lists={directory}/lists", "-o", f"Dir::Cache={directory}/cache")


def _run(argv: Sequence[str | Path], cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise Unobtainable(f"{argv[0]} failed: {last[0]}")
    return done.stdout


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other runs out for the time of the body."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
