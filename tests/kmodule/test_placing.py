"""The module put into a fake root, and the source that DKMS builds from."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import carrier
from builders.root import RELEASE, FakeRoot
from kheaders import kernel
from kheaders.errors import ModuleError, ToolFailed, ToolMissing
from kheaders.kmodule import facts, placing
from kheaders.version import VERSION


def install(root: FakeRoot, directory: Path, release: str = RELEASE, *, depmod: str = "true") -> Path:
    carrier.tool(directory / "bin", "depmod", depmod)
    module = facts.read(directory / "m.ko", carrier.module(release))
    return placing.install(module, kernel.running(root.path), tools=str(directory / "bin"))


def test_installed_where_modprobe_finds_it(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.at(root.modules).mkdir(parents=True)
    place = install(root, tmp_path, depmod=f'echo "$*" >{tmp_path}/log')
    assert place == root.at(f"{root.modules}/updates/kheaders_archive.ko")
    assert place.read_bytes() == carrier.module()
    assert (tmp_path / "log").read_text() == f"-b {root.path} {RELEASE}\n"
    assert facts.installed(root.at(root.modules)) == place


def test_a_system_with_modules_below_usr_alone(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.at(f"/usr{root.modules}").mkdir(parents=True)
    assert install(root, tmp_path) == root.at(f"/usr{root.modules}/updates/kheaders_archive.ko")


def test_what_is_refused(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    with pytest.raises(ModuleError, match=r"no kernel .* is installed"):
        install(root, tmp_path)
    root.at(root.modules).mkdir(parents=True)
    with pytest.raises(ModuleError, match=r"belongs to kernel 6\.9\.0-other"):
        install(root, tmp_path, "6.9.0-other")
    with pytest.raises(ModuleError, match="is there, but depmod failed") as caught:
        install(root, tmp_path, depmod="exit 1")
    assert isinstance(caught.value.__cause__, ToolFailed)
    root.module("kheaders.ko.xz", b"x")
    with pytest.raises(ModuleError, match="has a module of its own"):
        install(root, tmp_path)
    (tmp_path / "bin/depmod").unlink()
    root.remove(f"{root.modules}/kernel/kernel/kheaders.ko.xz")
    with pytest.raises(ToolMissing, match="depmod"):
        placing.install(
            facts.read(tmp_path / "m.ko", carrier.module()), kernel.running(root.path), tools=str(tmp_path / "bin")
        )


def test_a_directory_that_others_can_change(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    directory = root.at(f"{root.modules}/updates")
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    with pytest.raises(ModuleError, match="updates"):
        install(root, tmp_path)
    assert list(directory.iterdir()) == []


def test_the_source_for_dkms(tmp_path: Path) -> None:
    directory = placing.write_source(tmp_path / "kheaders-archive")
    assert {p.name for p in directory.iterdir()} == {"Kbuild", "dkms.conf", "kheaders_archive.c", "pack.sh"}
    assert f'PACKAGE_VERSION="{VERSION}"' in (directory / "dkms.conf").read_text()
    script = (directory / "pack.sh").read_text()
    program = script.split('"')[1]
    assert Path(program).is_absolute() and Path(program).name == "kheaders"
    assert (directory / "pack.sh").stat().st_mode & 0o111
    with pytest.raises(ModuleError, match="is not empty"):
        placing.write_source(directory)


def test_the_module_never_has_the_name_of_the_kernels_own() -> None:
    texts = facts.source()
    assert facts.NAME != "kheaders"
    assert f"obj-m := {facts.NAME}.o" in texts["Kbuild"]
    assert "SPDX-License-Identifier: GPL-2.0-only" in texts[f"{facts.NAME}.c"]
    assert 'MODULE_LICENSE("GPL")' in texts[f"{facts.NAME}.c"]
