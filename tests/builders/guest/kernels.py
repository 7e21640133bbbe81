"""Debian's stock kernels, as guests boot them, and their headers, as modules and archives are made from."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from builders.debian import Debian
from builders.kernel_archive import Unobtainable
from builders.need import CHECKOUT

SERIES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "bookworm-backports", "7.2": "sid"}
"""The kernels that guests run → the suite that has them."""

_TOOLCHAIN = ("make", "dash", "coreutils", "sed", "grep", "mawk", "findutils", "diffutils", "python3")


@dataclass(frozen=True)
class GuestKernel:
    """One kernel with its headers, unpacked. Not to be changed."""

    series: str
    release: str
    image: Path
    """The kernel that qemu boots."""
    headers: tuple[Path, ...]
    """The header packages: the architecture's own, the common one, and the programs of its build."""

    @property
    def debs(self) -> tuple[Path, ...]:
        """The packages that have headers."""
        return self.headers[:2]


def obtain(series: str) -> GuestKernel:
    """The newest kernel of *series*, downloaded once. Raises Unobtainable."""
    debian = Debian(SERIES[series])
    meta = "linux-headers-cloud-amd64"
    headers = debian.needed(meta)
    release = headers.removeprefix("linux-headers-")
    if not release.startswith(f"{series}."):
        raise Unobtainable(f"{SERIES[series]} has a kernel {release}, and none of {series}")
    needs = (debian.needed(headers, r"linux-headers-[^ ]*-common"), debian.needed(headers, r"linux-kbuild-[^ ,]*"))
    image = f"linux-image-{release}"
    binary = f"linux-binary-{release}"  # where the image is kept since 7
    package = binary if debian.apt.show(binary) else image
    root = debian.unpacked(package)
    found = [*root.glob("boot/vmlinuz-*"), *root.glob("usr/lib/modules/*/vmlinuz")]
    if not found:
        raise Unobtainable(f"{package} holds no kernel")
    return GuestKernel(series, release, found[0], tuple(debian.fetch((headers, *needs))))


def build_module(kernel: GuestKernel, archive: Path, output: Path) -> None:
    """``kheaders module build`` for *kernel*, with a compiler of Debian's that is new enough for it.

    It runs in a root of its own with the header packages where they belong, so that nothing is put right by hand.
    """
    with _root(kernel) as root:
        (root / "work").mkdir()
        shutil.copytree(CHECKOUT / "src/kheaders", root / "work/kheaders")
        shutil.copy(archive, root / "work/kheaders.tar.xz")
        words = ["--archive", "/work/kheaders.tar.xz", "-o", "/work/out.ko", "--kernel", kernel.release]
        argv = [*_entered(root), "python3", "-m", "kheaders", "module", "build", *words, "--cache", "/work/cache"]
        argv += ["--compiler", "gcc-12"] if kernel.series == "5.10" else []
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "/work", "HOME": "/work"}
        done = subprocess.run([*argv, "-v"], env=environ, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        shutil.copy(root / "work/out.ko", output)


def _entered(root: Path) -> list[str | Path]:
    """The words that run a command in *root*, with a /proc (objtool reads it) that nobody else sees and that goes with
    the command."""
    script = 'mount -t proc proc "$1/proc" && exec chroot "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", root]


@contextmanager
def _root(kernel: GuestKernel) -> Iterator[Path]:
    """A root with the kernel's headers, make and a compiler, in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="vm-build-") as place:
        root = Path(place, "root")
        subprocess.run(["cp", "-a", "--reflink=auto", toolchain(kernel.series), root], check=True)
        for deb in kernel.headers:
            _extract(deb, root)
        yield root


@cache
def toolchain(series: str) -> Path:
    """Debian's make, compiler and python3 for *series*, unpacked; a root that can be entered.

    That of 5.10 is a later one than its own: bullseye's Python is older than kheaders takes.
    """
    suite, compiler = ("sid", "gcc-16") if series == "7.2" else ("bookworm", "gcc-12")
    debian = Debian(suite)
    names = debian.closure([compiler, "libelf1t64" if suite == "sid" else "libelf1", *_TOOLCHAIN])
    return debian.unpacked(*names, label=f"toolchain-{suite}", then=_make_root)


def _make_root(place: Path) -> None:
    """What unpacked packages lack to be entered: their links and the null device."""
    merge(place)
    (place / "dev").mkdir(exist_ok=True)
    subprocess.run(["mknod", "-m", "666", place / "dev/null", "c", "1", "3"], check=True)
    for name in ("tmp", "proc"):
        (place / name).mkdir(exist_ok=True)
    for link, target in (("awk", "mawk"), ("python3", "python3.11")):
        path = place / "usr/bin" / link
        if not path.exists() and (place / "usr/bin" / target).exists():
            path.symlink_to(target)


def merge(root: Path) -> None:
    """Move what lies in /bin, /sbin and /lib below /usr, and put links there, as the distribution's installer does."""
    for name in ("bin", "sbin", "lib", "lib64"):
        old, new = root / name, root / "usr" / name
        if old.is_symlink():
            continue
        new.mkdir(parents=True, exist_ok=True)
        if old.is_dir():
            subprocess.run(["cp", "-a", "--remove-destination", f"{old}/.", new], check=True)
            shutil.rmtree(old)
        old.symlink_to(f"usr/{name}")


def _extract(deb: Path, root: Path) -> None:
    """Unpack a package over a merged root, whose links of directories stay."""
    data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    argv: list[str | Path] = ["tar", "-xf", "-", "-C", root, "--keep-directory-symlink"]
    done = subprocess.run(argv, stdin=data.stdout, check=False)
    if data.stdout is not None:
        data.stdout.close()
    assert data.wait() == 0 and done.returncode == 0, f"{deb} cannot be unpacked"
