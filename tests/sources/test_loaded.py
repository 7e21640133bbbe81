"""Loading the module to read its archive, with a modprobe that shows the archive of a fake root."""

from __future__ import annotations

import os
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from builders.archive import archive
from builders.elf import module
from builders.root import FakeRoot
from kheaders import kernel
from kheaders.errors import ArchiveError, StoreError, ToolFailed
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.loaded import LoadedSource

ARCHIVE = archive()

KMOD = """#!/bin/sh
echo "$*" >>{log}
case "$*" in
    "--first-time kheaders") [ -e {shown} ] && exit 1; {load} ;;
    "kheaders") [ -e {shown} ] || {{ {load}; }} ;;
    "-r kheaders") {unload} ;;
    *) echo "modprobe: unknown: $*" >&2; exit 1 ;;
esac
"""
"""What kmod's modprobe does with these arguments."""

BUSYBOX = KMOD.replace('"--first-time kheaders") [ -e {shown} ] && exit 1; {load}', '"--first-time"*) exit 1')


@dataclass
class Machine:
    """A fake root with the module on disk, a modprobe, and the log of its runs."""

    root: FakeRoot
    directory: Path
    shown: str = "/sys/kernel/kheaders.tar.xz"

    def modprobe(self, text: str = KMOD, *, load: str = "", unload: str = "") -> None:
        """Install a modprobe; *load* and *unload* are shell commands that it runs instead of its own."""
        shown = shlex.quote(str(self.root.at(self.shown)))
        copy = self.root.write("/archive", ARCHIVE)
        made = f"cp {shlex.quote(str(copy))} {shown}.new && mv {shown}.new {shown}"
        program = self.directory / "bin/modprobe"
        program.parent.mkdir(exist_ok=True)
        log = shlex.quote(str(self.directory / "log"))
        program.write_text(text.format(log=log, shown=shown, load=load or made, unload=unload or f"rm {shown}"))
        program.chmod(0o755)

    @property
    def log(self) -> list[str]:
        """The arguments of every run of modprobe so far."""
        log = self.directory / "log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def is_loaded(self) -> bool:
        return self.root.at(self.shown).exists()

    def source(self, *, is_root: bool = True) -> LoadedSource:
        path = f"{self.directory / 'bin'}"
        return LoadedSource(self.directory / "run", search_path=path, root=self.root.path, is_root=lambda: is_root)

    def ask(self, *, is_root: bool = True) -> Candidate | Rejection:
        (answer,) = self.source(is_root=is_root).offers(Request(kernel.running(self.root.path), self.root.path))
        assert answer.source == "loaded"
        return answer

    def refusal(self, *, is_root: bool = True) -> Rejection:
        answer = self.ask(is_root=is_root)
        assert isinstance(answer, Rejection)
        return answer

    def read(self) -> bytes:
        answer = self.ask()
        assert isinstance(answer, Candidate), str(answer)
        return read(answer)


def read(candidate: Candidate) -> bytes:
    assert isinstance(candidate.content, ArchiveContent)
    with candidate.content.open() as stream:
        return stream.read()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko", module(ARCHIVE))
    made = Machine(root, tmp_path)
    made.modprobe()
    return made


@pytest.mark.parametrize("shown", ["/sys/kernel/kheaders.tar.xz", "/proc/kheaders.tar.xz"])
def test_load_read_unload(machine: Machine, shown: str) -> None:
    machine.shown = shown
    machine.modprobe()
    candidate = machine.ask()
    assert isinstance(candidate, Candidate)
    assert machine.log == [], "an offer loads nothing"
    assert candidate.fingerprint == ""
    assert read(candidate) == ARCHIVE
    assert machine.log == ["--first-time kheaders", "-r kheaders"]
    assert not machine.is_loaded
    assert read(candidate) == ARCHIVE, "each call of open gives a fresh stream"


def test_what_another_program_loaded_meanwhile_stays_loaded(machine: Machine) -> None:
    candidate = machine.ask()
    machine.root.write(machine.shown, ARCHIVE)
    assert isinstance(candidate, Candidate)
    assert read(candidate) == ARCHIVE
    assert machine.log == []
    assert machine.is_loaded


def test_what_is_loaded_between_look_and_modprobe_stays_loaded(machine: Machine) -> None:
    copy = machine.root.at("/archive")
    machine.modprobe(KMOD, load=f"cp {copy} {machine.root.at(machine.shown)}; exit 1")
    assert machine.read() == ARCHIVE
    assert machine.log == ["--first-time kheaders"]
    assert machine.is_loaded


def test_a_modprobe_without_first_time(machine: Machine) -> None:
    machine.modprobe(BUSYBOX)
    assert machine.read() == ARCHIVE
    assert machine.log == ["--first-time kheaders", "kheaders", "-r kheaders"]
    assert not machine.is_loaded


