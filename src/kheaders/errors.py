"""The exceptions of kheaders, as one tree.

    KheadersError                 anything that kheaders itself reports              exit 1
    ├── UsageError                the request cannot be meant as it stands           exit 2
    ├── HeadersNotFound           no source gave headers that belong to the kernel   exit 3
    ├── VerificationError         headers are there, but are not what they must be   exit 4
    │   └── ArchiveError          bytes that are no whole, harmless header archive
    ├── BlobError                 a blob is damaged, foreign, or lacks what is asked for  exit 10
    ├── BtfError                 type information that is damaged, or lacks what is asked for  exit 11
    ├── StoreError                a place where forms are kept cannot be used        exit 5
    │   └── UnsafePath            somebody else could change what lies there
    ├── CompilerError             no usable compiler                                 exit 6
    ├── CompileFailed             the compiler refused the program                   exit 7
    │   └── HostAssembly          the program reaches inline assembly of the host
    ├── FetchError                a download failed                                  exit 8
    ├── PackError                 headers cannot be packed, or the archive not written  exit 12
    ├── ModuleError               the module with the archive cannot be made, loaded or removed  exit 13
    ├── FormError                 a PCH or mount is missing, damaged, foreign, or cannot be made  exit 14
    └── ToolError                 another program is missing, failed or hung         exit 9
        ├── ToolMissing
        ├── ToolFailed
        └── ToolTimeout

Each message names the thing, says what is wrong with it and, after a semicolon, what to do next, in one line.
"""

from __future__ import annotations

from collections.abc import Sequence


class KheadersError(Exception):
    """Anything that kheaders itself reports.

    ``what`` names the thing and what is wrong with it; ``hint`` says what to do next (may be empty).
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.what}; {self.hint}" if self.hint else self.what
        return " ".join(text.split())


class UsageError(KheadersError):
    """The request contradicts itself or names something that cannot be."""

    exit_code = 2


class HeadersNotFound(KheadersError):
    """No source gave headers that belong to the kernel; ``reasons`` holds one line for each source that was asked."""

    exit_code = 3

    def __init__(self, what: str, hint: str = "", reasons: Sequence[str] = ()) -> None:
        super().__init__(what, hint)
        self.reasons = tuple(reasons)


class VerificationError(KheadersError):
    """Headers were found, but they are damaged or belong to another kernel."""

    exit_code = 4


class ArchiveError(VerificationError):
    """Bytes that are not a whole and harmless header archive."""


class BlobError(KheadersError):
    """A blob is damaged, is no blob, is of another version, or lacks what is asked for."""

    exit_code = 10


class BtfError(KheadersError):
    """BTF is damaged, is no BTF, or lacks what is asked for; the message names the byte offset where there is one."""

    exit_code = 11


class PackError(KheadersError):
    """A tree whose headers cannot be packed, or a place where the archive cannot be written."""

    exit_code = 12


class ModuleError(KheadersError):
    """The kernel module that carries an archive cannot be built, installed, loaded or removed."""

    exit_code = 13


class FormError(KheadersError):
    """A form that is kept or served (a PCH, a mount) is missing, damaged, of something else, or cannot be made."""

    exit_code = 14


class StoreError(KheadersError):
    """A place where forms are kept cannot be used (full, read-only, damaged)."""

    exit_code = 5


class UnsafePath(StoreError):
    """Somebody else could change what lies at a path, so it is not used."""


class CompilerError(KheadersError):
    """No compiler that can emit BPF, or the one that was named cannot."""

    exit_code = 6


class CompileFailed(KheadersError):
    """The compiler refused the program; ``diagnostics`` is what it printed, untouched."""

    exit_code = 7

    def __init__(self, what: str, hint: str = "", diagnostics: str = "") -> None:
        super().__init__(what, hint)
        self.diagnostics = diagnostics


class HostAssembly(CompileFailed):
    """The program reaches inline assembly of the host's processor, which has no meaning in BPF."""


class FetchError(KheadersError):
    """A download was asked for and failed."""

    exit_code = 8


class ToolError(KheadersError):
    """Another program is missing, failed or did not end; ``log`` holds all that it printed."""

    exit_code = 9

    def __init__(self, what: str, hint: str = "", log: str = "") -> None:
        super().__init__(what, hint)
        self.log = log


class ToolMissing(ToolError):
    """Another program that is needed is not installed."""


class ToolFailed(ToolError):
    """Another program ended with a status other than zero."""


class ToolTimeout(ToolError):
    """Another program did not end within its time and was stopped."""
