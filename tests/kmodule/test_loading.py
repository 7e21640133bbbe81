"""Loading and removing, with programs that stand for insmod and rmmod and say what the real ones say."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import carrier
from builders.root import RELEASE, FakeRoot
from kheaders import kernel
from kheaders.errors import ModuleError, ToolMissing
from kheaders.kmodule import loading


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    root = FakeRoot(tmp_path)
    root.write("/proc/modules", "")
    return root


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "m.ko"
    path.write_bytes(carrier.module())
    return path


def load(root: FakeRoot, path: Path | None, tools: str, *, allowed: bool = True) -> bool:
    return loading.load(kernel.running(root.path), path, tools=tools, allowed=lambda: allowed)


def unload(root: FakeRoot, tools: str, *, allowed: bool = True) -> bool:
    return loading.unload(kernel.running(root.path), tools=tools, allowed=lambda: allowed)


def refused(root: FakeRoot, path: Path | None, tools: str, *, allowed: bool = True) -> str:
    with pytest.raises(ModuleError) as caught:
        load(root, path, tools, allowed=allowed)
    assert caught.value.hint
    return str(caught.value)


def test_a_round(root: FakeRoot, module: Path, tmp_path: Path) -> None:
    tools = carrier.loading(root, tmp_path / "bin")
    assert load(root, module, tools)
    assert root.at(carrier.SHOWN).exists()
    assert not load(root, module, tools)  # it is there already
    assert unload(root, tools)
    assert not root.at(carrier.SHOWN).exists()
    assert not unload(root, tools)


@pytest.mark.parametrize("place", ["updates/dkms", "updates", "extra"])
def test_the_installed_module_is_found(place: str, root: FakeRoot, tmp_path: Path) -> None:
    root.module("kheaders_archive.ko", carrier.module(), place)
    assert load(root, None, carrier.loading(root, tmp_path / "bin"))


def test_a_kernel_with_an_archive_is_left_alone(root: FakeRoot, module: Path, tmp_path: Path) -> None:
    root.write(carrier.SHOWN, "the kernel's own")
    assert "is there already" in refused(root, module, carrier.loading(root, tmp_path / "bin"))


def test_another_kernels_module(root: FakeRoot, tmp_path: Path) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(carrier.module("6.9.0-other"))
    said = refused(root, path, carrier.loading(root, tmp_path / "bin"))
    assert f"belongs to kernel 6.9.0-other, and {RELEASE} runs" in said


def test_nothing_is_installed(root: FakeRoot, tmp_path: Path) -> None:
    assert f"is not installed for {RELEASE}" in refused(root, None, carrier.loading(root, tmp_path / "bin"))


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"text" * 100, carrier.module(name="other")])
def test_a_file_that_is_no_module_of_ours(data: bytes, root: FakeRoot, tmp_path: Path) -> None:
    (tmp_path / "m.ko").write_bytes(data)
    assert "is no module kheaders_archive" in refused(root, tmp_path / "m.ko", carrier.loading(root, tmp_path / "bin"))


def test_files_that_cannot_be_read(root: FakeRoot, tmp_path: Path) -> None:
    tools = carrier.loading(root, tmp_path / "bin")
    assert "cannot be read" in refused(root, tmp_path / "none.ko", tools)
    assert "is not a regular file" in refused(root, tmp_path, tools)


def test_without_permission(root: FakeRoot, module: Path, tmp_path: Path) -> None:
    tools = carrier.loading(root, tmp_path / "bin")
    assert "only root (CAP_SYS_MODULE) may load modules; run as root" in refused(root, module, tools, allowed=False)
    load(root, module, tools)
    with pytest.raises(ModuleError, match="only root"):
        unload(root, tools, allowed=False)


def test_modules_are_disabled(root: FakeRoot, module: Path, tmp_path: Path) -> None:
    root.write("/proc/sys/kernel/modules_disabled", "1\n")
    assert "until the next boot" in refused(root, module, carrier.loading(root, tmp_path / "bin"))


def test_no_programs(root: FakeRoot, module: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    with pytest.raises(ToolMissing, match="install kmod"):
        load(root, module, str(tmp_path / "bin"))


@pytest.mark.parametrize(
    ("message", "lockdown", "expected"),
    [
        (
            "could not insert module m.ko: Operation not permitted",
            "none [integrity] confidentiality\n",
            "is locked down",
        ),
        ("could not insert module m.ko: Operation not permitted", "[none] integrity\n", "permits no module"),
        ("could not insert module m.ko: Key was rejected by service", "", "asks for a signature"),
        ("could not insert module m.ko: Required key not available", "", "asks for a signature"),
        ("could not insert module m.ko: Invalid module format", "", "was built against headers that are not"),
        ("could not insert module m.ko: Unknown symbol in module", "", "was built against headers that are not"),
        ("could not insert module m.ko: File exists", "", "is there already"),
        ("could not insert module m.ko: Cannot allocate memory", "", "cannot be loaded: insmod: ERROR: could not"),
        ("", "", "cannot be loaded: no message"),
    ],
)
def test_what_the_kernel_refuses(
    message: str, lockdown: str, expected: str, root: FakeRoot, module: Path, tmp_path: Path
) -> None:
    root.write("/sys/kernel/security/lockdown", lockdown)
    tools = carrier.failing(tmp_path / "bin", "insmod", f"insmod: ERROR: {message}" if message else "")
    assert expected in refused(root, module, tools)


def test_a_module_in_use(root: FakeRoot, module: Path, tmp_path: Path) -> None:
    load(root, module, carrier.loading(root, tmp_path / "bin"))
    tools = carrier.failing(tmp_path / "bin", "rmmod", "rmmod: ERROR: Module kheaders_archive is in use")
    with pytest.raises(ModuleError, match="is in use and cannot be removed"):
        unload(root, tools)
    tools = carrier.failing(tmp_path / "bin", "rmmod", "rmmod: ERROR: something else")
    with pytest.raises(ModuleError, match="cannot be removed: rmmod: ERROR: something else"):
        unload(root, tools)


def test_a_module_that_loads_and_shows_nothing(root: FakeRoot, module: Path, tmp_path: Path) -> None:
    carrier.tool(tmp_path / "bin", "insmod", "true")
    assert "is not there; see dmesg" in refused(root, module, str(tmp_path / "bin"))


def test_a_kernel_that_does_not_run(root: FakeRoot, module: Path) -> None:
    other = kernel.named("6.9.0-other", sysroot=root.path)
    with pytest.raises(ModuleError, match="does not run here"):
        loading.load(other, module)
    with pytest.raises(ModuleError, match="does not run here"):
        loading.unload(other)
