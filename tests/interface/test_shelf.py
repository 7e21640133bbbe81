"""Where blobs lie: found by the very kernel that they were built for, without headers, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.interface import FILES, headers
from builders.mini import context, mini_archive, mini_root
from builders.root import RELEASE, FakeRoot
from kheaders import kernel as kernels
from kheaders.clang.find import Compiler, find
from kheaders.errors import BlobError, CompilerError, HeadersNotFound
from kheaders.interface import shelf
from kheaders.interface.blob import Blob
from kheaders.kernel import Kernel
from kheaders.store import Store


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    try:
        return find(None)
    except CompilerError as error:
        pytest.skip(str(error))


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return kernels.running(FakeRoot(tmp_path).path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(boot=tmp_path / "run", cache=tmp_path / "cache", boot_id="boot-1")


def test_nothing_yet(store: Store, kernel: Kernel, tmp_path: Path) -> None:
    assert shelf.locate(store, kernel, "x86") is None
    assert not (tmp_path / "cache").exists()


def test_built_once_and_found_after_a_reboot(store: Store, kernel: Kernel, compiler: Compiler, tmp_path: Path) -> None:
    told: list[tuple[str, int | None, int | None]] = []
    made = shelf.build_into(store, headers(), compiler, kernel, lambda *words: told.append(words))
    assert made.built and list(dict.fromkeys(stage for stage, _, _ in told)) == ["survey", "index", "write"]
    counts = [(done, total) for stage, done, total in told if stage == "index"]
    assert counts[0][0] == 0 and counts[-1][0] == counts[-1][1] and counts == sorted(counts)
    before = len(told)
    again = shelf.build_into(store, headers(), compiler, kernel, lambda *words: told.append(words))
    assert again == shelf.Shelved(made.path, False) and len(told) == before
    later = Store.open(boot=tmp_path / "other", cache=tmp_path / "cache", boot_id="boot-2")
    assert shelf.locate(later, kernel, "x86") == made.path
    with Blob(made.path) as blob:
        assert blob.meta["kernel"]["key"] == kernel.key and blob.meta["digest"] == headers().digest


def test_only_the_very_kernel(store: Store, kernel: Kernel, compiler: Compiler) -> None:
    made = shelf.build_into(store, headers(), compiler, kernel).path
    others = (
        kernel._replace(build_id="f" * 40),
        kernel._replace(version="#2 SMP"),
        kernel._replace(release="6.1.0-98-amd64"),
    )
    for other in others:
        assert shelf.locate(store, other, "x86") is None
    assert shelf.locate(store, kernel, "arm64") is None
    assert shelf.locate(store, kernel._replace(boot_id="another"), "x86") == made
    # the same headers serve another kernel too, once they were verified for it
    shelf.build_into(store, headers(), compiler, others[0])
    assert shelf.locate(store, others[0], "x86") == made


def test_a_damaged_one_is_built_again(store: Store, kernel: Kernel, compiler: Compiler) -> None:
    path = shelf.build_into(store, headers(), compiler, kernel).path
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    assert shelf.locate(store, kernel, "x86") is None
    assert shelf.build_into(store, headers(), compiler, kernel).built
    assert path.read_bytes() == whole


@pytest.mark.parametrize("value", [{}, {"key": 7, "schema": 1}, {"key": "../../etc", "schema": 1}, {"key": "a" * 64}])
def test_a_record_that_was_changed(store: Store, kernel: Kernel, value: dict[str, object]) -> None:
    store.put_record(shelf.KIND, f"{kernel.key}-x86", value, boot=False)
    assert shelf.locate(store, kernel, "x86") is None


def test_a_failed_build_leaves_nothing(store: Store, kernel: Kernel, compiler: Compiler) -> None:
    with pytest.raises(CompilerError):
        shelf.build_into(
            store, type(headers())({"include/generated/autoconf.h": b"#define CONFIG_X86 1\n"}), compiler, kernel
        )
    assert store.entries() == [] and shelf.locate(store, kernel, "x86") is None


PADDING = {"include/linux/padding.h": FILES["include/linux/padding.h"]}


class TestContext:
    """The library's calls on a machine that shows its headers in sysfs, and then does not."""

    def test_without_headers_afterwards(self, tmp_path: Path, compiler: Compiler) -> None:
        root = mini_root(tmp_path, mini_archive(extra=PADDING))
        opened = context(root, tmp_path)
        with pytest.raises(BlobError, match=f"{RELEASE} has no blob.*kheaders blob build"):
            opened.blob()
        stages: list[str] = []
        path = opened.build_blob(progress=lambda stage, done, total: stages.append(stage))
        assert list(dict.fromkeys(stages)) == ["headers", "survey", "index", "write"]
        root.remove("/sys/kernel/kheaders.tar.xz")
        with pytest.raises(HeadersNotFound):
            context(root, tmp_path).find()
        with context(root, tmp_path).blob() as blob:
            assert blob.path == path
        (item,) = context(root, tmp_path).show("PAGE_SHIFT")
        assert (item.value, item.file) == (12, "arch/x86/include/asm/page.h")
        piece = context(root, tmp_path).slice(
            b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }"
        )
        assert b"int tgid;" in piece.text and b"sk_buff" not in piece.text

    def test_to_a_file(self, tmp_path: Path, compiler: Compiler) -> None:
        opened = context(mini_root(tmp_path, mini_archive(extra=PADDING)), tmp_path)
        path = opened.build_blob(tmp_path / "my.kheaders")
        with pytest.raises(BlobError):
            opened.blob()
        with opened.blob(path) as blob:
            assert blob.meta["kernel"]["release"] == RELEASE
        with pytest.raises(BlobError, match=r"task_strukt.*did you mean task_struct"):
            opened.show("task_strukt", blob=path)

    def test_named_headers_say_whose_they_are(self, tmp_path: Path, compiler: Compiler) -> None:
        archive = tmp_path / "other.tar.xz"
        archive.write_bytes(mini_archive("5.10.0-1-amd64", extra=PADDING))
        root = mini_root(tmp_path)
        named = context(root, tmp_path, headers=archive)
        path = named.build_blob()
        with named.blob() as blob:
            assert blob.path == path and blob.meta["release"] == "5.10.0-1-amd64"
        with pytest.raises(BlobError):
            context(root, tmp_path).blob()
        with context(root, tmp_path, kernel="5.10.0-1-amd64").blob() as blob:
            assert blob.path == path
