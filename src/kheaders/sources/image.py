"""The archive inside the kernel image, where a kernel was built with CONFIG_IKHEADERS=y."""

from __future__ import annotations

import io
from collections.abc import Iterator

from kheaders import kconfig
from kheaders.errors import ArchiveError
from kheaders.places import images
from kheaders.sources import bootimage
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.files import Found, Unusable, look

OPTION = "CONFIG_IKHEADERS"


class ImageSource:
    """The images of the kernel that is asked for, unpacked in memory; *limit* bounds that, in bytes."""

    name = "image"

    def __init__(self, *, limit: int = bootimage.MAX_KERNEL) -> None:
        self._limit = limit

    def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
        """Each image with an archive inside. Nothing is unpacked where the configuration rules an archive out."""
        places = images(request.kernel.release)
        if reason := _ruled_out(request):
            yield Rejection(self.name, places[0], reason)
            return
        nothing = True
        seen: set[tuple[int, int]] = set()
        for place in places:
            found = look(request, place)
            if isinstance(found, Unusable):
                if not found.absent and not found.directory:
                    nothing = False
                    yield Rejection(self.name, place, found.reason, found.hint)
                continue
            nothing = False
            key = (found.status.st_dev, found.status.st_ino)
            if key not in seen:
                seen.add(key)
                yield self._offer(request, found)
        if nothing:
            yield Rejection(self.name, places[0], f"is not there, nor at {len(places) - 1} other places for images")

    def _offer(self, request: Request, found: Found) -> Candidate | Rejection:
        try:
            kernel = bootimage.unpack(found.read(self._limit), found.shown, limit=self._limit)
            release = bootimage.release(kernel, request.kernel.release)
            if release != request.kernel.release:
                what = f"holds kernel {release}, not" if release else "does not say that it is"
                return Rejection(self.name, found.shown, f"{what} {request.kernel.release}")
            archive = bootimage.archive(kernel, found.shown)
        except ArchiveError as error:
            return Rejection(self.name, found.shown, error.what.removeprefix(f"{found.shown}: "), error.hint)
        if archive is None:
            return Rejection(self.name, found.shown, "there is no header archive inside")
        return Candidate(self.name, found.shown, ArchiveContent(lambda: io.BytesIO(archive)), found.identity)


def _ruled_out(request: Request) -> str:
    """Why the kernel's configuration says that no image can hold an archive, or ``""``."""
    config = kconfig.read(request.kernel)
    if config is None or config.get(OPTION) == "y":
        return ""
    if config.get(OPTION) == "m":
        return f"has no archive: {config.origin} says {OPTION}=m, so it is in the module kheaders"
    return f"has no archive: {OPTION} is not set in {config.origin}"
