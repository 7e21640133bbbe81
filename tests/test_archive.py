"""Whole archives: what is read and extracted equals what was packed."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders.archive import KINDS, archive, compress, tar
from builders.others import with_largest_file, with_tmpfs, with_umask
from builders.tarball import entry, gnu_long, pax, tarball
from kheaders.archive import Limits, Member, members
from kheaders.errors import ArchiveError, StoreError
from kheaders.extraction import extract
from kheaders.headers.headerset import HeaderSet

READ_ONLY = 1  # MS_RDONLY, mount(2)


def read(data: bytes, **limits: int) -> list[Member]:
    return list(members(io.BytesIO(data), limits=Limits(**limits)))


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def extracted(data: bytes, directory: Path) -> dict[str, bytes | str | None]:
    """What extraction makes: path → content, link target, or None for a directory."""
    directory.mkdir(exist_ok=True)
    with opened(directory) as fd:
        extract(io.BytesIO(data), fd)
    return seen(directory)


def seen(directory: Path) -> dict[str, bytes | str | None]:
    found: dict[str, bytes | str | None] = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_each_compression_gives_the_same(kind: str) -> None:
    files = {"include/a.h": b"#define A\n", "include/linux/b.h": bytes(range(1, 256)) * 300, "empty.h": b""}
    got = HeaderSet.from_archive(io.BytesIO(archive(files, kind=kind)))
    assert dict(got.files) == files


def test_names_have_no_dot_and_directories_are_told() -> None:
    got = read(tarball(entry("./", kind=b"5"), entry("./include/", kind=b"5"), entry("./include/a.h", b"x")))
    assert [(m.path, m.directory, m.data) for m in got] == [("include", True, b""), ("include/a.h", False, b"x")]


def test_old_tar_without_a_kind_and_contiguous_files() -> None:
    got = read(tarball(entry("a.h", b"1", kind=b"\0", magic=bytes(8)), entry("b.h", b"2", kind=b"7")))
    assert [(m.path, m.data) for m in got] == [("a.h", b"1"), ("b.h", b"2")]


def test_ustar_prefix() -> None:
    got = read(tarball(entry("a.h", b"1", prefix=b"include/linux")))
    assert got == [Member("include/linux/a.h", b"1")]


def test_gnu_long_names_and_targets() -> None:
    name = "/".join(["d" * 90] * 3) + "/a.h"
    target = "d" * 120 + ".h"
    got = read(
        tarball(gnu_long(name), entry(name[:100], b"1"), gnu_long(target, b"K"), entry("l", kind=b"2", link="x"))
    )
    assert got == [Member(name, b"1"), Member("l", link=target)]


def test_pax_names_targets_and_size() -> None:
    name = "/".join(["p" * 90] * 3) + "/é.h"
    target = "t" * 120 + ".h"
    data = tarball(
        pax(("comment", "global"), kind=b"g"),
        pax(("path", name), ("mtime", "1.5"), ("size", "3")),
        entry("short", b"abc", size=0),
        pax(("linkpath", target)),
        entry("l", kind=b"2", link="x"),
        entry("after.h", b"z"),
    )
    assert read(data) == [Member(name, b"abc"), Member("l", link=target), Member("after.h", b"z")]


def test_size_in_base_256() -> None:
    header = bytearray(entry("a.h", b"abc"))
    header[124:136] = b"\x80" + (3).to_bytes(11, "big")
    from builders.tarball import summed

    assert read(tarball(bytes(summed(header[:512])) + bytes(header[512:]))) == [Member("a.h", b"abc")]


def test_hard_link_to_an_earlier_file(tmp_path: Path) -> None:
    data = tarball(entry("d/a.h", b"abc"), entry("b.h", kind=b"1", link="./d/a.h"))
    assert read(data)[1] == Member("b.h", same_as="d/a.h")
    assert extracted(data, tmp_path / "x") == {"d": None, "d/a.h": b"abc", "b.h": b"abc"}
    assert HeaderSet.from_archive(io.BytesIO(data))["b.h"] == b"abc"


def test_one_block_of_zeros_ends_it_and_padding_may_follow() -> None:
    assert len(read(tarball(entry("a.h"), end=bytes(512)))) == 1
    assert len(read(tarball(entry("a.h"), end=bytes(100 * 512)))) == 1


class TestLinks:
    """bcc issue 4503: some vendors' archives hold links."""

    LINKS: ClassVar = {
        "include/dt/in.h": "../uapi/in.h",
        "include/alias": "uapi",
        "include/chain": "alias",
        "dangling": "no",
    }
    DATA = archive({"include/uapi/in.h": b"1", "include/uapi/deep/er.h": b"2"}, links=LINKS)

    def test_extracted_as_they_are(self, tmp_path: Path) -> None:
        got = extracted(self.DATA, tmp_path / "x")
        assert {k: v for k, v in got.items() if isinstance(v, str)} == self.LINKS
        assert (tmp_path / "x/include/chain/deep/er.h").read_bytes() == b"2"

    def test_resolved_in_memory(self) -> None:
        headers = HeaderSet.from_archive(io.BytesIO(self.DATA))
        assert headers["include/dt/in.h"] == b"1"
        assert headers["include/alias/in.h"] == b"1"
        assert headers["include/chain/deep/er.h"] == b"2"
        assert "dangling" not in headers


