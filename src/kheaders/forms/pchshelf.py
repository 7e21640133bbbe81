"""Where PCHs lie: among the store's persistent files, found by kernel and compiler, without any headers.

A PCH is the files that clang reads, one a layer, and an index, which has the key of the last layer. That key tells the
content: headers, compiler, the words that clang compares, and which headers were asked for. A record tells which key is
the PCH of which kernel for which compiler and words. One that is chained to another, as a layer more, has a key made of
that one's and of what it adds, and needs no record.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kheaders.clang.find import Compiler
from kheaders.clang.flags import RELEVANT_OPTIONS
from kheaders.clang.overlay import anonymous_files, overlay
from kheaders.errors import FormError, StoreError
from kheaders.extraction import TreeWriter
from kheaders.forms import pchbuild, pchnames
from kheaders.forms.pch import NOTHING, STUBS, Options, PchForm, layer_names
from kheaders.headers.headerset import HeaderSet
from kheaders.kernel import Kernel
from kheaders.store import Entry, Store
from kheaders.store.areas import is_key

KIND = "pch"
LAYER = "pch-layer"
"""Kind of the files of the layers below the last."""
INDEX = "pch-index"
SUFFIX = ".pch"
KERNEL = "pch-kernel"
"""Kind of the records that tell which kernels have a PCH at all; a compile asks that before it looks for a compiler."""


class Pch(NamedTuple):
    """A precompiled header in the store."""

    key: str
    form: PchForm
    built: bool = False
    """Whether it was made just now."""

    @property
    def path(self) -> Path:
        """The file that clang reads first, of the last layer; the others and the index lie elsewhere in the store."""
        return Path(self.form.place)

    @property
    def size(self) -> int:
        """Bytes of all that clang reads."""
        return sum(os.path.getsize(place) for place in self.form.places)

    @property
    def left_out(self) -> Mapping[str, str]:
        """Headers that were to be in it and cannot be → why."""
        return self.form.names.left_out


class Shelf:
    """The PCHs of one kernel for one compiler."""

    def __init__(self, store: Store, kernel: Kernel, srcarch: str, compiler: Compiler) -> None:
        self.store = store
        self.kernel = kernel
        self.srcarch = srcarch
        self.compiler = compiler

    def locate(self, options: Options) -> Pch | None:
        """The PCH for *options*, or None if none was built, or what was built is gone or damaged. Raises StoreError."""
        record = self.store.record(KIND, self._record(options))
        key = record.get("key") if record else None
        return self._shelved(key, record) if record and isinstance(key, str) and is_key(key) else None

    def why(self, options: Options) -> str:
        """Why :meth:`locate` found nothing, in words."""
        record = self.store.record(KIND, self._record(options))
        damaged = None
        if record is not None and is_key(key := str(record.get("key"))):
            layers = record.get("layers")
            lower = [_lower(key, number) for number in range(layers - 1)] if isinstance(layers, int) else []
            reasons = [self.store.why(key, KIND), self.store.why(key, INDEX)]
            reasons += [self.store.why(name, LAYER) for name in lower]
            damaged = next(filter(None, reasons), None)
        release = self.kernel.release
        if damaged:
            return f"the PCH of kernel {release} cannot be used ({damaged})"
        return f"kernel {release} has no PCH for {self.compiler.name} and {options.shown()}"

    def build(
        self,
        headers: HeaderSet,
        options: Options,
        wanted: Sequence[str] = (),
        progress: Callable[[str], None] | None = None,
    ) -> Pch:
        """The PCH of *headers* for *options*, and of *wanted* headers too; it is built unless it is there.

        Raises FormError, CompilerError, StoreError, VerificationError.
        """
        key = _digest(headers.digest, options.key(self.compiler), *wanted)
        record: dict[str, Any] = {
            "key": key,
            "srcarch": headers.srcarch,
            "release": headers.release,
            "config": sorted(option.decode() for option in headers.config & RELEVANT_OPTIONS),
            "compiler": self.compiler.name,
            "options": options.shown(),
            "words": list(options.arguments()),
        }
        shelved = self._shelved(key, record)
        if shelved is None:
            made = pchbuild.build(pchbuild.Setting(headers, self.compiler, options.arguments()), wanted, progress)
            record["layers"] = len(made.layers)
            self._keep(key, made, record)
            shelved = self._shelved(key, record, built=True)
        else:
            record["layers"] = len(shelved.form.places)
        if shelved is None:
            raise StoreError("the PCH was removed while it was written", "raise KHEADERS_STORE_LIMIT")
        self.store.put_record(KIND, self._record(options), record, boot=False)
        self.store.put_record(KERNEL, self.kernel.key, {}, boot=False)
        return shelved

    def chained(
        self, base: Pch, options: Options, wanted: Sequence[str], headers: Callable[[], HeaderSet | None]
    ) -> Pch | None:
        """A PCH on top of *base* that has the *wanted* headers too; None if it must be built and there are no headers.

        Raises FormError, CompilerError, StoreError.
        """
        key = _digest(base.key, *sorted(wanted))
        record = self.store.record(KIND, self._record(options)) or {}
        shelved = self._shelved(key, record, base=base)
        if shelved is not None:
            return shelved
        found = headers()
        if found is None:
            return None
        setting = pchbuild.Setting(found, self.compiler, options.arguments())
        made = pchbuild.chain(setting, base.form.names, base.form.places, sorted(wanted))
        self._keep(key, made, {**record, "base": base.key})
        return self._shelved(key, record, base=base, built=True)

    def flags(self, shelved: Pch, options: Options) -> list[str]:
        """Flags for a build of the user's own; the overlay lies in the store until the next boot. Raises StoreError."""
        key = _digest("overlay", shelved.key, *shelved.form.places)
        final = self.store.tree_path(key)

        def write(directory: int) -> None:
            with TreeWriter(directory, str(final)) as tree:
                _write_stubs(tree, final, shelved.form)

        entry = self.store.publish_tree(key, write, meta={"what": "overlay of a PCH"})
        return [*shelved.form.flags(self.compiler, f"{entry.path}/overlay.json"), *options.arguments()]

    def export(self, pch: Pch, options: Options, directory: Path) -> None:
        """Write all that another machine with this compiler needs to *directory*, which must be missing or empty.

        ``clang @DIRECTORY/flags -c prog.c`` compiles with it there, as long as it lies at the same path. Raises
        UsageError, StoreError.
        """
        from kheaders.forms.directory import place_tree

        def write(directory: int, final: Path) -> None:
            names = [f"layer-{number}.pch" for number in range(len(pch.form.places) - 1)]
            form = pch.form.at([f"{final}/{name}" for name in (*names, "kernel.pch")])
            words = [*form.flags(self.compiler, f"{final}/overlay.json"), *options.arguments()]
            with TreeWriter(directory, str(final)) as tree:
                for name, place in zip((*names, "kernel.pch"), pch.form.places, strict=True):
                    tree.add_file(name, Path(place).read_bytes())
                _write_stubs(tree, final, form)
                tree.add_file("flags", "".join(f"{_quoted(word)}\n" for word in words).encode())

        place_tree(directory, write)

    def _shelved(self, key: str, record: Any, *, base: Pch | None = None, built: bool = False) -> Pch | None:
        place, listed = self.store.file(KIND, key), self.store.file(INDEX, key)
        if place is None or listed is None:
            return None
        try:
            names = pchnames.unpack(listed.read_bytes())
            config = [str(option).encode() for option in record.get("config", ())]
            if base is not None:
                lower: list[Path | str | None] = [*base.form.places]
            else:
                lower = [self.store.file(LAYER, _lower(key, number)) for number in range(len(names.layers) - 1)]
            if None in lower:
                return None
            places = [str(found) for found in (*lower, place)]
            form = PchForm(places, names, str(record["srcarch"]), record.get("release"), config)
        except (FormError, OSError, KeyError, TypeError):
            return None
        return Pch(key, form, built)

    def _keep(self, key: str, made: pchbuild.Made, record: dict[str, Any]) -> None:
        meta = {name: value for name, value in record.items() if name != "key"}
        *lower, last = made.layers
        for number, data in enumerate(lower):
            self.store.publish_file(LAYER, _lower(key, number), data, suffix=SUFFIX, meta=meta)
        self.store.publish_file(INDEX, key, made.names.pack(), suffix=".json", meta=meta)
        self.store.publish_file(KIND, key, last, suffix=SUFFIX, meta=meta)

    def _record(self, options: Options) -> str:
        return f"{self.kernel.key}-{self.srcarch}-{options.key(self.compiler)[:32]}"


