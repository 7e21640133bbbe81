"""The mount form: a header set shown at a directory, by a server of our own or by the kernel from an image.

Only directories that nobody else could exchange are mounted on (:mod:`kheaders.safepath`): as root, a mount at a place
that another user chose would hide what he likes.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kheaders.errors import FormError, ToolError, ToolMissing, UsageError
from kheaders.forms.directory import write
from kheaders.forms.filesystem import SUBTYPE, library, unmounted
from kheaders.headers.chain import Found
from kheaders.headers.headerset import HeaderSet
from kheaders.run import run, which
from kheaders.safepath import closing, open_dir
from kheaders.sources.candidate import ArchiveContent
from kheaders.store import Store

IMAGES = "erofs"
"""Kind of the images in the store."""
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_SERVER = re.compile(r"kheaders#.*#(\d+)\Z")
_PATIENCE = 60.0
"""Seconds that a server may take to mount."""


class Mounted(NamedTuple):
    """A mount: the topmost at its directory."""

    place: Path
    kind: str
    """``fuse.kheaders``, ``erofs``, or any other filesystem's name."""
    source: str

    @property
    def server(self) -> int | None:
        """Number of the process that serves it; None for an image's, or one that is none of ours."""
        match = _SERVER.match(self.source) if self.kind == f"fuse.{SUBTYPE}" else None
        return int(match[1]) if match else None

    @property
    def alive(self) -> bool:
        """Whether it can be used."""
        if self.server is None:
            return True
        try:
            with open(f"/proc/{self.server}/stat", "rb") as stat:
                state = stat.read().rpartition(b") ")[2][:1]
        except OSError:
            return False
        return state not in b"ZX"  # killed, and nobody has waited for it yet: some containers never do


def find(directory: Path) -> Mounted | None:
    """What is mounted at *directory*, or None. It is not touched: one whose server hangs would not answer."""
    place = Path(os.path.abspath(directory))
    found = None
    for line in _MOUNTS.read_text(errors="surrogateescape").splitlines():
        fields, _, more = line.partition(" - ")
        kind, source = more.split(" ")[:2]
        if _plain(fields.split(" ")[4]) == str(place):
            found = Mounted(place, kind, _plain(source))
    return found


def mount(found: Found, directory: Path, *, idle: float = 0) -> Mounted:
    """Mount the headers *found* at *directory* by a server that lives on in the background until it is unmounted.

    With *idle*, it unmounts itself after so many seconds without use. Raises UsageError, FormError, UnsafePath,
    ToolMissing, StoreError.
    """
    place = check_mount_point(directory)
    library()
    if not os.path.exists("/dev/fuse"):
        raise FormError("/dev/fuse: is not there", "load the module fuse, or use 'kheaders extract'")
    if os.geteuid() and which("fusermount3") is None:
        raise ToolMissing("fusermount3: no such program", "install it (Debian: apt install fuse3), or be root")
    source = f"kheaders#{found.facts.release or 'unknown'}#PID"
    with _snapshot(found) as archive:
        words = [sys.executable, "-P", "-m", "kheaders.cli.mountserver", str(place), str(archive), source, str(idle)]
        done = run(words, pass_fds=(archive,), cwd="/", timeout=_PATIENCE, check=False)
    mounted = find(place)
    if done.returncode or mounted is None:
        lines = done.errors.strip().splitlines() or ["no message"]
        told = next((line for line in lines if line.startswith("fuse")), lines[-1])
        raise FormError(f"{place}: cannot be mounted ({told})", "use 'kheaders extract', or --form memory")
    return mounted


