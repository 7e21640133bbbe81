"""The archive in kernel images: synthetic ones of every format, and a real one from the distribution."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.archive import archive, compress, tar
from builders.elf import vmlinux
from builders.image import bzimage, payload, self_unpacking, zboot
from builders.root import RELEASE, FakeRoot, header_files
from kheaders import decoders, kernel
from kheaders.errors import ArchiveError
from kheaders.sources import bootimage
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.image import ImageSource

ARCHIVE = archive()
ON = {"CONFIG_IKHEADERS": "y"}
KINDS = ("gz", "xz", "zst", "lz4", "bz2", "lzma")


def ask(root: FakeRoot) -> list[Candidate | Rejection]:
    return list(ImageSource().offers(Request(kernel.named(RELEASE, sysroot=root.path), root.path)))


def only(root: FakeRoot) -> Candidate | Rejection:
    (answer,) = ask(root)
    assert answer.source == "image"
    return answer


def offered(root: FakeRoot) -> bytes:
    answer = only(root)
    assert isinstance(answer, Candidate), str(answer)
    assert isinstance(answer.content, ArchiveContent)
    with answer.content.open() as stream:
        return stream.read()


def reason(root: FakeRoot) -> str:
    answer = only(root)
    assert isinstance(answer, Rejection)
    return answer.reason


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


def vmlinuz(root: FakeRoot, image: bytes) -> Path:
    return root.write(f"/boot/vmlinuz-{RELEASE}", image)


# ---- formats --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbols", [True, False], ids=["symbols", "stripped"])
@pytest.mark.parametrize("kind", [*KINDS, ""])
def test_bzimage(root: FakeRoot, kind: str, symbols: bool) -> None:
    vmlinuz(root, bzimage(vmlinux(ARCHIVE, symbols=symbols), kind))
    assert offered(root) == ARCHIVE


@pytest.mark.parametrize("protocol", [0x0208, 0x020C])
@pytest.mark.parametrize("sectors", [0, 1, 64])
def test_bzimage_of_other_shapes(root: FakeRoot, protocol: int, sectors: int) -> None:
    vmlinuz(root, bzimage(vmlinux(ARCHIVE), "gz", protocol=protocol, setup_sectors=sectors))
    assert offered(root) == ARCHIVE


def test_bzimage_that_is_older_than_the_payload_fields(root: FakeRoot) -> None:
    vmlinuz(root, bzimage(vmlinux(ARCHIVE), "gz", protocol=0x0207))
    assert offered(root) == ARCHIVE


@pytest.mark.parametrize("kind", KINDS)
def test_efi_zboot(root: FakeRoot, kind: str) -> None:
    vmlinuz(root, zboot(vmlinux(ARCHIVE, symbols=False), kind))
    assert offered(root) == ARCHIVE


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_compressed_as_a_whole(root: FakeRoot, kind: str) -> None:
    vmlinuz(root, payload(raw_image(ARCHIVE), kind))
    assert offered(root) == ARCHIVE


def raw_image(embedded: bytes) -> bytes:
    """What ``objcopy -O binary`` leaves of arm64's vmlinux: no ELF header, no symbols."""
    banner = f"Linux version {RELEASE} (builder@host) (gcc 12) #1 SMP\n\0".encode()
    return b"\x4d\x5a\x40\xfa" + bytes(52) + b"ARMd" + bytes(4000) + banner + bytes(37) + embedded + bytes(999)


def test_a_raw_image(root: FakeRoot) -> None:
    vmlinuz(root, raw_image(ARCHIVE))
    assert offered(root) == ARCHIVE


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_unpacks_itself(root: FakeRoot, kind: str) -> None:
    text = b"".join(b"mov r%d, #%d\n" % (number % 13, number) for number in range(10_000))
    vmlinuz(root, self_unpacking(vmlinux(ARCHIVE, bits=32, text=text), kind))
    assert offered(root) == ARCHIVE


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [32, 64])
def test_vmlinux_of_every_machine(root: FakeRoot, bits: int, order: str) -> None:
    root.write(f"/usr/lib/debug/boot/vmlinux-{RELEASE}", vmlinux(ARCHIVE, bits=bits, order=order))
    assert offered(root) == ARCHIVE


