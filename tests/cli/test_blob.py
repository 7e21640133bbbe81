from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders.archive import archive
from builders.cli import Run, run_main
from builders.interface import headers
from builders.mini import mini_root
from builders.root import RELEASE
from kheaders.clang.find import find


@pytest.fixture
def machine(tmp_path: Path, small_blob: Path) -> tuple[str, ...]:
    """Options for a machine that shows headers, and a store of its own."""
    root = mini_root(tmp_path, archive(dict(headers())))
    return ("--sysroot", str(root.path), "--store", str(tmp_path / "s"), "--cache", str(tmp_path / "c"))


def test_build_then_everything(machine: tuple[str, ...], tmp_path: Path) -> None:
    done = run_main("blob", "build", *machine)
    assert done.status == 0, done.err
    assert f"blob of {RELEASE}" in done.out and "2 headers left out" in done.out
    assert [line.removeprefix("kheaders: ") for line in done.err.splitlines()] == [
        "finding and verifying headers",
        "looking which headers can be included",
        "preprocessing and indexing every header",
        "writing the blob",
    ]
    os.unlink(tmp_path / "root/sys/kernel/kheaders.tar.xz")  # from here on there are no headers
    assert run_main("blob", "verify", *machine).out.endswith(".kheaders: ok\n")
    assert "= 13 (0xd)" in run_main("show", "ANIMAL_LIMIT", *machine).out
    listed = run_main("cache", "list", "--kind", "blob", *machine).out
    assert "blob" in listed and RELEASE in listed
    facts = run_main("blob", "info", "--json", *machine).json
    assert facts["meta"]["release"] == RELEASE and facts["meta"]["kernel"]["build_id"]
    assert run_main("blob", "info", "--kernel", "5.4.0-1-amd64", *machine).status == 10


def test_to_a_file(machine: tuple[str, ...], own_surroundings: Path) -> None:
    facts = run_main("blob", "build", "-o", "my.kheaders", "--json", *machine).json
    assert facts["path"] == str(own_surroundings / "my.kheaders") and facts["release"] == RELEASE
    assert facts["size"] == os.path.getsize("my.kheaders")
    assert run_main("blob", "info", *machine).status == 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_build_that_is_stopped_leaves_nothing(
    machine: tuple[str, ...], tmp_path: Path, number: signal.Signals
) -> None:
    """Not even a compiler that hangs."""
    place, begun, real = tmp_path / "place", tmp_path / "begun", shlex.join(find().argv)
    place.mkdir()
    slow = tmp_path / "clang"
    hang = f"echo $$ > {begun}.new; mv {begun}.new {begun}; exec sleep 500"
    slow.write_text(f'#!/bin/sh\ncase "$*" in *-dI*) {hang};; esac\nexec {real} "$@"\n')
    slow.chmod(0o755)
    words = ["blob", "build", "--cc", str(slow), "-o", str(place / "my.kheaders"), *machine]
    argv = [sys.executable, "-m", "kheaders", *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        while not begun.exists() and child.poll() is None:
            time.sleep(0.005)
        time.sleep(0.05)
        child.send_signal(number)
        out, err = child.communicate(timeout=60)  # all that hold its streams have ended then
    assert child.returncode == 128 + number, err.decode()
    assert not out and b"Traceback" not in err
    assert not os.listdir(place)
    assert not Path(f"/proc/{int(begun.read_text())}").exists()


def test_info(run: Run, small_blob: Path) -> None:
    lines = run("blob", "info", "--blob", str(small_blob)).out.splitlines()
    labels = [line[:12].strip() for line in lines]
    assert labels == ["file", "kernel", "architecture", "build id", "headers", "made by", "holds", "left out"]
    assert "refuses.h: not on this machine" in run("blob", "info", "--left-out", "--blob", str(small_blob)).out
    facts = run("blob", "info", "--json", "--blob", str(small_blob)).json
    assert set(facts) == {"path", "size", "schema", "meta", "counts", "left_out"}


def test_verify(run: Run, small_blob: Path, tmp_path: Path) -> None:
    assert run("blob", "verify", "--json", "--blob", str(small_blob)).json["problems"] == []
    bad = Path(shutil.copy(small_blob, tmp_path / "bad"))
    data = bytearray(bad.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    bad.write_bytes(data)
    done = run("blob", "verify", "--blob", str(bad))
    assert done.status == 10 and done.error.startswith(f"{bad}: ")
    done = run("blob", "verify", "--json", "--blob", str(bad))
    assert done.status == 10 and done.json["problems"]


def test_there_and_back(run: Run, small_blob: Path, own_surroundings: Path) -> None:
    done = run("blob", "export", "--blob", str(small_blob), "-o", "small.xz")
    assert done.status == 0 and done.out.startswith("small.xz: ")
    facts = run("blob", "import", "small.xz", "-o", "back.kheaders", "--json").json
    assert facts["from"] == str(own_surroundings / "small.xz")
    assert Path("back.kheaders").read_bytes() == small_blob.read_bytes()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((), 2),
        (("burn",), 2),
        (("import",), 2),
        (("import", "no-such"), 10),
        (("export",), 2),
        (("build", "file"), 2),
        (("build", "-o", ""), 2),
        (("export", "-o", "x", "--blob", "no-such"), 10),
        (("import", "no-such", "-o", "x"), 10),
        (("verify", "--blob", ""), 2),
    ],
)
def test_what_cannot_be_meant(run: Run, own_surroundings: Path, words: tuple[str, ...], status: int) -> None:
    done = run("blob", *words)
    assert done.status == status and done.err.splitlines()[-1].startswith("kheaders: error: ")
    assert os.listdir(own_surroundings) == []


def test_export_onto_itself(run: Run, small_blob: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(small_blob, tmp_path / "copy"))
    assert run("blob", "export", "--blob", str(copy), "-o", str(copy)).status == 2
    assert copy.read_bytes() == small_blob.read_bytes()


def test_a_place_that_cannot_be_written(run: Run, small_blob: Path, tmp_path: Path) -> None:
    done = run("blob", "export", "--blob", str(small_blob), "-o", str(tmp_path / "none/file"))
    assert done.status == 10 and "cannot be written" in done.err.splitlines()[-1]


def test_import_into_the_store(machine: tuple[str, ...], tmp_path: Path) -> None:
    """What one machine built, another with the same kernel compiles from, with no header at all."""
    assert run_main("blob", "build", *machine).status == 0
    assert run_main("blob", "export", "-o", str(tmp_path / "b.xz"), *machine).status == 0
    root = Path(machine[machine.index("--sysroot") + 1])
    (root / "sys/kernel/kheaders.tar.xz").unlink()
    place = tmp_path / "other"
    other = ("--sysroot", str(root), "--store", str(place / "s"), "--cache", str(place / "c"))
    done = run_main("doctor", *other)
    assert done.status == 3 and "kheaders blob build" in done.out
    done = run_main("blob", "import", str(tmp_path / "b.xz"), *other)
    assert done.status == 0 and str(place / "c") in done.out and not done.err.count("another kernel"), done.err
    done = run_main("doctor", *other)
    assert done.status == 0 and "makes them unnecessary" in done.out
    program = tmp_path / "prog.bpf.c"
    program.write_text("#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n")
    done = run_main("compile", "-v", "-o", str(tmp_path / "prog.o"), str(program), *other)
    assert done.status == 0 and "without headers" in done.err
    done = run_main("blob", "import", str(tmp_path / "b.xz"), "--kernel", "9.9.9", *other)
    assert done.status == 0 and "another kernel than 9.9.9" in done.err