@contextmanager
def in_memory(
    headers: HeaderSet, compiler: Compiler, options: Options, wanted: Sequence[str] = ()
) -> Iterator[PchForm]:
    """A PCH that lies in memory alone, for the time of the body; nothing is written. Raises as :meth:`Shelf.build`."""
    made = pchbuild.build(pchbuild.Setting(headers, compiler, options.arguments()), wanted)
    with anonymous_files({f"layer {number}": data for number, data in enumerate(made.layers)}) as files:
        fds = tuple(files.values())
        places = [f"/proc/self/fd/{fd}" for fd in fds]
        yield PchForm(places, made.names, headers.srcarch or "", headers.release, headers.config, fds)


def listing(store: Store) -> list[Entry]:
    """Every PCH of the store, chained ones too, the least recently used first."""
    return [entry for entry in store.entries() if entry.kind == KIND]


def _write_stubs(tree: TreeWriter, final: Path, form: PchForm) -> None:
    """The overlay that answers include lines and shows lower layers, and the texts of headers that are read again."""
    names = form.names
    shown = layer_names(form.places[:-1])
    for name, number in names.covered.items():
        path = names.files[number]
        shown[f"{STUBS}/{name}"] = f"{final}/{path}" if path in names.kept else NOTHING
    for path, text in names.kept.items():
        tree.add_file(path, text.encode("latin-1"))
    tree.add_file("overlay.json", overlay(shown))


def _lower(key: str, number: int) -> str:
    """The key of a layer below the last of the PCH *key*."""
    return _digest(key, "layer", str(number))


def _quoted(word: str) -> str:
    """A word of a response file, as clang reads one (GNU style)."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()
