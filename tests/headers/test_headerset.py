"""Header sets: from archives and directories, through links, with digest and identity."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import ClassVar

import pytest

from builders.archive import archive
from builders.mini import mini, mini_archive
from builders.root import RELEASE, unprivileged
from builders.tarball import entry, tarball
from kheaders.errors import ArchiveError, VerificationError
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.verify import verify_identity


def write(directory: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    return directory


class TestMapping:
    def test_is_the_files_of_the_archive(self) -> None:
        headers = HeaderSet.from_archive(io.BytesIO(mini_archive()))
        assert dict(headers) == mini() and len(headers) == len(mini())
        assert (headers.release, headers.srcarch, headers.arches) == (RELEASE, "x86", ("x86",))
        assert headers.size == sum(map(len, mini().values()))

    def test_absent(self) -> None:
        headers = HeaderSet({"a.h": b"1"})
        assert headers.get("b.h") is None and "b.h" not in headers and 5 not in headers  # type: ignore[comparison-overlap]
        with pytest.raises(KeyError):
            headers["b.h"]

    def test_cannot_be_changed(self) -> None:
        files = {"a.h": b"1"}
        headers = HeaderSet(files, {"l": "a.h"})
        files["b.h"] = b"2"
        assert "b.h" not in headers
        for mapping in (headers, headers.files, headers.links):
            with pytest.raises(TypeError):
                mapping["a.h"] = b""  # type: ignore[index]


class TestLinks:
    LINKS: ClassVar = {"l/one.h": "../real/a.h", "alias": "real", "again": "alias", "out": "../x", "real/up": ".."}
    HEADERS = HeaderSet({"real/a.h": b"a", "real/sub/b.h": b"b"}, LINKS)

    def test_of_files_are_keys(self) -> None:
        assert set(self.HEADERS) == {"real/a.h", "real/sub/b.h", "l/one.h"}

    @pytest.mark.parametrize(
        ("path", "real"),
        [
            ("l/one.h", "real/a.h"),
            ("alias/a.h", "real/a.h"),
            ("again/sub/b.h", "real/sub/b.h"),
            ("real/up/real/a.h", "real/a.h"),
            ("alias/up/again/a.h", "real/a.h"),
            ("out/a.h", None),
            ("alias", None),
        ],
    )
    def test_resolve(self, path: str, real: str | None) -> None:
        assert self.HEADERS.resolve(path) == real

    def test_aliases_name_every_file_below_them(self) -> None:
        aliases = self.HEADERS.aliases
        assert aliases["again/sub/b.h"] == aliases["alias/sub/b.h"] == "real/sub/b.h"
        assert aliases["l/one.h"] == "real/a.h"
        assert all(self.HEADERS.resolve(path) == real for path, real in aliases.items())

    def test_link_of_a_file_below_a_link_of_its_directory(self) -> None:
        headers = HeaderSet({"x/a.h": b"1"}, {"x/b.h": "a.h", "y": "x"})
        assert dict(headers.aliases) == {"x/b.h": "x/a.h", "y/a.h": "x/a.h", "y/b.h": "x/a.h"}

    def test_too_many_paths_are_refused(self) -> None:
        files = {f"d/{n}.h": b"" for n in range(1000)}
        with pytest.raises(ArchiveError, match="links make more than"):
            _ = HeaderSet(files, {f"l{n}": "d" for n in range(101)}).aliases


class TestDigest:
    def test_tells_content_path_and_link_apart_and_nothing_else(self) -> None:
        base = HeaderSet({"a": b"1", "b": b"2"}, {"l": "a"})
        assert base.digest == HeaderSet({"b": b"2", "a": b"1"}, {"l": "a"}, name="other").digest
        others = [
            HeaderSet({"a": b"1", "b": b"3"}, {"l": "a"}),
            HeaderSet({"a": b"2", "b": b"1"}, {"l": "a"}),
            HeaderSet({"a": b"1", "c": b"2"}, {"l": "a"}),
            HeaderSet({"a": b"1", "b": b"2"}, {"l": "b"}),
            HeaderSet({"a": b"1", "b": b"2"}),
            HeaderSet({"a": b"1", "b": b"2", "l": b"a"}),
        ]
        assert len({base.digest, *(o.digest for o in others)}) == 7

    def test_archive_and_directory_of_the_same_headers(self, tmp_path: Path) -> None:
        tree = HeaderSet.from_trees((write(tmp_path, mini()),))
        assert tree.digest == HeaderSet.from_archive(io.BytesIO(mini_archive())).digest


class TestIdentity:
    @pytest.mark.parametrize(
        ("text", "release"),
        [
            (b'#define UTS_RELEASE "6.1.0-9-amd64"\n', "6.1.0-9-amd64"),
            (b'// first\n#define  UTS_RELEASE\t"5.4"', "5.4"),
            (b'#define UTS_RELEASE ""\n', None),
            (b'#define UTS_RELEASE "' + b"x" * 65 + b'"', None),
            (b"#define UTS_RELEASE 6.1\n", None),
            (b"\0" * 40, None),
        ],
    )
    def test_release(self, text: bytes, release: str | None) -> None:
        assert HeaderSet({"include/generated/utsrelease.h": text}).release == release

    @pytest.mark.parametrize(
        ("option", "srcarch"), [("CONFIG_ARM64", "arm64"), ("CONFIG_PPC", "powerpc"), ("CONFIG_S390", "s390")]
    )
    def test_architecture_is_that_of_the_configuration(self, option: str, srcarch: str) -> None:
        files = {"include/generated/autoconf.h": f"#define {option} 1\n".encode(), "arch/x86/include/asm/a.h": b""}
        assert HeaderSet(files).srcarch == srcarch

    def test_architecture_of_the_only_directory(self) -> None:
        assert HeaderSet({"arch/mips/include/asm/a.h": b""}).srcarch == "mips"
        assert HeaderSet({"arch/mips/a.h": b"", "arch/arm/a.h": b""}).srcarch is None
        assert HeaderSet({}).srcarch is None

    def test_options_that_only_resemble_others_do_not_count(self) -> None:
        text = b"#define CONFIG_X86_FOO 1\n#define CONFIG_ARM_MODULE 1\n#define CONFIG_ARM64 0\n"
        assert HeaderSet({"include/generated/autoconf.h": text}).srcarch is None


class TestTrees:
    def test_last_layer_wins(self, tmp_path: Path) -> None:
        a = write(tmp_path / "a", {"include/x.h": b"old", "include/y.h": b"y", "arch/x86/include/asm/p.h": b""})
        b = write(tmp_path / "b", {"include/x.h": b"new", "arch/x86/include/generated/g.h": b"g"})
        headers = HeaderSet.from_trees((a, b), "x86")
        assert headers["include/x.h"] == b"new" and headers["include/y.h"] == b"y"
        assert set(headers) == {
            "include/x.h",
            "include/y.h",
            "arch/x86/include/asm/p.h",
            "arch/x86/include/generated/g.h",
        }

    def test_only_headers_of_the_architecture(self, tmp_path: Path) -> None:
        files = {
            "include/a.h": b"",
            "include/a.c": b"",
            "arch/arm/include/b.h": b"",
            "arch/x86/include/c.h": b"",
            "d.h": b"",
        }
        assert set(HeaderSet.from_trees((write(tmp_path, files),), "x86")) == {"include/a.h", "arch/x86/include/c.h"}

    def test_links_are_followed_and_loops_end(self, tmp_path: Path) -> None:
        write(tmp_path, {"include/a/x.h": b"1"})
        (tmp_path / "include/b").symlink_to("a")
        (tmp_path / "include/a/loop").symlink_to("..")
        (tmp_path / "include/gone.h").symlink_to("nowhere")
        headers = HeaderSet.from_trees((tmp_path,), "x86")
        assert headers["include/b/x.h"] == b"1" and "include/gone.h" not in headers
        assert len(headers) < 10

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(VerificationError, match="holds no header"):
            HeaderSet.from_trees((tmp_path,))
        (tmp_path / "include").write_text("a file")
        with pytest.raises(VerificationError, match="holds no header"):
            HeaderSet.from_trees((tmp_path,))

    def test_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        write(tmp_path, {"include/a.h": b""})
        (tmp_path / os.fsdecode(b"include/\xff.h")).touch()
        with pytest.raises(VerificationError, match="not UTF-8"):
            HeaderSet.from_trees((tmp_path,), "x86")

    def test_what_is_no_file_is_passed_over(self, tmp_path: Path) -> None:
        write(tmp_path, {"include/a.h": b"1"})
        os.mkfifo(tmp_path / "include/pipe.h")
        assert set(HeaderSet.from_trees((tmp_path,), "x86")) == {"include/a.h"}

    def test_file_too_large(self, tmp_path: Path) -> None:
        write(tmp_path, {"include/a.h": b"1"})
        os.truncate(tmp_path / "include/a.h", 17 << 20)
        with pytest.raises(VerificationError, match="no header"):
            HeaderSet.from_trees((tmp_path,), "x86")

    @pytest.mark.parametrize("locked", ["include/a.h", "include"])
    def test_no_permission(self, locked: str) -> None:
        with unprivileged() as place:
            write(place, {"include/a.h": b"1"})
            (place / locked).chmod(0)
            try:
                with pytest.raises(VerificationError, match=r"cannot be read .Permission denied.*permissions"):
                    HeaderSet.from_trees((place,), "x86")
            finally:
                (place / locked).chmod(0o755)


def test_archive_of_an_extracted_tree_is_read_without_what_kheaders_added() -> None:
    added = {".bpf/overlay.json": b"{}", ".bpf/include/linux/host.h": b"int evil;"}
    headers = HeaderSet.from_archive(io.BytesIO(archive({**mini(), **added})))
    assert headers.digest == HeaderSet(mini()).digest
    assert not HeaderSet.from_archive(io.BytesIO(archive(mini(), links={".bpf": "include"}))).links


def test_hard_link_to_what_is_left_out() -> None:
    data = tarball(entry(".bpf/a.h", b"1"), entry("b.h", kind=b"1", link=".bpf/a.h"))
    with pytest.raises(ArchiveError, match=r"b\.h is a hard link to \.bpf/a\.h, which is no header"):
        HeaderSet.from_archive(io.BytesIO(data))


def test_archive_without_files() -> None:
    with pytest.raises(ArchiveError, match="holds no header"):
        HeaderSet.from_archive(io.BytesIO(archive({}, links={"a": "b"})))


def test_real_archive_and_its_directories_agree(debian_archive: Path, debian_tree: tuple[Path, ...]) -> None:
    with debian_archive.open("rb") as stream:
        packed = HeaderSet.from_archive(stream)
    unpacked = HeaderSet.from_trees(debian_tree, packed.srcarch)
    assert set(unpacked) == set(packed) and len(packed) > 4000
    assert (unpacked.release, unpacked.config) == (packed.release, packed.config)


class TestLeadingDirectories:
    """Archives of a directory rather than of what is in it."""

    FILES: ClassVar[dict[str, bytes]] = mini()

    @pytest.mark.parametrize("top", ["kernel-devel", f"usr/src/linux-headers-{RELEASE}", f"linux-headers-{RELEASE}"])
    def test_are_taken_away(self, top: str) -> None:
        files = {f"{top}/{path}": data for path, data in self.FILES.items()}
        others = {f"{top}/Makefile": b"all:\n", f"{top}/scripts/mod/a.h": b"", "usr/share/doc/b.h": b"x"}
        found = HeaderSet.from_archive(io.BytesIO(archive({**files, **others})))
        assert dict(found) == self.FILES and found.digest == HeaderSet(self.FILES).digest
        assert verify_identity(found, None).ok

    def test_links_are_followed(self) -> None:
        files = {f"top/{path}": data for path, data in self.FILES.items() if path != "include/linux/types.h"}
        files["elsewhere/types.h"] = self.FILES["include/linux/types.h"]
        links = {"top/include/linux/types.h": "../../../elsewhere/types.h", "top/include/lynx": "linux"}
        found = HeaderSet.from_archive(io.BytesIO(archive(files, links=links)))
        assert not found.links and found["include/linux/types.h"] == self.FILES["include/linux/types.h"]
        assert found["include/lynx/sched.h"] == found["include/linux/sched.h"]

    def test_a_tree_of_two_parts(self) -> None:
        files = {
            f"usr/src/linux-headers-{RELEASE if '/generated/' in path else 'common'}/{path}": data
            for path, data in self.FILES.items()
        }
        assert dict(HeaderSet.from_archive(io.BytesIO(archive(files)))) == self.FILES

    def test_several_kernels_are_refused_by_name(self) -> None:
        files = {f"{top}/{path}": data for path, data in self.FILES.items() for top in ("a/one", "a/two")}
        with pytest.raises(ArchiveError, match=r"more than one kernel, below a/one, a/two; name an archive of one"):
            HeaderSet.from_archive(io.BytesIO(archive(files)))

    def test_the_checks_of_archives_hold(self) -> None:
        files = {f"top/{path}": data for path, data in self.FILES.items()}
        with pytest.raises(ArchiveError, match="out of the tree"):
            HeaderSet.from_archive(io.BytesIO(archive(files, links={"top/include/linux/x.h": "../../../../x.h"})))

    def test_without_a_tree_it_is_told_what_to_name(self) -> None:
        found = HeaderSet.from_archive(io.BytesIO(archive({"linux/types.h": b"x", "asm/a.h": b"y"})))
        verdict = verify_identity(found, None)
        assert "no directory include" in verdict.reason and "begins with 'asm'" in verdict.reason
        assert "never configured" not in verdict.reason
