"""Whether headers are whole and belong to a kernel: what can be told without a compiler.

The verdict names each check and how it ended, so that a refusal says everything that is wrong at once. Proof by
compiling is added by :mod:`kheaders.trial`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kheaders.c.directives import Header, mentioned, named, scan
from kheaders.headers.headerset import HeaderSet
from kheaders.kernel import Kernel

if TYPE_CHECKING:
    from kheaders.kconfig import KConfig

State = Literal["ok", "failed", "skipped"]

REQUIRED = (
    "include/generated/autoconf.h",
    "include/generated/utsrelease.h",
    "include/linux/kconfig.h",
    "include/linux/types.h",
    "include/linux/sched.h",
    "include/uapi/linux/types.h",
)
"""Without these nothing of the kernel compiles; those below include/generated exist only where it was configured."""

_SHOWN = 3
_COMMON = ("linux/", "net/", "uapi/", "asm-generic/", "vdso/")
_INCLUDERS = ("include/linux/", "include/net/", "include/uapi/linux/", "include/asm-generic/")


class Check(NamedTuple):
    """One question about a header set and its answer; ``detail`` is a part of a sentence."""

    name: str
    state: State
    detail: str = ""


class Verdict(NamedTuple):
    """The answers to all questions that were asked."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the headers."""
        return not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """Each reason why not."""
        return tuple(check for check in self.checks if check.state == "failed")

    @property
    def reason(self) -> str:
        """All failures in one line; empty for a good verdict."""
        return "; ".join(check.detail for check in self.failures)

    def joined(self, other: Verdict) -> Verdict:
        """The answers of both."""
        return Verdict(self.checks + other.checks)

    def to_json(self) -> dict[str, Any]:
        """The verdict for ``--json`` and for records."""
        checks = [{"name": c.name, "state": c.state, "detail": c.detail} for c in self.checks]
        return {"ok": self.ok, "checks": checks}


def verify_identity(
    headers: HeaderSet,
    kernel: Kernel | None,
    *,
    srcarch: str | None = None,
    config: KConfig | None = None,
    intact: bool = False,
) -> Verdict:
    """Whether *headers* are whole, and those of *kernel*; without one, whether they are consistent in themselves
    and, where *srcarch* is given, for that architecture.

    *config* is compared with the headers' own only if it certainly is the kernel's. *intact* says that a checksum over
    the whole was already compared (an archive), so that no single file can be damaged or missing.
    """
    return Verdict(
        (
            _files(headers, intact),
            _release(headers, kernel.release if kernel else None),
            _architecture(headers, kernel.srcarch if kernel else srcarch),
            _configuration(headers, config),
        )
    )


def _files(headers: HeaderSet, intact: bool) -> Check:
    missing = [path for path in REQUIRED if path not in headers]
    if missing:
        why = "; the kernel was never configured there" if missing[0].startswith("include/generated") else ""
        return Check("files", "failed", f"{_some(missing)} missing{why}")
    empty = [path for path in REQUIRED if not headers[path].strip()]
    zeroed = headers.files.zeroed()
    if not intact:
        hollow = (path for path, data in headers.files.items() if not data and not _may_be_empty(path))
        empty = sorted({*empty, *hollow})
    if empty:
        return Check("files", "failed", f"{_some(empty)} emptied")
    if zeroed:
        return Check("files", "failed", f"{_some(zeroed)} damaged (zero bytes)")
    if not intact and (absent := unresolved(headers)):
        return Check("files", "failed", f"{_some(absent)} missing, though other headers include them")
    return Check("files", "ok", f"{len(headers.files)} headers")


def _may_be_empty(path: str) -> bool:
    """Kernels before 5.14 mark options by empty files below include/config; a few generated headers hold nothing."""
    return path.startswith("include/config/") or ("/generated/" in path and path not in REQUIRED)


def unresolved(headers: HeaderSet) -> list[str]:
    """Headers that the kernel's core headers name in include lines and that are nowhere in the set.

    In whole trees there are none: what one configuration lacks is still in the source. Only names that cannot be an
    architecture's own (``asm/``) count, and only where the header that names them is itself included by another:
    kernels have had leftovers that nobody can include (platform_data/crypto-ux500.h in 6.12).
    """
    arch = headers.srcarch
    own = (f"arch/{arch}/include", f"arch/{arch}/include/generated", f"arch/{arch}/include/generated/uapi")
    search = ("include", "include/uapi", "include/generated/uapi", "include/generated", *own)
    includers: dict[str, list[str]] = {}
    for path, data in headers.files.items():
        if path.startswith(_INCLUDERS):
            for header in mentioned(data):
                if not header.quoted and header.name.startswith(_COMMON):
                    includers.setdefault(header.name, []).append(path)
    absent = []
    for name, paths in sorted(includers.items()):
        if any(os.path.normpath(f"{place}/{name}") in headers for place in search):
            continue
        known = [path for path in paths if path.removeprefix("include/") in includers]
        if any(Header(name, False) in named(scan(headers[path]).directives).included for path in known):
            absent.append(Header(name, False).shown)
    return absent


def _release(headers: HeaderSet, wanted: str | None) -> Check:
    found = headers.release
    if found is None:
        return Check("release", "failed", "include/generated/utsrelease.h names no release")
    if wanted not in (None, found):
        return Check("release", "failed", f"they are headers of {found}, not of {wanted}")
    return Check("release", "ok", found)


def _architecture(headers: HeaderSet, wanted: str | None) -> Check:
    found = headers.srcarch
    if found is None:
        return Check("architecture", "failed", "no architecture is configured in include/generated/autoconf.h")
    if wanted not in (None, found):
        return Check("architecture", "failed", f"they are headers for {found}, not for {wanted}")
    if f"arch/{found}/include/asm/ptrace.h" not in headers:
        return Check("architecture", "failed", f"arch/{found}/include is missing")
    return Check("architecture", "ok", found)


def _configuration(headers: HeaderSet, config: KConfig | None) -> Check:
    if config is None or not config.certain:
        return Check("configuration", "skipped", "the kernel does not tell its configuration (/proc/config.gz)")
    from kheaders.kconfig import differences, parse_autoconf

    text = headers.get("include/generated/autoconf.h", b"").decode("utf-8", "replace")
    differing = differences(config, parse_autoconf(text, "include/generated/autoconf.h"))
    if not differing:
        return Check("configuration", "ok", f"{len(config)} options agree with {config.origin}")
    first = [
        f"{name} is {theirs or 'off'} in the kernel, {ours or 'off'} in the headers" for name, theirs, ours in differing
    ]
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return Check("configuration", "failed", f"configured differently: {', '.join(first[:_SHOWN])}{more}")


def _some(paths: Iterable[str]) -> str:
    found = sorted(paths)
    if len(found) == 1:
        return f"{found[0]} is"
    more = f" and {len(found) - _SHOWN} more are" if len(found) > _SHOWN else " are"
    return f"{', '.join(found[:_SHOWN])}{more}"
