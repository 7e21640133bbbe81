"""The library: everything that the command line can do, as calls.

    import kheaders

    context = kheaders.Context.open()
    print(context.find().headers.release)
    compiled = context.compile("prog.bpf.c", debug=True)

Each call raises a :class:`kheaders.errors.KheadersError` with a one-line message and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kheaders import kernel as kernels
from kheaders import settings as settings_module
from kheaders.archive_api import ArchiveCalls
from kheaders.blob_api import BlobCalls, Progress
from kheaders.clang import find as compilers
from kheaders.clang.find import Compiler
from kheaders.clang.job import Job, Last
from kheaders.errors import BtfError, UsageError
from kheaders.forms_api import FormCalls
from kheaders.identity import Identity, of_kernel
from kheaders.kernel import Kernel
from kheaders.settings import Settings
from kheaders.store import Entry, Store
from kheaders.types_api import TypesFrom

if TYPE_CHECKING:
    from kheaders.archive import Limits
    from kheaders.btf.table import Btf
    from kheaders.compile import Compiled, FormName
    from kheaders.doctor import Report
    from kheaders.fetching import FetchedHeaders
    from kheaders.forms.pch import PchForm
    from kheaders.headers.chain import Chain, Found
    from kheaders.interface.blob import Blob
    from kheaders.sources.candidate import Request


class Context(FormCalls, BlobCalls, ArchiveCalls):
    """Which kernel, where to look, and with which settings; the rest follows. Make one with :meth:`open`."""

    def __init__(
        self,
        kernel: Kernel,
        settings: Settings,
        store: Store,
        sysroot: Path = Path("/"),
        headers: Path | None = None,
        named: bool = False,
        machine_named: bool = False,
    ) -> None:
        self.kernel = kernel
        self.settings = settings
        self.store = store
        self.sysroot = sysroot
        self.headers = headers
        """Headers that the user named: an archive, directory, module, image or package; nothing else is looked at."""
        self.named = named
        """Whether the user named the kernel; if not, headers that he names may be of any kernel."""
        self.machine_named = machine_named
        """Whether the user named the machine; headers that he names must then be for it."""

    @classmethod
    def open(
        cls,
        *,
        kernel: str | None = None,
        sysroot: str | os.PathLike[str] = "/",
        headers: str | os.PathLike[str] | None = None,
        machine: str = "",
        environ: Mapping[str, str] | None = None,
        **overrides: object,
    ) -> Context:
        """The context for the kernel with release *kernel* (default: the running one) below *sysroot*.

        *machine* is the machine or architecture of another kernel (``arm64``). *overrides* are fields of
        :class:`kheaders.settings.Settings`. With *headers* and no *kernel*, the headers say themselves of which kernel
        and architecture they are; with both, headers of another kernel are refused.

        Raises UsageError.
        """
        environ = os.environ if environ is None else environ
        settings = settings_module.load(environ=environ, overrides=overrides)
        root = Path(os.path.abspath(sysroot))
        if not os.path.isdir(root):  # which, unlike Path.is_dir, has an answer for a name that is too long
            raise UsageError(f"{sysroot}: is no directory", "name the directory that stands for /")
        if kernel is None and not machine:
            identity = kernels.running(root)
        elif kernel is None:
            identity = kernels.named(kernels.running(root).release, machine=machine, sysroot=root)
        else:
            identity = kernels.named(kernel, machine=machine, sysroot=root)
        store = Store.open(
            boot=settings.store, cache=settings.cache, boot_id=None, limit=settings.store_limit, environ=environ
        )
        path = Path(os.path.abspath(headers)) if headers is not None else None
        return cls(identity, settings, store, root, path, kernel is not None, bool(machine))

    @property
    def request(self) -> Request:
        """What sources are asked."""
        from kheaders.sources.candidate import Request

        return Request(self.kernel, self.sysroot, self.headers)

    @property
    def limits(self) -> Limits:
        """What an archive may hold at most."""
        from kheaders.archive import Limits

        return Limits(unpacked=self.settings.unpack_limit)

    @cached_property
    def compiler(self) -> Compiler:
        """The compiler to use. Raises CompilerError."""
        return compilers.find(self.settings.cc, records=self.store)

    def asked(self) -> list[Identity]:
        """What the user said of the kernel that is meant, apart from what is to be read; empty if he said nothing."""
        kernel, said = self.kernel, []
        if self.named:
            # an architecture that nothing but this machine suggests was not said
            certain = self.machine_named or kernel.running or kernels.machine_in_release(kernel.release)
            asked = of_kernel(f"--kernel {kernel.release}", kernel)
            said.append(asked if certain else asked._replace(srcarch=None))
        elif self.machine_named:
            said.append(Identity(f"--machine {kernel.machine}", None, kernel.srcarch))
        if self.sysroot != Path("/") and not self.named and kernels.tells_itself(self.sysroot):
            own = of_kernel(f"the system below {self.sysroot}", kernel)
            said.append(own._replace(build_id=None, version="") if self.machine_named else own)
        return said

    def named_headers(self) -> Identity | None:
        """Of which kernel the headers are that the user named; None if he named none. Raises HeadersNotFound."""
        if self.headers is None:
            return None
        with self._downloads() as downloads:
            chain = self.chain(downloads)
            found = next(chain.found(), None)
        if found is None:
            raise chain.nothing()
        return Identity(f"{self.headers}", found.facts.release, found.facts.srcarch)

    def of_blob(self, blob: Blob) -> Context:
        """The context for the kernel of *blob*: this one, unless the user left open which kernel is meant."""
        if self.named or self.is_of(blob):
            return self
        from kheaders.interface.shelf import identity

        own = identity(blob)
        srcarch = own.srcarch or self.kernel.srcarch
        kernel = kernels.other(
            own.release or "", srcarch, kernels.MACHINES.get(srcarch, ""), self.sysroot, self.kernel.boot_id
        )
        return Context(kernel, self.settings, self.store, self.sysroot, self.headers, True, True)

    def chain(self, downloads: Path | None = None) -> Chain:
        """The sources in their order; with headers that the user named, these alone."""
        from kheaders.headers.chain import Chain
        from kheaders.sources.registry import sources

        order = ("explicit",) if self.headers is not None else tuple(n for n in self.settings.order if n != "explicit")
        adopt = self.headers is not None and not self.named
        only = self.kernel.srcarch if self.machine_named else None
        asked = sources(order, self.store, downloads=downloads)
        return Chain(self.request, asked, self.store, self.limits, adopt, only)

    def _meant(self) -> tuple[Kernel, str]:
        """The kernel whose forms are meant, and its SRCARCH; of headers that a file was named for, what they say."""
        kernel, srcarch = self.kernel, self.kernel.srcarch
        if self.headers is not None and not self.named:
            with self._downloads() as downloads:
                chain = self.chain(downloads)
                found = next(chain.found(), None)
            if found is None:
                raise chain.nothing()
            kernel, srcarch = chain.kernel_of(found), found.facts.srcarch or srcarch
        return kernel, srcarch

    def find(self) -> Found:
        """Headers that belong to the kernel and compile: found, verified, proven.

        Raises HeadersNotFound with the reason of every source, and CompilerError where nothing can be proven.
        """
        from kheaders.trial import approver

        with self._downloads() as downloads:
            chain = self.chain(downloads)
            return chain.first(lambda kernel: approver(self.compiler, kernel))

    def directory(self) -> tuple[Found, Entry]:
        """The verified headers as a directory in the store, which lasts until the next boot. Raises StoreError too."""
        from kheaders.forms.directory import tree
        from kheaders.trial import approver

        with self._downloads() as downloads:
            chain = self.chain(downloads)
            found = chain.first(lambda kernel: approver(self.compiler, kernel))
            return found, tree(chain, found)

    def extract(self, directory: str | os.PathLike[str], *, progress: Progress | None = None) -> Found:
        """Write the verified headers to *directory*, which must be missing or empty.

        *progress* is called with a stage, ``headers`` or ``extract``, and bytes so far and in all where they are known.
        """
        from kheaders.forms.directory import extract

        if progress is None:
            found = self.find()
            extract(found.headers, Path(directory))
            return found
        progress("headers", None, None)
        found = self.find()
        extract(found.headers, Path(directory), lambda done, total: progress("extract", done, total))
        return found

    def compile(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        form: FormName = "auto",
        optimise: str = "2",
        debug: bool = False,
        mcpu: str | None = None,
        defines: Sequence[str] = (),
        includes: Sequence[str] = (),
        extra: Sequence[str] = (),
        blob: str | os.PathLike[str] | None = None,
        pch: PchForm | None = None,
        check: bool = False,
        core: bool = False,
        types: TypesFrom = "headers",
        btf: str | os.PathLike[str] | Btf | None = None,
    ) -> Compiled:
        """Compile a program (a file, or its text as bytes) to a BPF object, in memory.

        *blob* names the blob to cut slices from; by default it is the kernel's own in the store, if there is one.
        *pch* is one that :meth:`pch_in_memory` gave; by default it is the kernel's own in the store. With
        *check* the full headers are used as well, and the result tells where the objects differ. With *core* the object
        loads on other kernels too (CO-RE); with *types* ``btf`` BTF tells the types: the kernel's, or *btf*, which is
        what :meth:`btf` takes and belongs to the blob's kernel. Both take a slice. Raises CompileFailed with the
        compiler's diagnostics where the program is at fault.

        A program that includes ``vmlinux.h`` and has none gets one for itself, whatever *form* says: from *blob* or the
        kernel's own, else from *btf* or the kernel's BTF, with accesses marked for CO-RE as bpftool's has them, and
        with debug information, without which there is no CO-RE.
        """
        from kheaders.compile import check as check_object
        from kheaders.compile import compile_program, gathering_for, lacks_vmlinux, program_text

        changed = core or types == "btf"
        if changed and form not in ("auto", "slice"):
            raise UsageError(f"types are changed in slices only, not in the form {form}", "leave --form out")
        form = "slice" if changed else form
        with ExitStack() as stack:
            last = stack.enter_context(self.bpf_headers())
            downloads = stack.enter_context(self._downloads())
            program = source if isinstance(source, bytes) else Path(source)
            job = Job(program, optimise, debug, mcpu, tuple(defines), tuple(includes), tuple(extra), last)
            if isinstance(program, Path) and not program.is_file():
                job = job._replace(source=program_text(job))  # a pipe, which gives its text but once
            opened = self._slices(blob, form)
            if check and lacks_vmlinux(job):
                raise UsageError(
                    "--check holds an object against the one from the full headers, which a program that takes its "
                    "types from vmlinux.h does not use",
                    "leave --check out",
                )
            if (opened is None or form not in ("auto", "slice")) and lacks_vmlinux(job):
                opened, form = opened or self._slices(None, "auto"), "slice"
                if opened is None:
                    return self._from_btf(job, btf)
            # what a slice cannot do is asked of headers of the same kernel
            own = self
            if opened is not None:
                stack.enter_context(opened)
                own = self.of_blob(opened)
            rework = self._retyper(opened, core, types, btf) if changed and opened is not None else None
            by_pch = pch is not None or own._may_have_pch(form)
            if opened is None and not by_pch and form != "slice":
                gathered = gathering_for(job) if form in ("auto", "memory") else None
                chain = self.chain(downloads)
                chain.watch = gathered.offer if gathered is not None else None
                # Reading headers and finding a compiler take about as long where nothing is remembered.
                with chain.ahead():
                    compiler = self.compiler
                compiled = compile_program(lambda: chain, compiler, job, form, gathered=gathered)
            else:
                shelf = (lambda: pch or own.pch_shelf()) if by_pch else None
                compiled = compile_program(
                    lambda: own.chain(downloads),
                    self.compiler,
                    job,
                    form,
                    opened,
                    rework=rework.apply if rework else None,
                    shelf=shelf,
                    types=(lambda: self._retyper(opened, core, types, btf, needed=True)) if opened else None,
                )
            return check_object(own.chain(downloads), self.compiler, job, compiled) if check else compiled

    def _from_btf(self, job: Job, named: str | os.PathLike[str] | Btf | None) -> Compiled:
        """*job* compiled with a ``vmlinux.h`` of the BTF *named*, or of that of the kernel that is meant."""
        from kheaders.clang.flags import architecture
        from kheaders.compile import Compiled, program_text
        from kheaders.from_btf import compile_from_btf

        kernel, srcarch = self._meant()
        if named is None and kernel.btf is None:
            raise BtfError(
                f"the program includes vmlinux.h, and neither a blob nor BTF of kernel {kernel.release} is at hand",
                "make it from headers (kheaders blob build), or name the types with --btf FILE",
            )
        types = self.btf(named if named is not None else kernel.btf)
        arch = architecture(srcarch)._replace(big_endian=types.big_endian)
        result = compile_from_btf(types, arch, self.compiler, job, program_text(job))
        return Compiled(result.output, result, "btf", kernel.release if named is None else None)

    @contextmanager
    def bpf_headers(self) -> Iterator[Last]:
        """libbpf's headers as a compiler finds them after all others: the system's, or those that come with kheaders.

        Raises StoreError.
        """
        from kheaders.bpf_headers import find

        found = find(self.sysroot)
        if found is None:
            yield Last()
            return
        with found.shown() as last:
            yield last

    def doctor(self) -> Report:
        """Ask every source, verify every offer, and tell all of it; raises nothing for what it finds."""
        from kheaders.doctor import examine

        with self._downloads() as downloads:
            return examine(self.chain(downloads), self.settings.cc)

    def fetch(
        self,
        *,
        package: str | None = None,
        suite: str | None = None,
        architecture: str | None = None,
        progress: Progress | None = None,
    ) -> FetchedHeaders:
        """Download the distribution's header packages of the kernel and keep them in the store.

        Without *package*, those of exactly the context's kernel; where the distribution has none, and the kernel was
        not named by the user, the newest of its flavour as a stand-in. Raises FetchError.
        """
        from kheaders.fetching import Wanted, fetch

        exact = self.kernel.release if self.named else None
        wanted = Wanted(self.kernel, exact, package, suite, architecture)
        return fetch(wanted, self.store, progress=progress, sysroot=self.sysroot)

    def stand_in(self, release: str | None) -> str | None:
        """The running kernel, where headers of *release* were downloaded for it as it has none of its own; else None.

        The types of another kernel may lie otherwise: only with ``core`` does a loader move each access to where the
        member lies. Raises StoreError.
        """
        from kheaders.sources.stored import stand_in_for

        if release is None:
            return None
        meant = stand_in_for(self.store, release, self.kernel.srcarch)
        return meant if meant is not None and meant == kernels.running(self.sysroot).release else None

    def _slices(self, named: str | os.PathLike[str] | None, form: FormName) -> Blob | None:
        """The blob that a compile in *form* may cut slices from, if there is one."""
        if named is not None:
            return self.blob(named)
        if form not in ("auto", "slice") or (self.headers is not None and not self.named):
            return None
        from kheaders.interface import shelf

        path = shelf.locate(self.store, self.kernel, self.kernel.srcarch)
        if path is None:
            return None
        from kheaders.interface.blob import Blob

        return Blob(path)

    @contextmanager
    def _downloads(self) -> Iterator[Path | None]:
        """A private directory for the time of a call, if downloads are allowed; else None."""
        if "apt" not in self.settings.order:
            yield None
            return
        with self.store.scratch() as directory:
            yield directory
