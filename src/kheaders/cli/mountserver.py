"""The process behind a mount, started by 'kheaders mount': not for people.

    python -m kheaders.cli.mountserver DIRECTORY ARCHIVE-DESCRIPTOR SOURCE IDLE

It ends with status 0 once the directory is mounted, and leaves behind a process in a session of its own, with no
descriptor or directory of the caller's, that serves the mount and ends with it. ``PID`` in SOURCE becomes its number.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def main(words: list[str]) -> int:
    """Be the server, or, as its parent, wait until it is ready."""
    place, archive, source, idle = words[0], int(words[1]), words[2], float(words[3])
    told, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        return 0 if os.read(told, 1) else 1
    os.close(told)
    os.setsid()
    return _serve(place, archive, source.replace("PID", str(os.getpid())), idle, tell)


def _serve(place: str, archive: int, source: str, idle: float, tell: int) -> int:
    from kheaders.errors import KheadersError
    from kheaders.forms.contents import Contents
    from kheaders.forms.filesystem import serve

    def ready() -> None:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        os.close(null)
        with suppress(OSError):  # the caller may be gone already; the mount is there all the same
            os.write(tell, b"1")
        os.close(tell)

    try:
        serve(Contents(archive, place), place, source, idle=idle, ready=ready)
    except KheadersError as error:
        print(error, file=sys.stderr)
        return 1
    except RuntimeError:  # libfuse has said why
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
