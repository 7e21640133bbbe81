"""A program that includes a ``vmlinux.h`` and has none, compiled with the types that BTF tells: no blob, no headers."""

from __future__ import annotations

import os

from kheaders import vmlinux
from kheaders.btf.cprint.vmlinux import header
from kheaders.btf.table import Btf
from kheaders.clang import arguments
from kheaders.clang.find import Compiler
from kheaders.clang.flags import Architecture
from kheaders.clang.job import Job, Result, execute
from kheaders.errors import CompileFailed
from kheaders.forms.slice import STUBS, lacking, vmlinux_served
from kheaders.interface.program import read
from kheaders.slicing import no_header, place_of


def compile_from_btf(btf: Btf, arch: Architecture, compiler: Compiler, job: Job, text: bytes) -> Result:
    """Compile *job*, whose text is *text*, with a ``vmlinux.h`` made of *btf*, of a kernel for *arch*.

    As with bpftool's header accesses are marked for CO-RE, which takes debug information. Raises CompileFailed,
    BtfError, CompilerError, StoreError.
    """
    job = job._replace(debug=True)
    told = arguments.read(job.arguments())
    whole, place = told.prelude() + text, place_of(job)
    names = vmlinux.named(read(whole, place, told.search, last=job.last.text).includes)

    def attempt(header: bytes) -> Result:
        files = {os.path.normpath(f"{STUBS}/{name}"): header for name in names}
        with vmlinux_served(files, arch, compiler) as served:
            return execute(compiler, job, served.flags, served.pass_fds)

    result = attempt(vmlinux.from_btf(btf, whole, place, told.search, job.last.text))
    missing = lacking(result.diagnostics)
    if not result.ok and (missing.names or missing.tags):  # what macros make of words was not foreseen
        result = attempt("".join(header(btf)).encode())
        missing = lacking(result.diagnostics)
    if result.ok:
        return result
    if why := no_header(job, result.diagnostics):
        raise CompileFailed(*why, result.diagnostics)
    if missing.names:
        name = min(missing.names)
        raise CompileFailed(
            f"{name!r} is not among the types of {btf.name}, which has no macros and no inline functions",
            "build the kernel's blob, which has them: kheaders blob build",
            result.diagnostics,
        )
    raise CompileFailed(f"{compiler.name} refused the program", "see its messages above", result.diagnostics)
