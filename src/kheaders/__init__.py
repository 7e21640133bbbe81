"""The running kernel's headers: found, verified, and served to whatever compiles for BPF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kheaders.version import VERSION as _VERSION

if TYPE_CHECKING:
    from kheaders.api import Context
    from kheaders.btf.layout import RecordLayout
    from kheaders.btf.table import Btf
    from kheaders.clang.find import Compiler
    from kheaders.compile import Compiled
    from kheaders.doctor import Report
    from kheaders.errors import KheadersError
    from kheaders.fetching import FetchedHeaders
    from kheaders.forms.mount import Mounted
    from kheaders.forms.pchshelf import Pch
    from kheaders.headers.chain import Found
    from kheaders.headers.headerset import HeaderSet
    from kheaders.headers.verify import Verdict
    from kheaders.interface.blob import Blob
    from kheaders.interface.lookup import Item
    from kheaders.interface.slice import Slice
    from kheaders.kernel import Kernel
    from kheaders.verification import Verification

__version__ = _VERSION

_HOMES = {
    "Blob": "kheaders.interface.blob",
    "Btf": "kheaders.btf.table",
    "Compiled": "kheaders.compile",
    "Compiler": "kheaders.clang.find",
    "Context": "kheaders.api",
    "FetchedHeaders": "kheaders.fetching",
    "Found": "kheaders.headers.chain",
    "HeaderSet": "kheaders.headers.headerset",
    "Item": "kheaders.interface.lookup",
    "Kernel": "kheaders.kernel",
    "KheadersError": "kheaders.errors",
    "Mounted": "kheaders.forms.mount",
    "Pch": "kheaders.forms.pchshelf",
    "RecordLayout": "kheaders.btf.layout",
    "Report": "kheaders.doctor",
    "Slice": "kheaders.interface.slice",
    "Verdict": "kheaders.headers.verify",
    "Verification": "kheaders.verification",
}

__all__ = [
    "Blob",
    "Btf",
    "Compiled",
    "Compiler",
    "Context",
    "FetchedHeaders",
    "Found",
    "HeaderSet",
    "Item",
    "Kernel",
    "KheadersError",
    "Mounted",
    "Pch",
    "RecordLayout",
    "Report",
    "Slice",
    "Verdict",
    "Verification",
]


def __getattr__(name: str) -> Any:
    """Import on first use: a command must not wait for what it does not need."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'kheaders' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
