"""The examples compile for BPF from a real kernel's headers, with every compiler of this machine."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from builders.compilers import Clang
from builders.kernel_archive import DebianHeaders
from builders.need import CHECKOUT
from kheaders.clang.find import examine
from kheaders.clang.job import Job, Result, execute
from kheaders.forms.memory import MemoryForm
from kheaders.headers.headerset import HeaderSet

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.bpf.c"))


def title(path: Path) -> str:
    """An example's name, as the test's id."""
    return path.name.split(".")[0]


@pytest.fixture(scope="module")
def from_archive(debian_archive: Path) -> HeaderSet:
    """Real headers, read from an archive like the kernel's own."""
    with debian_archive.open("rb") as stream:
        return HeaderSet.from_archive(stream)


@pytest.fixture(scope="module")
def from_package(debian_headers: DebianHeaders) -> HeaderSet:
    """The same headers, read from the directories of the distribution's package."""
    return HeaderSet.from_trees(debian_headers.layers, debian_headers.srcarch)


def compile_example(source: Path, headers: HeaderSet, clang: Clang) -> Result:
    """Compile *source* in the memory form, with debug information."""
    compiler = examine(clang.argv)
    with MemoryForm(headers).serve(compiler, source.read_bytes(), (str(source.parent),)) as served:
        return execute(compiler, Job(source, debug=True), served.flags, served.pass_fds)


@pytest.mark.network
@pytest.mark.parametrize("source", EXAMPLES, ids=title)
def test_compiles_from_an_archive(source: Path, from_archive: HeaderSet, clang: Clang) -> None:
    result = compile_example(source, from_archive, clang)
    assert result.ok, result.diagnostics
    assert "warning" not in result.diagnostics
    assert int.from_bytes(result.output[18:20], "little") == 247  # e_machine EM_BPF, include/uapi/linux/elf-em.h


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("source", EXAMPLES, ids=title)
def test_package_and_archive_give_the_same_code(
    source: Path, from_archive: HeaderSet, from_package: HeaderSet, clang: Clang
) -> None:
    """The archive has no comments, so lines and debug information may differ; instructions must not."""
    code = []
    for headers in (from_archive, from_package):
        result = compile_example(source, headers, clang)
        assert result.ok, result.diagnostics
        code.append(instructions(result.output))
    assert code[0]
    assert code[0] == code[1]


@pytest.mark.network
@pytest.mark.root
def test_the_stable_one_loads_and_runs_on_any_kernel(from_archive: HeaderSet, clang: Clang, tmp_path: Path) -> None:
    result = compile_example(CHECKOUT / "examples/socket_filter.bpf.c", from_archive, clang)
    path = tmp_path / "socket_filter.o"
    path.write_bytes(result.output)
    script = CHECKOUT / "demo/load_bpf.py"
    done = subprocess.run([sys.executable, script, "--json", path], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    # the frames of demo/load_bpf.py: 20 bytes of IP header and 20 of TCP header, no payload
    assert json.loads(done.stdout)["runs"] == {"TCP SYN": 40, "TCP ACK": 0, "UDP": 0}


def instructions(data: bytes) -> dict[str, bytes]:
    """The contents of the sections of *data* that hold code."""
    elf = ELFFile(io.BytesIO(data))
    return {s.name: s.data() for s in elf.iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and s.data_size}
