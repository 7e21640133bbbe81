"""Precompiled headers, built: those that hold the headers which BPF programs include most, or one chained to them.

clang writes one file a layer, each on top of those before it; beside it another run of the preprocessor tells what is
in them (:mod:`pchnames`). Both see the headers from memory. ``-fmodules-embed-all-files`` puts the headers' texts into
the files, so that clang needs none of them afterwards, and ``-fno-pch-timestamp`` leaves their times out.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from kheaders.c.include_path import Resolver
from kheaders.clang.diagnostics import errors, first_error
from kheaders.clang.environment import cleaned
from kheaders.clang.find import Compiler
from kheaders.clang.flags import Architecture, architecture, include_directories
from kheaders.clang.overlay import anonymous_files, overlay, virtual_files
from kheaders.errors import FormError, VerificationError
from kheaders.forms.closure import Closure
from kheaders.forms.memory import MemoryForm
from kheaders.forms.pch import layer_name, layer_names
from kheaders.forms.pchnames import ALWAYS, WORDS, Names, index
from kheaders.forms.popular import popular
from kheaders.forms.served import Served, flags_for
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import rewritten
from kheaders.run import Completed, run

EMBED = ("-Xclang", "-fmodules-embed-all-files", "-Xclang", "-fno-pch-timestamp")
_UMBRELLA = "<stdin>"
"""What clang calls the file that includes all of a layer."""


class Made(NamedTuple):
    """Precompiled headers, not yet kept anywhere: one a layer, each built on those before it."""

    layers: list[bytes]
    names: Names


class Setting(NamedTuple):
    """What is compiled for whom: headers, compiler, and the words that clang compares with those of a program."""

    headers: HeaderSet
    compiler: Compiler
    words: tuple[str, ...]

    @property
    def arch(self) -> Architecture:
        """The architecture. Raises VerificationError where the headers do not tell."""
        if self.headers.srcarch is None:
            raise VerificationError(f"{self.headers.name}: the architecture of the headers cannot be told",
                                    "run 'kheaders doctor'")  # fmt: skip
        return architecture(self.headers.srcarch, self.headers.config)

    def texts(self, path: str) -> bytes:
        """A header as the compiler sees it."""
        return rewritten(path, self.headers[path])


def build(setting: Setting, wanted: Sequence[str] = (), progress: Callable[[str], None] | None = None) -> Made:
    """The precompiled headers of the popular and the *wanted* ones, as far as the kernel has them and they compile.

    Raises FormError if it has none of them, or clang stops for another reason; VerificationError, StoreError.
    """
    resolver, search = _resolver(setting)
    *lower, last = popular()
    known = {name for layer in lower for name in layer}
    last = [name for name in dict.fromkeys([*last, *wanted]) if name not in known]
    asked = [[name for name in layer if resolver.resolve(name, "", False)] for layer in (*lower, last)]
    asked = [layer for layer in asked if layer] or [[]]
    left_out = {name: "this kernel has no such header" for name in wanted if not resolver.resolve(name, "", False)}
    root = f"/kheaders/{setting.headers.release or 'unknown'}"
    if progress is not None:
        progress("pch")
    everything = [name for layer in asked for name in layer]
    with MemoryForm(setting.headers).serve(setting.compiler, _umbrella(everything)) as served:

        def names(layers: list[list[str]]) -> tuple[Completed, Names | None]:
            told = _preprocess(setting, served, layers)
            if told.returncode:
                return told, None
            return told, index(told.stdout, resolver, root, setting.texts, search, left_out, layers)

        # The preprocessor and what reads its output are done before the compiler is, where there are two processors.
        stack = _Stack(setting, served, asked, saved=_saved(setting, search, asked))
        stack.start()
        try:
            told, found = names(asked)
        finally:
            stack.join()
        left_out |= stack.failed
        if found is None or stack.failed:
            told, found = names(stack.layers)
        if found is None:
            raise _refused(setting, told)
    return Made(stack.done(), found)


def chain(setting: Setting, base: Names, places: Sequence[str], wanted: Sequence[str]) -> Made:
    """One more layer, of the headers with the names *wanted*, on top of those at *places*, which hold *base*.

    Raises FormError if one of them is missing or cannot be included.
    """
    resolver, search = _resolver(setting)
    for name in wanted:
        if resolver.resolve(name, "", False) is None:
            raise FormError(f"kernel {setting.headers.release} has no header <{name}>", "correct the include line")
    release = setting.headers.release or "unknown"
    covered = frozenset(base.files)

    def told(path: str) -> bytes:
        """What the compiler is shown: of what is in the base, only what must be read again."""
        return base.kept.get(path, "").encode("latin-1") if path in covered else setting.texts(path)

    root = f"/kheaders/{release}+"
    reached = Closure(_umbrella(wanted), (), (ALWAYS,)).texts(setting.headers, search)
    layers = [*base.layers, [*wanted]]
    with (
        virtual_files({f"{root}/{path}": told(path) for path in reached}) as files,
        MemoryForm(setting.headers).serve(setting.compiler, _umbrella([*base.umbrella, *wanted])) as whole,
    ):
        flags = flags_for(setting.headers, root, setting.compiler)
        saved = _macros_saved(
            (setting.texts(path) for path in covered), (setting.texts(path) for path in reached if path not in covered)
        )
        stack = _Stack(setting, Served((*flags, *files.flags), files.pass_fds), [[*wanted]], places, iter([saved]))
        stack.start()
        try:
            # The preprocessor cannot go on from a PCH, so it is given all of it.
            printed = _preprocess(setting, whole, layers)
        finally:
            stack.join()
        made = stack.done()
        if stack.failed:
            name, reason = next(iter(stack.failed.items()))
            raise FormError(f"no PCH of kernel {release} with {name}: {reason}", "run 'kheaders doctor'")
        if printed.returncode:
            raise _refused(setting, printed)
    names = index(printed.stdout, resolver, f"/kheaders/{release}", setting.texts, search, base.left_out, layers)
    return Made(made, names)


class _Stack(threading.Thread):
    """Compiles one layer after the other, the first on top of what lies at *places*, if anything does.

    A header that cannot be compiled is left out, and its layer compiled again without it.
    """

    def __init__(
        self,
        setting: Setting,
        served: Served,
        layers: Sequence[Sequence[str]],
        places: Sequence[str] = (),
        saved: Iterator[bytes] | None = None,
    ) -> None:
        super().__init__(name="kheaders-pch")
        self.layers: list[list[str]] = []
        """What is in each."""
        self.failed: dict[str, str] = {}
        """The headers that cannot be compiled → why."""
        self._setting = setting
        self._served = served
        self._asked = layers
        self._below = places
        self._saved = saved or iter(())
        self._made: list[bytes] = []
        self._error: BaseException | None = None

    def done(self) -> list[bytes]:
        """The precompiled layers, once the thread has ended. Raises what stopped it, a FormError for one of clang's."""
        if self._error is not None:
            raise self._error
        return self._made

    def run(self) -> None:
        """Compile."""
        try:
            for number, names in enumerate(self._asked):
                last = number == len(self._asked) - 1
                saved = next(self._saved, b"")
                if names or (last and not self._made):
                    self._add(list(names), saved)
        except BaseException as error:
            self._error = error

    def _add(self, names: list[str], saved: bytes) -> None:
        while True:
            made, data = self._compile(names, saved)
            if made.returncode == 0:
                break
            failed = _failed(made.errors, names)
            if not failed:
                raise _refused(self._setting, made)
            self.failed |= failed  # with each round there are fewer, so that this comes to an end
            names = [name for name in names if name not in failed]
        self.layers.append(names)
        self._made.append(data)

    def _compile(self, names: Sequence[str], saved: bytes) -> tuple[Completed, bytes]:
        setting, served = self._setting, self._served
        flags = list(served.flags)
        with (
            anonymous_files({f"{n}": data for n, data in enumerate(self._made)}) as own,
            anonymous_files({"made": b""}) as output,
        ):
            places = [*self._below, *(f"/proc/self/fd/{fd}" for fd in own.values())]
            with anonymous_files({"overlay": overlay(layer_names(places))}) as listing:
                if places:
                    at = flags.index("-include")
                    flags[at : at + 2] = ["-include-pch", layer_name(len(places) - 1)]
                    flags += ["-ivfsoverlay", f"/proc/self/fd/{listing['overlay']}"]
                argv = [*_head(setting), *flags, *_tail(setting), "-x", "c-header", "-", *EMBED, "-o", "-"]
                fds = (*served.pass_fds, *own.values(), *listing.values())
                # Into a file: what reads the preprocessor's output meanwhile leaves this thread little time for a pipe.
                done = run(
                    argv,
                    input=_umbrella(names) + saved,
                    output=output["made"],
                    environ=cleaned(),
                    pass_fds=fds,
                    check=False,
                )
            return done, os.pread(output["made"], os.fstat(output["made"]).st_size, 0)


