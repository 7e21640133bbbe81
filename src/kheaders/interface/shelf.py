"""Where the blob of a kernel lies: among the store's persistent files, found by the kernel, without any headers.

A blob is kept under a key that tells its content (headers, schema, version of kheaders); a record tells which key is
the blob of which kernel. Only the very kernel that a blob was built for finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from kheaders.errors import BlobError
from kheaders.identity import Identity
from kheaders.interface.schema import SCHEMA
from kheaders.kernel import Kernel
from kheaders.store import Store
from kheaders.store.areas import is_key
from kheaders.version import VERSION

if TYPE_CHECKING:
    from kheaders.clang.find import Compiler
    from kheaders.headers.headerset import HeaderSet
    from kheaders.interface.blob import Blob
    from kheaders.interface.build import Progress

KIND = "blob"
"""Kind of the files and of the records."""
SUFFIX = ".kheaders"


class Shelved(NamedTuple):
    """A blob in the store."""

    path: Path
    built: bool
    """False if it was there already."""


def locate(store: Store, kernel: Kernel, srcarch: str) -> Path | None:
    """The blob of *kernel*, or None if none was built, or what was built is gone or damaged. Raises StoreError."""
    record = store.record(KIND, _kernel_key(kernel, srcarch))
    key = record.get("key") if record else None
    if record is None or record.get("schema") != SCHEMA or not isinstance(key, str) or not is_key(key):
        return None
    return store.file(KIND, key)


def build_into(
    store: Store, headers: HeaderSet, compiler: Compiler, kernel: Kernel, progress: Progress | None = None
) -> Shelved:
    """The blob of *headers* in the store, and *kernel* knows it from now on; it is built unless it is there.

    Raises BlobError, CompilerError, StoreError, VerificationError.
    """
    from kheaders.interface.build import build  # here, since a compile that only looks for a blob needs none of it

    key = _key(headers.digest)
    path = store.file(KIND, key)
    built = path is None
    if path is None:
        with store.scratch() as directory:
            made = directory / f"new{SUFFIX}"
            build(headers, compiler, made, kernel=facts(kernel), progress=progress)
            meta = {"release": headers.release, "srcarch": headers.srcarch, "source": headers.name}
            path = _publish(store, key, made, meta)
    remember(store, kernel, headers.srcarch or kernel.srcarch, key)
    return Shelved(path, built)


def import_into(store: Store, exported: Path) -> Path:
    """Put an exported blob into the store, for the kernel that it was built for, and give its place.

    Raises BlobError, StoreError.
    """
    from kheaders.interface.blob import Blob
    from kheaders.interface.transfer import restore

    with store.scratch() as directory:
        made = directory / f"new{SUFFIX}"
        restore(exported, made)
        with Blob(made) as blob:
            meta = dict(blob.meta)
        kernel, srcarch = meta.get("kernel"), meta.get("srcarch")
        owner = kernel.get("key") if isinstance(kernel, dict) else None
        if not isinstance(owner, str) or not isinstance(srcarch, str) or not is_key(f"{owner}-{srcarch}"):
            raise BlobError(f"{exported}: does not say which kernel it is of", "name a file for it with -o")
        key = _key(str(meta.get("digest")))
        source = {"release": meta.get("release"), "srcarch": srcarch, "source": str(exported)}
        path = _publish(store, key, made, source)
    store.put_record(KIND, f"{owner}-{srcarch}", {"key": key, "schema": SCHEMA}, boot=False)
    return path


def _publish(store: Store, key: str, made: Path, meta: Mapping[str, Any]) -> Path:
    import shutil

    def copy(stream: BinaryIO) -> None:
        with open(made, "rb") as source:
            shutil.copyfileobj(source, stream, 1 << 20)

    return store.publish_file(KIND, key, copy, suffix=SUFFIX, meta=meta).path


def remember(store: Store, kernel: Kernel, srcarch: str, key: str) -> None:
    """Note that the blob *key* is that of *kernel*. Raises StoreError."""
    store.put_record(KIND, _kernel_key(kernel, srcarch), {"key": key, "schema": SCHEMA}, boot=False)


def missing(kernel: Kernel) -> BlobError:
    """The error for a kernel without a blob."""
    return BlobError(f"kernel {kernel.release} has no blob in the store", "make it with 'kheaders blob build'")


def identity(blob: Blob) -> Identity:
    """Of which kernel *blob* is. Raises BlobError where it is damaged."""
    meta = blob.meta
    release, srcarch, kernel = meta.get("release"), meta.get("srcarch"), meta.get("kernel")
    if not isinstance(release, str) or not isinstance(srcarch, str):
        raise BlobError(f"{blob.path}: does not say which kernel it is of", "build it again")
    known = kernel if isinstance(kernel, dict) and kernel.get("release") == release else {}
    version, build_id = known.get("version"), known.get("build_id")
    return Identity(
        f"the blob {blob.path}",
        release,
        srcarch,
        version if isinstance(version, str) else "",
        build_id if isinstance(build_id, str) else None,
    )


def facts(kernel: Kernel) -> dict[str, str | None]:
    """What a blob says of the kernel that it was built for."""
    return {
        "release": kernel.release,
        "version": kernel.version,
        "machine": kernel.machine,
        "build_id": kernel.build_id,
        "key": kernel.key,
    }


def _key(digest: str) -> str:
    return hashlib.sha256(f"{digest}\0{SCHEMA}\0{VERSION}".encode()).hexdigest()


def _kernel_key(kernel: Kernel, srcarch: str) -> str:
    return f"{kernel.key}-{srcarch}"
