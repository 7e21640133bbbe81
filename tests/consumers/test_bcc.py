"""bcc itself, as Debian packages it: programs from slices are the same code as from full headers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from builders import bcc, interface
from kheaders.consumers import bcc as consumer
from kheaders.errors import ToolMissing

PROGRAMS = {
    "arguments": """
        #include <uapi/linux/ptrace.h>
        #include <net/sock.h>
        #include <bcc/proto.h>
        BPF_HASH(seen, u32, struct sock *);
        int connect(struct pt_regs *ctx, struct sock *sk)
        {
            u32 pid = bpf_get_current_pid_tgid();
            u16 port = sk->__sk_common.skc_dport;
            if (ntohs(port) == 53)
                seen.update(&pid, &sk);
            return 0;
        }
    """,
    "inlines": """
        #include <linux/sched.h>
        #include <linux/fs.h>
        BPF_STACK_TRACE(stacks, 1024);
        struct data { u32 pid; char comm[TASK_COMM_LEN]; u32 kind; };
        BPF_PERF_OUTPUT(events);
        int opened(struct pt_regs *ctx, struct inode *inode)
        {
            struct data d = {};
            struct task_struct *task = (struct task_struct *)bpf_get_current_task();
            if (S_ISREG(inode->i_mode))
                d.kind = MAJOR(inode->i_rdev);
            d.pid = task->real_parent->tgid + stacks.get_stackid(ctx, 0);
            bpf_get_current_comm(&d.comm, sizeof(d.comm));
            events.perf_submit(ctx, &d, sizeof(d));
            return 0;
        }
    """,
    "configuration": """
        #ifdef CONFIG_SMP
        #include <linux/netdevice.h>
        #else
        #include <linux/no_such_header.h>
        #endif
        int sent(struct pt_regs *ctx, struct sk_buff *skb) { return skb->dev->ifindex == LINUX_VERSION_CODE; }
    """,
}
TOOL = """\
import sys
from bcc import BPF
BPF(text=open(sys.argv[1]).read())
"""


def compiled(
    root: Path, program: Path, *before: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    argv = [*before, str(bcc.PYTHON), "-c", bcc.COMPILE, str(program)]
    return subprocess.run(argv, env={**bcc.environment(root), **(env or {})}, capture_output=True, check=False)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, debian_archive: Path) -> Path:
    """The full headers as a tree."""
    from kheaders.forms.directory import extract
    from kheaders.headers.headerset import HeaderSet

    with debian_archive.open("rb") as stream:
        return extract(HeaderSet.from_archive(stream), tmp_path_factory.mktemp("full") / "tree")


@pytest.fixture
def ours(tmp_path: Path, debian_blob: Path) -> list[str]:
    """``kheaders exec`` where there is no header anywhere."""
    from builders.root import FakeRoot

    where = [
        "--sysroot",
        str(FakeRoot(tmp_path, release=interface.release(debian_blob)).path),
        "--order",
        "store",
        "--store",
        str(tmp_path / "store"),
    ]
    where += ["--cache", str(tmp_path / "cache"), "--blob", str(debian_blob)]
    return [sys.executable, "-m", "kheaders", "exec", "-v", *where, "--"]


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_headerless_is_the_same_code(name: str, full: Path, ours: list[str], tmp_path: Path) -> None:
    root = bcc.obtained()
    program = tmp_path / "prog.c"
    program.write_text(PROGRAMS[name])
    from_headers = bcc.codes(compiled(root, program, env={"BCC_KERNEL_SOURCE": str(full)}))
    headerless = compiled(root, program, *ours)
    assert bcc.codes(headerless) == from_headers
    assert from_headers
    assert b"a program of bcc, form slice" in headerless.stderr


@pytest.mark.root
@pytest.mark.slow
def test_a_faulty_program_gets_bccs_message(ours: list[str], tmp_path: Path) -> None:
    root = bcc.obtained()
    program = tmp_path / "prog.c"
    program.write_text("#include <linux/sched.h>\nint f(struct pt_regs *ctx) { return no_such_thing; }\n")
    done = compiled(root, program, *ours)
    assert done.returncode == 3
    assert b"main.c:2:37: error: use of undeclared identifier 'no_such_thing'" in done.stderr
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("kheaders: note: a program could not be compiled without headers: ")


def test_without_bcc() -> None:
    pytest.importorskip("sys")
    if "bcc" in sys.modules:
        pytest.skip("bcc is installed for this Python")
    try:
        import bcc  # noqa: F401
    except ImportError:
        with pytest.raises(ToolMissing, match="python3-bpfcc"):
            consumer.install()
