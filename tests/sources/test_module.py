"""The archive in ``kheaders.ko`` on disk: found, read and told from what merely has its name."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from builders.archive import archive, compress
from builders.elf import SIGNATURE, module
from builders.root import RELEASE, FakeRoot
from kheaders import decoders, kernel
from kheaders.errors import ArchiveError
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request
from kheaders.sources.module import ModuleSource

ARCHIVE = archive()
SUFFIX = {"": "", "gz": ".gz", "xz": ".xz", "zst": ".zst"}


def ask(root: FakeRoot, release: str = RELEASE) -> list[Candidate | Rejection]:
    return list(ModuleSource().offers(Request(kernel.named(release, sysroot=root.path), root.path)))


def rejection(root: FakeRoot) -> Rejection:
    (answer,) = ask(root)
    assert isinstance(answer, Rejection)
    assert answer.source == "module"
    return answer


def offers(root: FakeRoot) -> list[Candidate]:
    answers = ask(root)
    assert all(isinstance(answer, Candidate) for answer in answers), [str(answer) for answer in answers]
    return [answer for answer in answers if isinstance(answer, Candidate)]


def content(candidate: Candidate) -> bytes:
    assert isinstance(candidate.content, ArchiveContent)
    with candidate.content.open() as stream:
        return stream.read()


@pytest.mark.parametrize("kind", SUFFIX)
@pytest.mark.parametrize("signature", [b"", SIGNATURE], ids=["plain", "signed"])
def test_every_compression(kind: str, signature: bytes, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module(f"kheaders.ko{SUFFIX[kind]}", compress(module(ARCHIVE) + signature, kind))
    (found,) = offers(root)
    assert found.location == f"/lib/modules/{RELEASE}/kernel/kernel/kheaders.ko{SUFFIX[kind]}"
    assert content(found) == ARCHIVE
    assert content(found) == ARCHIVE, "each call of open gives a fresh stream"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [32, 64])
def test_modules_of_other_machines(bits: int, order: str, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko", module(ARCHIVE, bits=bits, order=order))
    assert content(offers(root)[0]) == ARCHIVE


def test_what_updates_a_module_comes_first(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    for directory in ("kernel/kernel", "extra", "updates", "updates/dkms"):
        root.module("kheaders.ko", module(ARCHIVE), directory)
    places = [candidate.location.removeprefix(f"/lib/modules/{RELEASE}/") for candidate in offers(root)]
    assert places == [f"{name}/kheaders.ko" for name in ("updates/dkms", "updates", "extra", "kernel/kernel")]


def test_a_module_that_only_modules_dep_knows(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.write(
        f"{root.modules}/modules.dep",
        "kernel/fs/fuse.ko:\nkernel/not-kheaders.ko:\nweak-updates/deep/kheaders.ko.xz: kernel/fs/fuse.ko\n",
    )
    root.module("kheaders.ko.xz", compress(module(ARCHIVE), "xz"), "weak-updates/deep")
    (found,) = offers(root)
    assert found.location.endswith("/weak-updates/deep/kheaders.ko.xz")


def test_a_file_is_offered_once_under_two_names(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.write(f"/usr{root.modules}/kernel/kernel/kheaders.ko", module(ARCHIVE))
    root.link("/lib/modules", "../usr/lib/modules")
    root.write(f"{root.modules}/modules.dep", "kernel/kernel/kheaders.ko:\n")
    assert len(offers(root)) == 1


def test_modules_below_usr_alone(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.write(f"/usr{root.modules}/kernel/kernel/kheaders.ko", module(ARCHIVE))
    assert offers(root)[0].location.startswith("/usr/lib/modules")


def test_the_fingerprint_follows_the_file(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    path = root.module("kheaders.ko", module(ARCHIVE))
    before = offers(root)[0].fingerprint
    assert offers(root)[0].fingerprint == before
    path.unlink()
    root.module("kheaders.ko", module(ARCHIVE))
    assert offers(root)[0].fingerprint != before


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_no_module(tmp_path: Path) -> None:
    answer = rejection(FakeRoot(tmp_path))
    assert answer.reason == "there is no module kheaders"
    assert answer.location == f"/lib/modules/{RELEASE}"


def test_a_module_of_another_kernel(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko", module(ARCHIVE, release="6.1.0-98-amd64"))
    assert rejection(root).reason == f"belongs to kernel 6.1.0-98-amd64, not to {RELEASE}"


def test_a_release_that_only_begins_alike(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko", module(ARCHIVE, release=f"{RELEASE}-rt"))
    assert rejection(root).reason == f"belongs to kernel {RELEASE}-rt, not to {RELEASE}"


def test_a_module_that_says_nothing_of_its_kernel(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko", module(ARCHIVE).replace(b"vermagic=", b"fermagic="))
    assert "no vermagic" in rejection(root).reason


def test_a_module_without_an_archive(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko", module(None))
    assert rejection(root).reason == "is a module without a header archive"


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_a_module_that_is_broken_off(kind: str, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module(f"kheaders.ko{SUFFIX[kind]}", compress(module(ARCHIVE), kind)[:-10])
    answer = rejection(root)
    assert "broken off" in answer.reason
    assert answer.location not in answer.reason


def test_a_module_whose_compression_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko.zst", compress(module(ARCHIVE), "zst"))
    monkeypatch.setattr(decoders, "_library", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = rejection(root)
    assert "zstandard" in answer.reason
    assert "pip install kheaders[formats]" in answer.hint


def test_a_module_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kheaders.sources.module.MAX_MODULE", 1 << 20)
    root = FakeRoot(tmp_path)
    path = root.module("kheaders.ko.xz", lzma.compress(bytes(5 << 20), preset=0))
    assert "unpacks to more than 1048576 bytes" in rejection(root).reason
    path.unlink()
    root.module("kheaders.ko", bytes(2 << 20))
    assert "is larger than 1048576 bytes" in rejection(root).reason


def test_what_is_no_file(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.at(f"{root.modules}/kernel/kernel/kheaders.ko").mkdir(parents=True)
    assert rejection(root).reason == "is not a regular file"


def test_what_cannot_be_used_does_not_hide_what_can(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.module("kheaders.ko", module(None), "updates")
    root.module("kheaders.ko.xz", compress(module(ARCHIVE), "xz"))
    first, second = ask(root)
    assert isinstance(first, Rejection)
    assert isinstance(second, Candidate)


@pytest.mark.parametrize("size", [0.2, 0.5, 0.95])
def test_an_elf_file_that_is_broken_off_is_never_served(size: float, tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    whole = module(ARCHIVE)
    root.module("kheaders.ko", whole[: int(len(whole) * size)])
    (answer,) = ask(root)
    if isinstance(answer, Candidate):
        with pytest.raises(ArchiveError, match=r"kheaders\.ko: "):
            content(answer)
