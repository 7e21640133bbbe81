"""Archives that are damaged, or made to do harm."""

from __future__ import annotations

import io
import lzma
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.archive import archive, compress, tar
from builders.tarball import entry, gnu_long, pax, summed, tarball
from kheaders.archive import MAX_DEPTH, Limits, members
from kheaders.errors import ArchiveError
from kheaders.extraction import extract
from kheaders.headers.headerset import HeaderSet

FILES = {"include/a.h": b"#define A 1\n" * 100, "include/linux/b.h": os.urandom(70_000), "z.h": b""}


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def refused(data: bytes, tmp_path: Path | None = None, limits: Limits = Limits()) -> str:
    """The one-line refusal of reading; extraction refuses with the same, and nothing outside is made."""
    with pytest.raises(ArchiveError) as caught:
        list(members(io.BytesIO(data), limits=limits, name="the archive"))
    message = str(caught.value)
    assert message.startswith("the archive: ") and "\n" not in message and "; " in message
    if tmp_path is not None:
        (tmp_path / "outer/tree").mkdir(parents=True)
        fd = os.open(tmp_path / "outer/tree", os.O_RDONLY | os.O_DIRECTORY)
        try:
            with pytest.raises(ArchiveError):
                extract(io.BytesIO(data), fd, limits=limits, name="the archive")
        finally:
            os.close(fd)
        assert os.listdir(tmp_path) == ["outer"] and os.listdir(tmp_path / "outer") == ["tree"]
        assert not any(path.is_symlink() for path in (tmp_path / "outer").rglob("*"))
    with pytest.raises(ArchiveError):
        HeaderSet.from_archive(io.BytesIO(data), limits=limits)
    return message


