"""Mounts: shown, compiled from, gone with their server; and every way in which a mount point can be wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import need, plain_user
from builders.archive import archive
from builders.cli import run_main
from builders.compilers import compilers
from builders.mini import context, mini, mini_root
from kheaders.api import Context
from kheaders.clang.find import find as find_compiler
from kheaders.errors import FormError, ToolMissing, UnsafePath, UsageError
from kheaders.forms import filesystem, mount
from kheaders.forms.mount import Mounted, check_mount_point

PROGRAM = "#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n"


@pytest.fixture
def machine(tmp_path: Path) -> Context:
    """A machine that shows headers."""
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    return context(mini_root(tmp_path), tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty directory to mount at; what is left mounted there is removed."""
    directory = tmp_path / "mnt"
    directory.mkdir(mode=0o755)
    yield directory
    while (left := mount.find(directory)) is not None:
        subprocess.run(["umount", "--lazy", directory], check=True)
        ended(left)


@pytest.fixture
def fuse(root_only: None) -> None:
    """Mounts are possible: root, mfusepy, /dev/fuse."""
    need.tool("fusermount3")
    try:
        filesystem.library()
    except ToolMissing as error:
        pytest.skip(str(error))
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"/dev/fuse cannot be used: {error.strerror}")


def wait(until: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def ended(mounted: Mounted) -> None:
    """Wait for the end of a mount's server."""
    wait(lambda: mounted.server is None or not mounted.alive)


def server(mounted: Mounted) -> int:
    assert mounted.server is not None
    return mounted.server


@pytest.mark.root
class TestFuse:
    def test_shown_compiled_from_and_gone(self, fuse: None, machine: Context, place: Path, tmp_path: Path) -> None:
        mounted = machine.mount(place)
        assert mounted.kind == "fuse.kheaders" and mounted.alive
        assert not (tmp_path / "run/trees").exists(), "nothing is extracted"
        os.unlink(tmp_path / "root/sys/kernel/kheaders.tar.xz")  # it was read
        assert (place / "include/linux/sched.h").read_bytes() == mini()["include/linux/sched.h"]
        assert sorted(os.listdir(place)) == [".bpf", "arch", "include"]
        flags = machine.mounted_flags(place)
        program = tmp_path / "p.c"
        program.write_text(PROGRAM)
        words = [*find_compiler().argv, *flags, "-O2", "-c", str(program), "-o", str(tmp_path / "p.o")]
        subprocess.run(words, check=True)
        assert (tmp_path / "p.o").read_bytes()[:4] == b"\x7fELF"
        with pytest.raises(OSError, match="Read-only"):
            (place / "new").touch()
        with pytest.raises(OSError, match="Read-only"):
            os.unlink(place / "include/linux/sched.h")
        assert machine.umount(place) == mounted
        assert os.listdir(place) == [] and not mounted.alive

    def test_server_has_nothing_of_the_callers(self, fuse: None, machine: Context, place: Path) -> None:
        mounted = machine.mount(place)
        pid = server(mounted)
        assert os.getsid(pid) == os.getpgid(pid) != os.getsid(0)
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert [os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)] == ["/dev/null"] * 3
        machine.umount(place)

    def test_idle(self, fuse: None, machine: Context, place: Path) -> None:
        mounted = machine.mount(place, idle=0.2)
        wait(lambda: mount.find(place) is None)
        wait(lambda: not mounted.alive)

    def test_idle_waits_for_open_files(self, fuse: None, machine: Context, place: Path) -> None:
        machine.mount(place, idle=0.1)
        with open(place / "include/linux/mm.h", "rb") as file:
            subprocess.run(["sleep", "0.5"], check=True)
            assert mount.find(place) is not None
            assert file.read() == mini()["include/linux/mm.h"]
        wait(lambda: mount.find(place) is None)

    def test_ended_by_a_signal_it_unmounts(self, fuse: None, machine: Context, place: Path) -> None:
        os.kill(server(machine.mount(place)), signal.SIGTERM)
        wait(lambda: mount.find(place) is None)

    def test_killed_there_is_a_way_out(self, fuse: None, machine: Context, place: Path) -> None:
        mounted = machine.mount(place)
        os.kill(server(mounted), signal.SIGKILL)
        wait(lambda: not mounted.alive)
        for call in (machine.mount, machine.mounted_flags):
            with pytest.raises(FormError, match=f"server of this mount is gone; run: kheaders umount {place}"):
                call(place)
        machine.umount(place)
        assert os.listdir(place) == []

    def test_killed_and_nobody_waits_for_it(self, place: Path) -> None:
        child = os.fork()
        if not child:
            os._exit(0)
        try:
            wait(lambda: b") Z " in Path(f"/proc/{child}/stat").read_bytes())
            assert not Mounted(place, "fuse.kheaders", f"kheaders#6.1#{child}").alive
        finally:
            os.waitpid(child, 0)
        assert Mounted(place, "fuse.kheaders", f"kheaders#6.1#{os.getpid()}").alive

    def test_in_use(self, fuse: None, machine: Context, place: Path) -> None:
        mounted = machine.mount(place)
        with open(place / "include/linux/mm.h", "rb"):
            with pytest.raises(FormError, match=r"is in use; .*--lazy"):
                machine.umount(place)
            machine.umount(place, lazy=True)
            assert mount.find(place) is None
        wait(lambda: not mounted.alive)

    def test_busy(self, fuse: None, machine: Context, place: Path) -> None:
        machine.mount(place)
        with pytest.raises(FormError, match=r"mounted there already .*; run: kheaders umount"):
            machine.mount(place)
        machine.umount(place)

    def test_headers_of_a_directory(self, fuse: None, place: Path, tmp_path: Path) -> None:
        """A source that is no archive."""
        for path, data in mini().items():
            (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "tree" / path).write_bytes(data)
        named = context(mini_root(tmp_path), tmp_path, headers=tmp_path / "tree")
        named.mount(place)
        assert (place / "include/linux/fs.h").read_bytes() == mini()["include/linux/fs.h"]
        named.umount(place)

    def test_commands(self, fuse: None, machine: Context, place: Path, tmp_path: Path) -> None:
        where = ("--sysroot", str(tmp_path / "root"), "--store", str(tmp_path / "s"), "--cache", str(tmp_path / "c"))
        done = run_main("mount", str(place), *where)
        assert done.status == 0 and f"undo it with: kheaders umount {place}" in done.out, done.err
        assert f"{place}/.bpf/overlay.json" in run_main("cflags", "--mounted", str(place), *where).out
        assert run_main("umount", "--json", str(place), *where).json["path"] == str(place)
        assert run_main("umount", str(place), *where).status == 14


