"""The verdict: each thing that is wrong with headers is told, and nothing that is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from builders.mini import OPTIONS, mini
from builders.root import RELEASE, FakeRoot, config_text
from kheaders import kconfig, kernel
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.verify import REQUIRED, Verdict, unresolved, verify_identity

GONE = b"#include <linux/gone.h>\n"
AUTOCONF = "include/generated/autoconf.h"


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    return FakeRoot(tmp_path)


def verdict(root: FakeRoot, files: Mapping[str, bytes], *, intact: bool = False) -> Verdict:
    running = kernel.running(root.path)
    return verify_identity(HeaderSet(files), running, config=kconfig.read(running), intact=intact)


def states(found: Verdict) -> dict[str, str]:
    return {check.name: check.state for check in found.checks}


def test_good(root: FakeRoot) -> None:
    found = verdict(root, mini())
    assert found.ok and found.reason == "" and found.failures == ()
    assert states(found) == {"files": "ok", "release": "ok", "architecture": "ok", "configuration": "skipped"}
    told = json.loads(json.dumps(found.to_json()))
    assert told["ok"] is True and told["checks"][1] == {"name": "release", "state": "ok", "detail": RELEASE}


@pytest.mark.parametrize("path", REQUIRED)
@pytest.mark.parametrize("intact", [False, True])
def test_required_file(root: FakeRoot, path: str, intact: bool) -> None:
    missing = verdict(root, mini(without=[path]), intact=intact)
    assert not missing.ok and f"{path} is missing" in missing.reason
    assert ("never configured" in missing.reason) == path.startswith("include/generated")
    emptied = verdict(root, mini(extra={path: b"\n"}), intact=True)
    assert f"{path} is emptied" in emptied.reason
    assert f"{path} is emptied" in verdict(root, mini(extra={path: b""})).reason


def test_any_emptied_file_of_a_tree(root: FakeRoot) -> None:
    """bcc issue 4213: configuration management emptied some headers."""
    files = mini(extra={"include/linux/mm.h": b""})
    assert "include/linux/mm.h is emptied" in verdict(root, files).reason
    assert verdict(root, files, intact=True).ok, (
        "kernels have headers of no bytes, and an archive was checked as a whole"
    )


@pytest.mark.parametrize("intact", [False, True])
def test_zeroed(root: FakeRoot, intact: bool) -> None:
    """What a crash leaves of a file that was being written."""
    for path in ("include/linux/mm.h", "include/linux/sched.h"):
        assert f"{path} is damaged (zero bytes)" in verdict(root, mini(extra={path: bytes(400)}), intact=intact).reason


def test_many_are_counted(root: FakeRoot) -> None:
    files = mini(extra={f"include/linux/{n}.h": b"" for n in range(9)})
    assert (
        "include/linux/0.h, include/linux/1.h, include/linux/2.h and 6 more are emptied" in verdict(root, files).reason
    )


def test_file_that_others_include(root: FakeRoot) -> None:
    files = mini(extra={"include/linux/user.h": GONE, "include/linux/other.h": b"#include <linux/user.h>\n"})
    assert "linux/gone.h is missing, though other headers include" in verdict(root, files).reason
    assert verdict(root, files, intact=True).ok
    assert unresolved(HeaderSet(mini(extra={"include/linux/user.h": b"#include <asm/gone.h>\n"}))) == []


def test_leftovers_of_the_source_do_not_count(root: FakeRoot) -> None:
    """What a header names that no other includes was missing in the kernel's own source, and nobody noticed there."""
    assert verdict(root, mini(extra={"include/linux/user.h": GONE})).ok


def test_files_that_are_empty_in_every_tree(root: FakeRoot) -> None:
    """The stamps of options in kernels before 5.14, and generated headers that this configuration needs nothing in."""
    files = mini(extra={"include/config/smp.h": b"", "include/generated/vdso32-offsets.h": b""})
    assert verdict(root, files).ok


