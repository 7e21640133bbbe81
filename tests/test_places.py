"""One list of the places where systems keep a kernel's modules, build directory, image and configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.archive import archive
from builders.elf import module, vmlinux
from builders.root import RELEASE, FakeRoot, header_files
from kheaders import kconfig, kernel
from kheaders.kmodule.facts import modules_directory
from kheaders.packing.named import of_kernel
from kheaders.places import MODULES, configurations, images
from kheaders.sources.build import BuildSource
from kheaders.sources.candidate import Candidate, Request, Source
from kheaders.sources.explicit import ExplicitSource
from kheaders.sources.image import ImageSource
from kheaders.sources.module import ModuleSource
from kheaders.store import Store

SYSTEMS = {
    "/usr/lib/modules": "ostree",
    "/run/booted-system/kernel-modules/lib/modules": "NixOS",
    "/run/booted-system/kernel/lib/modules": "Guix",
}


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


def offered(source: Source, root: FakeRoot) -> list[str]:
    request = Request(kernel.running(root.path), root.path)
    return [answer.location for answer in source.offers(request) if isinstance(answer, Candidate)]


@pytest.mark.parametrize("base", SYSTEMS, ids=SYSTEMS.get)
class TestEverySourceKnows:
    def test_the_module(self, root: FakeRoot, base: str) -> None:
        where = f"{base}/{RELEASE}/kernel/kernel/kheaders.ko"
        root.write(where, module(archive()))
        assert offered(ModuleSource(), root) == [where]

    def test_a_module_that_only_modules_dep_names(self, root: FakeRoot, base: str) -> None:
        root.write(f"{base}/{RELEASE}/modules.dep", "odd/kheaders.ko:\n")
        root.write(f"{base}/{RELEASE}/odd/kheaders.ko", module(archive()))
        assert offered(ModuleSource(), root) == [f"{base}/{RELEASE}/odd/kheaders.ko"]

    def test_the_build_directory(self, root: FakeRoot, base: str, tmp_path: Path) -> None:
        root.headers(f"{base}/{RELEASE}/build")
        assert offered(BuildSource(), root) == [f"{base}/{RELEASE}/build"]
        for name in ("bounds.h", "asm-offsets.h"):
            root.write(f"{base}/{RELEASE}/build/include/generated/{name}", f"#define {name[:6].upper()} 1\n")
        material = of_kernel(kernel.running(root.path), Store.open(cache=tmp_path / "cache"), pytest.fail)
        assert "include/linux/types.h" in material.files

    def test_the_image(self, root: FakeRoot, base: str) -> None:
        root.write(f"{base}/{RELEASE}/vmlinuz", vmlinux(archive()))
        assert offered(ImageSource(), root) == [f"{base}/{RELEASE}/vmlinuz"]

    def test_the_configuration(self, root: FakeRoot, base: str) -> None:
        root.config({"CONFIG_SMP": "y"}, f"{base}/{RELEASE}/config")
        found = kconfig.read(kernel.running(root.path))
        assert found is not None and found.origin == f"{base}/{RELEASE}/config"

    def test_an_unpacked_root_that_is_named(self, root: FakeRoot, base: str) -> None:
        root.headers(f"{base}/{RELEASE}/build")
        named = Request(kernel.running(root.path), Path("/"), root.path)
        (answer,) = ExplicitSource().offers(named)
        assert isinstance(answer, Candidate) and answer.location == f"{root.path}{base}/{RELEASE}/build"

    def test_where_a_module_would_be_installed(self, root: FakeRoot, base: str) -> None:
        root.write(f"{base}/{RELEASE}/modules.dep", "")
        assert modules_directory(kernel.running(root.path)) == root.at(f"{base}/{RELEASE}")


@pytest.mark.parametrize("place", ["/run/booted-system/kernel", "/run/booted-system/kernel/bzImage"])
def test_images_without_a_release_in_their_name(root: FakeRoot, place: str) -> None:
    """Whose they are, the image itself says."""
    root.write(place, vmlinux(archive()))
    assert offered(ImageSource(), root) == [place]
    other = Request(kernel.named("6.9.9", sysroot=root.path), root.path)
    assert not [answer for answer in ImageSource().offers(other) if isinstance(answer, Candidate)]


def test_a_split_tree_of_nixos(root: FakeRoot) -> None:
    files = header_files(RELEASE, "x86")
    made = {path: data for path, data in files.items() if "/generated/" in path}
    base = f"/run/booted-system/kernel-modules/lib/modules/{RELEASE}"
    root.files(f"{base}/build", made)
    root.files(f"{base}/source", {path: data for path, data in files.items() if path not in made})
    assert offered(BuildSource(), root) == [f"{base}/build"]


def test_the_usual_place_comes_first() -> None:
    assert MODULES[0] == "/lib/modules"
    assert images("R")[0] == "/boot/vmlinuz-R" and configurations("R")[0] == "/boot/config-R"
    for found in (images("R"), configurations("R")):
        assert len(set(found)) == len(found) and not [place for place in found if "{" in place]
