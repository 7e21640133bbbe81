from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.root import BOOT_ID, BTF, BUILD_ID, RELEASE, VERSION, FakeRoot, note, unprivileged
from kheaders import kernel
from kheaders.errors import UsageError
from kheaders.kernel import Kernel

NO_HOST = Path("/nonexistent-host")


def test_everything_comes_from_the_sysroot(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path, machine="s390x", srcarch="s390")
    assert kernel.running(root.path, host=NO_HOST) == Kernel(
        release=RELEASE,
        version=VERSION,
        machine="s390x",
        srcarch="s390",
        build_id=BUILD_ID,
        boot_id=BOOT_ID,
        sysroot=root.path,
        running=True,
        btf=root.at("/sys/kernel/btf/vmlinux"),
    )


def test_this_machine() -> None:
    here = kernel.running()
    assert here.release == Path("/proc/sys/kernel/osrelease").read_text().strip()
    assert here.machine in (os.uname().machine, Path("/proc/sys/kernel/arch").read_text().strip())
    assert kernel.named(here.release) == here


def test_proc_version_is_enough(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.remove("/proc/sys/kernel/osrelease")
    root.remove("/proc/sys/kernel/version")
    here = kernel.running(root.path, host=NO_HOST)
    assert (here.release, here.version) == (RELEASE, VERSION)


def test_without_proc_it_is_the_kernel_of_the_host(tmp_path: Path) -> None:
    host = FakeRoot(tmp_path / "host", machine="riscv64")
    image = FakeRoot(tmp_path / "image", proc=False, sys=False)
    here = kernel.running(image.path, host=host.path)
    assert (here.release, here.srcarch, here.build_id, here.boot_id) == (RELEASE, "riscv", BUILD_ID, BOOT_ID)
    assert here.btf == host.at("/sys/kernel/btf/vmlinux")
    assert here.sysroot == image.path
    assert here.running


@pytest.mark.parametrize("closed", ["/proc", "/proc/sys/kernel/osrelease"])
def test_proc_that_must_not_be_read_is_not_taken_for_the_hosts(closed: str) -> None:
    with unprivileged() as place:
        root = FakeRoot(place)
        root.at(closed).chmod(0)
        try:
            with pytest.raises(UsageError, match=r"osrelease: permission denied.*run as root, or name the kernel"):
                kernel.running(root.path)
            assert kernel.named("6.1.0-1-amd64", sysroot=root.path).release == "6.1.0-1-amd64"
        finally:
            root.at(closed).chmod(0o755)


def test_without_any_proc_it_is_what_uname_says(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path, proc=False, sys=False)
    here = kernel.running(root.path, host=root.path)
    uname = os.uname()
    assert (here.release, here.version, here.machine) == (uname.release, uname.version, uname.machine)
    assert (here.build_id, here.boot_id, here.btf, here.btf_digest()) == (None, None, None, None)


def test_sys_of_the_host_serves_the_same_kernel_only(tmp_path: Path) -> None:
    host = FakeRoot(tmp_path / "host")
    same = FakeRoot(tmp_path / "same", sys=False)
    other = FakeRoot(tmp_path / "other", sys=False, version="#2 SMP rebuilt under the same release")
    assert kernel.running(same.path, host=host.path).build_id == BUILD_ID
    stranger = kernel.running(other.path, host=host.path)
    assert (stranger.release, stranger.build_id, stranger.btf) == (RELEASE, None, None)


def test_links_stay_in_the_sysroot(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.remove("/sys/kernel/btf/vmlinux")
    (tmp_path / "outside").write_bytes(b"outside")
    root.link("/sys/kernel/btf/vmlinux", str(tmp_path / "outside"))
    assert kernel.running(root.path, host=NO_HOST).btf is None
    root.remove("/sys/kernel/btf/vmlinux")
    root.write("/var/btf", BTF)
    root.link("/sys/kernel/btf/vmlinux", "/var/btf")
    assert kernel.running(root.path, host=NO_HOST).btf == root.at("/var/btf")


def test_a_loop_of_links_is_no_file(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.remove("/sys/kernel/notes")
    root.link("/sys/kernel/notes", "/sys/kernel/notes")
    assert kernel.running(root.path, host=NO_HOST).build_id is None


def test_garbage_as_release_in_proc_is_named(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.write("/proc/sys/kernel/osrelease", "../../etc\n")
    with pytest.raises(UsageError, match="etc"):
        kernel.running(root.path, host=NO_HOST)


def test_machine_before_proc_had_it(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path, release="5.10.0-30-arm64")
    root.remove("/proc/sys/kernel/arch")
    assert kernel.running(root.path, host=NO_HOST).machine == "aarch64"


def test_btf_digest_is_that_of_the_file(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    here = kernel.running(root.path, host=NO_HOST)
    assert here.btf_digest() == hashlib.sha256(BTF).hexdigest()
    root.remove("/sys/kernel/btf/vmlinux")
    assert here.btf_digest() is None


def test_key_tells_kernels_apart_and_nothing_else(tmp_path: Path) -> None:
    kernels = {
        "same": kernel.running(FakeRoot(tmp_path / "a").path, host=NO_HOST),
        "boot": kernel.running(FakeRoot(tmp_path / "b", boot_id="other").path, host=NO_HOST),
        "release": kernel.running(FakeRoot(tmp_path / "c", release="6.1.0-98-amd64").path, host=NO_HOST),
        "version": kernel.running(FakeRoot(tmp_path / "d", version="#2 SMP").path, host=NO_HOST),
        "machine": kernel.running(FakeRoot(tmp_path / "e", machine="i686").path, host=NO_HOST),
        "build id": kernel.running(FakeRoot(tmp_path / "f", build_id="ff" * 20).path, host=NO_HOST),
    }
    keys = {name: each.key for name, each in kernels.items()}
    assert keys.pop("boot") == keys["same"]
    assert len(set(keys.values())) == len(keys)
    assert all(len(key) == 64 and int(key, 16) for key in keys.values())


def test_key_does_not_run_words_together(tmp_path: Path) -> None:
    def make(release: str, version: str) -> Kernel:
        return Kernel(release, version, "x86_64", "x86", None, None, tmp_path, running=False)

    assert make("6.1", "2").key != make("6.12", "").key


def test_named_the_running_one_is_the_running_one(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    here = kernel.running(root.path, host=NO_HOST)
    assert kernel.named(RELEASE, sysroot=root.path, host=NO_HOST) == here
    assert kernel.named(RELEASE, machine="amd64", sysroot=root.path, host=NO_HOST) == here


def test_named_another(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    other = kernel.named("5.10.0-1-cloud-arm64", sysroot=root.path, host=NO_HOST)
    assert other == Kernel(
        release="5.10.0-1-cloud-arm64",
        version="",
        machine="aarch64",
        srcarch="arm64",
        build_id=None,
        boot_id=BOOT_ID,
        sysroot=root.path,
        running=False,
    )


def test_named_with_the_running_release_on_another_machine_is_another_kernel(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    other = kernel.named(RELEASE, machine="arm64", sysroot=root.path, host=NO_HOST)
    assert (other.running, other.machine, other.srcarch) == (False, "aarch64", "arm64")


def test_named_machine_outweighs_the_release_and_the_running_one_is_the_last_resort(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path, machine="loongarch64")
    assert kernel.named("6.9-arm64", machine="s390x", sysroot=root.path, host=NO_HOST).machine == "s390x"
    assert kernel.named("6.9-custom", sysroot=root.path, host=NO_HOST).machine == "loongarch64"


@pytest.mark.parametrize(
    ("machine", "srcarch"),
    [
        *[(name, "x86") for name in ("x86_64", "i386", "i486", "i586", "i686", "amd64")],
        *[(name, "arm64") for name in ("aarch64", "aarch64_be", "arm64")],
        *[(name, "arm") for name in ("armv7l", "armv6l", "armv5tel", "armhf", "armel")],
        *[(name, "riscv") for name in ("riscv64", "riscv32")],
        *[(name, "s390") for name in ("s390x", "s390")],
        *[(name, "powerpc") for name in ("ppc64le", "ppc64", "ppc", "ppc64el")],
        *[(name, "loongarch") for name in ("loongarch64", "loong64")],
        *[(name, "mips") for name in ("mips", "mips64", "mipsel", "mips64el")],
        *[(name, name) for name in ("x86", "arm64", "arm", "riscv", "s390", "powerpc", "loongarch", "mips")],
    ],
)
def test_srcarch(machine: str, srcarch: str) -> None:
    assert kernel.srcarch_of(machine) == srcarch


@pytest.mark.parametrize("machine", ["", "vax", "x64", "../arm", "sparc64"])
def test_unknown_machine(machine: str) -> None:
    with pytest.raises(UsageError, match="loongarch") as caught:
        kernel.srcarch_of(machine)
    assert repr(machine) in str(caught.value)


@pytest.mark.parametrize(
    ("release", "machine"),
    [
        ("6.1.0-18-amd64", "x86_64"),
        ("6.1.0-18-cloud-amd64", "x86_64"),
        ("6.12.9+bpo-rt-amd64", "x86_64"),
        ("6.1.0-18-686-pae", "i686"),
        ("6.1.0-18-686", "i686"),
        ("6.12.6-arm64-16k", "aarch64"),
        ("6.1.0-18-armmp-lpae", "armv7l"),
        ("6.1.0-18-powerpc64le", "ppc64le"),
        ("6.5.6-300.fc39.x86_64", "x86_64"),
        ("6.5.6-300.fc39.x86_64+debug", "x86_64"),
        ("6.5.6-300.fc39.aarch64+16k", "aarch64"),
        ("5.14.0-70.el9.s390x", "s390x"),
        ("6.5.6-300.fc39.ppc64le", "ppc64le"),
        ("6.8.0-31-generic", ""),
        ("6.5.6-686.fc39", ""),
        ("6.18.44", ""),
        ("6.1-myamd64", ""),
        ("6.1-amd64-to-arm64", ""),
    ],
)
def test_machine_in_release(release: str, machine: str) -> None:
    assert kernel.machine_in_release(release) == machine


@pytest.mark.parametrize("release", [RELEASE, "6.8.0-31-generic", "6.1.0+", "6.1~rc1_x", "6" * 64, "6.1-ü"])
def test_release_that_can_be(release: str) -> None:
    assert kernel.check_release(release) == release


@pytest.mark.parametrize(
    "release",
    [
        *["", ".", "..", ".hidden", "a/b", "/", "6.1\0", "6.1 x", "6.1\n", "6.1\tx", "6\u00a0", "-rf", "6" * 65],
        *["ü" * 33, "6.1\x1b[31m", "6.1\ud800", "6.1\udc80"],
    ],
)
def test_release_that_cannot_be(release: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        kernel.named(release, sysroot=tmp_path, host=NO_HOST)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.text(max_size=80))
def test_a_release_that_passes_is_one_component_and_one_word(release: str) -> None:
    try:
        kernel.check_release(release)
    except UsageError:
        return
    assert Path("/lib/modules", release).parent == Path("/lib/modules")
    assert release.split() == [release]
    assert len(release.encode()) <= 64


@pytest.mark.parametrize("order", ["<", ">"])
def test_build_id_in_both_byte_orders(tmp_path: Path, order: str) -> None:
    root = FakeRoot(tmp_path)
    root.notes("ab" * 16, order)
    assert kernel.running(root.path, host=NO_HOST).build_id == "ab" * 16


def test_build_id_needs_the_right_name_and_type() -> None:
    notes = note(b"GNU\0", 1, b"abi!") + note(b"GNUX\0", 3, b"five") + note(b"GNU\0", 3, b"") + note(b"Xen\0", 3, b"no")
    assert kernel.parse_build_id(notes) is None
    assert kernel.parse_build_id(notes + note(b"GNU\0", 3, b"\x01\x02\x03")) == "010203"


@pytest.mark.parametrize("order", ["<", ">"])
def test_truncated_notes_give_no_half_build_id(order: str) -> None:
    notes = note(b"Linux\0", 0x101, b"12345", order) + note(b"GNU\0", 3, bytes(range(20)), order)
    for length in range(len(notes)):
        assert kernel.parse_build_id(notes[:length]) is None
    assert kernel.parse_build_id(notes) == bytes(range(20)).hex()


def test_sizes_beyond_the_file() -> None:
    for sizes in ((0xFFFFFFFF, 4), (4, 0xFFFFFFFF), (0xFFFFFFFD, 0xFFFFFFFD)):
        assert kernel.parse_build_id(struct.pack("<3I", *sizes, 3) + b"GNU\0" + bytes(64)) is None


@given(st.binary(max_size=200))
def test_any_bytes_as_notes(notes: bytes) -> None:
    found = kernel.parse_build_id(notes)
    assert found is None or bytes.fromhex(found) in notes
