"""Headers and the kernel's BTF must agree: what was built otherwise under the same version is refused, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import rebuilt
from builders.compilers import Clang
from builders.mini import context, mini
from builders.root import FakeRoot
from kheaders import trial
from kheaders.api import Context
from kheaders.errors import BtfError, HeadersNotFound, UsageError
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.verify import Verdict

PROGRAM = b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n"
ONLY = {"order": "sysfs,build"}


def opened(root: FakeRoot, place: Path, clang: Clang, **more: object) -> Context:
    return context(root, place, cc=" ".join(clang.argv), **{**ONLY, **more})


def test_own_headers_are_accepted(tmp_path: Path, clang: Clang) -> None:
    """The check is among those of the verdict."""
    root = rebuilt.machine(tmp_path, clang)
    found = opened(root, tmp_path, clang).find()
    (check,) = [check for check in found.verdict.checks if check.name == "layouts"]
    assert check.state == "ok"
    assert "types lie as in" in check.detail


@pytest.mark.parametrize("call", ["find", "compile", "directory", "build_blob"])
def test_headers_of_a_kernel_that_was_rebuilt_are_refused(tmp_path: Path, clang: Clang, call: str) -> None:
    """The same version, another configuration: the struct that differs is named, though the program compiles."""
    root = rebuilt.machine(tmp_path, clang, headers=rebuilt.OTHERWISE)
    asked = opened(root, tmp_path, clang)
    with pytest.raises(HeadersNotFound) as caught:
        asked.compile(PROGRAM) if call == "compile" else getattr(asked, call)()
    (reason,) = [reason for reason in caught.value.reasons if reason.startswith("sysfs")]
    assert "struct task_struct differs from the kernel's BTF" in reason
    assert "struct task_struct: 24 bytes in the kernel" not in reason  # one difference is told, not all
    assert "\n" not in reason


def test_the_next_source_is_asked(tmp_path: Path, clang: Clang) -> None:
    """What was refused is told; good headers elsewhere are used."""
    root = rebuilt.machine(tmp_path, clang, headers=rebuilt.OTHERWISE)
    root.files(f"{root.modules}/build", mini())
    compiled = opened(root, tmp_path, clang).compile(PROGRAM)
    assert compiled.found is not None
    assert compiled.found.candidate.source == "build"
    assert [r.source for r in compiled.found.rejections] == ["sysfs"]


@pytest.mark.parametrize("form", ["memory", "directory"])
def test_proven_once_in_a_boot(tmp_path: Path, clang: Clang, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second compile proves nothing again."""
    root = rebuilt.machine(tmp_path, clang)
    opened(root, tmp_path, clang).compile(PROGRAM, form=form)  # type: ignore[arg-type]

    def again(*_: object) -> Verdict:
        raise AssertionError("proven again")

    monkeypatch.setattr(trial, "try_compile", again)
    opened(root, tmp_path, clang).compile(PROGRAM, form=form)  # type: ignore[arg-type]


def test_damaged_btf_is_no_reason_to_refuse(tmp_path: Path, clang: Clang) -> None:
    """The question is skipped, and it is told why."""
    root = rebuilt.machine(tmp_path, clang)
    root.write("/sys/kernel/btf/vmlinux", rebuilt.vmlinux(clang)[:-1])
    found = opened(root, tmp_path, clang).find()
    (check,) = [check for check in found.verdict.checks if check.name == "layouts"]
    assert check.state == "skipped"
    assert "damaged BTF at byte" in check.detail


def test_headers_of_another_kernel_are_not_compared(tmp_path: Path, clang: Clang) -> None:
    """Those that the user names are of the kernel that they name."""
    root = rebuilt.machine(tmp_path, clang)
    tree = root.files("/srv/headers", mini("5.4.0-1-amd64", extra=rebuilt.OTHERWISE))
    found = opened(root, tmp_path, clang, headers=tree).find()
    assert "layouts" not in [check.name for check in found.verdict.checks]


