"""The directory form: what is written, where, and that nothing half-written stays."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import mini
from builders.others import with_largest_file, with_tmpfs, with_umask
from builders.root import unprivileged
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute
from kheaders.errors import KheadersError, StoreError, UsageError, VerificationError
from kheaders.forms.directory import DirectoryForm, extract
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.markers import MARKER

HEADERS = HeaderSet(mini())
HOST = b"#include <linux/host.h>\nint f(void) { return 1; }\n"


def compiles(root: Path, clang: Clang, program: bytes, headers: HeaderSet = HEADERS) -> str:
    compiler = examine(clang.argv)
    with DirectoryForm(root, headers).serve(compiler, program) as served:
        return execute(compiler, Job(program), served.flags).diagnostics


def below(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


class TestExtract:
    def test_headers_are_as_they_were(self, tmp_path: Path) -> None:
        assert extract(HEADERS, tmp_path / "x") == tmp_path / "x"
        found = below(tmp_path / "x")
        assert {path: data for path, data in found.items() if not path.startswith(".bpf/")} == mini()
        assert MARKER.encode() in found[".bpf/include/linux/host.h"]

    def test_into_an_empty_directory_and_relative(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "x").mkdir()
        monkeypatch.chdir(tmp_path)
        assert extract(HEADERS, Path("x")) == tmp_path / "x"
        assert os.listdir(tmp_path) == ["x"]

    def test_compiles_with_host_assembly_in_a_header(self, tmp_path: Path, clang: Clang) -> None:
        assert compiles(extract(HEADERS, tmp_path / "x"), clang, HOST) == ""

    def test_compiles_through_links(self, tmp_path: Path, clang: Clang) -> None:
        """bcc issue 4503, with a header that holds host assembly at the end of the links."""
        linked = HeaderSet(mini(), {"include/alias": "linux", "include/one.h": "linux/host.h"})
        root = extract(linked, tmp_path / "x")
        assert os.readlink(root / "include/alias") == "linux"
        for name in (b"alias/host.h", b"one.h"):
            assert compiles(root, clang, HOST.replace(b"linux/host.h", name), linked) == ""

    @pytest.mark.parametrize("umask", [0, 0o077], ids=oct)
    def test_modes(self, tmp_path: Path, umask: int) -> None:
        root = with_umask(umask, lambda: extract(HEADERS, tmp_path / "x"))
        modes = {(p.is_dir(), stat.S_IMODE(p.stat().st_mode)) for p in [root, *root.rglob("*")]}
        assert modes == {(True, 0o755), (False, 0o644)}


class TestRefused:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda p: (p / "x").mkdir() or (p / "x/a").touch(), "x: is not empty"),
            (lambda p: (p / "x").touch(), "x: is no directory"),
            (lambda p: (p / "x").symlink_to("y"), "x: is a link"),
            (lambda p: (p / "y").mkdir() or (p / "x").symlink_to("y"), "x: is a link"),
        ],
    )
    def test_something_is_there(self, tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
        make(tmp_path)
        before = sorted(p.name for p in tmp_path.rglob("*"))
        with pytest.raises(UsageError, match=message):
            extract(HEADERS, tmp_path / "x")
        assert sorted(p.name for p in tmp_path.rglob("*")) == before

    def test_no_parent(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"no: nothing can be written there.*make the directory"):
            extract(HEADERS, tmp_path / "no/x")

    def test_no_permission(self) -> None:
        with unprivileged() as place:
            place.chmod(0o555)
            try:
                with pytest.raises(StoreError, match="Permission denied"):
                    extract(HEADERS, place / "x")
            finally:
                place.chmod(0o755)

    def fails(self, place: Path) -> tuple[str, list[str]]:
        """The message, and what is left."""
        try:
            extract(HeaderSet(mini(extra={"include/linux/big.h": b"x" * 200_000})), place / "x")
        except StoreError as error:
            return str(error), os.listdir(place)
        return "", os.listdir(place)

    def test_files_cannot_grow(self, tmp_path: Path) -> None:
        message, left = with_largest_file(10_000, lambda: self.fails(tmp_path))
        assert "cannot write include/linux/big.h (File too large)" in message and left == []

    @pytest.mark.root
    def test_full(self, tmp_path: Path) -> None:
        message, left = with_tmpfs(tmp_path, "size=128k", 0, lambda: self.fails(tmp_path))
        assert "No space left on device" in message and left == []

    @pytest.mark.root
    def test_few_inodes(self, tmp_path: Path) -> None:
        message, left = with_tmpfs(tmp_path, "size=9m,nr_inodes=12", 0, lambda: self.fails(tmp_path))
        assert "No space left on device" in message and left == []

    @pytest.mark.root
    def test_read_only(self, tmp_path: Path) -> None:
        message, left = with_tmpfs(tmp_path, "size=1m", 1, lambda: self.fails(tmp_path))
        assert "Read-only" in message and left == []

    def test_header_set_that_claims_the_private_directory(self, tmp_path: Path) -> None:
        for files in ({".bpf/overlay.json": b"{}"}, {".bpf/include/linux/host.h": b"int evil;"}):
            with pytest.raises(KheadersError, match="File exists"):
                extract(HeaderSet(mini(extra=files)), tmp_path / "x")
        with pytest.raises(KheadersError):
            extract(HeaderSet(mini(), {".bpf": "include"}), tmp_path / "x")
        assert os.listdir(tmp_path) == []


def test_tree_without_its_overlay(tmp_path: Path, clang: Clang) -> None:
    root = extract(HEADERS, tmp_path / "x")
    (root / ".bpf/overlay.json").unlink()
    with pytest.raises(VerificationError, match=r"overlay.json: missing; run 'kheaders cache clear'"):
        DirectoryForm(root, HEADERS).flags(examine(clang.argv))
