"""A container: a small Debian of its own in own mount, process and network namespaces, with a host's root at /host.

It has Python and bcc, and neither kmod nor ``/lib/modules`` nor headers. All that is mounted lives in
its mount namespace, and ends with it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from builders import need
from builders.debian import Debian, kept

PACKAGES = ("python3-bpfcc", "python3-minimal", "dash", "coreutils")
_PLACES = ("proc", "sys", "dev", "tmp", "run", "root", "var/cache", "host", "old", "kheaders", "wheels")
_COMMAND = '#!/bin/sh\nPYTHONPATH=/kheaders:/wheels exec python3 -m kheaders "$@"\n'
_SCRIPT = """\
set -eu
new=$1 host=$2 src=$3 ziglang=$4 blob=$5
shift 5
mount --bind "$new" "$new"
mount -o remount,bind,ro "$new"
for place in tmp run root var/cache dev wheels; do mount -t tmpfs -o mode=755 none "$new/$place"; done
mount -t proc none "$new/proc"
mount --rbind "$host" "$new/host"
mount -o remount,bind,ro "$new/host"
mount --bind "$src" "$new/kheaders"
mkdir "$new/wheels/ziglang"
mount --bind "$ziglang" "$new/wheels/ziglang"
if [ -n "$blob" ]; then mount --bind "$blob" "$new/blob"; mount -o remount,bind,ro "$new/blob"; fi
for node in null zero urandom; do : >"$new/dev/$node"; mount --bind "/dev/$node" "$new/dev/$node"; done
cd "$new"
pivot_root . old
exec python3 -c '
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).umount2(b"/old", 2):
    sys.exit("the old root cannot be left")
os.chdir("/root")
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
"""


def image() -> Path:
    """The container's root, unpacked. Raises Unobtainable."""
    if there := kept("container"):
        return there
    debian = Debian("bookworm")
    return debian.unpacked(*debian.closure(PACKAGES), label="container", then=_complete)


def _complete(root: Path) -> None:
    for place in _PLACES:
        (root / place).mkdir(parents=True, exist_ok=True)
    (root / "blob").touch()
    command = root / "usr/bin/kheaders"
    command.write_text(_COMMAND)
    command.chmod(0o755)


def run(
    image: Path, host: Path, command: Sequence[str], *, blob: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run *command* in a new container. Needs root."""
    need.root()
    import ziglang

    argv = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--propagation", "private"]
    wheel = Path(ziglang.__file__).parent
    argv += ["sh", "-c", _SCRIPT, "sh", str(image), str(host), str(need.CHECKOUT / "src"), str(wheel), str(blob or "")]
    surroundings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", **(env or {})}
    return subprocess.run([*argv, *command], env=surroundings, capture_output=True, text=True, check=False)
