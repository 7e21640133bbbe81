"""The archive: read back by the project's own reader, reproducible, with the time that is asked for."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from builders import built, deb
from builders.others import open_place, with_tmpfs
from kheaders.errors import PackError, UsageError
from kheaders.headers.headerset import HeaderSet
from kheaders.packing import named
from kheaders.packing.pack import FIXED_TIME, pack, timestamp


def read(path: Path) -> HeaderSet:
    with path.open("rb") as stream:
        return HeaderSet.from_archive(stream)


def test_headers_come_back_without_comments(tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    (tree / "include/linux/link.h").symlink_to("commented.h")
    done = pack(named.material([tree]), tmp_path / "k.tar.xz")
    headers = read(done.path)
    wanted = b"/* SPDX-License-Identifier: GPL-2.0 */\nint a; \nint b; // stays\n"
    assert headers["include/linux/commented.h"] == headers["include/linux/link.h"] == wanted
    assert headers.links == {"include/linux/link.h": "commented.h"}
    assert (headers.release, headers.srcarch) == (done.release, done.srcarch) == (built.RELEASE, "x86")
    assert (done.headers, done.links, done.size) == (len(headers.files), 1, done.path.stat().st_size)


def test_comments_can_stay(tmp_path: Path) -> None:
    done = pack(named.material([built.whole(tmp_path)]), tmp_path / "k.tar.xz", keep_comments=True)
    assert read(done.path)["include/linux/commented.h"] == built.SOURCE_ONLY["include/linux/commented.h"]


def test_the_same_headers_make_the_same_bytes(tmp_path: Path) -> None:
    paths = deb.write(tmp_path, deb.debian())
    one, two = tmp_path / "1.tar.xz", tmp_path / "2.tar.xz"
    pack(named.material(paths), one, threads=1)
    pack(named.material(paths[::-1]), two, threads=3)
    assert one.read_bytes() == two.read_bytes()


def test_every_member_has_the_one_time(tmp_path: Path) -> None:
    done = pack(named.material([built.whole(tmp_path)]), tmp_path / "k.tar.xz", mtime=1234567890)
    with tarfile.open(done.path) as tar:
        assert {member.mtime for member in tar} == {1234567890}


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, FIXED_TIME),
        ({"SOURCE_DATE_EPOCH": "1700000000", "KBUILD_BUILD_TIMESTAMP": "2020-01-01"}, 1700000000),
        ({"KBUILD_BUILD_TIMESTAMP": "@1700000000"}, 1700000000),
        ({"KBUILD_BUILD_TIMESTAMP": "2023-11-14 22:13:20"}, 1700000000),
        ({"KBUILD_BUILD_TIMESTAMP": "2023-11-14T23:13:20+01:00"}, 1700000000),
        ({"KBUILD_BUILD_TIMESTAMP": "Tue, 14 Nov 2023 22:13:20 +0000"}, 1700000000),
        ({"KBUILD_BUILD_TIMESTAMP": "Tue Nov 14 22:13:20 UTC 2023"}, 1700000000),
        ({"KBUILD_BUILD_TIMESTAMP": "Thu Nov  2 00:00:00 UTC 2023"}, 1698883200),
        ({"SOURCE_DATE_EPOCH": "", "KBUILD_BUILD_TIMESTAMP": " "}, FIXED_TIME),
    ],
)
def test_the_time_of_the_environment(environ: dict[str, str], seconds: int) -> None:
    assert timestamp(environ) == seconds


@pytest.mark.parametrize("value", ["soon", "-1", "1e9", "12345678901234567890"])
def test_a_time_that_is_none(value: str) -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        timestamp({"SOURCE_DATE_EPOCH": value})
    with pytest.raises(UsageError, match="KBUILD_BUILD_TIMESTAMP"):
        timestamp({"KBUILD_BUILD_TIMESTAMP": f"@{value}"})
    with pytest.raises(UsageError, match="KBUILD_BUILD_TIMESTAMP"):
        timestamp({"KBUILD_BUILD_TIMESTAMP": f"half past {value}"})


@pytest.mark.root
@pytest.mark.parametrize("kilobytes", [8, 64, 256])
def test_a_full_disk(kilobytes: int, tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    (tree / "include/linux/noise.h").write_text("".join(f"int a{os.urandom(16).hex()};\n" for _ in range(20_000)))

    def attempt() -> tuple[str, list[str], bytes]:
        old = place / "k.tar.xz"
        old.write_bytes(b"old")
        with pytest.raises(PackError) as caught:
            pack(named.material([tree]), old, level=0)
        return str(caught.value), os.listdir(place), old.read_bytes()

    with open_place() as place:
        text, left, old = with_tmpfs(place, f"size={kilobytes}k,mode=755", 0, attempt)
    assert "k.tar.xz: cannot be written (No space left on device); free space" in text
    assert left == ["k.tar.xz"]
    assert old == b"old"