def test_without_btf_nothing_changes(tmp_path: Path, clang: Clang) -> None:
    """A kernel built without it."""
    root = rebuilt.machine(tmp_path, clang)
    root.remove("/sys/kernel/btf/vmlinux")
    assert opened(root, tmp_path, clang).compile(PROGRAM).object


def test_approvers_with_and_without_layouts_differ(tmp_path: Path, clang: Clang) -> None:
    """What was proven without BTF is not proven with it."""
    root = rebuilt.machine(tmp_path, clang)
    asked = opened(root, tmp_path, clang)
    assert trial.approver(asked.compiler, asked.kernel).name != trial.approver(asked.compiler).name


# ---- verify ----


def test_verify_tells_each_difference(tmp_path: Path, clang: Clang) -> None:
    """Of headers that are refused elsewhere, too."""
    root = rebuilt.machine(tmp_path, clang, headers=rebuilt.OTHERWISE)
    outcome = opened(root, tmp_path, clang).verify()
    assert not outcome.ok
    assert outcome.records == ("struct task_struct",)
    assert [str(d) for d in outcome.differences] == [
        "struct task_struct: 40 bytes in the headers, 24 bytes in the kernel",
        "struct task_struct, member security: at byte 8 in the headers, no such member in the kernel",
        "struct task_struct, member tgid: at byte 16 in the headers, at byte 4 in the kernel",
        "struct task_struct, member comm: at byte 20 in the headers, at byte 8 in the kernel",
    ]


def test_verify_full(tmp_path: Path, clang: Clang) -> None:
    """Types that no core struct needs; one that is another type in the kernel; one that several headers define."""
    extra = {
        "include/linux/extra.h": b"struct extra { int a; long b; };\nenum level { LOW };\nstruct own { int x; };\n",
        "include/linux/twice.h": b"struct twice { long wide; };\n",
        "include/linux/again.h": b"struct twice { char narrow; };\n",
    }
    other = {**extra, "include/linux/extra.h": extra["include/linux/extra.h"].replace(b"long b", b"char b")}
    root = rebuilt.machine(tmp_path, clang, headers=extra)
    kernel = HeaderSet(mini(extra=other))
    text = PROGRAM + kernel["include/linux/extra.h"].replace(b"struct own { int x; };", b"struct own { void *y, *z; };")
    text += b"struct twice { char narrow; };\nvoid (*use)(struct extra, enum level, struct own, struct twice);\n"
    from kheaders.btf.container import btf_bytes
    from kheaders.clang.find import examine
    from kheaders.clang.job import Job, execute
    from kheaders.forms.memory import MemoryForm

    compiler = examine(clang.argv)
    with MemoryForm(kernel).serve(compiler, text) as served:
        result = execute(compiler, Job(text, debug=True), served.flags, served.pass_fds)
    root.write("/sys/kernel/btf/vmlinux", bytes(btf_bytes(result.output, "kernel").btf))
    outcome = opened(root, tmp_path, clang).verify(full=True)
    assert outcome.records == ("struct extra",)
    assert {d.member for d in outcome.differences} == {"", "member b"}
    assert outcome.others == ("struct own",)
    assert outcome.types >= 4


def test_verify_needs_the_btf_of_that_kernel(tmp_path: Path, clang: Clang) -> None:
    """Headers of another release are held against no BTF of the running kernel, named or not."""
    root = rebuilt.machine(tmp_path, clang)
    tree = root.files("/srv/headers", mini("5.4.0-1-amd64"))
    with pytest.raises(BtfError, match=r"no BTF of kernel 5\.4\.0-1-amd64"):
        opened(root, tmp_path, clang, headers=tree).verify()
    with pytest.raises(UsageError, match=r"is of 5\.4\.0-1-amd64 \(x86\), and .* is of 6\.1\.0-99-amd64"):
        opened(root, tmp_path, clang, headers=tree).verify(btf=root.at("/sys/kernel/btf/vmlinux"))
