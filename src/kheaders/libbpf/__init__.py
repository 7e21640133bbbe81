"""Headers for BPF programs with the interface of libbpf's, for machines that have no libbpf.

They are this project's own, under its licence, written from the documented interface: what programs include as
``<bpf/bpf_helpers.h>``, ``<bpf/bpf_tracing.h>``, ``<bpf/bpf_core_read.h>`` and ``<bpf/bpf_endian.h>``. docs/libbpf.md
says which version they follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_NAMES = (
    "bpf/bpf_core_read.h",
    "bpf/bpf_endian.h",
    "bpf/bpf_helper_defs.h",
    "bpf/bpf_helpers.h",
    "bpf/bpf_tracing.h",
)


class _Texts(Mapping[str, bytes]):
    """The headers by the name that an include line gives them; one is read when it is asked for."""

    def __init__(self) -> None:
        self._read: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        if name not in _NAMES:
            raise KeyError(name)
        if name not in self._read:
            from importlib.resources import files

            self._read[name] = files(__name__).joinpath("include", *name.split("/")).read_bytes()
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in _NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


def texts() -> Mapping[str, bytes]:
    """Name in an include line (``bpf/bpf_helpers.h``) → text of the header.

    Nothing is read before it is looked up. Raises OSError then if the installation lacks the file.
    """
    return _Texts()
