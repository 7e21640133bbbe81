"""Tools of bcc and scripts of bpftrace on a kernel without headers: they print what really happens here."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping

from watching import BLOB, ENVIRONMENT, STAGING, Tool, Watch, until_all_saw, watch

from steps import PYTHON, Done, Steps, check, headers_anywhere, kheaders, run

ME = str(os.getpid())
COMM = "python3.11"
SIOCSIFFLAGS, UP = 0x8914, 0x41  # linux/sockios.h; IFF_UP and IFF_RUNNING of linux/if.h
PORT = 4242
SCRIPTS = "/usr/sbin"
OWN_SCRIPT = """
#include <linux/sched.h>
tracepoint:syscalls:sys_enter_mkdir {
    $task = (struct task_struct *)curtask;
    printf("%d %d %s %x %s\\n", $task->tgid, $task->real_parent->tgid, $task->comm, PF_KTHREAD, str(args->pathname));
}
"""
OWN_TOOL = """
from kheaders.consumers.bcc import BPF
program = BPF(text='''
#include <linux/sched.h>
#include <linux/dcache.h>
#include <linux/fs.h>
int kprobe__vfs_mkdir(struct pt_regs *ctx, struct user_namespace *space, struct inode *dir, struct dentry *dentry)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    umode_t mode = dir->i_mode;
    bpf_trace_printk("%d %d %s\\\\n", task->tgid, S_ISDIR(mode), dentry->d_name.name);
    return 0;
}
''')
while True:
    print(program.trace_readline().decode(), flush=True)
"""


# ---- what happens ---------------------------------------------------------------------------------------------------


def files() -> Mapping[str, str]:
    """A file is written through to the disk and removed; a directory comes and goes."""
    path = f"/root/seen-{time.monotonic_ns()}"
    with open(path, "w") as file:
        file.write("x" * 5000)
        file.flush()
        os.fsync(file.fileno())
    os.unlink(path)
    os.mkdir(f"{path}.d")
    os.rmdir(f"{path}.d")
    return {"me": ME, "parent": str(os.getppid()), "comm": COMM, "path": path, "name": os.path.basename(path)}


def processes() -> Mapping[str, str]:
    """One process ends with status 7, another is sent a signal."""
    word = f"word-{time.monotonic_ns()}"
    with subprocess.Popen(["/usr/bin/sh", "-c", "exit 7", word]) as first:
        pass
    with subprocess.Popen(["/usr/bin/sleep", "60"]) as second:
        second.send_signal(signal.SIGUSR1)
    return {"me": ME, "comm": COMM, "word": word, "first": str(first.pid), "second": str(second.pid)}


def connections() -> Mapping[str, str]:
    """A connection over the loopback device carries some bytes, and ends."""
    address = "127.0.0.1", PORT
    with socket.create_server(address) as server, socket.create_connection(address) as client:
        other, _ = server.accept()
        port = client.getsockname()[1]
        client.sendall(b"x" * 4096)
        with other:
            other.recv(4096, socket.MSG_WAITALL)
    return {"me": ME, "comm": COMM, "port": str(PORT), "from": str(port)}


# ---- the steps ------------------------------------------------------------------------------------------------------


def set_up() -> None:
    """What a distribution's own first process does: the file system of the tools, and the loopback device."""
    subprocess.run(["mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug"], check=True)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", UP))
    for name, text in (("own.bt", OWN_SCRIPT), ("own.py", OWN_TOOL)):
        with open(f"/root/{name}", "w") as file:
            file.write(text)


def plain(*words: str) -> Done:
    """Run a tool by itself, to its end."""
    done = subprocess.run(words, env=ENVIRONMENT, cwd="/root", capture_output=True, text=True, timeout=240)
    return Done(done.returncode, done.stdout, done.stderr)


def no_headers_and_no_tool_that_works() -> None:
    """Without kheaders the tools fail here, for want of headers."""
    check(not headers_anywhere(), headers_anywhere())
    check(not os.path.exists("/usr/include"), "/usr/include is there")
    for tool in ("opensnoop-bpfcc", "tcpconnect-bpfcc"):
        done = plain(tool)
        check(done.status == 1 and "Unable to find kernel headers" in done.out, f"{tool}: {done}")
    done = plain("bpftrace", "/root/own.bt")
    check(done.status == 1 and "'linux/sched.h' file not found" in done.err, done)
    done = plain("bpftrace", f"{SCRIPTS}/tcpconnect.bt")
    check(done.status == 1 and "'sys/socket.h' file not found" in done.err, done)


def the_cause_is_told() -> object:
    """kheaders without a blob and headers: the tool's own message and status, and one line about the cause."""
    done = run([PYTHON, "-m", "kheaders", "exec", "--", "opensnoop-bpfcc"], expect=1)
    check("Unable to find kernel headers" in done.out, done)
    last = done.err.splitlines()[-1]
    check(last.startswith("kheaders: note: there were no headers for the tool: no headers of kernel"), done)
    return last


def tools_see_files() -> object:
    tools = [
        Tool(["opensnoop-bpfcc"], r"^{me} +{comm} +\d+ +0 +{path}$"),
        Tool(["filelife-bpfcc"], r"^\S+ +{me} +{comm} +\d+\.\d\d +{name} *$"),
        Tool(["ext4slower-bpfcc", "0"], r"^\S+ +{comm} +{me} +S 0 .* {name}$"),
    ]
    return watch(tools, files)


