"""Every source by its name, made ready to be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kheaders.sources.candidate import Candidate, Rejection, Request, Source
from kheaders.store import Store


class Deferred:
    """A source whose module is imported when it is asked, so that nobody waits for what is never needed."""

    def __init__(self, name: str, store: Store, downloads: Path | None) -> None:
        self.name = name
        self._store = store
        self._downloads = downloads

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """What the source itself answers."""
        return _make(self.name, self._store, self._downloads).offers(request)


def sources(order: Sequence[str], store: Store, *, downloads: Path | None = None) -> list[Source]:
    """The sources named in *order*; *downloads* is the directory that ``apt`` may fill."""
    return [Deferred(name, store, downloads) for name in order]


def _make(name: str, store: Store, downloads: Path | None) -> Source:
    if name == "sysfs":
        from kheaders.sources.sysfs import SysfsSource

        return SysfsSource()
    if name == "procfs":
        from kheaders.sources.sysfs import ProcfsSource

        return ProcfsSource()
    if name == "module":
        from kheaders.sources.module import ModuleSource

        return ModuleSource()
    if name == "image":
        from kheaders.sources.image import ImageSource

        return ImageSource()
    if name == "build":
        from kheaders.sources.build import BuildSource

        return BuildSource()
    if name == "distro":
        from kheaders.sources.distro import DistroSource

        return DistroSource()
    if name == "store":
        from kheaders.sources.stored import StoredSource

        return StoredSource(store)
    if name == "loaded":
        from kheaders.sources.loaded import LoadedSource

        return LoadedSource()
    if name == "explicit":
        from kheaders.sources.explicit import ExplicitSource

        return ExplicitSource()
    from kheaders.sources.apt import AptSource

    if downloads is None:
        return _Unavailable(name, "downloads have no directory")
    return AptSource(downloads)


class _Unavailable:
    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self._reason = reason

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        yield Rejection(self.name, "", self._reason)