def _saved(setting: Setting, search: tuple[str, ...], layers: Sequence[Sequence[str]]) -> Iterator[bytes]:
    """What ends each layer (:func:`_macros_saved`); it is found out when it is asked for."""
    before: dict[str, bytes] = {}
    for number in range(len(layers)):
        names = [name for layer in layers[: number + 1] for name in layer]
        reached = Closure(_umbrella(names), (), (ALWAYS,)).texts(setting.headers, search)
        yield _macros_saved(before.values(), (text for path, text in reached.items() if path not in before))
        before = dict(reached)


def _macros_saved(below: Iterable[bytes], added: Iterable[bytes]) -> bytes:
    """Lines that write the macros of the layers *below*, which the texts *added* mention, into the layer of these.

    In a PCH on top of another, clang until 19 forgets that the name of a function-like macro of the lower one is a
    macro, if the upper one uses it for something else: hlist_entry is a macro of linux/list.h, and a member in
    linux/perf_event.h. A macro that is restored is written anew. To restore one that is not defined does nothing.
    """
    known: set[bytes] = set()
    for text in below:
        known.update(text.translate(WORDS).split())
    if not known:
        return b""
    used: set[bytes] = set()
    for text in added:
        used.update(text.translate(WORDS).split())
    names = sorted(name for name in known & used if not name[:1].isdigit())
    return b"".join(b'#pragma push_macro("%s")\n#pragma pop_macro("%s")\n' % (name, name) for name in names)


