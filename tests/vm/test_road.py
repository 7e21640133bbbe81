"""The whole road on Debian's stock kernels, in guests: what runs inside is inside/main.py.

``make test-vm`` runs this. Each kernel is booted twice with the same disk; a failing guest shows its console.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import need
from builders.guest import image, kernels, machine
from builders.kernel_archive import Unobtainable
from kheaders.api import Context
from kheaders.objects import compare

pytestmark = [pytest.mark.guest, pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(1500)]

HERE = Path(__file__).parent
OTHER = {"5.10": "6.1", "6.1": "5.10", "6.12": "6.1", "7.2": "6.1"}
"""Series → the one whose module it must refuse."""
SHIPPED = "6.12"
"""The series whose guest makes its blob from the form for shipping, which takes it a minute; others get it ready."""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Modules that were built already, by series."""
    return {}


def module_of(series: str, modules: dict[str, Path], directory: Path) -> Path:
    """The module of a series, with the archive beside it."""
    if series not in modules:
        kernel = kernels.obtain(series)
        place = directory / series
        place.mkdir(exist_ok=True)
        archive = place / "kheaders.tar.xz"
        Context.open(cache=str(place / "cache"), store=str(place / "store")).pack(kernel.debs, archive)
        kernels.build_module(kernel, archive, place / "kheaders_archive.ko")
        modules[series] = place / "kheaders_archive.ko"
    return modules[series]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where modules and blobs are made; large, so not kept."""
    place = tmp_path_factory.mktemp("workshop")
    yield place
    shutil.rmtree(place)


def blob_of(archive: Path, place: Path, *, shipped: bool) -> Path:
    """The blob of an archive, *shipped* in the form for that."""
    from kheaders.interface.transfer import export

    context = Context.open(headers=archive, cache=str(place / "cache"), store=str(place / "store"))
    path = context.build_blob(place / "blob.kheaders")
    if not shipped:
        return path
    with context.blob(path) as blob:
        export(blob, place / "blob.kheaders.xz")
    return place / "blob.kheaders.xz"


@pytest.mark.parametrize("series", kernels.SERIES)
def test_the_whole_road(series: str, modules: dict[str, Path], workshop: Path, tmp_path: Path) -> None:
    need.guests()
    try:
        qemu, root, kernel = machine.find_qemu(), image.root_image(), kernels.obtain(series)
        module, other = (module_of(name, modules, workshop) for name in (series, OTHER[series]))
    except Unobtainable as error:
        pytest.fail(f"no guest, though one was asked for: {error}", pytrace=False)
    blob = blob_of(module.with_name("kheaders.tar.xz"), tmp_path, shipped=series == SHIPPED)
    files = {
        "python/kheaders": need.CHECKOUT / "src/kheaders",
        "programs": HERE / "programs",
        "programs/bpf_support.h": need.CHECKOUT / "examples/bpf_support.h",
        "main.py": HERE / "inside/main.py",
        "steps.py": HERE / "inside/steps.py",
        "loader.py": HERE / "inside/loader.py",
        "kheaders_archive.ko": module,
        "other.ko": other,
        "kheaders.tar.xz": module.with_name("kheaders.tar.xz"),
        blob.name: blob,
    }
    payload = machine.payload(tmp_path / "payload.tar", files)
    disk = tmp_path / "root.img"
    shutil.copy(root, disk)
    disks = [machine.Disk("root", disk), machine.Disk("payload", payload)]
    try:
        first = machine.boot(qemu, kernel.image, disks, tmp_path, timeout=600, words="kheaders.boot=1")
        report(series, first, "boot1")
        second = machine.boot(qemu, kernel.image, disks, tmp_path, timeout=300, words="kheaders.boot=2")
        report(series, second, "boot2")
    finally:
        disk.unlink()
    for name in ("kprobe", "tracepoint", "fentry"):
        assert first.files[f"{name}.o"] == second.files[f"{name}.o"], f"{name} became another object after the reboot"
    (tmp_path / "slice.o").write_bytes(first.files["kprobe.o"])
    (tmp_path / "full.o").write_bytes(first.files["full.o"])
    code = [d for d in compare(first.files["kprobe.o"], first.files["full.o"]) if d.kind != "BTF"]
    assert not code, f"the slice's code differs from that of the full headers: {code}"


def report(series: str, done: machine.Boot, name: str) -> None:
    """Print what each step took, and fail with the console where one failed."""
    steps = json.loads(done.files.get(f"{name}.json", b"[]"))
    print(f"\n{series} {name}: {done.seconds:.0f} s")
    for step in steps:
        print(
            f"  {step['seconds']:6.1f} s  {'ok' if step['ok'] else 'FAILED':6}  {step['name']}: {step['detail']}"[:200]
        )
    failed = [step["name"] for step in steps if not step["ok"]]
    if failed or done.status != 0 or not steps:
        pytest.fail(f"{series} {name}: {', '.join(failed) or 'no end'}\n{done.told}", pytrace=False)
    if os.environ.get("KHEADERS_TEST_CONSOLE"):
        print(done.console)
