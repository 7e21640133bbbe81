"""Hostile surroundings, end to end: many processes, killed ones, other users, containers, no permission."""

from __future__ import annotations

import io
import os
import random
import select
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.archive import compress
from builders.compilers import Clang, compilers
from builders.elf import module
from builders.mini import context, mini, mini_archive, mini_root
from builders.others import STRANGER, Child, as_user, open_place, with_tmpfs
from builders.root import BOOT_ID, RELEASE, FakeRoot
from kheaders.api import Context
from kheaders.errors import HeadersNotFound, KheadersError, StoreError
from kheaders.headers.headerset import HeaderSet
from kheaders.store import Store

PROGRAM = b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n"
BIG = mini_archive(extra={f"include/gen/{n % 20}/{n}.h": b"int x;\n" * 50 for n in range(400)})


@pytest.fixture
def cc() -> str:
    if not compilers():
        pytest.skip("no clang here")
    return " ".join(compilers()[0].argv)


def whole(path: Path) -> str:
    return HeaderSet.from_trees((path,), "x86").digest


class TestManyAtOnce:
    def test_fifty_ask_and_one_works(self, tmp_path: Path, cc: str, monkeypatch: pytest.MonkeyPatch) -> None:
        root = mini_root(tmp_path, BIG)
        context(root, tmp_path, cc=cc).compiler  # found once, so that fifty need not  # noqa: B018
        publish = Store.publish_tree

        def recording(self: Store, key: str, fill: Callable[[int], object], **more: object) -> object:
            def filled(fd: int) -> object:
                (tmp_path / f"filled-by-{os.getpid()}").touch()
                return fill(fd)

            return publish(self, key, filled, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(Store, "publish_tree", recording)
        gate, go = os.pipe()

        def ask() -> tuple[str, str]:
            select.select([gate], [], [], 60)
            _, entry = context(root, tmp_path, cc=cc).directory()
            return str(entry.path), whole(entry.path)

        children = [Child(ask) for _ in range(50)]
        os.write(go, b"x")
        answers = [child.wait() for child in children]
        os.close(gate)
        os.close(go)
        assert len(answers) == 50 and len(set(answers)) == 1 and answers[0] is not None
        assert len(list(tmp_path.glob("filled-by-*"))) == 1
        assert len(list((tmp_path / "run/trees").iterdir())) == 1
        assert list((tmp_path / "run/staging").iterdir()) == []


class TestKilled:
    def test_at_any_moment_and_the_next_run_succeeds(self, tmp_path: Path, cc: str) -> None:
        root = mini_root(tmp_path, BIG)
        context(root, tmp_path, cc=cc).compiler  # noqa: B018
        chance = random.Random(7)
        survived = 0
        for _ in range(25):
            shutil.rmtree(tmp_path / "run", ignore_errors=True) if chance.random() < 0.3 else None
            child = Child(lambda: context(root, tmp_path, cc=cc).directory()[1].path)
            ready, _, _ = select.select([child.output], [], [], chance.choice((0, chance.uniform(0.001, 0.06))))
            survived += bool(ready)
            child.kill()
        _, entry = context(root, tmp_path, cc=cc).directory()
        assert whole(entry.path) == HeaderSet.from_archive(io.BytesIO(BIG)).digest
        context(root, tmp_path, cc=cc).store.collect()
        assert list((tmp_path / "run/staging").iterdir()) == []
        assert survived < 25


class TestContainer:
    """A container looks at its host below /host."""

    def test_links_of_the_host_start_at_the_host(self, tmp_path: Path, cc: str) -> None:
        root = FakeRoot(tmp_path)
        root.files("/usr/src/real", mini())
        root.link(f"{root.modules}/build", "/usr/src/link")
        root.link("/usr/src/link", "/usr/src/real")
        compiled = context(root, tmp_path, cc=cc).compile(PROGRAM)
        assert compiled.found is not None
        assert compiled.found.candidate.source == "build"

    def test_links_cannot_leave_it(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        for path, data in mini().items():
            (outside / path).parent.mkdir(parents=True, exist_ok=True)
            (outside / path).write_bytes(data)
        root = FakeRoot(tmp_path)
        root.link(f"{root.modules}/build", "../../../../../../../../../.." + str(outside))
        with pytest.raises(HeadersNotFound):
            context(root, tmp_path).find()

    @pytest.mark.parametrize("kind", ["", "xz", "gz", "zst"])
    def test_module_without_modprobe(self, tmp_path: Path, cc: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """bcc issues 4410, 3819."""
        root = FakeRoot(tmp_path)
        root.module(f"kheaders.ko{'.' + kind if kind else ''}", compress(module(mini_archive()), kind))
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
        compiled = context(root, tmp_path, cc=cc).compile(PROGRAM)
        assert compiled.found is not None
        assert compiled.found.candidate.source == "module"

    def test_without_proc_and_sys(self, tmp_path: Path) -> None:
        root = FakeRoot(tmp_path, proc=False, sys=False)
        root.files(f"/lib/modules/{RELEASE}/build", mini())
        assert context(root, tmp_path, kernel=RELEASE).find().facts.release == RELEASE


class TestStoreOfOthers:
    @pytest.mark.root
    def test_directory_that_a_stranger_made_first(self, cc: str, clang: Clang) -> None:
        """CVE-2024-2314: the stranger's headers are not used; compile goes on from memory."""
        with open_place() as place:
            root = mini_root(place)
            (place / "run").mkdir()
            os.chown(place / "run", STRANGER, STRANGER)
            made = context(root, place, cc=" ".join(clang.argv))
            assert made.compile(PROGRAM).form == "memory"
            with pytest.raises(StoreError, match=str(STRANGER)):
                made.directory()
            assert list((place / "run").iterdir()) == []

    @pytest.mark.root
    def test_stranger_uses_roots_tree_but_cannot_change_it(self, cc: str) -> None:
        with open_place() as place:
            root = mini_root(place)
            _, entry = context(root, place, cc=cc).directory()

            def attack() -> bool:
                try:
                    (entry.path / "include/linux/sched.h").write_text("evil")
                except PermissionError:
                    return (entry.path / "include/linux/sched.h").read_bytes() == mini()["include/linux/sched.h"]
                return False

            assert as_user(STRANGER, attack)

    @pytest.mark.root
    @pytest.mark.parametrize(("options", "flags"), [("size=64k", 0), ("size=1m", 1)], ids=["full", "read-only"])
    def test_disk(self, tmp_path: Path, cc: str, options: str, flags: int) -> None:
        root = mini_root(tmp_path, BIG)
        (tmp_path / "disk").mkdir(mode=0o700)

        def attempt() -> tuple[str, str, int]:
            made = context(root, tmp_path / "disk", cc=cc)
            form = made.compile(PROGRAM).form
            try:
                made.directory()
            except StoreError as error:
                files = [p for p in (tmp_path / "disk").rglob("*") if p.is_file() and "trees" in p.parts]
                return form, str(error), len(files)
            return form, "", -1

        form, message, left = with_tmpfs(tmp_path / "disk", options, flags, attempt)
        assert form == "memory" and left == 0
        assert ("No space left" if not flags else "Read-only") in message and "\n" not in message


@pytest.mark.root
def test_no_permission_is_told_as_such() -> None:
    """Never as absence: root's archive that this user may not read."""
    with open_place() as place:
        root = mini_root(place)
        root.at("/sys/kernel/kheaders.tar.xz").chmod(0o600)

        def ask() -> str:
            home = place / "none"
            made = Context.open(
                sysroot=root.path, environ={"HOME": str(home)}, store=home / "run", cache=home / "cache"
            )
            try:
                next(made.chain().found())
            except StopIteration:
                chain = made.chain()
                list(chain.found())
                return " ".join(str(r) for r in chain.rejections if r.source == "sysfs")
            return "found"

        assert "permission denied" in as_user(STRANGER, ask)


class TestReboot:
    def test_yesterdays_tree_is_not_todays(self, tmp_path: Path, cc: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """bcc issue 4213: the store's tree of the last boot is made again."""
        root = mini_root(tmp_path)
        _, first = context(root, tmp_path, cc=cc).directory()
        (tmp_path / "boot_id").write_text(BOOT_ID[::-1])
        monkeypatch.setattr("kheaders.store.store._BOOT_ID", str(tmp_path / "boot_id"))
        made = context(root, tmp_path, cc=cc)
        assert made.store.tree(first.key) is None
        _, again = made.directory()
        assert again.manifest["kernel"] == RELEASE and whole(again.path) == whole(first.path)


def test_one_line_for_every_fault(tmp_path: Path) -> None:
    """Whatever the archive, the error is one line that names it and says what to do, and nothing is left."""
    whole_archive = mini_archive()
    faults = [b"", b"x", whole_archive[:100], whole_archive + b"x", whole_archive[:60] + b"\xff" + whole_archive[61:]]
    for number, data in enumerate(faults):
        place = tmp_path / str(number)
        made = context(mini_root(place, data), place)
        with pytest.raises(KheadersError) as caught:
            made.directory()
        assert "\n" not in str(caught.value) and "; " in str(caught.value)
        assert not (place / "run/trees").exists()
    assert sys.exc_info() == (None, None, None)
