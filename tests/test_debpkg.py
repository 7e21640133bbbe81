"""Debian packages: the container, the control fields, and the headers of the distributions' layouts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import deb as build
from builders import need
from builders.archive import compress, tar
from kheaders import debpkg
from kheaders.debpkg import Dependency
from kheaders.errors import ArchiveError, KheadersError, UsageError


@pytest.mark.parametrize("kind", ["xz", "gz", "zst", "bz2", "lzma", ""])
def test_debian_pair_gives_all_headers_in_every_compression(tmp_path: Path, kind: str) -> None:
    paths = build.write(tmp_path, build.debian(kind=kind))
    headers = debpkg.headers_from_debs(paths)
    assert {path: headers[path] for path in build.headers(build.RELEASE)} == build.headers(build.RELEASE)
    assert debpkg.release_of(headers) == build.RELEASE


def test_only_headers_of_the_architecture_come_through(tmp_path: Path) -> None:
    paths = build.write(tmp_path, build.debian())
    headers = debpkg.headers_from_debs(paths)
    assert all(path.endswith(".h") for path in headers)
    assert {path.split("/")[1] for path in headers if path.startswith("arch/")} == {"x86"}
    assert headers == debpkg.headers_from_debs(paths, srcarch="x86")


def test_a_link_to_a_header_gives_the_bytes_of_the_header(tmp_path: Path) -> None:
    headers = debpkg.headers_from_debs(build.write(tmp_path, build.debian()))
    assert headers["include/dt-bindings/input.h"] == b"#define I 1\n"


def test_the_order_of_packages_does_not_matter(tmp_path: Path) -> None:
    paths = build.write(tmp_path, build.debian())
    assert debpkg.headers_from_debs(paths) == debpkg.headers_from_debs(paths[::-1])


def test_generated_headers_win(tmp_path: Path) -> None:
    stale = {"usr/src/c/include/generated/autoconf.h": b"stale\n", "usr/src/c/include/linux/kconfig.h": b"k\n"}
    made = {"usr/src/b/include/generated/autoconf.h": b"new\n", "usr/src/b/Makefile": b"include ../c/Makefile\n"}
    made["usr/src/b/include/generated/utsrelease.h"] = b'#define UTS_RELEASE "1.0"\n'
    made["usr/src/b/arch/arm/include/generated/asm/a.h"] = b""
    packages = {"a.deb": build.deb({"Package": "a"}, stale), "b.deb": build.deb({"Package": "b"}, made)}
    headers = debpkg.headers_from_debs(build.write(tmp_path, packages))
    assert headers["include/generated/autoconf.h"] == b"new\n"
    assert headers["include/linux/kconfig.h"] == b"k\n"


def test_ubuntu_links_between_trees_are_followed(tmp_path: Path) -> None:
    headers = debpkg.headers_from_debs(build.write(tmp_path, build.ubuntu()))
    assert headers == build.headers("5.15.0-91-generic")


def test_one_whole_package_is_enough(tmp_path: Path) -> None:
    assert debpkg.headers_from_debs(build.write(tmp_path, build.whole())) == build.headers("6.9.0-custom")


def test_links_that_loop_or_lead_nowhere_end(tmp_path: Path) -> None:
    links = {
        "usr/src/linux-headers-6.9.0-custom/include/up": "..",
        "usr/src/linux-headers-6.9.0-custom/include/self": "self",
        "usr/src/linux-headers-6.9.0-custom/include/gone.h": "/nowhere/gone.h",
        "usr/src/linux-headers-6.9.0-custom/include/far.h": "../../../../../../../../etc/passwd",
    }
    files = build.below("usr/src/linux-headers-6.9.0-custom", build.headers("6.9.0-custom"))
    (path,) = build.write(tmp_path, {"a.deb": build.deb({"Package": "a"}, files, links)})
    headers = debpkg.headers_from_debs([path])
    assert not [name for name in headers if name.endswith(("gone.h", "far.h"))]


def test_a_missing_sibling_is_named_with_its_file(tmp_path: Path) -> None:
    paths = build.write(tmp_path, build.debian())
    with pytest.raises(ArchiveError, match=r"add linux-headers-6\.1\.0-99-common_6\.1\.999-1_all\.deb$"):
        debpkg.headers_from_debs(paths[:1])


def test_common_headers_alone_are_refused(tmp_path: Path) -> None:
    paths = build.write(tmp_path, build.debian())
    with pytest.raises(ArchiveError, match=r"linux-headers-6\.1\.0-99-common: no generated headers"):
        debpkg.headers_from_debs(paths[1:])


def test_several_kernels_need_a_choice(tmp_path: Path) -> None:
    other = "6.1.0-98-cloud-amd64"
    paths = build.write(tmp_path, {**build.debian(), **build.debian(other)})
    with pytest.raises(UsageError, match=f"{other}, {build.RELEASE}"):
        debpkg.headers_from_debs(paths)
    assert debpkg.release_of(debpkg.headers_from_debs(paths, release=other)) == other
    with pytest.raises(UsageError, match=r"none of 5\.0"):
        debpkg.headers_from_debs(paths, release="5.0")


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    paths = build.write(tmp_path, build.debian())
    with pytest.raises(UsageError, match="no headers for the architecture riscv"):
        debpkg.headers_from_debs(paths, srcarch="riscv")


def test_control_gives_fields_with_folded_lines(tmp_path: Path) -> None:
    fields = {"Package": "p", "Version": "1:2-3", "Architecture": "all", "Depends": "a,\n b (= 1)"}
    (path,) = build.write(tmp_path, {"p.deb": build.deb(fields, {})})
    assert debpkg.control(path) == {**fields, "Depends": "a,\nb (= 1)"}


def test_dpkg_agrees_that_the_builder_makes_packages(tmp_path: Path) -> None:
    dpkg = need.tool("dpkg-deb")
    (path, _) = build.write(tmp_path, build.debian())
    shown = subprocess.run([dpkg, "-f", path, "Package"], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == debpkg.control(path)["Package"]
    subprocess.run([dpkg, "-x", path, tmp_path / "root"], check=True)
    link = tmp_path / f"root/lib/modules/{build.RELEASE}/build"
    assert str(link.readlink()) == f"/usr/src/linux-headers-{build.RELEASE}"


@pytest.mark.parametrize(
    ("depends", "expected"),
    [
        ("linux-headers-6.1.0-9-common (= 6.1.1-1), libc6", [("linux-headers-6.1.0-9-common", "6.1.1-1")]),
        ("linux-hwe-6.5-headers-6.5.0-14", [("linux-hwe-6.5-headers-6.5.0-14", "")]),
        ("linux-kbuild-6.1 (>= 6.1.1), linux-headers-generic", []),
        ("linux-headers-6.12.9+deb13-amd64 (= 1:2~rc1)", [("linux-headers-6.12.9+deb13-amd64", "1:2~rc1")]),
        ("", []),
    ],
)
def test_header_dependencies(depends: str, expected: list[tuple[str, str]]) -> None:
    assert list(debpkg.header_dependencies(depends)) == [Dependency(*pair) for pair in expected]


@pytest.mark.parametrize(
    ("makefile", "expected"),
    [
        ("include /usr/src/linux-headers-6.1.0-9-common/Makefile\n", "/usr/src/linux-headers-6.1.0-9-common"),
        ("KBUILD_OUTPUT=/usr/src/b\ninclude /usr/src/c/Makefile\n", "/usr/src/c"),
        (
            "# Automatically generated by /s/Makefile: don't edit\nexport KBUILD_OUTPUT = /o\ninclude /s/Makefile\n",
            "/s",
        ),
        ("# Automatically generated by ../Makefile: don't edit\ninclude ../Makefile\n", ".."),
        ("VERSION = 4\nKERNELSRC    := /usr/src/linux-4.4\n", "/usr/src/linux-4.4"),
        ("include $(srctree)/Makefile\ninclude scripts/Kbuild.include\n", None),
        ("", None),
    ],
)
def test_source_in_makefile(makefile: str, expected: str | None) -> None:
    assert debpkg.source_in_makefile(makefile) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a Debian package"),
        (b"PK\3\4", "not a Debian package"),
        (build.ar([("x.o", b"")]), "no Debian package of format 2"),
        (build.ar([("debian-binary", b"3.0\n")]), "no Debian package of format 2"),
        (build.ar([("debian-binary", b"2.0\n")]), "it has no control.tar"),
        (build.ar([("debian-binary", b"2.0\n"), ("control.tar", tar({"md5sums": b""}))]), "it has no control file"),
        (b"!<arch>\n" + b"debian-binary" + b"x" * 60, "a damaged member header"),
    ],
    ids=["empty", "zip", "ar", "format 3", "no control", "no control file", "header"],
)
def test_what_is_no_package_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (path,) = build.write(tmp_path, {"p.deb": data})
    with pytest.raises(ArchiveError, match=reason):
        debpkg.control(path)


def test_a_package_without_data_is_refused(tmp_path: Path) -> None:
    control = compress(tar({"control": b"Package: p\n"}), "xz")
    data = build.ar([("debian-binary", b"2.0\n"), ("control.tar.xz", control)])
    (path,) = build.write(tmp_path, {"p.deb": data})
    with pytest.raises(ArchiveError, match=r"it has no data\.tar"):
        list(debpkg.deb_members(path))


@pytest.mark.parametrize("kind", ["xz", ""])
def test_every_truncation_is_an_error(tmp_path: Path, kind: str) -> None:
    (arch, common) = build.write(tmp_path, build.debian(kind=kind))
    data = arch.read_bytes()
    for length in range(0, len(data) - 1, max(1, len(data) // 60)):
        arch.write_bytes(data[:length])
        with pytest.raises(ArchiveError):
            debpkg.headers_from_debs([arch, common])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_never_escapes_as_another_exception(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    package = bytearray(next(iter(build.whole().values())))
    for _ in range(data.draw(st.integers(1, 4))):
        package[data.draw(st.integers(0, len(package) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "p.deb"
    path.write_bytes(package)
    try:
        debpkg.headers_from_debs([path])
    except KheadersError as error:
        assert "\n" not in str(error)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"none\.deb: cannot be read \(No such file or directory\)"):
        debpkg.control(tmp_path / "none.deb")
