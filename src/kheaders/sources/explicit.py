"""What the user named: an archive, a directory, a module, a kernel image or packages, told apart by content."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from kheaders import compression
from kheaders.debpkg import (
    AR_MAGIC,
    UTSRELEASE,
    PackageTree,
    control,
    file_name,
    header_dependencies,
    is_header_package,
    release_in_utsrelease,
    source_in_makefile,
)
from kheaders.errors import ArchiveError, KheadersError
from kheaders.kernel import check_release
from kheaders.places import MODULES
from kheaders.sources.build import BuildSource
from kheaders.sources.candidate import ArchiveContent, Candidate, FilesContent, Rejection, Request
from kheaders.sources.distro import DistroSource
from kheaders.sources.trees import AUTOCONF, KCONFIG, examine, read_small

SOURCE = "explicit"

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KNOWN = "name an archive, a header directory, a module, a kernel image or a .deb"
_BLOCK = 512
_KINDS = ("tar", "module", "image", "deb", "rpm")
_RPM = b"\xed\xab\xee\xdb"
_ELF_RELOCATABLE = 1

_IMAGE_MAGICS = (
    (0x202, b"HdrS"),  # x86 bzImage: Documentation/arch/x86/boot.rst
    (0x38, b"ARM\x64"),  # arm64 Image: Documentation/arch/arm64/booting.rst
    (0x38, b"RSC\x05"),  # RISC-V Image: Documentation/arch/riscv/boot-image-header.rst
    (0x24, b"\x18\x28\x6f\x01"),  # ARM zImage: arch/arm/boot/compressed/head.S
    (0x04, b"zimg"),  # EFI zboot: drivers/firmware/efi/libstub/zboot-header.S
    (0x00, b"MZ"),  # EFI stub of the other architectures
)


class ExplicitSource:
    """``Request.headers``, a path of this machine, whatever the sysroot."""

    name = SOURCE

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """What the path offers, or why it offers nothing."""
        path = request.headers
        if path is None:
            yield Rejection(self.name, "", "no headers were named", "--headers PATH names some")
            return
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            end = f" (a link to {os.readlink(path)})" if os.path.islink(path) else ""
            yield Rejection(self.name, str(path), f"does not exist{end}", _KNOWN)
            return
        except (OSError, ValueError) as error:
            yield Rejection(self.name, str(path), f"cannot be examined ({_reason(error)})", "check its permissions")
            return
        if stat.S_ISDIR(status.st_mode):
            yield from _directory(path, request)
        elif stat.S_ISREG(status.st_mode):
            yield _file(path, request)
        else:
            yield Rejection(self.name, str(path), "is neither a file nor a directory", _KNOWN)


def kind_of(prefix: bytes) -> str:
    """What a file is whose first bytes are *prefix*: ``tar module image deb rpm``, a kind of compression, or ``""``."""
    if prefix.startswith(AR_MAGIC):
        return "deb"
    if prefix.startswith(_RPM):
        return "rpm"
    if prefix.startswith(b"\x7fELF") and len(prefix) >= 18:
        order = "big" if prefix[5] == 2 else "little"
        return "module" if int.from_bytes(prefix[16:18], order) == _ELF_RELOCATABLE else "image"  # type: ignore[arg-type]
    if is_tar(prefix):
        return "tar"
    if any(prefix[at : at + len(magic)] == magic for at, magic in _IMAGE_MAGICS):
        return "image"
    return compression.sniff(prefix)


def is_tar(block: bytes) -> bool:
    """Whether *block* starts with a tar header (the checksum of POSIX ustar, which older formats have as well)."""
    digits = block[148:156].strip(b" \0")
    if len(block) < _BLOCK or not digits or digits.strip(b"01234567"):
        return False
    return sum(block[:148]) + 8 * 0x20 + sum(block[156:_BLOCK]) == int(digits, 8)


def _file(path: Path, request: Request) -> Candidate | Rejection:
    """Offer the file *path* by its first bytes; what is inside of it is looked at when it is read."""

    def reject(reason: str, hint: str = _KNOWN) -> Rejection:
        return Rejection(SOURCE, str(path), reason, hint)

    try:
        with open_regular(path) as stream:
            kind = kind_of(_beginning(stream))
            if not kind:
                stream.seek(0)
                return reject("is not headers in any form known here" if stream.read(1) else "is empty")
            s = os.fstat(stream.fileno())
        if kind == "deb":
            return _packages(str(path), [path], request)
    except (OSError, ValueError) as error:
        return reject(f"cannot be read ({_reason(error)})", "check its permissions")
    except KheadersError as error:
        return reject(error.what.removeprefix(f"{path}: "), error.hint)
    if kind == "rpm":
        return reject("is an RPM package", "unpack it (rpm2cpio FILE | cpio -id) and name the directory")
    identity = f"{path}:{s.st_dev}:{s.st_ino}:{s.st_size}:{s.st_mtime_ns}:{s.st_ctime_ns}"
    return Candidate(SOURCE, str(path), ArchiveContent(lambda: _archive(path)), identity)


def _archive(path: Path) -> BinaryIO:
    """The archive that the file *path* is or holds, as a stream. Raises ArchiveError."""
    try:
        stream = open_regular(path)
        try:
            kind = outer = kind_of(_beginning(stream))
            stream.seek(0)
            if outer not in _KINDS:
                pieces = compression.chunks(stream, name=str(path), piece=_BLOCK)
                inner = b""
                while len(inner) < _BLOCK and (piece := next(pieces, b"")):
                    inner += piece
                kind = kind_of(inner)
                stream.seek(0)
            if kind == "tar":
                return stream
            if kind in ("module", "image"):
                data = _inside(stream, str(path), kind)
                stream.close()
                return io.BytesIO(data)
        except BaseException:
            stream.close()
            raise
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{path}: cannot be read ({_reason(error)})", "check its permissions") from error
    stream.close()
    what = "neither an archive nor a module nor an image is in it"
    raise ArchiveError(f"{path}: is {outer} data, but {what}", _KNOWN)


def _inside(stream: BinaryIO, name: str, kind: str) -> bytes:
    """The archive inside a module or a kernel image. Raises ArchiveError, OSError."""
    from kheaders import elf
    from kheaders.sources import bootimage, module

    data = stream.read(bootimage.MAX_KERNEL + 1)
    if len(data) > bootimage.MAX_KERNEL:
        raise ArchiveError(f"{name}: is larger than {bootimage.MAX_KERNEL} bytes", _KNOWN)
    if kind == "module":
        plain = compression.decompress(data, compression.sniff(data[:16]), limit=module.MAX_MODULE, name=name)
        archive = elf.section_of_symbols(plain, *elf.HEADER_SYMBOLS, name)
    else:
        archive = bootimage.archive(bootimage.unpack(data, name), name)
    if not archive:
        what = "a module" if kind == "module" else "a kernel image"
        raise ArchiveError(f"{name}: is {what} without a header archive", "its kernel needs CONFIG_IKHEADERS")
    return bytes(archive)


def _packages(location: str, paths: Sequence[Path], request: Request) -> Candidate | Rejection:
    """Offer the headers in packages; siblings that they depend on are looked for beside them."""
    known = {path: control(path) for path in paths}
    names = {fields.get("Package", "") for fields in known.values()}
    todo = list(known)
    while todo:
        path = todo.pop()
        for dependency in header_dependencies(known[path].get("Depends", "")):
            if dependency.name in names:
                continue
            sibling = _sibling(path.parent, dependency.name, dependency.version)
            if sibling is None:
                wanted = file_name(dependency.name, dependency.version or "VERSION", "all")
                reason = f"needs the package {wanted}, which is not in {path.parent}"
                return Rejection(SOURCE, str(path), reason, "put it there; apt-get download fetches it")
            known[sibling] = control(sibling)
            names.add(dependency.name)
            todo.append(sibling)
    if not any(is_header_package(name) for name in names):
        reason = f"is the package {', '.join(sorted(names))}, which holds no headers of a kernel"
        return Rejection(SOURCE, location, reason, "name the package linux-headers-R, with R as uname -r prints it")
    chosen = sorted(known)

    def read() -> Mapping[str, bytes]:
        tree = PackageTree.load(chosen)
        releases = tree.releases()
        release = request.kernel.release if request.kernel.release in releases or len(releases) > 1 else None
        return tree.headers(release=release)

    return Candidate(SOURCE, location, FilesContent(read), _digest(chosen))


def _sibling(directory: Path, name: str, version: str) -> Path | None:
    """The package *name* in *directory*, of *version* unless that is empty."""
    for path in sorted(directory.glob(f"{name}_*.deb")):
        try:
            fields = control(path)
        except ArchiveError:
            continue
        if fields.get("Package") == name and version in ("", fields.get("Version")):
            return path
    return None


def _directory(path: Path, request: Request) -> Iterator[Candidate | Rejection]:
    """A header tree, an unpacked root, or a directory of packages."""
    try:
        names = set(os.listdir(path))
    except OSError as error:
        yield Rejection(SOURCE, str(path), f"cannot be read ({_reason(error)})", "check its permissions")
        return
    if not names:
        yield Rejection(SOURCE, str(path), "is an empty directory", _KNOWN)
        return
    if any(os.path.exists(path / name) for name in (AUTOCONF, UTSRELEASE, KCONFIG)):
        real = Path(os.path.realpath(path))
        beside = _beside(path, real)
        root = Path("/")
        yield examine(SOURCE, str(path), real, sysroot=root, srcarch=request.srcarch, release=None, beside=beside)
        return
    packages = [path / name for name in sorted(names) if name.endswith(".deb")]
    if packages:
        try:
            headers = [package for package in packages if is_header_package(control(package).get("Package", ""))]
            if headers:
                yield _packages(str(path), headers, request)
                return
        except KheadersError as error:
            yield Rejection(SOURCE, str(path), error.what.removeprefix(f"{path}: "), error.hint)
            return
    releases = _releases_below(path)
    if releases:
        yield from _root(path, releases, request)
        return
    hint = _KNOWN
    if "linux" in names and os.path.exists(path / "linux/kconfig.h"):
        hint = f"name the directory above it, {path.parent}"
    elif os.path.exists(path / "linux/version.h") or os.path.exists(path / "include/linux/version.h"):
        hint = "these are the headers for user programs; name those of a kernel build"
    yield Rejection(SOURCE, str(path), "is a directory without kernel headers", hint)


def _beside(path: Path, real: Path) -> str:
    """Where the rest of the split tree *path* may be, however absolute its own links are: it may have been moved."""
    makefile = (read_small(real / "Makefile") or b"").decode("utf-8", "replace")
    sibling = real.parent / os.path.basename(source_in_makefile(makefile) or "")
    if sibling not in (real, real.parent) and os.path.exists(sibling):
        return str(sibling)
    return os.path.realpath(path.parent / "source") if path.name == "build" else ""


def _releases_below(root: Path) -> set[str]:
    """The releases that an unpacked root has headers of, by its ``/lib/modules`` and ``/usr/src``."""
    found = set()
    for base in MODULES:
        directory = root / base.lstrip("/")
        found |= {name for name in _listing(directory) if os.path.lexists(directory / name / "build")}
    for parent in ("usr/src", "usr/src/kernels"):
        for name in _listing(root / parent):
            release = release_in_utsrelease(read_small(root / parent / name / UTSRELEASE) or b"")
            if release:
                found.add(release)
    return found


def _root(root: Path, releases: set[str], request: Request) -> Iterator[Candidate | Rejection]:
    """Ask an unpacked root for the kernel that is wanted, or for the only one that it has."""
    release = request.kernel.release
    if release not in releases:
        if len(releases) > 1:
            reason = f"has headers of {', '.join(sorted(releases))}, none of {release}"
            yield Rejection(SOURCE, str(root), reason, "say which kernel is meant with --kernel")
            return
        (release,) = releases
    kernel = request.kernel._replace(release=check_release(release))
    inner = request._replace(kernel=kernel, sysroot=Path(os.path.realpath(root)))
    offered: dict[str, Candidate] = {}
    refused = []
    for source in (BuildSource(), DistroSource()):
        for answer in source.offers(inner):
            location = f"{root}{answer.location}"
            if isinstance(answer, Candidate):
                offered.setdefault(answer.fingerprint, answer._replace(source=SOURCE, location=location))
            else:
                refused.append(answer._replace(source=SOURCE, location=location))
    yield from offered.values() or refused


def _listing(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def open_regular(path: Path) -> io.BufferedReader:
    """The regular file *path* as a stream; what became a device or pipe meanwhile is refused. Raises ArchiveError."""
    try:
        fd = os.open(path, _OPEN)
    except OSError as error:
        raise ArchiveError(f"{path}: cannot be read ({error.strerror})", "check its permissions") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ArchiveError(f"{path}: is not a regular file", _KNOWN)
    return os.fdopen(fd, "rb")


def _beginning(stream: BinaryIO) -> bytes:
    return stream.read(4096)


def _digest(paths: Sequence[Path]) -> str:
    """sha256 (hex) over the content of files; some milliseconds for an archive."""
    digest = hashlib.sha256()
    for path in paths:
        with open_regular(path) as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
