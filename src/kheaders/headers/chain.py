"""The chain: sources asked in order, each offer read and verified, the first good one wins, every refusal is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from kheaders.archive import Limits
from kheaders.errors import HeadersNotFound, KheadersError
from kheaders.headers.headerset import HeaderSet, Watch
from kheaders.headers.verify import Check, Verdict, verify_identity
from kheaders.kernel import MACHINES, Kernel, named
from kheaders.sources.candidate import ArchiveContent, Candidate, Rejection, Request, Source, TreeContent
from kheaders.store import Entry, Store

if TYPE_CHECKING:
    from kheaders.kconfig import KConfig

RECORD = "verdict"


class Approver(NamedTuple):
    """A proof beyond identity: a name that changes with what it depends on, and the proof itself."""

    name: str
    prove: Callable[[HeaderSet], Verdict]


class Facts:
    """What is known of a header set without reading it; enough to make compiler flags."""

    __slots__ = ("_digest", "config", "release", "srcarch")

    def __init__(
        self, release: str | None, srcarch: str | None, config: frozenset[bytes], digest: Callable[[], str]
    ) -> None:
        self.release = release
        self.srcarch = srcarch
        self.config = config
        """Those options of the configuration that are not modules."""
        self._digest = digest

    @property
    def digest(self) -> str:
        """That of the header set; of headers just read it costs some 30 ms, on first use."""
        return self._digest()


class Found:
    """Headers that belong to the kernel."""

    def __init__(
        self,
        candidate: Candidate,
        facts: Facts,
        verdict: Verdict,
        approved: frozenset[str],
        rejections: tuple[Rejection, ...],
        headers: HeaderSet | Callable[[], HeaderSet],
        entry: Entry | None = None,
    ) -> None:
        self.candidate = candidate
        self.facts = facts
        self.verdict = verdict
        self.approved = approved
        """Names of the approvers whose proof these headers passed."""
        self.rejections = rejections
        """What was asked before and refused."""
        self.entry = entry
        """Their tree in the store, if it was found there whole."""
        self._headers = headers

    @property
    def headers(self) -> HeaderSet:
        """The headers themselves, read on first use. Raises VerificationError if they can no longer be read."""
        if not isinstance(self._headers, HeaderSet):
            self._headers = self._headers()
        return self._headers


class Chain:
    """Sources in the order in which they are asked, for one request."""

    def __init__(
        self,
        request: Request,
        sources: Sequence[Source],
        store: Store,
        limits: Limits = Limits(),
        adopt: bool = False,
        adopted: str | None = None,
    ) -> None:
        self.request = request
        self.sources = sources
        self.store = store
        self.limits = limits
        self.adopt = adopt
        """Take headers of whatever kernel they are: the user named them, and no kernel."""
        self.adopted = adopted
        """With ``adopt``, the SRCARCH that they must be for; None: whatever they are for."""
        self.watch: Watch | None = None
        """Called with each file of an archive as it is read (:meth:`HeaderSet.from_archive`)."""
        self.rejections: list[Rejection] = []
        """Every refusal so far, in order."""
        self._begun: Iterator[Found] | None = None

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Look for the first headers in a thread of its own during the body; :meth:`found` then has them already."""
        import threading

        search = self._search()
        first: list[Found | BaseException | None] = []

        def look() -> None:
            try:
                first.append(next(search, None))
            except BaseException as error:
                first.append(error)

        def found() -> Iterator[Found]:
            answer = first[0]
            if isinstance(answer, BaseException):
                raise answer
            if answer is not None:
                yield answer
                yield from search

        thread = threading.Thread(target=look, name="kheaders-chain", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        self._begun = found()

    def found(self) -> Iterator[Found]:
        """Every offer whose identity holds, best first; refusals gather in ``rejections``."""
        begun, self._begun = self._begun, None
        return begun if begun is not None else self._search()

    def _search(self) -> Iterator[Found]:
        for source in self.sources:
            for offer in source.offers(self.request):
                if isinstance(offer, Rejection):
                    self.rejections.append(offer)
                    continue
                found = self._examine(offer)
                if found is not None:
                    yield found

    def first(self, approver: Approver | Callable[[Kernel], Approver] | None = None) -> Found:
        """The first headers whose identity holds and that *approver* accepts.

        It may be made for the kernel that the headers say they are of. Raises HeadersNotFound, which holds every
        refusal.
        """
        for found in self.found():
            if callable(approver):
                proof: Approver | None = approver(self.kernel_of(found))
            else:
                proof = approver
            if proof is None or self.approve(found, proof):
                return found
        raise self.nothing()

    def approve(self, found: Found, approver: Approver) -> bool:
        """Whether *found* passes the proof, now or earlier in this boot; if not, that becomes a refusal."""
        if approver.name in found.approved:
            return True
        try:
            proof = approver.prove(found.headers)
        except KheadersError as error:
            proof = Verdict((Check("compiles", "failed", str(error)),))
        found.verdict = found.verdict.joined(proof)
        if not proof.ok:
            self._reject(found.candidate, proof.reason)
            return False
        found.approved |= {approver.name}
        self._remember(found)
        return True

    @contextmanager
    def proving(self, found: Found, approver: Approver) -> Iterator[Callable[[], bool]]:
        """Do what :meth:`approve` does in a thread of its own during the body; call what is given after it."""
        import threading

        answer: list[bool | BaseException] = []

        def prove() -> None:
            try:
                answer.append(self.approve(found, approver))
            except BaseException as error:
                answer.append(error)

        def proven() -> bool:
            if isinstance(answer[0], BaseException):
                raise answer[0]
            return answer[0]

        thread = threading.Thread(target=prove, name="kheaders-proof", daemon=True)
        thread.start()
        try:
            yield proven
        finally:
            thread.join()

    def nothing(self) -> HeadersNotFound:
        """The error for a chain that came to its end."""
        kernel = self.request.kernel
        reasons = [str(rejection) for rejection in self.rejections]
        damaged = next((r for r in self.rejections if r.source == "explicit"), None)
        if self.request.headers is not None and damaged is not None:
            what = f"{damaged.location or self.request.headers}: {damaged.reason}"
            return HeadersNotFound(what, damaged.hint or "name other headers with --headers", reasons)
        return HeadersNotFound(
            f"no headers of kernel {kernel.release}",
            "run 'kheaders doctor' to see where they were looked for, or 'kheaders fetch' to download them",
            reasons,
        )

    def _reject(self, candidate: Candidate, reason: str, hint: str = "") -> None:
        reason = reason.removeprefix(f"{candidate.location}: ")
        self.rejections.append(Rejection(candidate.source, candidate.location, reason, hint))

    def _examine(self, candidate: Candidate) -> Found | None:
        known = self._remembered(candidate)
        if known is not None:
            return known
        try:
            headers = read(candidate, self.adopted if self.adopt else self.request.srcarch, self.limits, self.watch)
        except KheadersError as error:
            self._reject(candidate, error.what, error.hint)
            return None
        found = self._judge(candidate, headers)
        if found.verdict.ok:
            return found
        self._reject(candidate, found.verdict.reason)
        return None

    def _judge(self, candidate: Candidate, headers: HeaderSet) -> Found:
        verdict = verify_identity(
            headers,
            None if self.adopt else self.request.kernel,
            srcarch=self.adopted,
            config=self._config(),
            intact=not isinstance(candidate.content, TreeContent),
        )
        config = frozenset(option for option in headers.config if not option.endswith(b"_MODULE"))
        facts = Facts(headers.release, headers.srcarch, config, lambda: headers.digest)
        rejections = tuple(self.rejections)
        return Found(candidate, facts, verdict, self._approved(candidate), rejections, headers)

    def _config(self) -> KConfig | None:
        from kheaders import kconfig

        found = kconfig.read(self.request.kernel) if self.request.kernel.running and not self.adopt else None
        return found if found is not None and found.certain else None

    def _key(self, candidate: Candidate) -> str:
        kernel = self.request.kernel
        whose = f"any {self.adopted or ''}" if self.adopt else kernel.key
        parts = (candidate.source, candidate.location, candidate.fingerprint, whose, self.request.srcarch)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    def _remember(self, found: Found) -> None:
        if not found.candidate.fingerprint:
            return
        value = {
            "digest": found.facts.digest,
            "release": found.facts.release,
            "srcarch": found.facts.srcarch,
            "config": sorted(option.decode() for option in found.facts.config),
            "checks": [[c.name, c.state, c.detail] for c in found.verdict.checks],
            "approved": sorted(found.approved),
        }
        try:
            self.store.put_record(RECORD, self._key(found.candidate), value, boot=True)
        except KheadersError:
            pass  # where nothing can be kept, the headers are verified again next time

    def _approved(self, candidate: Candidate) -> frozenset[str]:
        """What these headers, just read, have passed earlier in this boot."""
        value = self.store.record(RECORD, self._key(candidate)) if candidate.fingerprint else None
        try:
            return frozenset(value["approved"]) if value else frozenset()
        except (KeyError, TypeError):
            return frozenset()

    def _remembered(self, candidate: Candidate) -> Found | None:
        """What was found out about this offer earlier in this boot, if its headers still lie in the store."""
        if not candidate.fingerprint:
            return None
        value = self.store.record(RECORD, self._key(candidate))
        if value is None:
            return None
        try:
            facts = _facts(value)
            verdict = Verdict(tuple(Check(*check) for check in value["checks"]))
            approved = frozenset(value["approved"])
        except (KeyError, TypeError, ValueError):
            return None
        entry = self.store.tree(facts.digest)
        if entry is None:
            return None

        def from_store(entry: Entry = entry) -> HeaderSet:
            return HeaderSet.from_trees((entry.path,), facts.srcarch or "", name=candidate.location)

        return Found(candidate, facts, verdict, approved, tuple(self.rejections), from_store, entry)

    def kernel_of(self, found: Found) -> Kernel:
        """The kernel whose headers were found: the one that was asked for, or with ``adopt`` the one that they name."""
        kernel = self.request.kernel
        if not self.adopt or found.facts.release in (None, kernel.release):
            return kernel
        return named(found.facts.release or "", machine=MACHINES.get(found.facts.srcarch or "", ""))


def read(candidate: Candidate, srcarch: str | None, limits: Limits = Limits(), watch: Watch | None = None) -> HeaderSet:
    """Read what a source offered, for *srcarch* or for whatever it was configured for.

    Raises VerificationError (ArchiveError), or what the source's own reader raises.
    """
    content = candidate.content
    if isinstance(content, TreeContent):
        if content.check is not None:
            content.check()
        return HeaderSet.from_trees(content.layers, srcarch, name=candidate.location)
    if isinstance(content, ArchiveContent):
        with content.open() as stream:
            return HeaderSet.from_archive(stream, limits=limits, name=candidate.location, watch=watch)
    return HeaderSet(content.read(), name=candidate.location)


def _facts(value: Mapping[str, Any]) -> Facts:
    config = frozenset(str(option).encode() for option in value["config"])
    digest = str(value["digest"])
    return Facts(value["release"], value["srcarch"], config, lambda: digest)