class TestModes:
    @pytest.mark.parametrize("umask", [0, 0o077, 0o777], ids=oct)
    def test_do_not_depend_on_the_umask(self, tmp_path: Path, umask: int) -> None:
        def modes() -> set[tuple[str, int]]:
            with opened(tmp_path) as fd:
                extract(io.BytesIO(archive({"d/e/a.h": b"1"})), fd)
            found = [Path(p, n) for p, ds, fs in os.walk(tmp_path) for n in (*ds, *fs)]
            return {(p.name, stat.S_IMODE(p.stat().st_mode)) for p in found}

        assert with_umask(umask, modes) == {("d", 0o755), ("e", 0o755), ("a.h", 0o644)}

    def test_set_user_id_bits_of_the_archive_do_not_count(self, tmp_path: Path) -> None:
        header = bytearray(entry("a.h"))
        header[100:108] = b"0006777\0"
        from builders.tarball import summed

        extracted(tarball(bytes(summed(header))), tmp_path / "x")
        assert stat.S_IMODE((tmp_path / "x/a.h").stat().st_mode) == 0o644


class TestPlacesThatRefuse:
    DATA = archive({f"include/{n}.h": b"x" * 5000 for n in range(40)})

    def unpack(self, directory: Path) -> str:
        """The message of the failure, and the number of threads that it left."""
        before = threading.active_count()
        with opened(directory) as fd:
            try:
                extract(io.BytesIO(self.DATA), fd, name="headers")
            except StoreError as error:
                assert threading.active_count() == before
                return str(error)
        return ""

    def test_files_cannot_grow(self, tmp_path: Path) -> None:
        assert "headers: cannot write include/" in with_largest_file(4096, lambda: self.unpack(tmp_path))

    @pytest.mark.root
    def test_full(self, tmp_path: Path) -> None:
        message = with_tmpfs(tmp_path, "size=64k", 0, lambda: self.unpack(tmp_path))
        assert "No space left" in message and "free space" in message

    @pytest.mark.root
    def test_read_only(self, tmp_path: Path) -> None:
        assert "Read-only" in with_tmpfs(tmp_path, "size=1m", READ_ONLY, lambda: self.unpack(tmp_path))

    def test_not_empty(self, tmp_path: Path) -> None:
        (tmp_path / "include").mkdir()
        (tmp_path / "include/3.h").symlink_to("/etc/passwd")
        assert "File exists" in self.unpack(tmp_path)


class TestAgreement:
    def test_real_archive_as_gnu_tar_unpacks_it(
        self, debian_archive: Path, tmp_path: Path, need_tool: Callable[[str], Path]
    ) -> None:
        (tmp_path / "theirs").mkdir()
        subprocess.run([need_tool("tar"), "xf", debian_archive, "-C", tmp_path / "theirs"], check=True)
        (tmp_path / "ours").mkdir()
        with opened(tmp_path / "ours") as fd, debian_archive.open("rb") as stream:
            summary = extract(stream, fd)
        theirs, ours = seen(tmp_path / "theirs"), seen(tmp_path / "ours")
        assert ours == theirs
        files = [data for data in theirs.values() if isinstance(data, bytes)]
        assert (summary.files, summary.size) == (len(files), sum(map(len, files)))
        with debian_archive.open("rb") as stream:
            assert dict(HeaderSet.from_archive(stream).files) == {k: v for k, v in theirs.items() if v is not None}

    names = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=60)
    paths = st.lists(names.filter(lambda n: n not in (".", "..")), min_size=1, max_size=5).map("/".join)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        tree=st.dictionaries(paths, st.binary(max_size=3000), max_size=12),
        format=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
    )
    def test_what_pythons_tarfile_writes(self, tree: dict[str, bytes], format: int) -> None:
        files = {
            p: d for p, d in tree.items() if not any(o.startswith(f"{p}/") for o in tree) and len(p.encode()) < 4000
        }
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=format) as made:
            for path, data in files.items():
                member = tarfile.TarInfo(f"./{path}")
                member.size = len(data)
                made.addfile(member, io.BytesIO(data))
        assert {m.path: m.data for m in read(out.getvalue())} == files


class TestArbitraryBytes:
    """Whatever comes, it is a result or an ArchiveError, and no thread stays."""

    VALID = tar({"include/a.h": b"x" * 700, "include/linux/b.h": b"y"}, links={"include/l": "linux"})

    @staticmethod
    def survives(data: bytes) -> list[Member] | None:
        before = set(threading.enumerate())
        try:
            return read(data, unpacked=1 << 22)
        except ArchiveError as error:
            assert "\n" not in str(error)
            return None
        finally:
            assert set(threading.enumerate()) == before

    @settings(max_examples=150, deadline=None)
    @given(
        st.binary(max_size=3000), st.sampled_from([b"", b"\xfd7zXZ\0", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh9"])
    )
    def test_random(self, data: bytes, magic: bytes) -> None:
        self.survives(magic + data)

    @settings(max_examples=400, deadline=None)
    @given(st.data())
    def test_mutated(self, data: st.DataObject) -> None:
        mutant = bytearray(self.VALID)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, 6 * 512))
            mutant[at % len(mutant)] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):  # a right checksum lets the damage through to the checks behind it
            from builders.tarball import summed

            for start in range(0, len(mutant) - 511, 512):
                if mutant[start + 257 : start + 262] == b"ustar":
                    mutant[start : start + 512] = summed(mutant[start : start + 512])
        result = self.survives(bytes(mutant))
        for member in result or ():
            assert not member.path.startswith("/") and ".." not in member.path.split("/")

    def test_reader_that_stops_early_leaves_no_thread(self) -> None:
        before = set(threading.enumerate())
        found = members(io.BytesIO(compress(tar({f"{n}.h": b"x" * 100_000 for n in range(300)}), "xz")))
        next(found)
        assert set(threading.enumerate()) != before
        found.close()
        assert set(threading.enumerate()) == before
