"""What tar reads back, and what GNU tar itself writes of the same files."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from builders.built import write
from kheaders.packing.tarball import RECORD, Item, blocks, order

FILES = {"include/a-b.h": b"1", "include/a/x.h": b"", "include/a.h": b"x" * 513, "arch/x86/include/asm/z.h": b"z" * 512}
NAMES = [
    ".",
    "./arch",
    "./arch/x86",
    "./arch/x86/include",
    "./arch/x86/include/asm",
    "./arch/x86/include/asm/z.h",
    "./include",
    "./include/a",
    "./include/a/x.h",
    "./include/a-b.h",
    "./include/a.h",
]


def made(files: dict[str, bytes], links: dict[str, str] | None = None, mtime: int = 7) -> bytes:
    links = links or {}
    items = (Item(p, files.get(p, b""), links.get(p)) for p in order([*files, *links]))
    return b"".join(blocks(items, mtime))


def test_members_in_tars_own_order() -> None:
    with tarfile.open(fileobj=io.BytesIO(made(FILES)), mode="r:") as tar:
        assert tar.getnames() == NAMES
        for member in tar:
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 7)
            assert member.mode == (0o755 if member.isdir() else 0o644)
            if member.isreg():
                stream = tar.extractfile(member)
                assert stream is not None and stream.read() == FILES[member.name[2:]]


def test_the_same_bytes_as_gnu_tar(tmp_path: Path, need_tool: Callable[[str], Path]) -> None:
    long = "include/" + "d" * 60 + "/" + "n" * 60 + ".h"
    files = {**FILES, long: b"long"}
    links = {"include/link.h": "a.h", "include/far.h": f"./{'d' * 60}/../{long.removeprefix('include/')}"}
    write(tmp_path / "tree", files)
    for name, target in links.items():
        (tmp_path / "tree" / name).symlink_to(target)
    words = ["--mtime=@7", "--owner=0", "--group=0", "--sort=name", "--numeric-owner", "--mode=u=rw,go=r,a+X"]
    argv: list[str | Path] = [need_tool("tar"), "--format=gnu", *words, "-cf", "-", "-C", tmp_path / "tree", "."]
    theirs = subprocess.run(argv, capture_output=True, check=True).stdout
    assert made(files, links) == theirs


def test_an_archive_is_whole_records() -> None:
    assert len(made({})) == RECORD
    assert len(made(FILES)) % RECORD == 0


def test_a_time_that_the_field_cannot_hold() -> None:
    with tarfile.open(fileobj=io.BytesIO(made(FILES, mtime=1 << 40)), mode="r:") as tar:
        assert tar.getmembers()[0].mtime == 0o77777777777
