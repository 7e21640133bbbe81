"""The commands of docs/consumers.md for containers, run in one that has no headers, modprobe or ``/lib/modules``."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from builders import bcc, container, libbpf, need
from builders.debian import kept
from builders.kernel_archive import DebianHeaders, Unobtainable
from builders.root import FakeRoot

pytestmark = [pytest.mark.root, pytest.mark.slow]

PROGRAM = """\
#include <linux/sched.h>
#include <net/sock.h>
struct data { char comm[TASK_COMM_LEN]; u16 family; };
int probe(struct pt_regs *ctx, struct sock *sk)
{
    struct data d = {.family = sk->sk_family};
    bpf_get_current_comm(&d.comm, sizeof(d.comm));
    return d.family == AF_INET6;
}
"""
COMMANDS = re.findall(r"IMAGE \\\n +(kheaders .*?)(?: +#.*)?$", (need.CHECKOUT / "docs/consumers.md").read_text(), re.M)
"""What the document runs in containers."""


@pytest.fixture(scope="module")
def image() -> Path:
    if kept("container") is None:
        need.network()
    try:
        return container.image()
    except (Unobtainable, OSError) as error:
        need.missing(f"no container: {error}")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, debian_headers: DebianHeaders) -> Path:
    """The host's root, as it looks on Debian where its headers are installed; no other file of the host is needed."""
    try:
        btf = libbpf.kernel_btf()
    except (Unobtainable, OSError) as error:
        need.missing(f"no kernel: {error}")
    root = FakeRoot(tmp_path_factory.mktemp("host"), release=debian_headers.release, build_id="ab" * 20)
    root.write("/sys/kernel/btf/vmlinux", btf)
    common, generated = debian_headers.layers
    for layer in (common, generated):
        place = root.at(f"/usr/src/{layer.name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(layer, place, symlinks=True)
    root.link(f"{root.modules}/build", f"/usr/src/{generated.name}")
    root.link(f"{root.modules}/source", f"/usr/src/{common.name}")
    root.write("/work/prog.bpf.c", "#include <linux/sched.h>\nint size = sizeof(struct task_struct) + TASK_COMM_LEN;\n")
    root.write("/work/prog.c", PROGRAM)
    root.write("/work/tool", f"#!/usr/bin/python3\n{bcc.COMPILE}", mode=0o755)
    return root.path


def documented(beginning: str, tool: Sequence[str] = ()) -> list[str]:
    """The command of the document that begins so, with another tool after ``--``."""
    (command,) = [shlex.split(command) for command in COMMANDS if command.startswith(beginning)]
    if tool:
        command[command.index("--") + 1 :] = tool
    return command


def test_doctor_finds_the_hosts_headers(image: Path, host: Path) -> None:
    done = container.run(image, host, [*documented("kheaders doctor"), "--json"])
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["kernel"]["release"] in os.readlink(
        host / "lib/modules" / os.listdir(host / "lib/modules")[0] / "build"
    )
    assert "types lie as in /host/sys/kernel/btf/vmlinux" in done.stdout
    assert report["next"].startswith("kheaders compile")


def test_a_program_is_compiled_with_the_hosts_headers(image: Path, host: Path) -> None:
    command = [word.replace("prog.bpf.c", "/host/work/prog.bpf.c") for word in documented("kheaders compile")]
    script = f"{shlex.join(command)} && od -An -c -N4 prog.bpf.o"
    done = container.run(image, host, ["sh", "-c", script])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["177", "E", "L", "F"]


def test_bcc_compiles_the_same_with_the_hosts_headers_and_from_a_shipped_blob(
    image: Path, host: Path, debian_blob: Path
) -> None:
    tool = ["/host/work/tool", "/host/work/prog.c"]
    whole = container.run(image, host, [*documented("kheaders exec --sysroot /host", tool)])
    assert whole.returncode == 0, whole.stderr
    command = documented("kheaders exec --blob", tool)
    command.insert(2, "-v")
    headerless = container.run(image, host, command, blob=debian_blob)
    assert headerless.returncode == 0, headerless.stderr
    assert "a program of bcc, form slice" in headerless.stderr
    assert json.loads(headerless.stdout) == json.loads(whole.stdout)
    assert list(json.loads(whole.stdout)) == ["probe"]


def test_nothing_of_the_container_is_mounted_here(image: Path, host: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    done = container.run(image, host, ["sh", "-c", "ls /lib/modules || ls /sbin/modprobe || cat /proc/mounts"])
    assert "/host" in done.stdout
    assert Path("/proc/self/mountinfo").read_text() == before
