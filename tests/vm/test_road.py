"""The whole road on Debian's stock kernels, in guests: what runs inside is inside/main.py.

``make test-vm`` runs this. Each kernel is booted twice with the same disk; a failing guest shows its console.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from builders import command, need
from builders.guest import image, kernels, machine
from builders.guest.report import report
from builders.guest.workshop import Workshop
from builders.kernel_archive import Unobtainable
from kheaders.objects import compare

pytestmark = [pytest.mark.guest, pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(2400)]

HERE = Path(__file__).parent
OTHER = {"5.10": "6.12", "6.1": "6.12", "6.12": "7.2", "7.2": "6.12"}
"""Series → the one whose module it must refuse."""
CORE = "6.1"
"""The series that the one object for all kernels is compiled on, where ``compile`` knows ``--core``."""
REBUILT = "6.1"
"""The series that is also given headers of another configuration under its own release."""
SHIPPED = "6.12"
"""The series whose guest makes its blob from the form for shipping, which takes it a minute; others get it ready."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Where archives, modules and blobs are made; large, so not kept."""
    place = tmp_path_factory.mktemp("workshop")
    yield Workshop(place)
    shutil.rmtree(place)


@pytest.mark.parametrize("series", kernels.SERIES)
def test_the_whole_road(series: str, workshop: Workshop, tmp_path: Path) -> None:
    need.guests()
    try:
        qemu, root, kernel = machine.find_qemu(), image.root_image(), kernels.obtain(series)
        files = {
            "python/kheaders": need.CHECKOUT / "src/kheaders",
            "programs": HERE / "programs",
            "programs/bpf_support.h": need.CHECKOUT / "examples/bpf_support.h",
            **{path.name: path for path in (HERE / "inside").glob("*.py")},
            "kheaders.tar.xz": workshop.archive(series),
            "kheaders_archive.ko": workshop.module(series),
            "other.ko": workshop.module(OTHER[series]),
        }
        blob = workshop.blob(series, shipped=series == SHIPPED)
        files[blob.name] = blob
        if series == REBUILT and find_spec("kheaders.agreement"):
            files["rebuilt.ko"] = workshop.rebuilt(series)
        if "--core" in command.options_of("compile"):
            files["core.o"] = workshop.core_object(CORE)
    except Unobtainable as error:
        pytest.fail(f"no guest, though one was asked for: {error}", pytrace=False)
    payload = machine.payload(tmp_path / "payload.tar", files)
    disk = tmp_path / "root.img"
    shutil.copy(root, disk)
    disks = [machine.Disk("root", disk), machine.Disk("payload", payload)]
    try:
        first = machine.boot(qemu, kernel.image, disks, tmp_path, timeout=1000, words="kheaders.boot=1")
        report(series, first, "boot1")
        second = machine.boot(
            qemu, kernel.image, disks, tmp_path, timeout=600, words="kheaders.boot=2 lockdown=integrity"
        )
        report(series, second, "boot2")
    finally:
        disk.unlink()
        payload.unlink()
    for name in ("kprobe", "tracepoint", "fentry"):
        assert first.files[f"{name}.o"] == second.files[f"{name}.o"], f"{name} became another object after the reboot"
    code = [d for d in compare(first.files["kprobe.o"], first.files["full.o"]) if d.kind != "BTF"]
    assert not code, f"the slice's code differs from that of the full headers: {code}"
