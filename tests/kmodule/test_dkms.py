"""DKMS itself, from Debian's package, builds the module from what ``kheaders module source`` writes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import kernel_script
from builders.debian import Debian
from builders.kernel_archive import Unobtainable
from kheaders.kmodule import facts, placing
from kheaders.version import VERSION


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.root
def test_dkms_packs_and_builds(tmp_path: Path, need_tool: Callable[[str], Path]) -> None:
    for name in ("make", "gcc"):
        need_tool(name)
    try:
        program = Debian("bookworm").unpacked("dkms") / "usr/sbin/dkms"
        headers, release = kernel_script.buildable(tmp_path)
    except Unobtainable as error:
        pytest.skip(f"no dkms, or no headers of a real kernel: {error}")
    for name in ("tree", "inst"):
        (tmp_path / name).mkdir()
    placing.write_source(tmp_path / f"src/kheaders-archive-{VERSION}")
    places = [f"--dkmstree={tmp_path}/tree", f"--sourcetree={tmp_path}/src", f"--installtree={tmp_path}/inst"]
    for action, more in (("add", []), ("build", ["-k", release, f"--kernelsourcedir={headers}"])):
        argv = ["bash", str(program), action, f"kheaders-archive/{VERSION}", *places, *more]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (made,) = tmp_path.glob(f"tree/kheaders-archive/{VERSION}/{release}/*/module/{facts.NAME}.ko*")
    assert facts.examine(made).release == release