def mount_image(found: Found, directory: Path, store: Store) -> Mounted:
    """Mount the headers *found* at *directory* from an erofs image, which is kept in the store. No process stays.

    Raises FormError where this is not root, ToolMissing without erofs-utils, and as :func:`mount`.
    """
    place = check_mount_point(directory)
    if os.geteuid():
        raise FormError("an image is mounted by the kernel, which takes root", "leave --image out: FUSE needs no root")
    maker = which("mkfs.erofs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if maker is None:
        raise ToolMissing("mkfs.erofs: no such program", "install it (Debian: apt install erofs-utils)")
    image = _image(found.headers, place, store, maker)
    options = "loop,ro,nosuid,nodev,noexec"
    try:
        run(["mount", "-t", "erofs", "-o", options, image, place], timeout=_PATIENCE)
    except ToolError as error:
        raise FormError(f"{place}: the image cannot be mounted ({error.what})", "leave --image out") from error
    mounted = find(place)
    if mounted is None:
        raise FormError(f"{place}: is not mounted although mount succeeded", "look at 'dmesg'")
    return mounted


def unmount(directory: Path, store: Store, *, lazy: bool = False) -> Mounted:
    """Unmount *directory*, also where its server was killed, and wait for its server's end.

    With *lazy*, also one that is in use: it vanishes now, and ends with its last user. Raises FormError if it is no
    mount of kheaders, or in use.
    """
    mounted = find(directory)
    if mounted is None:
        raise FormError(f"{directory}: nothing is mounted there", "'findmnt -t fuse.kheaders,erofs' lists mounts")
    if not _ours(mounted, store):
        raise FormError(
            f"{directory}: is a mount of {mounted.kind} ({mounted.source}), not one of kheaders", "use umount"
        )
    if lazy:
        command = ["umount", "--lazy"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        run([*command, mounted.place], timeout=_PATIENCE)
    elif not unmounted(str(mounted.place)):
        raise FormError(f"{directory}: is in use", "leave it and close its files, or use --lazy")
    end = time.monotonic() + 5
    while not lazy and mounted.server and mounted.alive and time.monotonic() < end:
        time.sleep(0.01)
    return mounted


def identity(directory: Path) -> HeaderSet:
    """The two headers of a mounted or extracted tree that flags depend on. Raises FormError."""
    files = {}
    mounted = find(directory)
    if mounted is not None and not mounted.alive:
        raise dead(mounted)  # though the kernel may still have these two in its cache
    for name in ("autoconf.h", "utsrelease.h"):
        path = f"include/generated/{name}"
        try:
            files[path] = (directory / path).read_bytes()
        except OSError as error:
            raise FormError(f"{directory / path}: cannot be read ({error.strerror})", "mount headers there") from error
    return HeaderSet(files, name=str(directory))


def dead(mounted: Mounted) -> FormError:
    """The error for a mount whose server was killed."""
    return FormError(f"{mounted.place}: the server of this mount is gone", f"run: kheaders umount {mounted.place}")


def check_mount_point(directory: Path) -> Path:
    """The absolute path of *directory*, which must be empty, and not a mount.

    Raises UsageError, FormError, and UnsafePath where somebody else could exchange it.
    """
    place = Path(os.path.abspath(directory))
    mounted = find(place)
    if mounted is not None:
        if not mounted.alive:
            raise dead(mounted)
        ours = mounted.server is not None
        hint = f"run: kheaders umount {place}" if ours else "name another directory"
        raise FormError(f"{place}: something is mounted there already ({mounted.source})", hint)
    try:
        descriptor = open_dir(place)
    except FileNotFoundError:
        raise UsageError(f"{place}: no such directory", f"make it: mkdir {place}") from None
    with closing(descriptor):
        if os.listdir(descriptor):
            raise UsageError(f"{place}: is not empty", "name an empty directory")
    return place


@contextmanager
def _snapshot(found: Found) -> Iterator[int]:
    """The archive of the headers in memory, compressed: so the mount needs its source no more.

    Raises FormError if it is not the one that was verified.
    """
    content = found.candidate.content
    if isinstance(content, ArchiveContent):
        with content.open() as stream:
            data = stream.read()
        if HeaderSet.from_archive(io.BytesIO(data)).digest != found.facts.digest:
            raise FormError(f"{found.candidate.location}: changed while it was read", "run the command again")
    else:
        data = _archive(found.headers)
    with open(os.memfd_create("kheaders-archive"), "wb") as file:
        file.write(data)
        file.flush()
        yield file.fileno()


def _archive(headers: HeaderSet) -> bytes:
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path, data in headers.files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for path, target in headers.links.items():
            member = tarfile.TarInfo(f"./{path}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return out.getvalue()


def _image(headers: HeaderSet, place: Path, store: Store, maker: Path) -> Path:
    """The image of *headers* for *place*, which its overlay names, in the store."""
    import hashlib

    key = hashlib.sha256(f"{headers.digest}\0{place}".encode("utf-8", "surrogateescape")).hexdigest()
    known = store.file(IMAGES, key)
    if known is not None:
        return known
    with store.scratch() as work:
        (work / "tree").mkdir(mode=0o755)
        with closing(os.open(work / "tree", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as descriptor:
            write(headers, descriptor, place)
        made = work / "image"
        run([maker, "-zlz4", "-T0", "--all-root", "--quiet", made, work / "tree"])
        data = made.read_bytes()
    meta = {"release": headers.release, "source": headers.name, "place": str(place)}
    return store.publish_file(IMAGES, key, data, suffix=".erofs", meta=meta).path


def _ours(mounted: Mounted, store: Store) -> bool:
    if mounted.kind == f"fuse.{SUBTYPE}":
        return mounted.server is not None
    if mounted.kind != "erofs" or not mounted.source.startswith("/dev/loop"):
        return False
    try:
        backing = Path(f"/sys/block/{mounted.source[5:]}/loop/backing_file").read_text().rstrip("\n")
    except OSError:
        return False
    cache = store.place("persistent")
    return cache is not None and backing.startswith(f"{cache}/files/{IMAGES}/")


def _plain(field: str) -> str:
    """A field of mountinfo without its escapes (proc(5))."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
