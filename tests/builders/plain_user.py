"""Mounting as an ordinary user: a directory for it, and the steps, run by a process in a mount namespace of its own.

There it may get a /dev/fuse that everybody can open, as udev makes it everywhere but in some containers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builders.unprivileged import NOBODY

CHECKOUT = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, os, signal, subprocess, sys, time

work, user = sys.argv[1], int(sys.argv[2])
if not os.stat("/dev/fuse").st_mode & 0o002:
    os.mknod("fuse", 0o020666, os.stat("/dev/fuse").st_rdev)
    os.chmod("fuse", 0o666)
    subprocess.run(["mount", "--bind", "fuse", "/dev/fuse"], check=True)
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
done = []

def step(name, *words, command=(sys.executable, "-P", "-m", "kheaders")):
    made = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120)
    done.append((name, made.returncode, made.stdout, made.stderr))
    return made.stdout

def mount(name, *words):
    return step(name, "mount", "--json", "--headers", "archive", *words)

def until(true):
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.02)

def dead(server):
    try:
        return ") Z " in open(f"/proc/{server}/stat").read()
    except OSError:
        return True

def mounted():
    return f" {work}/mnt " in open("/proc/self/mountinfo").read()

mount("mount", "mnt")
step("read", "mnt/include/linux/sched.h", command=("cat",))
step("flags", "cflags", "--mounted", "mnt")
mount("again", "mnt")
with open("mnt/include/linux/mm.h"):
    step("busy", "umount", "mnt")
step("umount", "umount", "mnt")
server = json.loads(mount("remount", "mnt"))["server"]
step("kill", "-9", str(server), command=("kill",))
until(lambda: dead(server))
mount("dead", "mnt")
step("no flags", "cflags", "--mounted", "mnt")
step("way out", "umount", "mnt")
step("nothing", "umount", "mnt")
mount("idle", "--idle", "0.2", "mnt")
until(lambda: not mounted())
server = json.loads(mount("idle again", "--idle", "0.2", "mnt"))["server"]
until(lambda: not mounted() and dead(server))
mount("not theirs", "theirs")
print(json.dumps(done))
"""


@contextmanager
def place(archive: bytes) -> Iterator[Path]:
    """A directory of the user's, with the *archive*, an empty directory, and another of somebody else's."""
    work = Path(tempfile.mkdtemp(prefix="kheaders-user-"))
    try:
        (work / "archive").write_bytes(archive)
        (work / "theirs").mkdir()
        (work / "mnt").mkdir()
        os.chmod(work, 0o755)
        for path in (work, work / "mnt"):
            os.chown(path, NOBODY, NOBODY)
        yield work
    finally:
        shutil.rmtree(work)


def steps(work: Path) -> list[tuple[str, int, str, str]]:
    """Name, exit status, output and errors of each step. Skips the test where no interpreter can be run by the user."""
    modules = os.pathsep.join([str(CHECKOUT / "src"), *(path for path in sys.path if path.endswith("site-packages"))])
    env = {**os.environ, "PYTHONPATH": modules, "HOME": str(work),
           "KHEADERS_STORE": str(work / "s"), "KHEADERS_CACHE": str(work / "c")}  # fmt: skip
    inside = ["unshare", "--mount", "--propagation", "private"]
    done = subprocess.run(
        [*inside, interpreter(env), "-c", SCRIPT, str(work), str(NOBODY)],
        cwd=work, env=env, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if "unshare failed" in done.stderr or "mknod" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount namespace with a /dev/fuse for everybody: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return [tuple(step) for step in json.loads(done.stdout)]


def interpreter(env: dict[str, str]) -> str:
    """An interpreter that the user can run: this one may lie in root's own directory."""
    for program in (sys.executable, "/usr/bin/python3"):
        code = "import kheaders.api, mfusepy"
        start = f"import os, sys; os.setresuid(*[{NOBODY}] * 3); os.execv(sys.executable, ['python', '-c', {code!r}])"
        if not os.path.exists(program):
            continue
        if subprocess.run([program, "-c", start], env=env, capture_output=True, check=False).returncode == 0:
            return program
    pytest.skip("no interpreter that an ordinary user can run has what mounting needs")
