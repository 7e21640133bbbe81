"""Trees and packages: what is found in them, and which are refused, and why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builders import built, deb
from builders.root import unprivileged
from kheaders.errors import ArchiveError, KheadersError, PackError, UsageError
from kheaders.packing import named
from kheaders.packing.material import Material, from_directory, leaves_out_utsversion

HEADERS = {
    name
    for name in {**built.source_files(), **built.made_files()}
    if name.endswith(".h") and name.startswith(("include/", "arch/x86/include/"))
}


def texts(material: Material) -> dict[str, bytes]:
    return {name: read() for name, read in material.files.items()}


def test_source_with_its_build_tree(tmp_path: Path) -> None:
    source, build = built.split(tmp_path)
    (build / "source").unlink()
    found = named.material([source], build=build)
    assert (found.release, found.srcarch, found.links) == (built.RELEASE, "x86", {})
    assert texts(found) == {n: d for n, d in {**built.source_files(), **built.made_files()}.items() if n in HEADERS}


def test_a_build_directory_names_its_source(tmp_path: Path) -> None:
    _, build = built.split(tmp_path)
    assert set(named.material([build]).files) == HEADERS


def test_a_tree_built_in_itself(tmp_path: Path) -> None:
    assert set(named.material([built.whole(tmp_path)]).files) == HEADERS


def test_what_the_build_made_wins(tmp_path: Path) -> None:
    source, build = built.split(tmp_path)
    built.write(build, {"include/linux/commented.h": b"int from_build;\n"})
    assert texts(named.material([source], build=build))["include/linux/commented.h"] == b"int from_build;\n"


def test_links_stay_links(tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    (tree / "include/linux/link.h").symlink_to("../uapi/linux/types.h")
    (tree / "include/linux/dangling.h").symlink_to("nothing.h")
    found = named.material([tree])
    assert found.links == {"include/linux/link.h": "../uapi/linux/types.h", "include/linux/dangling.h": "nothing.h"}
    assert set(found.files) == HEADERS


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../x.h", "../linux/../../../x.h", "a/../b.h"])
def test_a_link_out_of_the_tree_is_refused(target: str, tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    (tree / "include/linux/link.h").symlink_to(target)
    with pytest.raises(PackError, match=r"link\.h: is a link out of the tree"):
        named.material([tree])


def test_utsversion_is_left_out_since_6_14(tmp_path: Path) -> None:
    release = "6.14.0-rc1"
    tree = built.whole(tmp_path, release)
    built.write(tree, {"Makefile": b"VERSION = 6\nPATCHLEVEL = 14\n"})
    found = named.material([tree])
    assert set(found.files) == HEADERS - {"include/generated/utsversion.h"}
    assert [leaves_out_utsversion(r) for r in ("5.10.0", "6.13.9", "6.14", "6.1400.1", "7.2.13+deb14", "odd")] == [
        False,
        False,
        True,
        True,
        True,
        False,
    ]


# ---- refused --------------------------------------------------------------------------------------------------------


def refused(*sources: Path, build: Path | None = None, srcarch: str | None = None) -> str:
    with pytest.raises(KheadersError) as caught:
        named.material(sources, build=build, srcarch=srcarch)
    assert caught.value.hint
    return str(caught.value)


def test_never_configured(tmp_path: Path) -> None:
    assert "was never configured" in refused(built.write(tmp_path, built.source_files()))


@pytest.mark.parametrize("name", ["bounds.h", "asm-offsets.h"])
def test_half_built(name: str, tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    (tree / "include/generated" / name).unlink()
    assert f"is half built: it has no include/generated/{name}" in refused(tree)


def test_configured_and_no_more(tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    (tree / "include/generated/utsrelease.h").unlink()
    assert "include/generated/utsrelease.h is missing" in refused(tree)


def test_another_architecture(tmp_path: Path) -> None:
    assert "is configured for x86, not for arm64" in refused(built.whole(tmp_path), srcarch="arm64")


def test_a_source_without_that_architecture(tmp_path: Path) -> None:
    source, build = built.split(tmp_path)
    (source / "arch/x86/include/asm/page.h").unlink()
    for directory in ("asm", ".", ".."):
        (source / "arch/x86/include" / directory).resolve().rmdir()
    built.write(build, {"include/generated/autoconf.h": b"#define CONFIG_RISCV 1\n"})
    assert "has no headers of the architecture riscv" in refused(source, build=build)


def test_source_and_build_of_different_kernels(tmp_path: Path) -> None:
    source, build = built.split(tmp_path)
    built.write(source, {"Makefile": b"VERSION = 6\nPATCHLEVEL = 12\n"})
    assert f"is built as {built.RELEASE}, but {source} is the source of 6.12" in refused(source, build=build)


def test_what_is_no_source_tree(tmp_path: Path) -> None:
    _, build = built.split(tmp_path)
    assert "is no kernel source tree" in refused(tmp_path, build=build)
    assert "does not exist" in refused(tmp_path / "source", build=tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "is an empty directory" in refused(tmp_path / "empty")


def test_what_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    assert "is no Debian package" in refused(tmp_path / "text")
    assert "No such file" in refused(tmp_path / "none")
    assert "nothing to pack" in refused()
    assert "--build goes with one source tree" in refused(tmp_path / "text", build=tmp_path)


def test_unreadable_files() -> None:
    with unprivileged() as place:
        tree = built.whole(place)
        (tree / "include/linux/sched.h").chmod(0)
        found = named.material([tree])
        with pytest.raises(PackError, match=r"sched\.h: cannot be read \(Permission denied\); check its permissions"):
            texts(found)
        (tree / "include/uapi/linux").chmod(0)
        try:
            assert "cannot be read (Permission denied)" in refused(tree)
        finally:
            (tree / "include/uapi/linux").chmod(0o755)


def test_what_is_no_header(tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    os.mkfifo(tree / "include/linux/pipe.h")
    with pytest.raises(PackError, match=r"pipe\.h: is no regular file"):
        texts(named.material([tree]))


def test_a_loop_of_directories_ends(tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    (tree / "include/linux/loop").symlink_to("..")
    found = named.material([tree])
    assert set(found.files) >= HEADERS


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    tree = built.whole(tmp_path)
    Path(os.fsdecode(os.fsencode(tree) + b"/include/linux/\xff.h")).write_bytes(b"")
    assert "the name is not UTF-8" in refused(tree)


def test_a_source_that_others_can_change_is_not_passed_over(tmp_path: Path) -> None:
    _, build = built.split(tmp_path)
    other = built.write(tmp_path / "other", built.source_files())
    other.chmod(0o777)
    assert f"{other}: can be written by everybody" in refused(other, build=build)


# ---- packages -------------------------------------------------------------------------------------------------------


def test_a_package_with_its_sibling(tmp_path: Path) -> None:
    first, _ = deb.write(tmp_path, deb.debian())
    found = named.material([first])
    assert found.release == deb.RELEASE
    assert {"arch/x86/include/generated/asm/made.h", "include/linux/sched.h"} <= set(found.files)
    assert found.links == {"include/dt-bindings/input.h": "../uapi/linux/input.h"}
    assert not any("sparc" in name for name in found.files)


def test_a_directory_of_packages(tmp_path: Path) -> None:
    deb.write(tmp_path, deb.debian())
    assert named.material([tmp_path]) is not None


def test_half_of_a_pair(tmp_path: Path) -> None:
    paths = deb.write(tmp_path, deb.debian())
    paths[1].unlink()
    with pytest.raises(ArchiveError, match="add linux-headers-6"):
        named.material([paths[0]])


def test_packages_of_another_architecture(tmp_path: Path) -> None:
    paths = deb.write(tmp_path, deb.debian())
    with pytest.raises(UsageError, match="no headers for the architecture arm64"):
        named.material(paths, srcarch="arm64")


def test_words_that_are_releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named.release_in("6.1.0-9-amd64") == "6.1.0-9-amd64"
    assert [named.release_in(word) for word in ("linux", "./6.1", "6.1/x", "6", "")] == [None] * 5
    (tmp_path / "6.1").mkdir()
    assert named.release_in("6.1") is None


def test_the_directory_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(PackError, match=r"link: does not exist"):
        from_directory(tmp_path / "link", None, None)
