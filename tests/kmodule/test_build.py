"""What is checked before make runs, what is told after it failed, and one real build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builders import archive, kernel_script, root
from builders.kernel_archive import Unobtainable
from builders.root import RELEASE, FakeRoot
from kheaders import elf, kernel
from kheaders.errors import ModuleError, ToolFailed
from kheaders.kmodule import build, facts
from kheaders.packing import named
from kheaders.packing.pack import pack


def here(tmp_path: Path) -> tuple[FakeRoot, kernel.Kernel]:
    fake = FakeRoot(tmp_path)
    fake.build_tree()
    fake.write(f"{fake.modules}/build/Makefile", "all:\n")
    return fake, kernel.running(fake.path)


def test_the_build_directory(tmp_path: Path) -> None:
    fake, ours = here(tmp_path)
    assert build.build_directory(ours) == fake.at(f"{fake.modules}/build")
    fake.remove(f"{fake.modules}/build/Makefile")
    with pytest.raises(ModuleError, match=r"has no Makefile, .*; install linux-headers-"):
        build.build_directory(ours)
    with pytest.raises(ModuleError, match="does not exist, so no module can be built"):
        build.build_directory(kernel.named("6.9.0-other", sysroot=fake.path))


@pytest.mark.parametrize(("value", "hint"), [("y", "kheaders.tar.xz"), ("m", "modprobe kheaders")])
def test_a_kernel_with_an_archive_of_its_own(value: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "include/generated").mkdir(parents=True)
    (tmp_path / "include/generated/autoconf.h").write_text(root.autoconf_text({"CONFIG_IKHEADERS": value}))
    with pytest.raises(ModuleError, match=f"has its own archive.*{hint}"):
        build.refuse_own(tmp_path, RELEASE)


def test_the_archive_must_be_the_kernels(tmp_path: Path) -> None:
    _, ours = here(tmp_path)
    path = tmp_path / "k.tar.xz"
    path.write_bytes(archive.archive())
    build.check_archive(path, ours)
    path.write_bytes(archive.archive(root.header_files("6.9.0-other")))
    with pytest.raises(ModuleError, match=r"holds headers of 6\.9\.0-other \(.*\), not of"):
        build.check_archive(path, ours)
    path.write_bytes(b"damaged")
    with pytest.raises(ModuleError, match="make one with 'kheaders pack'"):
        build.check_archive(path, ours)
    with pytest.raises(ModuleError, match="cannot be read"):
        build.check_archive(tmp_path / "none", ours)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("/bin/sh: 1: gcc-10: not found\nmake: *** [x] Error 127", "the compiler gcc-10 that"),
        ("/bin/sh: 1: x86_64-linux-gnu-gcc-16: not found", "install gcc-16, or name another"),
        ("bash: line 1: /opt/clang-19: No such file or directory", "the compiler clang-19 that"),
        ("a.c:1:1: error: oops\nmake: *** [a.o] Error 1", "a.c:1:1: error: oops"),
        ("silence", "make: ended"),
    ],
)
def test_what_make_says(log: str, expected: str) -> None:
    assert expected in str(build.explained(ToolFailed("make: ended with status 2", "replay: make", log), RELEASE))


def test_a_failing_make_is_explained(tmp_path: Path) -> None:
    fake, ours = here(tmp_path)
    fake.write(f"{fake.modules}/build/Makefile", 'modules:\n\t@echo "x.c:1:2: error: broken" >&2; exit 1\n')
    (tmp_path / "k.tar.xz").write_bytes(archive.archive())
    (tmp_path / "work").mkdir()
    with pytest.raises(ModuleError, match=r"cannot be built for .*: x\.c:1:2: error: broken"):
        build.build(tmp_path / "k.tar.xz", build.build_directory(ours), tmp_path / "work", ours)


@pytest.mark.network
@pytest.mark.slow
def test_a_real_build(tmp_path: Path, need_tool: Callable[[str], Path]) -> None:
    """Against Debian's header package of 6.1: the module carries the archive bit for bit."""
    for name in ("make", "gcc"):
        need_tool(name)
    try:
        directory, release = kernel_script.buildable(tmp_path)
    except Unobtainable as error:
        pytest.skip(f"no headers of a real kernel: {error}")
    packed = pack(named.material([directory]), tmp_path / "k.tar.xz")
    (tmp_path / "work").mkdir()
    data = build.build(packed.path, directory, tmp_path / "work", kernel.named(release), compiler="gcc")
    module = facts.read(tmp_path / "m.ko", data)
    assert module.release == release
    found = elf.section_of_symbols(module.data, *elf.HEADER_SYMBOLS)
    assert found == packed.path.read_bytes()
