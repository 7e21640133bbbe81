"""The directory form: a whole tree of headers on disk, in the store or where the user wants it.

Beside the headers as they are, a tree holds ``.bpf/``: those of them that contain assembly of the host, without it, and
a VFS overlay that puts these in place of the originals for a compile with ``-target bpf``. Other consumers never see
it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kheaders.archive import Member
from kheaders.clang.find import Compiler
from kheaders.clang.flags import RELEVANT_OPTIONS
from kheaders.errors import StoreError, UsageError, VerificationError
from kheaders.forms.private import OVERLAY, private_files
from kheaders.forms.served import Identity, Served, flags_for
from kheaders.headers.chain import Chain, Found
from kheaders.headers.headerset import HeaderSet
from kheaders.sources.candidate import Request
from kheaders.sources.stored import remember_tree
from kheaders.store import Entry


class DirectoryForm:
    """Serves headers from a tree that :func:`write` made; *identity* tells what the flags depend on."""

    name = "directory"

    def __init__(self, root: Path, identity: Identity) -> None:
        self.root = root
        self.identity = identity

    def flags(self, compiler: Compiler) -> list[str]:
        """Flags that any clang build can use as long as the tree is there. Raises VerificationError."""
        index = self.root / OVERLAY
        if not index.is_file():
            raise VerificationError(f"{index}: missing", "run 'kheaders cache clear' and extract the headers again")
        return [*flags_for(self.identity, str(self.root), compiler), "-ivfsoverlay", str(index)]

    @contextmanager
    def serve(self, compiler: Compiler, program: bytes, user_directories: tuple[str, ...] = ()) -> Iterator[Served]:
        """Serve the whole tree."""
        yield Served(tuple(self.flags(compiler)))


Progress = Callable[[int, int], None]
"""Called with the bytes of headers that are written, and those of all."""

_STEP = 1 << 20


def write(headers: HeaderSet, directory: int, final: Path, progress: Progress | None = None) -> Mapping[str, Any]:
    """Write *headers* below the open, private and empty *directory*, which will be known as *final*.

    Returns what a manifest should tell of the tree. Raises StoreError.
    """
    from kheaders.extraction import TreeWriter  # what is in the store already needs none of it

    with TreeWriter(directory, str(final)) as tree:
        done, told, total = 0, 0, headers.size if progress is not None else 0
        for path, data in headers.files.items():
            tree.add_file(path, data)
            done += len(data)
            if progress is not None and done - told >= _STEP:
                progress(done, total)
                told = done
        for path, target in headers.links.items():
            tree.add(Member(path, link=target))
        for path, data in private_files(headers, str(final)).items():
            tree.add_file(path, data)
    return {
        "release": headers.release,
        "srcarch": headers.srcarch,
        "digest": headers.digest,
        "files": len(headers.files),
        "config": sorted(option.decode() for option in headers.config & RELEVANT_OPTIONS),
    }


def tree(chain: Chain, found: Found) -> Entry:
    """The directory form of *found* in the chain's store; made if it is missing or was damaged. Raises StoreError."""
    store = chain.store
    existing = found.entry or store.tree(found.facts.digest)
    if existing is not None:
        return existing
    headers = found.headers
    if headers.digest != found.facts.digest:
        raise StoreError(f"{found.candidate.location}: changed while it was read", "run the command again")
    final = store.tree_path(headers.digest)
    kernel = chain.kernel_of(found)
    meta = {"source": found.candidate.location, "kernel": kernel.release}
    entry = store.publish_tree(headers.digest, lambda fd: write(headers, fd, final), meta=meta)
    remember_tree(store, Request(kernel, chain.request.sysroot), headers.digest)
    return entry


def extract(headers: HeaderSet, directory: Path, progress: Progress | None = None) -> Path:
    """Write *headers* to *directory*, which must be missing or empty, and return its absolute path.

    Raises as :func:`place_tree` does.
    """
    return place_tree(directory, lambda fd, final: write(headers, fd, final, progress))


def place_tree(directory: Path, fill: Callable[[int, Path], object]) -> Path:
    """Make *directory*, which must be missing or empty, of what *fill* writes, and return its absolute path.

    *fill* is given a descriptor and the path that the directory will have. The tree is written beside it under a random
    name and takes the name by one rename. Raises UsageError if there is something already, StoreError if the place
    refuses.
    """
    final = Path(os.path.abspath(directory))
    _check_free(final)
    staging = _staging_beside(final)
    try:
        fd = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fill(fd, final)
            os.fchmod(fd, 0o755)
        finally:
            os.close(fd)
        try:
            os.rename(staging, final)
        except OSError as error:
            raise StoreError(f"{final}: cannot be put in place ({error.strerror})", "name another directory") from error
    except BaseException:
        import shutil

        shutil.rmtree(staging, ignore_errors=True)
        raise
    return final


def _check_free(final: Path) -> None:
    if final.is_symlink():
        raise UsageError(f"{final}: is a link", "name the directory itself")
    try:
        if any(final.iterdir()):
            raise UsageError(f"{final}: is not empty", "name a new or empty directory")
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise UsageError(f"{final}: is no directory", "name a new or empty directory") from error
    except OSError as error:
        raise StoreError(f"{final}: cannot be read ({error.strerror})", "name another directory") from error


def _staging_beside(final: Path) -> Path:
    import tempfile

    try:
        return Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    except OSError as error:
        raise StoreError(
            f"{final.parent}: nothing can be written there ({error.strerror})", "make the directory, or name another"
        ) from error