@pytest.mark.root
def test_image(root_only: None, machine: Context, place: Path) -> None:
    need.tool("mkfs.erofs")
    try:
        mounted = machine.mount(place, image=True)
    except FormError as error:
        pytest.skip(f"this kernel mounts no image: {error}")
    assert mounted.kind == "erofs" and mounted.server is None
    assert (place / "include/linux/mm.h").read_bytes() == mini()["include/linux/mm.h"]
    assert (place / ".bpf/overlay.json").is_file() and machine.mounted_flags(place)
    machine.umount(place)
    assert mount.find(place) is None
    machine.mount(place, image=True)  # from the store
    machine.umount(place)


@pytest.mark.root
def test_as_an_ordinary_user(fuse: None) -> None:
    """By fusermount3; everything that root can do, and nothing at a directory that is not the user's."""
    need.tool("unshare")
    with plain_user.place(archive(mini())) as work:
        steps = plain_user.steps(work)
    told = {step: f"{out}{errors}" for step, _, out, errors in steps}
    assert {step: status for step, status, _, _ in steps} == {
        "mount": 0, "read": 0, "flags": 0, "again": 14, "busy": 14, "umount": 0, "remount": 0, "kill": 0, "dead": 14,
        "no flags": 14, "way out": 0, "nothing": 14, "idle": 0, "idle again": 0, "not theirs": 14,
    }, told  # fmt: skip
    assert told["read"].encode() == mini()["include/linux/sched.h"]
    assert "run: kheaders umount" in told["again"] and "is in use" in told["busy"]
    assert "server of this mount is gone; run: kheaders umount" in told["dead"]
    assert "server of this mount is gone; run: kheaders umount" in told["no flags"]
    assert "nothing is mounted there" in told["nothing"]
    assert "no write access" in told["not theirs"]


class TestPlaces:
    def test_missing(self, machine: Context, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no such directory; make it: mkdir"):
            machine.mount(tmp_path / "none")

    def test_not_empty_or_no_directory(self, machine: Context, place: Path) -> None:
        (place / "file").touch()
        with pytest.raises(UsageError, match="is not empty"):
            machine.mount(place)
        with pytest.raises(UnsafePath, match="not a directory"):
            machine.mount(place / "file")

    def test_open_to_others_or_a_link(self, machine: Context, place: Path, tmp_path: Path) -> None:
        place.chmod(0o777)
        with pytest.raises(UnsafePath, match="everybody may write"):
            machine.mount(place)
        place.chmod(0o755)
        (tmp_path / "link").symlink_to(place)
        with pytest.raises(UnsafePath, match="symbolic link"):
            machine.mount(tmp_path / "link")

    def test_a_mount_of_somebody_elses(self, machine: Context) -> None:
        with pytest.raises(FormError, match=r"mounted there already \(proc\); name another"):
            check_mount_point(Path("/proc"))
        with pytest.raises(FormError, match=r"mount of proc .*, not one of kheaders; use umount"):
            machine.umount("/proc")

    def test_nothing_mounted(self, machine: Context, place: Path) -> None:
        with pytest.raises(FormError, match="nothing is mounted there"):
            machine.umount(place)
        with pytest.raises(FormError, match=r"autoconf\.h: cannot be read .*; mount headers there"):
            machine.mounted_flags(place)

    def test_without_the_library(self, machine: Context, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "mfusepy", None)
        with pytest.raises(ToolMissing, match=r"mfusepy; pip install 'kheaders\[mount\]'"):
            machine.mount(place)

    def test_names_with_spaces_in_the_list_of_mounts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        line = rf"36 35 98:0 / {tmp_path}/a\040b rw,noatime shared:1 - fuse.kheaders kheaders\0436.1#7 ro" + "\n"
        (tmp_path / "mountinfo").write_text(line)
        monkeypatch.setattr(mount, "_MOUNTS", tmp_path / "mountinfo")
        found = mount.find(tmp_path / "a b")
        assert found is not None and found.source == "kheaders#6.1#7" and found.server == 7
