"""The PCH form: the compiler takes the headers from precompiled files, and reads no header at all.

The include lines of a program find empty files, which exist only in an overlay: what they would bring is there already.
Headers that are made to be included more than once are found with their text, which is kept with the PCH.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import NamedTuple

from kheaders.clang import arguments
from kheaders.clang.find import Compiler
from kheaders.clang.flags import Architecture, architecture, pch_flags
from kheaders.clang.job import Job
from kheaders.clang.overlay import anonymous_files, overlay
from kheaders.forms.pchnames import FORMAT, Names
from kheaders.forms.served import Served
from kheaders.interface.program import Program
from kheaders.version import VERSION

STUBS = "/kheaders/pch/include"
NOTHING = "/dev/null"
"""What an include line finds whose header is in the PCH."""

_LAYER = "/kheaders/pch/layer-{}"
"""What a layer calls those below it, wherever they lie."""


def layer_name(number: int) -> str:
    """The name by which the layers above it know that one; it exists in overlays only."""
    return _LAYER.format(number)


def layer_names(places: Sequence[str]) -> dict[str, str]:
    """For an overlay: the name of each layer → where it lies."""
    return {layer_name(number): place for number, place in enumerate(places)}


class Options(NamedTuple):
    """The words of a compile that a PCH must have been made with too."""

    optimise: str = "2"
    mcpu: str | None = None
    words: tuple[str, ...] = ()
    """Others, such as ``-std=gnu11``, and macros that the headers look at (``-DDEBUG``)."""

    def arguments(self) -> tuple[str, ...]:
        """As words of a command line."""
        return (f"-O{self.optimise}", *((f"-mcpu={self.mcpu}",) if self.mcpu else ()), *self.words)

    def key(self, compiler: Compiler) -> str:
        """Changes with everything that clang checks but the headers: the compiler, and all these words."""
        told = json.dumps([VERSION, FORMAT, compiler.identity, compiler.include, *self.arguments()])
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()

    def shown(self) -> str:
        """For people."""
        return " ".join(self.arguments())


def options_of(job: Job, names: Names | None = None) -> Options:
    """What a PCH for *job* must be made with; macros of its command line only where a header in *names* looks at them.

    clang would take a PCH that was made without such a macro, and the headers would mean something else.
    """
    language = arguments.read(job.extra).language
    macros = arguments.read(job.arguments()).macros
    looked_at = [macro.word() for macro in macros if names is not None and names.mentions(macro.name)]
    return Options(job.optimise, job.mcpu, (*language, *looked_at))


class PchForm:
    """A PCH whose layers lie at *places*, perhaps as inherited descriptors, and hold *names*."""

    name = "pch"

    def __init__(
        self,
        places: Sequence[str],
        names: Names,
        srcarch: str,
        release: str | None,
        config: Iterable[bytes] = (),
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.places = tuple(places)
        self.names = names
        self.release = release
        self._arch: Architecture = architecture(srcarch, frozenset(config))
        self._pass_fds = pass_fds

    @property
    def place(self) -> str:
        """Where the last layer lies, which has all."""
        return self.places[-1]

    def at(self, places: Sequence[str]) -> PchForm:
        """The same PCH, where its layers lie at *places*."""
        other = copy(self)
        other.places = tuple(places)
        return other

    def flags(self, compiler: Compiler, index: str, layer: int = -1) -> list[str]:
        """Flags for *compiler*, which finds the overlay at *index*, and takes what is in that *layer*."""
        place = self.places[layer]
        return [*pch_flags(self._arch, STUBS, place, compiler.include), "-ivfsoverlay", index]

    def missing(self, program: Program, own: Sequence[str] = ()) -> list[str]:
        """Names in include lines of *program* that neither the PCH nor the compiler (*own*) has."""
        return [name for name in program.includes if name not in self.names.covered and name not in own]

    @contextmanager
    def present(self, compiler: Compiler, includes: Sequence[str]) -> Iterator[Served]:
        """Make the PCH usable for a program with these include lines, for the time of the body. Raises StoreError."""
        names = self.names
        layer = names.layer(includes)
        wanted = [name for name in includes if name in names.covered]
        if any(names.files[names.covered[name]] in names.kept for name in wanted):
            # what is read again has include lines of its own
            wanted = [name for name, number in names.covered.items() if number < names.ends[layer]]
        kept = {name: names.files[names.covered[name]] for name in wanted}
        texts = {path: names.kept[path].encode("latin-1") for path in kept.values() if path in names.kept}
        with anonymous_files(texts) as files:
            places = {path: f"/proc/self/fd/{fd}" for path, fd in files.items()}
            shown = {f"{STUBS}/{name}": places.get(path, NOTHING) for name, path in kept.items()}
            with anonymous_files({"overlay": overlay(shown | layer_names(self.places[:layer]))}) as index:
                flags = self.flags(compiler, f"/proc/self/fd/{index['overlay']}", layer)
                yield Served(tuple(flags), (*self._pass_fds, *files.values(), index["overlay"]))