def _resolver(setting: Setting) -> tuple[Resolver, tuple[str, ...]]:
    search = include_directories(setting.arch)
    return Resolver([*setting.headers.files, *setting.headers.aliases], search), search


def _umbrella(names: Iterable[str]) -> bytes:
    return "".join(f"#include <{name}>\n" for name in names).encode()


def _head(setting: Setting) -> list[str]:
    return [*setting.compiler.command, "-fno-crash-diagnostics"]


def _tail(setting: Setting) -> list[str]:
    return [*setting.words, "-ferror-limit=0", "-w"]


def _preprocess(setting: Setting, served: Served, layers: Sequence[Sequence[str]]) -> Completed:
    words = [*_head(setting), *served.flags, *_tail(setting), "-E", "-dD", "-dI", "-x", "c", "-", "-o", "-"]
    umbrella = _umbrella(name for layer in layers for name in layer)
    return run(words, input=umbrella, environ=cleaned(), pass_fds=served.pass_fds, check=False)


def _failed(printed: str, names: Sequence[str]) -> dict[str, str]:
    """The included headers that errors are in → the first error of each."""
    failed: dict[str, str] = {}
    for error in errors(printed):
        file, number = error.included_from[0] if error.included_from else (error.file, error.line)
        if file == _UMBRELLA and 0 < number <= len(names):
            failed.setdefault(names[number - 1], error.shown())
    return failed


def _refused(setting: Setting, made: Completed) -> FormError:
    first = first_error(made.errors)
    release = os.fspath(setting.headers.release or "unknown")
    return FormError(f"no PCH of kernel {release} with {setting.compiler.name}: {first}", "run 'kheaders doctor'")