def test_unresolved_looks_where_the_compiler_does() -> None:
    files = mini(
        extra={
            "include/linux/user.h": b"#  include <linux/made.h>\n#include <uapi/linux/types.h>\n#include <linux/l.h>\n",
            "arch/x86/include/generated/uapi/linux/made.h": b"1\n",
        }
    )
    assert unresolved(HeaderSet(files, {"include/linux/l.h": "mm.h"})) == []


class TestRelease:
    def test_of_another(self, root: FakeRoot) -> None:
        """bcc issues 881, 4504."""
        assert verdict(root, mini("5.15.0-1")).reason == f"they are headers of 5.15.0-1, not of {RELEASE}"

    def test_that_merely_begins_the_same(self, root: FakeRoot) -> None:
        assert not verdict(root, mini(RELEASE + "-rt")).ok
        assert not verdict(root, mini(RELEASE[:-1])).ok

    def test_illegible(self, root: FakeRoot) -> None:
        assert "names no release" in verdict(root, mini(extra={"include/generated/utsrelease.h": b"#error\n"})).reason


class TestArchitecture:
    def test_of_another(self, root: FakeRoot) -> None:
        files = mini(srcarch="arm64", options={"CONFIG_ARM64": "y", "CONFIG_64BIT": "y"})
        assert verdict(root, files).reason == "they are headers for arm64, not for x86"

    def test_directory_missing(self, root: FakeRoot) -> None:
        files = mini(without=["arch/x86/include/asm/ptrace.h"])
        assert "arch/x86/include is missing" in verdict(root, files).reason

    def test_untold(self, root: FakeRoot) -> None:
        files = mini(options={"CONFIG_SMP": "y"}, extra={"arch/arm/include/asm/a.h": b"x"})
        assert "no architecture is configured" in verdict(root, files).reason


class TestConfiguration:
    def options(self, root: FakeRoot, **changed: str) -> Verdict:
        root.config({**OPTIONS, **changed}, "/proc/config.gz")
        return verdict(root, mini(), intact=True)

    def test_the_same(self, root: FakeRoot) -> None:
        assert states(self.options(root))["configuration"] == "ok"

    def test_differing_options_are_named(self, root: FakeRoot) -> None:
        found = self.options(root, CONFIG_HZ="1000", CONFIG_NUMA="y", CONFIG_SMP="n")
        for part in (
            "CONFIG_HZ is 1000 in the kernel, 250 in",
            "CONFIG_NUMA is y",
            "CONFIG_SMP is off in the kernel, y",
        ):
            assert part in found.reason

    def test_all_are_counted(self, root: FakeRoot) -> None:
        found = self.options(root, **{f"CONFIG_A{n}": "y" for n in range(8)})
        assert "and 5 more" in found.reason

    def test_a_configuration_that_may_be_another_kernels_does_not_count(self, root: FakeRoot) -> None:
        root.write(f"/boot/config-{RELEASE}", config_text({"CONFIG_OTHER": "y"}))
        running = kernel.running(root.path)
        found = verify_identity(HeaderSet(mini()), running, config=kconfig.read(running))
        assert found.ok


def test_all_failures_are_told_at_once(root: FakeRoot) -> None:
    files = mini("5.4.0", srcarch="arm64", options={"CONFIG_ARM64": "y"}, extra={"include/linux/mm.h": bytes(9)})
    found = verdict(root, files)
    assert [check.name for check in found.failures] == ["files", "release", "architecture"]
    assert found.reason.count("; ") == 2


def test_without_a_kernel_only_consistency_counts() -> None:
    assert verify_identity(HeaderSet(mini("4.19.0")), None).ok
    assert not verify_identity(HeaderSet(mini(without=[AUTOCONF])), None).ok


def test_real_headers_are_whole(debian_tree: tuple[Path, ...]) -> None:
    headers = HeaderSet.from_trees(debian_tree)
    assert unresolved(headers) == []
    assert verify_identity(headers, None).ok
