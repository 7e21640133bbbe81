"""bcc's tools and bpftrace's scripts on Debian's stock kernel, in a guest without headers: inside/tools.py.

``make test-vm`` runs this. The guest has the tools as Debian packages them, kheaders, and a blob that was built here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import need
from builders.guest import image, kernels, machine
from builders.guest.report import report
from builders.guest.workshop import Workshop
from builders.kernel_archive import Unobtainable

pytestmark = [pytest.mark.guest, pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(2400)]

INSIDE = Path(__file__).parent / "inside"
SERIES = "6.1"
"""The series of the release whose tools these are."""


def test_tools_see_real_events(tmp_path: Path) -> None:
    need.guests()
    try:
        qemu, root, kernel = machine.find_qemu(), image.root_image(image.CONSUMERS), kernels.obtain(SERIES)
        files = {
            "python/kheaders": need.CHECKOUT / "src/kheaders",
            "blob.kheaders": Workshop(tmp_path).blob(SERIES),
            "main.py": INSIDE / "tools.py",
            **{name: INSIDE / name for name in ("steps.py", "watching.py")},
        }
    except Unobtainable as error:
        pytest.fail(f"no guest, though one was asked for: {error}", pytrace=False)
    payload = machine.payload(tmp_path / "payload.tar", files)
    disks = [machine.Disk("root", root, scratch=True), machine.Disk("payload", payload)]
    report(SERIES, machine.boot(qemu, kernel.image, disks, tmp_path, timeout=2000, memory=1536), "consumers")
