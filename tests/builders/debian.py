"""Packages of Debian's archive for tests, of any suite, kept between runs; nothing of the system is written.

    debian = Debian("bookworm")
    source = debian.unpacked("linux-source-6.1")           # a directory
    headers = debian.unpacked(debian.needed("linux-headers-cloud-amd64"))

They lie in ``~/.cache/kheaders-tests`` (see :mod:`builders.kernel_archive`): ``debian/SUITE/`` the packages,
``unpacked/`` what is in them. Raises :class:`builders.kernel_archive.Unobtainable`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from builders.kernel_archive import Unobtainable, default_cache, locked
from kheaders.errors import KheadersError
from kheaders.sources import aptsources
from kheaders.sources.aptrun import Apt, Package

CACHE = default_cache


class Debian:
    """One suite of Debian's archive, for one architecture."""

    def __init__(self, suite: str, architecture: str = "amd64") -> None:
        self.suite = suite
        self.architecture = architecture
        self.directory = CACHE() / "debian" / f"{suite}-{architecture}"

    @cached_property
    def apt(self) -> Apt:
        """apt with the lists of the suite, fetched once a process."""
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise Unobtainable("no apt-get or dpkg-deb here")
        root = Path("/")
        codename = aptsources.os_release(root).get("VERSION_CODENAME", "")
        with _explained():
            own = aptsources.system_entries(root)
            suite = None if self.suite == codename else self.suite
            groups = aptsources.derive(own, suite, codename)
            required, optional = (aptsources.for_architecture(entries, self.architecture) for entries in groups)
            self.directory.mkdir(parents=True, exist_ok=True)
            apt = Apt(self.directory / "apt", self.architecture)
            with locked(self.directory / ".lock"):  # apt refuses where another run is at it
                apt.update(required, optional)
        return apt

    def find(self, name: str) -> Package:
        """The newest package *name* of the suite."""
        found = self.apt.show(name)
        if found is None:
            raise Unobtainable(f"{self.suite} has no package {name}")
        return found

    def needed(self, name: str, pattern: str = r"linux-headers-\d[^ ]*") -> str:
        """The package that the meta-package *name* depends on, and whose name matches *pattern*."""
        depends = self.find(name).depends
        match = re.search(rf"(?:^|[ ,])({pattern})(?=[ ,(]|$)", depends)
        if match is None:
            raise Unobtainable(f"{name} of {self.suite} depends on nothing like {pattern}: {depends}")
        return match[1]

    def closure(self, names: Sequence[str]) -> list[str]:
        """*names* and all that they depend on, as apt would install them on an empty system."""
        self.find(names[0])
        argv: list[str | Path] = [
            "apt-get",
            "-q",
            "-c",
            self.directory / "apt/apt.conf",
            "-s",
            "install",
            "--no-install-recommends",
        ]
        done = subprocess.run([*argv, *names], capture_output=True, text=True, check=False)
        found = re.findall(r"^Inst (\S+)", done.stdout, re.M)
        if done.returncode or not found:
            raise Unobtainable(f"apt cannot install {' '.join(names)}: {done.stderr.strip()[-200:]}")
        return sorted(found)

    def fetch(self, names: Sequence[str]) -> list[Path]:
        """The package files, downloaded unless they are here."""
        wanted = [self.find(name) for name in names]
        missing = [package for package in wanted if not (self.directory / package.file_name).exists()]
        if missing:
            part = self.directory / f"part-{os.getpid()}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            try:
                with _explained():
                    self.apt.download(missing, part, None)
                for package in missing:
                    (part / package.file_name).rename(self.directory / package.file_name)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        return [self.directory / package.file_name for package in wanted]

    def unpacked(self, *names: str, label: str = "", then: Callable[[Path], None] | None = None) -> Path:
        """A directory with the content of the packages, made once; *then* may work on it before it counts as made."""
        packages = self.fetch(names)
        label = re.sub(r"[^\w.+-]", "_", label or packages[0].stem)
        digest = hashlib.sha256("".join(package.name for package in packages).encode()).hexdigest()[:8]
        final = CACHE() / "unpacked" / f"{label}-{digest}"
        if final.exists():
            return final
        part = final.with_name(f"{final.name}.{os.getpid()}")
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            for package in packages:
                subprocess.run(["dpkg-deb", "-x", package, part], check=True)
            if then is not None:
                then(part)
            part.rename(final)
        except (OSError, subprocess.CalledProcessError) as error:
            if not final.exists():  # else somebody else was quicker
                raise Unobtainable(str(error)) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return final


def kept(label: str) -> Path | None:
    """What was unpacked under that label before, of whatever version: without asking the archive for a newer one."""
    return next(iter(sorted((CACHE() / "unpacked").glob(f"{label}-????????"))), None)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except KheadersError as error:
        raise Unobtainable(str(error)) from error
