"""Proof: a small program that uses the kernel's core compiles with the headers, and its types lie as in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kheaders.clang.find import Compiler
from kheaders.errors import CompilerError, StoreError
from kheaders.headers.chain import Approver
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.verify import Check, Verdict

if TYPE_CHECKING:
    from kheaders.kernel import Kernel

PROGRAM = b"""\
#include <linux/sched.h>
#include <linux/mm.h>
#include <linux/fs.h>
#include <linux/skbuff.h>
#include <net/sock.h>
#include <uapi/linux/ptrace.h>
#include <uapi/linux/bpf.h>
unsigned long kheaders_trial(struct task_struct *task, struct sk_buff *skb, struct file *file, struct sock *sk)
{
	return task->pid + skb->len + file->f_flags + sk->sk_family + sizeof(struct pt_regs) + BPF_MAP_TYPE_HASH;
}
"""


def approver(compiler: Compiler, kernel: Kernel | None = None) -> Approver:
    """The proof as the chain takes it; it depends on the compiler, and on the *kernel* if its BTF is at hand.

    *kernel* is the one that the headers say they belong to.
    """
    typed = kernel if kernel is not None and kernel.btf is not None else None
    name = f"trial:{compiler.identity}" + (":layouts" if typed else "")
    return Approver(name, lambda headers: try_compile(headers, compiler, typed))


def try_compile(headers: HeaderSet, compiler: Compiler, kernel: Kernel | None = None) -> Verdict:
    """Compile the trial program from *headers* in memory; nothing is written.

    With a *kernel*, which must have BTF, the layouts of its core types are compared as well. Headers of 32-bit kernels
    cannot be compiled for BPF at all, so for them the question is skipped. Raises CompilerError where the compiler
    cannot be run or hangs, and UsageError for an unknown architecture.
    """
    # What is proven once in a boot needs none of these.
    from kheaders import agreement
    from kheaders.clang.diagnostics import first_error, missing_file
    from kheaders.clang.flags import architecture
    from kheaders.clang.job import Job, execute
    from kheaders.forms.memory import MemoryForm

    program = PROGRAM + agreement.USES if kernel is not None else PROGRAM
    try:
        architecture(headers.srcarch or "", headers.config)
    except CompilerError as error:
        return Verdict((Check("compiles", "skipped", error.what),))
    try:
        result = None
        for everything in (False, True):
            with MemoryForm(headers, everything=everything).serve(compiler, program) as served:
                result = execute(compiler, Job(program, debug=kernel is not None), served.flags, served.pass_fds)
            if result.ok or missing_file(result.diagnostics) is None:
                break
    except StoreError as error:
        return Verdict((Check("compiles", "failed", str(error)),))
    if result is not None and result.ok:
        checks = [Check("compiles", "ok", f"with {compiler.name}")]
        if kernel is not None:
            checks.append(agreement.check(kernel, result.output))
        return Verdict(tuple(checks))
    first = first_error(result.diagnostics if result else "")
    return Verdict((Check("compiles", "failed", f"a small program does not compile with {compiler.name}: {first}"),))