@pytest.mark.parametrize(
    "place",
    [
        "/boot/vmlinuz-{0}",
        "/lib/modules/{0}/vmlinuz",
        "/boot/vmlinux-{0}",
        "/usr/lib/debug/lib/modules/{0}/vmlinux",
        "/boot/Image-{0}",
        "/lib/modules/{0}/build/vmlinux",
        "/boot/bzImage-{0}",
    ],
)
def test_places(root: FakeRoot, place: str) -> None:
    root.write(place.format(RELEASE), vmlinux(ARCHIVE))
    assert only(root).location == place.format(RELEASE)
    assert offered(root) == ARCHIVE


def test_an_image_under_two_names_is_read_once(root: FakeRoot) -> None:
    vmlinuz(root, bzimage(vmlinux(ARCHIVE), "gz"))
    root.link(f"/lib/modules/{RELEASE}/vmlinuz", f"/boot/vmlinuz-{RELEASE}")
    assert offered(root) == ARCHIVE


# ---- a stripped kernel: what only looks like the archive -------------------------------------------------------------


def test_other_xz_data_in_a_stripped_kernel(root: FakeRoot) -> None:
    others = [
        b"\xfd7zXZ\0 merely the magic, as lib/decompress_unxz.c has it",
        lzma.compress(b"xz, but no tar"),
        compress(tar({"init": b"#!/bin/sh\n", "etc/passwd": b""}), "xz"),
        archive()[:-20],
        compress(tar(header_files()), "gz"),
    ]
    vmlinuz(root, bzimage(vmlinux(b"\0\xff".join([*others, ARCHIVE, *others]), symbols=False), "zst"))
    assert offered(root) == ARCHIVE
    vmlinuz(root, bzimage(vmlinux(b"\0\xff".join(others), symbols=False), "zst"))
    assert reason(root) == "there is no header archive inside"


def test_an_archive_of_several_blocks(root: FakeRoot, need_tool: Callable[[str], Path]) -> None:
    files = {f"include/linux/h{number}.h": b"#define A\n" * 500 for number in range(200)}
    command: list[str | Path] = [need_tool("xz"), "--block-size=65536", "-T2", "-0", "-c"]
    packed = subprocess.run(command, input=tar(files), capture_output=True, check=True).stdout
    vmlinuz(root, vmlinux(packed, symbols=False))
    assert offered(root) == packed