class TestDamage:
    @pytest.mark.parametrize("kind", ["xz", "gz", "zst", "bz2", ""])
    def test_truncated_anywhere(self, kind: str) -> None:
        whole = archive(FILES, kind=kind)
        end = len(whole) if kind else whole.rindex(b"ustar") - 257 + 512  # zeros at the end of a plain tar say little
        places = {0, 1, 5, 6, 11, 12, 30, 511, 512, 513, 1024, end // 2, end - 20, end - 13, end - 9, end - 4, end - 1}
        for length in sorted(p for p in places if p < end):
            assert refused(whole[:length]), length

    @pytest.mark.parametrize("kind", ["xz", "gz", "zst", "bz2"])
    def test_any_flipped_bit(self, kind: str) -> None:
        whole = archive(FILES, kind=kind)
        good = dict(HeaderSet.from_archive(io.BytesIO(whole)).files)
        noticed = 0
        for at in sorted(
            {*range(0, len(whole), max(1, len(whole) // 60)), *range(20), *range(len(whole) - 20, len(whole))}
        ):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << (at % 8)
            try:
                got = HeaderSet.from_archive(io.BytesIO(bytes(damaged)))
            except ArchiveError:
                noticed += 1
            else:  # a bit that means nothing, such as the time in a gzip header
                assert dict(got.files) == good, at
        assert noticed > 50

    def test_empty(self) -> None:
        assert "ends in the middle" in refused(b"")
        assert refused(compress(b"", "xz"))

    @pytest.mark.parametrize(
        "data", [b"not an archive" * 100, b"<html>404</html>", b"\x7fELF" + bytes(600), b"\xff" * 2048]
    )
    def test_not_an_archive(self, data: bytes) -> None:
        refused(data)
        refused(compress(data, "xz"))

    def test_without_an_end(self) -> None:
        assert "ends in the middle, after 1 member" in refused(tarball(entry("a.h", b"1"), end=b""))

    def test_data_after_the_end(self) -> None:
        assert "data after its end" in refused(tarball(entry("a.h")) + entry("hidden.h"))

    def test_something_after_the_compressed_data(self) -> None:
        assert "follows" in refused(archive(FILES) + b"more")

    def test_no_header_in_it(self) -> None:
        with pytest.raises(ArchiveError, match="holds no header"):
            HeaderSet.from_archive(io.BytesIO(compress(tarball(), "xz")))

    def test_checksum_and_digits(self) -> None:
        wrong = bytearray(entry("a.h"))
        wrong[0] ^= 1
        assert "checksum" in refused(tarball(bytes(wrong)))
        odd = bytearray(entry("a.h"))
        odd[124:136] = b"00000x00000\0"
        assert "damaged" in refused(tarball(bytes(summed(odd))))


class TestTooMuch:
    def test_bomb(self) -> None:
        bomb = lzma.compress(bytes(64 << 20), preset=1)
        assert len(bomb) < 64 << 10
        assert "limit" in refused(bomb, limits=Limits(unpacked=1 << 20))

    def test_bomb_of_one_member(self, tmp_path: Path) -> None:
        data = lzma.compress(tarball(entry("a.h", bytes(8 << 20))), preset=1)
        assert "limit" in refused(data, tmp_path, Limits(unpacked=1 << 20))
        assert list((tmp_path / "outer/tree").iterdir()) == []

    def test_stated_size_is_not_believed(self) -> None:
        assert "8589934591 bytes" in refused(tarball(entry("a.h", size=0o77777777777)))
        assert "ends in the middle" in refused(tarball(entry("a.h", size=1 << 30)))
        assert refused(tarball(pax(("size", str(1 << 60))), entry("a.h")))
        huge = bytearray(entry("a.h"))
        huge[124:136] = b"\xff" * 12
        assert refused(tarball(bytes(summed(huge))))

    def test_members(self) -> None:
        data = tarball(*(entry(f"{n}.h") for n in range(11)))
        assert "more than 10 members" in refused(data, limits=Limits(members=10))
        assert len(list(members(io.BytesIO(data), limits=Limits(members=11)))) == 11

    def test_extended_header(self) -> None:
        assert "extended header" in refused(tarball(entry("x", bytes(1 << 21), kind=b"x"), entry("a.h")))

    def test_depth(self, tmp_path: Path) -> None:
        deep = "/".join("d" * (MAX_DEPTH + 1))
        assert "no usable name" in refused(tarball(gnu_long(deep), entry("x")), tmp_path)
        deepest = "/".join("d" * 2000)
        assert "no usable name" in refused(tarball(gnu_long(deepest), entry("x", kind=b"5")))

    def test_name(self) -> None:
        assert "no usable name" in refused(tarball(gnu_long("n" * 5000), entry("x")))


class TestNames:
    @pytest.mark.parametrize("name", ["/etc/passwd", "//etc/passwd", "/"])
    def test_absolute(self, name: str, tmp_path: Path) -> None:
        assert "absolute path" in refused(tarball(entry("a.h"), entry(name, b"x")), tmp_path)

    @pytest.mark.parametrize("name", ["../x.h", "..", "./../x.h", "a/../../x.h", "a/..", "a/b/../c.h"])
    @pytest.mark.parametrize("kind", [b"0", b"5", b"2"])
    def test_dot_dot(self, name: str, kind: bytes) -> None:
        assert "leaves the tree" in refused(tarball(entry(name, kind=kind, link="a.h")))

    def test_dot_dot_by_pax_and_gnu(self) -> None:
        assert "leaves the tree" in refused(tarball(pax(("path", "../x.h")), entry("good.h")))
        assert "leaves the tree" in refused(tarball(gnu_long("../x.h"), entry("good.h")))
        assert "leaves the tree" in refused(tarball(entry("x.h", prefix=b"..")))

    def test_not_utf8(self) -> None:
        assert "not UTF-8" in refused(tarball(entry(b"include/\xff\xfe.h")))
        assert "not UTF-8" in refused(tarball(pax(("path", b"\xff.h")), entry("a.h")))
        assert "not UTF-8" in refused(tarball(entry("a", kind=b"2", link=b"\xff")))

    def test_zero_byte_and_newline(self) -> None:
        assert "no usable name" in refused(tarball(pax(("path", b"a\0b.h")), entry("a.h")))
        assert "no usable name" in refused(tarball(entry("a\nb.h")))

    @pytest.mark.parametrize("name", ["", ".", "./"])
    def test_none(self, name: str) -> None:
        assert "without a name" in refused(tarball(entry(name, b"x")))

    def test_twice(self, tmp_path: Path) -> None:
        assert "there twice" in refused(tarball(entry("a.h", b"1"), entry("./a.h", b"2")), tmp_path)
        assert "there twice" in refused(tarball(entry("d/a.h"), entry("d")))
        assert "there twice" in refused(tarball(entry("a"), entry("a", kind=b"5")))

    def test_file_as_parent(self) -> None:
        assert "which is a file" in refused(tarball(entry("a"), entry("a/b.h")))

    def test_pax_records(self) -> None:
        for body in (b"9", b"99 path=a\n", b"x path=a\n", b"3 a", b"7 patha\n", b"-5 path=a\n", b"0 path=a\n"):
            assert "pax header" in refused(tarball(entry("x", body, kind=b"x"), entry("a.h"))), body
        for size in ("-1", "1e3", "٣", "9" * 30):
            assert "pax header" in refused(tarball(pax(("size", size)), entry("a.h"))), size


class TestLinks:
    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("l", "/etc/passwd"),
            ("l", ".."),
            ("l", "../x"),
            ("a/b/l", "../../.."),
            ("a/l", "b/../../../x"),
            ("a/l", "x/.."),
            ("l", ""),
            ("l", "./../x"),
        ],
    )
    def test_out_of_the_tree(self, path: str, target: str, tmp_path: Path) -> None:
        assert "link out of the tree" in refused(tarball(entry(path, kind=b"2", link=target)), tmp_path)

    def test_out_through_another_link(self, tmp_path: Path) -> None:
        chain = tarball(entry("a/b/l1", kind=b"2", link="../.."), entry("a/b/l2", kind=b"2", link="l1/../x"))
        assert "l2 is a link out" in refused(chain, tmp_path)

    def test_written_through(self, tmp_path: Path) -> None:
        data = tarball(entry("l", kind=b"2", link="."), entry("l/x.h", b"1"))
        assert "which is a link" in refused(data, tmp_path)
        assert "there twice" in refused(tarball(entry("d/x.h"), entry("d", kind=b"2", link="x")))
        assert "there twice" in refused(tarball(entry("l", kind=b"2", link="x"), entry("l", b"1")))

    def test_target_by_pax(self) -> None:
        assert "link out" in refused(tarball(pax(("linkpath", "/etc/passwd")), entry("l", kind=b"2", link="a")))
        assert "link out" in refused(tarball(gnu_long("/etc/passwd", b"K"), entry("l", kind=b"2", link="a")))

    def test_top_of_the_tree_is_inside(self) -> None:
        got = list(members(io.BytesIO(tarball(entry("a/b/l", kind=b"2", link="../..")))))
        assert got[0].link == "../.."

    def test_loops_in_memory(self) -> None:
        data = tarball(
            entry("x.h"),
            entry("a", kind=b"2", link="b"),
            entry("b", kind=b"2", link="a"),
            entry("c", kind=b"2", link="c/c"),
        )
        headers = HeaderSet.from_archive(io.BytesIO(data))
        assert [path for path in ("a", "b", "c", "c/c/c") if path in headers] == []
        assert list(headers) == ["x.h"] and dict(headers.aliases) == {}

    def test_hard(self, tmp_path: Path) -> None:
        for target in ("later.h", "missing", "d", "../../etc/passwd", "/etc/passwd", "l"):
            data = tarball(
                entry("d", kind=b"5"),
                entry("l", kind=b"2", link="d"),
                entry("h.h", kind=b"1", link=target),
                entry("later.h", b"1"),
            )
            assert refused(data), target


@pytest.mark.parametrize("kind", [b"3", b"4", b"6", b"S", b"V", b"M", b"D", b"Z", b"\xff"])
def test_what_no_header_archive_holds(kind: bytes, tmp_path: Path) -> None:
    assert "x.h is " in refused(tarball(entry("x.h", kind=kind)), tmp_path)


def test_sparse_in_pax() -> None:
    assert "sparse" in refused(tarball(pax(("GNU.sparse.major", "1")), entry("a.h")))


def test_kinds_of_a_real_sparse_member_say_what_they_are() -> None:
    assert "sparse" in refused(tarball(entry("a.h", kind=b"S")))
    assert "named pipe" in refused(tarball(entry("a.h", kind=b"6")))
    assert "device" in refused(tarball(entry("a.h", kind=b"3")))


def test_stream_that_fails() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ArchiveError, match="cannot be read"):
        list(members(Broken()))  # type: ignore[arg-type]


def test_tar_of_the_builder_is_good() -> None:
    assert len(list(members(io.BytesIO(tar(FILES))))) == len(FILES) + 2