@pytest.mark.parametrize("unload", ["exit 1", "echo 'Module kheaders is in use' >&2; exit 1", "kill -9 $$"])
def test_a_failed_unload_does_not_fail_the_call(machine: Machine, unload: str) -> None:
    machine.modprobe(unload=unload)
    assert machine.read() == ARCHIVE


def test_a_failed_load(machine: Machine) -> None:
    machine.modprobe(load="echo 'modprobe: ERROR: could not insert: Operation not permitted' >&2; exit 1")
    with pytest.raises(ToolFailed, match="Operation not permitted"):
        machine.read()
    assert "-r kheaders" not in machine.log


def test_a_module_that_shows_nothing_is_unloaded_again(machine: Machine) -> None:
    machine.modprobe(load="true", unload="true")
    with pytest.raises(ArchiveError, match="shows no archive"):
        machine.read()
    assert machine.log[-1] == "-r kheaders"


def test_a_loaded_module_that_shows_nothing_is_left_alone(machine: Machine) -> None:
    machine.root.write("/proc/modules", "fuse 1 0 - Live 0x0\nkheaders 4100096 0 - Live 0x0000000000000000\n")
    with pytest.raises(ArchiveError, match="shows no archive"):
        machine.read()
    assert machine.log == []


def test_many_at_once_do_not_unload_what_others_read(machine: Machine) -> None:
    results: list[bytes] = []
    candidates = [machine.ask() for _ in range(8)]
    assert all(isinstance(candidate, Candidate) for candidate in candidates)
    threads = [threading.Thread(target=lambda c=candidate: results.append(read(c))) for candidate in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [ARCHIVE] * 8
    assert machine.log == ["--first-time kheaders", "-r kheaders"] * 8
    assert not machine.is_loaded


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_not_root(machine: Machine) -> None:
    answer = machine.refusal(is_root=False)
    assert answer.reason == "only root may load modules"
    assert "sudo modprobe kheaders" in answer.hint


def test_no_modprobe(machine: Machine) -> None:
    (machine.directory / "bin/modprobe").unlink()
    assert machine.refusal().reason == "no modprobe"


def test_no_module(machine: Machine) -> None:
    machine.root.remove(f"{machine.root.modules}/kernel/kernel/kheaders.ko")
    assert machine.refusal().reason == f"kernel {machine.root.release} has no module kheaders"


@pytest.mark.parametrize("shown", ["/sys/kernel/kheaders.tar.xz", "/proc/kheaders.tar.xz"])
def test_an_archive_that_is_there_already(machine: Machine, shown: str) -> None:
    machine.root.write(shown, ARCHIVE)
    assert f"{shown} is there already" in machine.refusal().reason


def test_another_kernel_or_another_root(machine: Machine, tmp_path: Path) -> None:
    root = machine.root
    other = kernel.named("5.10.0-1-amd64", sysroot=root.path)
    elsewhere = FakeRoot(tmp_path / "host")
    for request in (Request(other, root.path), Request(kernel.running(elsewhere.path), elsewhere.path)):
        (answer,) = machine.source().offers(request)
        assert isinstance(answer, Rejection)
        assert "kernel that runs here" in answer.reason


def test_by_default_only_the_real_root_counts(machine: Machine) -> None:
    (answer,) = LoadedSource().offers(Request(kernel.running(machine.root.path), machine.root.path))
    assert isinstance(answer, Rejection)
    assert "kernel that runs here" in answer.reason


def test_a_lock_directory_that_others_can_change(machine: Machine) -> None:
    run = machine.directory / "run"
    run.mkdir()
    run.chmod(0o777)
    assert "everybody may write to it" in machine.refusal().reason


def test_a_lock_directory_that_is_a_link(machine: Machine) -> None:
    (machine.directory / "elsewhere").mkdir()
    (machine.directory / "run").symlink_to("elsewhere")
    assert "symbolic link" in machine.refusal().reason


@pytest.mark.parametrize("trap", ["link", "dangling link", "pipe"])
def test_a_lock_file_that_is_a_trap(machine: Machine, trap: str) -> None:
    candidate = machine.ask()
    run = machine.directory / "run"
    run.mkdir(mode=0o755)
    victim = machine.directory / "victim"
    if trap == "pipe":
        os.mkfifo(run / "loaded.lock")
    else:
        if trap == "link":
            victim.write_text("precious")
        (run / "loaded.lock").symlink_to(victim)
    assert isinstance(candidate, Candidate)
    with pytest.raises(StoreError, match=r"loaded\.lock"):
        read(candidate)
    assert machine.log == []
    assert victim.exists() == (trap == "link")