@given(st.binary(max_size=400), st.data())
def test_damage_in_a_stripped_kernel_never_raises(noise: bytes, data: st.DataObject) -> None:
    damaged = bytearray(noise + ARCHIVE + noise)
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    found = bootimage.archive(bytes(damaged), "vmlinux")
    assert found is None or found in damaged


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_no_image(root: FakeRoot) -> None:
    assert reason(root) == "is not there, nor at 23 other places for images"


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"CONFIG_SMP": "y"}, "is not set"), ({"CONFIG_SMP": "y", "CONFIG_IKHEADERS": "m"}, "in the module kheaders")],
)
def test_a_configuration_that_rules_it_out_saves_the_work(
    root: FakeRoot, options: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise AssertionError("nothing may be unpacked")

    monkeypatch.setattr(bootimage, "unpack", refuse)
    root.config(options)
    vmlinuz(root, bzimage(vmlinux(ARCHIVE), "gz"))
    assert expected in reason(root)
    assert f"/boot/config-{RELEASE}" in reason(root)


def test_a_configuration_that_has_it(root: FakeRoot) -> None:
    root.config(ON)
    vmlinuz(root, bzimage(vmlinux(ARCHIVE), "gz"))
    assert offered(root) == ARCHIVE


def test_a_kernel_of_another_release(root: FakeRoot) -> None:
    vmlinuz(root, bzimage(vmlinux(ARCHIVE, release="6.1.0-98-amd64"), "gz"))
    assert reason(root) == f"holds kernel 6.1.0-98-amd64, not {RELEASE}"


def test_a_release_that_only_begins_alike(root: FakeRoot) -> None:
    vmlinuz(root, bzimage(vmlinux(ARCHIVE, release=f"{RELEASE}-rt"), "gz"))
    assert reason(root) == f"holds kernel {RELEASE}-rt, not {RELEASE}"


def test_a_kernel_without_an_archive(root: FakeRoot) -> None:
    vmlinuz(root, bzimage(vmlinux(None), "gz"))
    assert reason(root) == "there is no header archive inside"


@pytest.mark.parametrize(
    "image",
    [
        b"?",
        b"MZ" + bytes(5000),
        b"\x7fELF" + bytes(200),
        b"\x1f\x8b\x08" + bytes(50),
        b"MZ\0\0zimg\xff\xff\xff\x7f" * 9,
    ],
    ids=["one byte", "MZ", "ELF", "gzip", "zboot"],
)
def test_what_is_no_kernel(root: FakeRoot, image: bytes) -> None:
    vmlinuz(root, image)
    assert reason(root)


def test_an_image_that_is_broken_off(root: FakeRoot) -> None:
    whole = bzimage(vmlinux(ARCHIVE), "xz")
    for size in (*range(0x1F0, 0x260, 5), len(whole) // 2, whole.rindex(b"YZ")):
        vmlinuz(root, whole[:size])
        assert reason(root)


def test_compression_that_cannot_be_read(root: FakeRoot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    vmlinuz(root, bzimage(vmlinux(ARCHIVE), "lz4"))
    monkeypatch.setattr(decoders, "_library", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = only(root)
    assert isinstance(answer, Rejection)
    assert "needs the Python package lz4" in answer.reason
    assert "pip install" in answer.hint


def test_an_image_that_unpacks_to_too_much() -> None:
    with pytest.raises(ArchiveError, match="more than 1000000 bytes"):
        bootimage.unpack(bzimage(bytes(5_000_000), "xz"), "vmlinuz", limit=1_000_000)


# ---- a real kernel --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``vmlinuz-R`` of the distribution's smallest kernel, downloaded and unpacked aside."""
    for tool in ("apt-cache", "apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed: not a Debian system")
    depends = subprocess.run(
        ["apt-cache", "depends", "--important", "linux-image-cloud-amd64"], capture_output=True, text=True, check=False
    ).stdout
    package = re.search(r"Depends: (linux-image-\S+)", depends)
    if package is None:
        pytest.skip("apt knows no linux-image-cloud-amd64")
    place = tmp_path_factory.mktemp("image")
    done = subprocess.run(["apt-get", "download", package[1]], cwd=place, capture_output=True, text=True, check=False)
    debs = list(place.glob("*.deb"))
    if done.returncode or not debs:
        pytest.skip(f"{package[1]} cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    subprocess.run(["dpkg-deb", "-x", debs[0], place / "root"], check=True)
    (image,) = (place / "root/boot").glob("vmlinuz-*")
    return image


@pytest.mark.network
def test_a_real_kernel_is_unpacked(real_image: Path) -> None:
    release = real_image.name.removeprefix("vmlinuz-")
    unpacked = bootimage.unpack(real_image.read_bytes(), "vmlinuz")
    assert unpacked.startswith(b"\x7fELF")
    assert bootimage.release(unpacked, release) == release
    assert bootimage.release(unpacked, "5.10.0-1-amd64") == release
    assert bootimage.archive(unpacked, "vmlinuz") is None


@pytest.mark.network
def test_a_real_kernel_says_why_it_has_no_archive(real_image: Path, tmp_path: Path) -> None:
    release = real_image.name.removeprefix("vmlinuz-")
    root = FakeRoot(tmp_path, release=release)
    shutil.copy(real_image, root.write(f"/boot/vmlinuz-{release}", b""))

    def answer() -> Rejection:
        (found,) = ImageSource().offers(Request(kernel.running(root.path), root.path))
        assert isinstance(found, Rejection)
        return found

    assert answer().reason == "there is no header archive inside"
    shutil.copy(real_image.with_name(f"config-{release}"), root.write(f"/boot/config-{release}", b""))
    assert "CONFIG_IKHEADERS is not set" in answer().reason


@pytest.mark.network
def test_a_real_kernel_with_an_archive_put_into_it(real_image: Path, tmp_path: Path) -> None:
    release = real_image.name.removeprefix("vmlinuz-")
    unpacked = bytearray(bootimage.unpack(real_image.read_bytes(), "vmlinuz"))
    middle = len(unpacked) // 2 | 1
    unpacked[middle : middle + len(ARCHIVE)] = ARCHIVE
    root = FakeRoot(tmp_path, release=release)
    root.write(f"/boot/vmlinuz-{release}", bzimage(bytes(unpacked), "zst"))
    (found,) = ImageSource().offers(Request(kernel.running(root.path), root.path))
    assert isinstance(found, Candidate), str(found)
    assert isinstance(found.content, ArchiveContent)
    with found.content.open() as stream:
        assert stream.read() == ARCHIVE
