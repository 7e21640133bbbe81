"""The chain: order, fallthrough, what is remembered, and that nothing unverified is ever given out."""

from __future__ import annotations

import io
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders.mini import OPTIONS, Offers, mini, mini_archive
from builders.root import BOOT_ID, BUILD_ID, FakeRoot, unprivileged
from kheaders import kernel
from kheaders.errors import CompilerError, HeadersNotFound, VerificationError
from kheaders.forms.directory import tree
from kheaders.headers.chain import Approver, Chain
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.verify import Check, Verdict
from kheaders.sources.candidate import ArchiveContent, Candidate, FilesContent, Rejection, Request, TreeContent
from kheaders.store import Store

GOOD = mini_archive()
STALE = mini_archive("5.4.0-1-amd64")
BROKEN = GOOD[: len(GOOD) // 2]
YES = Approver("yes", lambda headers: Verdict((Check("compiles", "ok"),)))
NO = Approver("no", lambda headers: Verdict((Check("compiles", "failed", "does not compile"),)))


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


Make = Callable[..., Chain]


@pytest.fixture
def chain(root: FakeRoot, tmp_path: Path) -> Make:
    """``chain(*sources, boot=…)``: a new chain over the same store, as a new process would make it."""

    def make(*sources: Offers, boot: str = BOOT_ID, adopt: bool = False) -> Chain:
        store = Store.open(boot=tmp_path / "run", cache=tmp_path / "cache", boot_id=boot)
        return Chain(Request(kernel.running(root.path), root.path), sources, store, adopt=adopt)

    return make


def told(chain: Chain) -> list[tuple[str, str]]:
    return [(rejection.source, rejection.reason) for rejection in chain.rejections]


class TestOrder:
    def test_first_good_one_wins_and_later_ones_are_not_asked(self, chain: Make) -> None:
        first, second = Offers("first", GOOD), Offers("second", GOOD)
        assert chain(first, second).first().candidate.source == "first"
        assert (first.asked, second.asked) == (1, 0)

    def test_broken_first_falls_through_and_is_told(self, chain: Make) -> None:
        asked = chain(Offers("a", BROKEN), Offers("b", Rejection("b", "/b", "not there")), Offers("c", STALE, GOOD))
        found = asked.first()
        assert found.candidate.source == "c" and found.headers.release == kernel.running(asked.request.sysroot).release
        reasons = told(asked)
        assert [source for source, _ in reasons] == ["a", "b", "c"]
        assert "broken off" in reasons[0][1] and reasons[1][1] == "not there" and "5.4.0-1-amd64" in reasons[2][1]
        assert found.rejections == tuple(asked.rejections)

    def test_nothing(self, chain: Make) -> None:
        with pytest.raises(HeadersNotFound) as caught:
            chain(Offers("a", BROKEN), Offers("b", STALE), Offers("c")).first()
        assert len(caught.value.reasons) == 2 and "kheaders doctor" in str(caught.value)

    def test_reader_of_a_source_that_fails(self, chain: Make) -> None:
        def fail() -> dict[str, bytes]:
            raise VerificationError("the package: is damaged", "get it again")

        bad = Candidate("a", "/a", FilesContent(fail), "f")
        asked = chain(Offers("a", bad), Offers("b", GOOD))
        assert asked.first().candidate.source == "b"
        assert told(asked) == [("a", "the package: is damaged")]

    def test_approval_that_fails_falls_through(self, chain: Make) -> None:
        choosy = Approver("choosy", lambda h: YES.prove(h) if "include/linux/x.h" in h else NO.prove(h))
        asked = chain(Offers("a", GOOD), Offers("b", mini_archive(extra={"include/linux/x.h": b"x\n"})))
        assert asked.first(choosy).candidate.source == "b"
        assert told(asked) == [("a", "does not compile")]

    def test_approver_that_raises_is_a_failed_proof(self, chain: Make) -> None:
        def broken(headers: HeaderSet) -> Verdict:
            raise VerificationError("the compiler went away")

        asked = chain(Offers("a", GOOD))
        with pytest.raises(HeadersNotFound):
            asked.first(Approver("broken", broken))
        assert "went away" in told(asked)[0][1]


class TestStale:
    """bcc issues 881, 4504, 4213."""

    def test_other_release_in_a_directory(self, chain: Make, tmp_path: Path) -> None:
        for path, data in mini("6.0.0-old").items():
            (tmp_path / "old" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "old" / path).write_bytes(data)
        asked = chain(Offers("dir", Candidate("dir", "/old", TreeContent((tmp_path / "old",)), "x")))
        assert list(asked.found()) == []
        assert "headers of 6.0.0-old" in told(asked)[0][1]

    def test_other_configuration_under_the_same_release(self, chain: Make, root: FakeRoot) -> None:
        root.config({**OPTIONS, "CONFIG_HZ": "1000"}, "/proc/config.gz")
        asked = chain(Offers("a", GOOD))
        assert list(asked.found()) == []
        assert "CONFIG_HZ is 1000 in the kernel, 250 in the headers" in told(asked)[0][1]

    def test_named_headers_may_be_of_any_kernel(self, chain: Make) -> None:
        found = chain(Offers("explicit", STALE), adopt=True).first()
        assert found.facts.release == "5.4.0-1-amd64"


class TestRemembered:
    def prepared(self, chain: Make) -> Offers:
        """A source whose headers were verified, proven, and kept in the store."""
        source = Offers("a", GOOD)
        asked = chain(source)
        tree(asked, asked.first(YES))
        asked.approve(asked.first(), YES)
        assert source.read >= 1
        source.read = 0
        return source

    def test_not_read_again(self, chain: Make) -> None:
        source = self.prepared(chain)
        found = chain(source).first(Approver("yes", lambda headers: pytest.fail("proven again")))
        assert source.read == 0 and found.entry is not None
        assert found.headers["include/linux/mm.h"] == mini()["include/linux/mm.h"]
        assert found.facts.config == HeaderSet(mini()).config

    def test_other_proof_is_asked_for(self, chain: Make) -> None:
        source = self.prepared(chain)
        asked = chain(source)
        with pytest.raises(HeadersNotFound):
            asked.first(NO)

    @pytest.mark.parametrize("changed", ["build_id", "boot", "fingerprint", "version", "location"])
    def test_not_for_another(self, chain: Make, root: FakeRoot, changed: str) -> None:
        source = self.prepared(chain)
        boot = BOOT_ID
        if changed == "build_id":
            root.notes(BUILD_ID[::-1])
        elif changed == "boot":
            boot = BOOT_ID[::-1]
        elif changed == "version":
            root.write("/proc/sys/kernel/version", "#2 SMP rebuilt\n")
        answer = next(iter(source.offers(chain().request)))
        assert isinstance(answer, Candidate)
        if changed == "fingerprint":
            source = Offers("a", answer._replace(fingerprint="other"))
        elif changed == "location":
            source = Offers("a", answer._replace(location="/elsewhere"))
        proven: list[HeaderSet] = []

        def prove(headers: HeaderSet) -> Verdict:
            proven.append(headers)
            return YES.prove(headers)

        chain(source, boot=boot).first(Approver("yes", prove))
        assert len(proven) == 1

    def test_never_without_a_fingerprint(self, chain: Make) -> None:
        opened: list[int] = []

        def stream() -> io.BytesIO:
            opened.append(1)
            return io.BytesIO(GOOD)

        source = Offers("a", Candidate("a", "/a", ArchiveContent(stream), ""))
        for _ in range(2):
            asked = chain(source)
            tree(asked, asked.first(YES))
        assert len(opened) == 2

    def test_damaged_record(self, chain: Make, tmp_path: Path) -> None:
        source = self.prepared(chain)
        (record,) = (tmp_path / "run/records/verdict").iterdir()
        whole = record.read_text()
        for damage in (
            "",
            "{}",
            whole[:50],
            whole.replace('"checks":[', '"checks":[5,'),
            whole.replace('"digest"', '"d"'),
        ):
            record.write_text(damage)
            found = chain(source).first(YES)
            assert found.headers.digest == HeaderSet(mini()).digest


class TestDamagedStore:
    def damage(self, how: str, path: Path, outside: Path) -> None:
        victim = path / "include/linux/sched.h"
        if how == "emptied":
            victim.write_bytes(b"")
        elif how == "deleted":
            victim.unlink()
        elif how == "changed in place":
            data = victim.read_bytes()
            victim.write_bytes(data[:-2] + b"!\n")
            os.utime(victim, ns=(0, 0))
        elif how == "added":
            (path / "include/linux/evil.h").write_text("int evil;")
        else:
            home = path.parent if how == "entry is a link" else path
            shutil.move(home, outside)
            home.symlink_to(outside)

    @pytest.mark.parametrize(
        "how", ["emptied", "deleted", "changed in place", "added", "entry is a link", "tree is a link"]
    )
    def test_is_made_again(self, chain: Make, tmp_path: Path, how: str) -> None:
        source = Offers("a", GOOD)
        for _ in range(3):
            asked = chain(source)
            entry = tree(asked, asked.first(YES))
            assert HeaderSet.from_trees((entry.path,), "x86").digest == HeaderSet(mini()).digest
            assert not any(place.is_symlink() for place in (entry.path, *entry.path.parents))
            outside = tmp_path / f"outside{len(list(tmp_path.iterdir()))}"
            self.damage(how, entry.path, outside)
        assert source.read >= 3


class TestUnusableStore:
    @pytest.mark.parametrize("place", ["read-only", "file"])
    def test_headers_are_found_all_the_same(self, root: FakeRoot, place: str) -> None:
        request = Request(kernel.running(root.path), root.path)
        with unprivileged() as directory:
            (directory / "here").mkdir()
            if place == "file":
                (directory / "here/run").touch()
                (directory / "here/cache").touch()
            (directory / "here").chmod(0o555)
            try:
                store = Store.open(boot=directory / "here/run", cache=directory / "here/cache", boot_id=BOOT_ID)
                asked = Chain(request, [Offers("a", GOOD)], store)
                assert asked.first(YES).headers.release is not None
            finally:
                (directory / "here").chmod(0o755)


class TestAhead:
    def test_finds_the_same_and_asks_once(self, chain: Make) -> None:
        first, second = Offers("first", BROKEN, GOOD), Offers("second", GOOD)
        asked = chain(first, second)
        before = threading.active_count()
        with asked.ahead():
            pass
        assert (first.asked, second.asked, threading.active_count()) == (1, 0, before)
        assert [found.candidate.source for found in asked.found()] == ["first", "second"]
        assert (first.asked, second.asked) == (1, 1) and len(asked.rejections) == 1
        assert asked.first().candidate.source == "first" and first.asked == 2

    def test_nothing(self, chain: Make) -> None:
        asked = chain(Offers("a", BROKEN))
        with asked.ahead():
            pass
        with pytest.raises(HeadersNotFound, match="no headers of kernel"):
            asked.first()

    def test_what_fails_there_is_raised_here(self, chain: Make) -> None:
        class Faulty(Offers):
            def offers(self, request: Request) -> Iterator[Candidate | Rejection]:
                raise ZeroDivisionError

        asked = chain(Faulty("a"))
        with asked.ahead():
            pass
        with pytest.raises(ZeroDivisionError):
            next(asked.found())

    def test_a_body_that_fails_leaves_no_thread(self, chain: Make) -> None:
        before = threading.active_count()
        asked = chain(Offers("a", GOOD))
        with pytest.raises(CompilerError), asked.ahead():
            raise CompilerError("no compiler")
        assert threading.active_count() == before
        assert asked.first().candidate.source == "a"


def test_kernel_of_adopted_headers(chain: Make) -> None:
    asked = chain(Offers("explicit", mini_archive("5.4.0-1-amd64")), adopt=True)
    assert asked.kernel_of(asked.first()).release == "5.4.0-1-amd64"
    asked = chain(Offers("a", GOOD))
    assert asked.kernel_of(asked.first()) is asked.request.kernel
