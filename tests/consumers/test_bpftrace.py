"""Scripts of bpftrace: which of them get a directory, what is in it, and that bpftrace makes the same of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from builders import bcc, interface, need
from kheaders.consumers import bpftrace, kernelsource
from kheaders.interface.blob import Blob

SCRIPT = b"#include <linux/animals.h>\nBEGIN { print(((struct animal *)0)->kind); }\n"

PRIVATE = 'mount -t tracefs t /sys/kernel/tracing && mount -t debugfs d /sys/kernel/debug; exec "$@"'
"""bpftrace stops without these; the mounts are in a namespace that ends with it."""

SCRIPTS = {
    "members": """
        #include <linux/sched.h>
        #include <net/sock.h>
        BEGIN {
            $task = (struct task_struct *)curtask;
            $sk = (struct sock *)1;
            printf("%d %d %d", $task->real_parent->tgid, $sk->__sk_common.skc_dport, sizeof(struct sk_buff));
        }
    """,
    "macros": """
        #include <linux/socket.h>
        #include <linux/fs.h>
        BEGIN { @[AF_INET6, S_IFMT, TCP_CLOSE_WAIT] = 1; }
    """.replace("#include <linux/fs.h>", "#include <linux/fs.h>\n        #include <net/tcp_states.h>"),
}


@pytest.fixture
def blob(small_blob: Path) -> Iterator[Blob]:
    with Blob(small_blob) as opened:
        yield opened


def test_the_script_is_found(tmp_path: Path) -> None:
    path = tmp_path / "s.bt"
    path.write_bytes(SCRIPT)
    text = SCRIPT.decode()
    for command in (
        ["bpftrace", str(path)],
        ["/usr/bin/bpftrace", "-d", "-p", "1", str(path), "argument"],
        ["bpftrace", "-o", "out", "-e", text],
    ):
        assert bpftrace.script(command) == SCRIPT, command
    path.write_bytes(b"#!/usr/bin/env bpftrace\n" + SCRIPT)
    path.chmod(0o755)
    assert bpftrace.script([str(path)]) == b"#!/usr/bin/env bpftrace\n" + SCRIPT


@pytest.mark.parametrize(
    "command",
    [
        ["bpftrace", "-e", "BEGIN { exit(); }"],
        ["bpftrace", "-l"],
        ["bpftrace", "missing.bt"],
        ["bpftrace"],
        ["bpftrace", "-e"],
        ["cat", "-e", SCRIPT.decode()],
        ["sh"],
        ["no-such-tool"],
    ],
)
def test_others_are_left_alone(command: Sequence[str]) -> None:
    assert bpftrace.script(command) is None


def test_what_the_script_names_is_there(blob: Blob, tmp_path: Path) -> None:
    assert bpftrace.prepare(blob, b"#!/usr/bin/bpftrace\n" + SCRIPT, tmp_path) == ""
    config = (tmp_path / "include/linux/kconfig.h").read_bytes()
    assert b"struct animal {" in config and b"animal_feed" not in config
    assert (tmp_path / "include/linux/animals.h").read_bytes() == b""


def test_headers_for_kernels_without_btf_do_not_hide_the_types_of_those_with(blob: Blob, tmp_path: Path) -> None:
    script = b"#ifndef BPFTRACE_HAVE_BTF\n" + SCRIPT.replace(b"\n", b"\n#endif\n", 1)
    assert bpftrace.prepare(blob, script, tmp_path) == ""
    config = (tmp_path / "include/linux/kconfig.h").read_bytes()
    with_btf, mark, without = config.partition(b"\n#else\n")
    assert with_btf.startswith(b"#pragma once\n#ifdef BPFTRACE_HAVE_BTF\n") and mark
    assert b"struct animal {" not in with_btf and b"struct animal {" in without
    assert without.endswith(b"#endif\n")


def test_headers_for_all_kernels_are_there_for_both(blob: Blob, tmp_path: Path) -> None:
    assert bpftrace.prepare(blob, SCRIPT, tmp_path) == ""
    config = (tmp_path / "include/linux/kconfig.h").read_bytes()
    assert b"struct animal {" in config.partition(b"\n#else\n")[0]


@pytest.mark.slow
def test_a_script_with_btf_and_one_without_find_what_they_include(debian_blob: Path, tmp_path: Path) -> None:
    script = b"""
        #ifndef BPFTRACE_HAVE_BTF
        #include <linux/socket.h>
        #include <net/sock.h>
        #else
        #include <sys/socket.h>
        #endif
        kprobe:tcp_connect { if (((struct sock *)arg0)->__sk_common.skc_family == AF_INET6) { printf("%d", AF_INET); } }
    """
    libc = tmp_path / "libc/sys/socket.h"
    with Blob(debian_blob) as blob:
        assert bpftrace.prepare(blob, script, tmp_path / "small", ()) == ""
        libc.parent.mkdir(parents=True)
        libc.touch()
        assert bpftrace.prepare(blob, script, tmp_path / "usual", (str(tmp_path / "libc"),)) == ""
    assert not (tmp_path / "usual/include/sys").exists()
    names = "AF_INET", "AF_INET6", "sizeof(struct sock_common)", "sizeof(pid_t)"
    assert _values(tmp_path / "small", names[:2], "sys/socket.h", "-DBPFTRACE_HAVE_BTF") == [2, 10]
    # net/sock.h of a kernel with IPv6 and namespaces; the description of any tracepoint may name a pid_t
    assert _values(tmp_path / "small", names, "net/sock.h") == [2, 10, 136, 4]


def _values(place: Path, expressions: Sequence[str], header: str, *flags: str) -> list[int]:
    """What *expressions* are worth for a compiler that reads *header* as bpftrace does."""
    clang = need.tool("clang")
    source = place / "values.c"
    lines = "".join(f"unsigned value_{number} = {text};\n" for number, text in enumerate(expressions))
    source.write_text(f"#include <linux/types.h>\n#include <{header}>\n{lines}")
    include = place / "include"
    argv: list[str | Path] = [
        clang,
        "-target",
        "x86_64",
        "-nostdinc",
        "-I",
        include,
        "-include",
        include / kernelsource.CONFIG,
    ]
    done = subprocess.run([*argv, *flags, "-S", "-w", source, "-o", "-"], capture_output=True, text=True, check=True)
    found = re.findall(r"^value_(\d+):\n\s+\.(?:long|zero)\s+(\d+)", done.stdout, re.MULTILINE)
    return [int(value) for _, value in sorted(found)]


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_bpftrace_makes_the_same_of_it(name: str, debian_archive: Path, debian_blob: Path, tmp_path: Path) -> None:
    from builders.root import FakeRoot
    from kheaders.forms.directory import extract
    from kheaders.headers.headerset import HeaderSet

    root = bcc.obtained()
    unshare = need.tool("unshare")
    script = tmp_path / "s.bt"
    script.write_text(SCRIPTS[name])
    with debian_archive.open("rb") as stream:
        tree = str(extract(HeaderSet.from_archive(stream), tmp_path / "tree"))
    tool = [str(root / "usr/bin/bpftrace"), "-d", str(script)]
    where = [
        "--sysroot",
        str(FakeRoot(tmp_path, release=interface.release(debian_blob)).path),
        "--order",
        "store",
        "--store",
        str(tmp_path / "store"),
    ]
    where += ["--cache", str(tmp_path / "cache"), "--blob", str(debian_blob)]

    def run(words: Sequence[str], **more: str) -> subprocess.CompletedProcess[bytes]:
        argv = [str(unshare), "-m", "--propagation", "private", "sh", "-c", PRIVATE, "sh", *words]
        env = {**bcc.environment(root), "BPFTRACE_BTF": "/sys/kernel/btf/vmlinux", **more}
        return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    full = run(tool, **dict.fromkeys(bpftrace.VARIABLES, tree))
    if full.returncode != 0 or b"target triple" not in full.stdout:
        need.missing(f"bpftrace compiles nothing on this machine: {full.stderr.decode(errors='replace')[-200:]}")
    ours = run([sys.executable, "-m", "kheaders", "exec", *where, "--", *tool])
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout == full.stdout
    empty = tmp_path / "empty/include/linux"
    empty.mkdir(parents=True)
    (empty / "kconfig.h").touch()
    nothing = run(tool, **dict.fromkeys(bpftrace.VARIABLES, str(tmp_path / "empty")))
    assert nothing.stdout != full.stdout, "the script takes nothing from headers"
    assert not os.listdir(tmp_path / "store/staging")
