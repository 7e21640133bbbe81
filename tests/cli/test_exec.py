"""``kheaders exec``: the tool's environment, and that it is the tool that one sees."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.cli import Run
from kheaders.consumers.surroundings import SHIM

Process = Callable[..., subprocess.CompletedProcess[bytes]]
DUMP = "import json, os, sys; json.dump(dict(os.environ), sys.stdout)"

FAKE_BCC = '''\
class Library:
    """Compiles what its kernel's source says before anything else."""
    def bpf_module_create_c_from_string(self, text, debug, flags, count, *rest):
        import os
        source = os.environ.get("BCC_KERNEL_SOURCE")
        if source is None:
            os.write(2, b"no kernel source\\n")
            return None
        with open(source + "/include/linux/kconfig.h") as file:
            file.read()
        return (os.listdir(source + "/include"), text)
lib = Library()
class BPF:
    def __init__(self, text):
        self.module = lib.bpf_module_create_c_from_string(text, 0, None, 0, True, None)
'''


@pytest.fixture
def fake_bcc(tmp_path: Path) -> Path:
    """A directory with a package ``bcc`` that has what the shim touches."""
    (tmp_path / "python/bcc").mkdir(parents=True)
    (tmp_path / "python/bcc/__init__.py").write_text(FAKE_BCC)
    (tmp_path / "python/bcc/utils.py").write_text("HERE = True\n")
    return tmp_path / "python"


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_status_is_the_tools(process: Process, empty_root: tuple[str, ...], status: int) -> None:
    done = process("exec", *empty_root, "--", "sh", "-c", f"exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGPIPE])
def test_death_is_the_tools(process: Process, empty_root: tuple[str, ...], number: signal.Signals) -> None:
    done = process("exec", *empty_root, "--", "sh", "-c", f"kill -{int(number)} $$")
    assert (done.returncode, done.stderr) == (-number, b"")


def test_streams_are_the_tools(process: Process, empty_root: tuple[str, ...]) -> None:
    done = process("exec", *empty_root, "--", "sh", "-c", "cat; echo wrong >&2", input=b"\x00\xffbytes")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\x00\xffbytes", b"wrong\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2])
def test_signals_reach_the_tool(places: tuple[str, ...], empty_root: tuple[str, ...], number: signal.Signals) -> None:
    trap = f"trap 'exit 42' {int(number)}; echo ready; while :; do sleep 0.05; done"
    argv = [sys.executable, "-m", "kheaders", "exec", *places, *empty_root, "--", "sh", "-c", trap]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        assert child.wait(60) == 42


def test_a_tool_does_not_outlive_its_killed_kheaders(
    process: Process, places: tuple[str, ...], empty_root: tuple[str, ...]
) -> None:
    argv = [sys.executable, "-m", "kheaders", "exec", *places, *empty_root, "--", "sh", "-c", "echo ready; exec cat"]
    read, write = os.pipe()  # only the tool holds its end when the writer here is closed
    try:
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=write) as child:
            os.close(write)
            assert os.read(read, 100) == b"ready\n"
            child.kill()
            child.wait(60)
            assert select.select([read], [], [], 60)[0], "the tool still runs"
            assert os.read(read, 100) == b""
    finally:
        os.close(read)
    assert len(left(places)) == 1
    assert process("exec", *empty_root, "--", "true").returncode == 0
    assert not left(places)


def left(places: tuple[str, ...]) -> list[Path]:
    """What lies in the store's directories for things half made."""
    return [found for place in (places[1], places[3]) for found in Path(place).glob("staging/*")]


def test_descriptors_that_were_given_are_the_tools(empty_root: tuple[str, ...], places: tuple[str, ...]) -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader:
        argv = [
            sys.executable,
            "-m",
            "kheaders",
            "exec",
            *places,
            *empty_root,
            "--",
            "sh",
            "-c",
            f"echo here >/dev/fd/{write}",
        ]
        subprocess.run(argv, pass_fds=[write], check=True)
        os.close(write)
        assert reader.read() == b"here\n"


def test_missing_tool(run: Run, empty_root: tuple[str, ...]) -> None:
    done = run("exec", *empty_root, "--", "no-such-tool")
    assert done.status == 9
    assert done.error == "no-such-tool: no such program; install it or correct PATH"


def test_no_command(run: Run) -> None:
    for words in ((), ("--",), ("--", "")):
        assert run("exec", *words).status == 2


def test_words_after_the_dashes_are_the_tools(process: Process, empty_root: tuple[str, ...]) -> None:
    done = process("exec", *empty_root, "--", "echo", "--json", "--", "-v")
    assert done.stdout == b"--json -- -v\n"


def test_without_headers_and_blob_the_environment_stays(process: Process, empty_root: tuple[str, ...]) -> None:
    done = process("exec", *empty_root, "--", sys.executable, "-c", DUMP)
    env = json.loads(done.stdout)
    assert not {"BCC_KERNEL_SOURCE", "BPFTRACE_KERNEL_SOURCE", "KHEADERS_CFLAGS", "KHEADERS_EXEC_BLOB"} & set(env)


def test_headers_were_the_cause(process: Process, empty_root: tuple[str, ...], own_surroundings: Path) -> None:
    tool = own_surroundings / "thing-bpfcc"
    tool.write_text("#!/bin/sh\necho failed >&2; exit 1\n")
    tool.chmod(0o755)
    done = process("exec", *empty_root, "--", str(tool))
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert lines[0] == "failed" and len(lines) == 2
    assert lines[1].startswith("kheaders: note: there were no headers for the tool: no headers of kernel")


@pytest.mark.slow
def test_headers_are_named(process: Process, debian_archive: Path) -> None:
    done = process("exec", "--headers", str(debian_archive), "--", sys.executable, "-c", DUMP)
    env = json.loads(done.stdout)
    tree = Path(env["BCC_KERNEL_SOURCE"])
    assert (tree / "include/linux/kconfig.h").is_file()
    assert env["BPFTRACE_KERNEL_SOURCE"] == env["BPFTRACE_KERNEL_BUILD"] == str(tree)
    assert f"-isystem {tree}/include " in env["KHEADERS_CFLAGS"]
    kept = process(
        "exec", "--headers", str(debian_archive), "--", sys.executable, "-c", DUMP,
        env={**os.environ, "BCC_KERNEL_SOURCE": "/mine"},
    )  # fmt: skip
    assert json.loads(kept.stdout)["BCC_KERNEL_SOURCE"] == "/mine"


def test_bcc_is_given_slices(process: Process, empty_root: tuple[str, ...], small_blob: Path, fake_bcc: Path) -> None:
    tool = "from bcc import BPF; import bcc; from bcc.utils import HERE; print(BPF(b'int x;').module, bcc.__file__)"
    done = process(
        "exec", "-v", *empty_root, "--blob", str(small_blob), "--", sys.executable, "-c", tool,
        env={**os.environ, "PYTHONPATH": f"{fake_bcc}:{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    # there is no libbcc here whose files a slice could serve, so what is seen is the way to the full headers
    assert str(fake_bcc) in done.stdout.decode() and str(SHIM) not in done.stdout.decode()
    assert done.stdout.startswith(b"None ")
    assert b"libbcc is not loaded" in done.stderr


def test_a_tool_without_bcc_says_so_itself(process: Process, empty_root: tuple[str, ...], small_blob: Path) -> None:
    tool = "import sys; sys.path[:] = [p for p in sys.path if 'dist-packages' not in p]; import bcc"
    done = process("exec", *empty_root, "--blob", str(small_blob), "--", sys.executable, "-c", tool)
    assert done.returncode == 1
    assert b"No module named 'bcc'" in done.stderr


def test_scripts_of_bpftrace_get_a_directory(
    process: Process, empty_root: tuple[str, ...], small_blob: Path, own_surroundings: Path
) -> None:
    bin = own_surroundings / "bin"
    bin.mkdir()
    tool = bin / "bpftrace"
    tool.write_text('#!/bin/sh\ncd "$BPFTRACE_KERNEL_SOURCE" && find include -type f && cat include/linux/kconfig.h\n')
    tool.chmod(0o755)
    script = own_surroundings / "s.bt"
    script.write_text("#include <linux/animals.h>\nBEGIN { $a = (struct animal *)0; print($a->kind); }\n")
    done = process("exec", *empty_root, "--blob", str(small_blob), "--", str(tool), "-v", str(script))
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "include/linux/animals.h\n" in text and "enum animal_kind" in text


def test_nothing_is_left(
    process: Process, places: tuple[str, ...], empty_root: tuple[str, ...], small_blob: Path
) -> None:
    process("exec", *empty_root, "--blob", str(small_blob), "--", "sh", "-c", "kill -9 $$")
    assert not left(places)


def test_a_named_blob_must_be_good(run: Run, empty_root: tuple[str, ...], own_surroundings: Path) -> None:
    (own_surroundings / "bad").write_bytes(b"nonsense")
    done = run("exec", *empty_root, "--blob", "bad", "--", "true")
    assert done.status == 10


def test_without_a_store_the_tool_runs_all_the_same(
    process: Process, empty_root: tuple[str, ...], small_blob: Path
) -> None:
    """A user without a home, say; what cannot be made is told of under -v."""
    nowhere = ["--store", "/proc/nowhere", "--cache", "/proc/nowhere"]
    words = ["exec", "-v", *empty_root, *nowhere, "--blob", str(small_blob), "--"]
    done = process(*words, "sh", "-c", "exit 5")
    assert done.returncode == 5
    assert b"nothing can be made for the tool: /proc/nowhere: cannot make this directory" in done.stderr