def tools_see_processes() -> object:
    tools = [
        Tool(["execsnoop-bpfcc"], r"^sh +{first} +{me} +0 /usr/bin/sh -c exit 7 {word}$"),
        Tool(["exitsnoop-bpfcc"], r"^sh +{first} +{me} +{first} +\d+\.\d\d +code 7$"),
        # SIGINT is an event of its own for it, and comes while Python tells of that, when Python drops it
        Tool(["killsnoop-bpfcc"], r"^\S+ +{me} +{comm} +10 +{second} +0$", signal.SIGTERM, -signal.SIGTERM),
        Tool(["runqlat-bpfcc"], r"^ +\d+ -> \d+ +: [1-9]\d* ", late=True),
    ]
    return watch(tools, processes)


def tools_see_connections() -> object:
    tools = [
        Tool(["tcpconnect-bpfcc"], r"^{me} +{comm} +4 +127\.0\.0\.1 +127\.0\.0\.1 +{port} *$"),
        Tool(["tcpaccept-bpfcc"], r"^{me} +{comm} +4 +127\.0\.0\.1 +{from} +127\.0\.0\.1 +{port} *$"),
        Tool(["tcplife-bpfcc"], r"^{me} +{comm} +127\.0\.0\.1 +{from} +127\.0\.0\.1 +{port} +4 +0 +\d+\.\d+$"),
    ]
    return watch(tools, connections)


def tools_see_the_disk() -> object:
    tools = [
        Tool(["bitesize-bpfcc"], r"^Process Name = .*{comm}", late=True),
        Tool(["vfsstat-bpfcc", "1"], r"^\S+: +\d+ +[1-9]\d* +[1-9]\d* +[1-9]\d* +\d+$"),
    ]
    return watch(tools, files)


def a_program_of_our_own_sees_files() -> object:
    """The import in place of bcc's, run by kheaders only to be given the blob."""
    tools = [Tool([PYTHON, "/root/own.py"], r"{me} 1 {name}\.d *$", signal.SIGTERM, -signal.SIGTERM)]
    return watch(tools, files)


def scripts_see_connections() -> object:
    tools = [
        Tool(
            ["bpftrace", f"{SCRIPTS}/tcpconnect.bt"],
            r"^\S+ +{me} +{comm} +127\.0\.0\.1 +{from} +127\.0\.0\.1 +{port} *$",
        ),
        Tool(
            ["bpftrace", f"{SCRIPTS}/tcpaccept.bt"], r"^\S+ +{me} +{comm} +127\.0\.0\.1 +{from} +127\.0\.0\.1 +{port} "
        ),
    ]
    return watch([tool_of_bpftrace(tool) for tool in tools], connections)


def scripts_see_files() -> object:
    tools = [
        Tool(["bpftrace", "/root/own.bt"], r"^{me} {parent} {comm} 200000 {path}\.d$"),
        Tool(["bpftrace", f"{SCRIPTS}/runqlat.bt"], r"^\[\d+\w*, \d+\w*\) +[1-9]\d* \|@", late=True),
    ]
    return watch([tool_of_bpftrace(tool) for tool in tools], files)


def tool_of_bpftrace(tool: Tool) -> Tool:
    return Tool(tool.words, tool.seen, tool.end, tool.status, None, tool.late)


def ends_are_the_tools_own() -> object:
    """Missing, failing by itself (this bcc is older than this kernel), and killed, itself or with kheaders."""
    words = ["exec", "-v", "--blob", BLOB, "--"]
    check("no-such-tool: no such program" in kheaders(*words, "no-such-tool", expect=9).err, "another message")
    kheaders(*words, "sh", "-c", "exit 5", expect=5)
    failed = kheaders(*words, "biolatency-bpfcc", expect=1)
    check("Failed to attach BPF program" in failed.err, failed)
    check(failed.err.splitlines()[-1] == "kheaders: note: a program of bcc, form slice", failed)
    tools = [
        Watch(Tool(["opensnoop-bpfcc"], r"^{me} +{comm} .* {path}$")),
        Watch(Tool(["filelife-bpfcc"], r" {me} +{comm} .* {name}$")),
    ]
    try:
        until_all_saw(tools, files)
        (killed,), (orphan,) = tools[0].children(), tools[1].children()
        os.kill(killed, signal.SIGKILL)
        check(tools[0].process.wait(60) == -signal.SIGKILL, tools[0].told)
        tools[1].process.kill()
        tools[1].process.wait(60)
        time.sleep(1)
        check(gone(orphan), f"the tool outlives kheaders: {tools[1].told}")
    finally:
        for one in tools:
            one.process.kill()
    left = os.listdir(STAGING)
    check(len(left) == 1, f"left: {left}")
    kheaders(*words, "true")
    check(not os.listdir(STAGING), "what the killed kheaders left is there after the next call")
    return left


def gone(number: int) -> bool:
    """Whether there is no such process, or one that has ended and that nobody has asked about yet."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def no_oops() -> None:
    done = subprocess.run(["dmesg"], capture_output=True, text=True)
    bad = [line for line in done.stdout.splitlines() if re.search("BUG:|WARNING:|Oops", line)]
    check(not bad, bad)


def main() -> int:
    """Run the steps."""
    steps = Steps("consumers")
    for function in (
        set_up,
        no_headers_and_no_tool_that_works,
        the_cause_is_told,
        tools_see_files,
        tools_see_processes,
        tools_see_connections,
        tools_see_the_disk,
        a_program_of_our_own_sees_files,
        scripts_see_connections,
        scripts_see_files,
        ends_are_the_tools_own,
        no_oops,
    ):
        steps.step(function)
    return 0 if steps.ok else 1


sys.exit(main())
