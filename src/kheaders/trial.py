"""Proof: a small program that uses the kernel's core compiles with the headers."""

from __future__ import annotations

from kheaders.compilers.find import Compiler
from kheaders.errors import CompilerError, StoreError
from kheaders.headers.chain import Approver
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.verify import Check, Verdict

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


def approver(compiler: Compiler) -> Approver:
    """The proof as the chain takes it; it depends on the compiler."""
    return Approver(f"trial:{compiler.identity}", lambda headers: try_compile(headers, compiler))


def try_compile(headers: HeaderSet, compiler: Compiler) -> Verdict:
    """Compile the trial program from *headers* in memory; nothing is written.

    Headers of 32-bit kernels cannot be compiled for BPF at all, so for them the question is skipped. Raises
    CompilerError where the compiler cannot be run or hangs, and UsageError for an unknown architecture.
    """
    # What is proven once in a boot needs none of these.
    from kheaders.compilers.flags import architecture
    from kheaders.compilers.job import Job, execute
    from kheaders.forms.memory import MemoryForm

    try:
        architecture(headers.srcarch or "", headers.config)
    except CompilerError as error:
        return Verdict((Check("compiles", "skipped", error.what),))
    try:
        result = None
        for everything in (False, True):
            with MemoryForm(headers, everything=everything).serve(compiler, PROGRAM) as served:
                result = execute(compiler, Job(PROGRAM), served.flags, served.pass_fds)
            if result.ok or "file not found" not in result.diagnostics:
                break
    except StoreError as error:
        return Verdict((Check("compiles", "failed", str(error)),))
    if result is not None and result.ok:
        return Verdict((Check("compiles", "ok", f"with {compiler.name}"),))
    first = first_error(result.diagnostics if result else "")
    return Verdict((Check("compiles", "failed", f"a small program does not compile with {compiler.name}: {first}"),))


def first_error(diagnostics: str) -> str:
    """The first line of a compiler's output that states an error."""
    lines = diagnostics.splitlines()
    return next((line for line in lines if "error:" in line), lines[0] if lines else "no message")
