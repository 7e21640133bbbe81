"""``kheaders verify``: each difference on a line, and an exit status that scripts can use."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import rebuilt
from builders.cli import Run
from builders.compilers import compilers
from builders.root import FakeRoot


@pytest.fixture
def machine(tmp_path: Path) -> FakeRoot:
    """One whose headers are of another build."""
    return rebuilt.machine(tmp_path, compilers()[0], headers=rebuilt.OTHERWISE)


def words(root: FakeRoot) -> tuple[str, ...]:
    return ("--sysroot", str(root.path), "--order", "sysfs")


def test_differences(run: Run, machine: FakeRoot) -> None:
    done = run("verify", *words(machine))
    assert done.status == 4 and not done.err
    lines = done.out.splitlines()
    assert lines[0] == "struct task_struct: 40 bytes in the headers, 24 bytes in the kernel"
    assert lines[-1].startswith("/sys/kernel/kheaders.tar.xz: 1 of ")
    assert "differ from" in lines[-1]


def test_json(run: Run, machine: FakeRoot) -> None:
    done = run("verify", "--json", *words(machine))
    facts = done.json
    assert done.status == 4 and facts["ok"] is False and facts["source"] == "sysfs"
    assert facts["differences"][0] == {
        "record": "struct task_struct",
        "member": "",
        "headers": "40 bytes",
        "kernel": "24 bytes",
    }


@pytest.mark.parametrize("more", [(), ("--full",)])
def test_none_differs(run: Run, tmp_path: Path, more: tuple[str, ...]) -> None:
    root = rebuilt.machine(tmp_path, compilers()[0])
    done = run("verify", *more, *words(root))
    assert done.status == 0 and done.out.rstrip().endswith("none differs")


def test_no_btf(run: Run, machine: FakeRoot) -> None:
    machine.remove("/sys/kernel/btf/vmlinux")
    done = run("verify", *words(machine))
    assert done.status == 11 and "--btf" in done.error


def test_no_headers(run: Run, machine: FakeRoot) -> None:
    machine.remove("/sys/kernel/kheaders.tar.xz")
    assert run("verify", *words(machine)).status == 3


def test_damaged_btf(run: Run, machine: FakeRoot) -> None:
    path = machine.write("/srv/btf", b"\x9f\xeb\x01\x00")
    done = run("verify", "--btf", str(path), *words(machine))
    assert done.status == 11 and "byte" in done.error
