"""What goes wrong with kernel headers elsewhere (docs/failures.md), and what happens here: whole roots, real calls."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import archive as archives
from builders import need
from builders.compilers import Clang
from builders.elf import module
from builders.need import CHECKOUT
from builders.root import CONFIG, RELEASE, FakeRoot, header_files
from kheaders import Context
from kheaders.clang.find import examine
from kheaders.clang.flags import architecture, header_flags
from kheaders.errors import CompileFailed, HostAssembly
from kheaders.headers.chain import Found
from kheaders.sources.candidate import Rejection

SYSFS = "/sys/kernel/kheaders.tar.xz"
X86 = {**CONFIG, "CONFIG_X86": "y", "CONFIG_64BIT": "y"}
PTRACE = "arch/x86/include/asm/ptrace.h"
Ask = Callable[[], tuple[Found | None, tuple[Rejection, ...]]]


def whole(release: str = RELEASE) -> dict[str, bytes]:
    """A small tree that has all by which headers are known to belong to a kernel."""
    return header_files(release, options=X86) | {PTRACE: b"struct pt_regs { long di; };\n"}


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """The root of a running machine without any headers."""
    return FakeRoot(tmp_path)


@pytest.fixture
def ask(root: FakeRoot, tmp_path: Path) -> Ask:
    """Ask all sources of the root; the first headers that belong to its kernel, and every refusal before them."""

    def asked() -> tuple[Found | None, tuple[Rejection, ...]]:
        context = Context.open(sysroot=root.path, environ=environment(tmp_path))
        chain = context.chain()
        found = next(iter(chain.found()), None)
        return found, tuple(chain.rejections)

    return asked


def environment(tmp_path: Path) -> dict[str, str]:
    """Variables that keep the store inside the test's directory."""
    return {"KHEADERS_STORE": str(tmp_path / "store"), "KHEADERS_CACHE": str(tmp_path / "cache")}


def why(rejections: tuple[Rejection, ...], source: str) -> str:
    """What *source* said."""
    return " ".join(str(r) for r in rejections if r.source == source)


# ---- which headers --------------------------------------------------------------------------------------------------


def test_dangling_build_link_does_not_hide_the_archive(root: FakeRoot, ask: Ask) -> None:
    root.link(f"{root.modules}/build", "/usr/src/gone")
    root.write(SYSFS, archives.archive(whole()))
    found, _ = ask()
    assert found and found.candidate.source == "sysfs"
    root.remove(SYSFS)
    found, rejections = ask()
    assert found is None
    assert "/usr/src/gone" in why(rejections, "build")


def test_module_in_a_container_without_modprobe_and_xz(
    root: FakeRoot, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    root.module("kheaders.ko.xz", archives.compress(module(archives.archive(whole())), "xz"))
    found, _ = ask()
    assert found and found.candidate.source == "module"
    assert found.headers.release == root.release


def test_headers_of_another_release_are_never_used(root: FakeRoot, ask: Ask) -> None:
    root.files(f"{root.modules}/build", whole("6.1.0-1-amd64"))
    found, rejections = ask()
    assert found is None
    assert "6.1.0-1-amd64" in why(rejections, "build")


@pytest.mark.parametrize("emptied", ["include/linux/kconfig.h", "include/linux/sched.h", PTRACE])
def test_emptied_files_are_noticed_and_the_next_source_used(root: FakeRoot, ask: Ask, emptied: str) -> None:
    tree = root.files(f"{root.modules}/build", whole())
    (tree / emptied).write_bytes(b"")
    found, rejections = ask()
    assert found is None
    assert why(rejections, "build")
    root.files(f"/usr/src/linux-headers-{root.release}", whole())
    found, _ = ask()
    assert found and found.candidate.source == "distro"


def test_split_source_and_build(root: FakeRoot, ask: Ask) -> None:
    source, build = "/usr/src/linux-headers-6.1.0-99-common", f"/usr/src/linux-headers-{root.release}"
    root.split_tree(source, build)
    generated = {path: data for path, data in whole().items() if "/generated/" in path}
    root.files(build, generated)
    root.files(source, {path: data for path, data in whole().items() if path not in generated})
    found, _ = ask()
    assert found and found.candidate.source == "build"
    assert {"include/linux/kconfig.h", "include/generated/autoconf.h"} <= set(found.headers)


def test_links_inside_the_archive_are_followed(root: FakeRoot, ask: Ask) -> None:
    root.write(SYSFS, archives.archive(whole(), links={"include/linux/alias.h": "sched.h"}))
    found, _ = ask()
    assert found
    assert found.headers["include/linux/alias.h"] == found.headers["include/linux/sched.h"]


def test_a_tree_from_before_the_reboot_is_not_taken_for_todays(root: FakeRoot, ask: Ask, tmp_path: Path) -> None:
    """An archive in sysfs decides by content: what an earlier kernel left in the store does not matter."""
    root.write(SYSFS, archives.archive(whole()))
    before, _ = ask()
    changed = whole() | {"include/linux/sched.h": b"struct task_struct { long pid; };\n"}
    root.write(SYSFS, archives.archive(changed))
    after, _ = ask()
    assert before and after
    assert after.headers["include/linux/sched.h"] == changed["include/linux/sched.h"]
    assert before.headers.digest != after.headers.digest


def test_host_links_are_followed_inside_the_sysroot(root: FakeRoot, ask: Ask) -> None:
    """A container's view: the absolute link of the host starts at the sysroot, not at the container's own root."""
    root.files("/usr/src/only-in-the-sysroot", whole())
    root.link(f"{root.modules}/build", "/usr/src/only-in-the-sysroot")
    found, _ = ask()
    assert found and found.candidate.source == "build"


def test_nothing_found_names_every_source_and_a_next_step(root: FakeRoot, ask: Ask) -> None:
    _, rejections = ask()
    assert {r.source for r in rejections} >= {"sysfs", "procfs", "module", "image", "build", "distro"}
    assert all(r.reason and "\n" not in str(r) for r in rejections)


# ---- how they are used ----------------------------------------------------------------------------------------------


@pytest.fixture
def context(debian_archive: Path, tmp_path: Path, clang: Clang) -> Context:
    """Real headers from an archive, with one of this machine's compilers."""
    return Context.open(headers=debian_archive, environ=environment(tmp_path), cc=" ".join(clang.argv))


@pytest.mark.network
def test_an_inline_that_needs_the_hosts_assembly_fails_clearly(context: Context) -> None:
    program = b"#include <linux/sched.h>\n#include <asm/msr.h>\nlong f(void) { return rdtsc(); }\n"
    with pytest.raises(HostAssembly, match="inline assembly") as caught:
        context.compile(program)
    assert "\n" not in str(caught.value)


@pytest.mark.network
def test_a_missing_function_is_no_silent_call(context: Context) -> None:
    with pytest.raises(CompileFailed) as caught:
        context.compile(b"#include <linux/types.h>\nint f(void) { return no_such_inline(1); }\n")
    assert "no_such_inline" in caught.value.diagnostics


@pytest.mark.network
def test_newest_bpf_h_is_the_kernels_own(context: Context) -> None:
    """Constants are those of the kernel's <uapi/linux/bpf.h>, not of an older copy that a tool brought along."""
    context.compile(b"#include <uapi/linux/bpf.h>\nint f(void) { return BPF_FUNC_probe_read_kernel; }\n")


@pytest.mark.network
def test_nothing_of_the_process_is_changed(debian_archive: Path, tmp_path: Path) -> None:
    before = os.getcwd(), dict(os.environ), sorted(os.listdir("/tmp"))
    mask = os.umask(0o077)
    try:
        Context.open(headers=debian_archive, environ=environment(tmp_path)).cflags()
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(mask)
    assert (os.getcwd(), dict(os.environ)) == before[:2]
    assert not [n for n in set(os.listdir("/tmp")) - set(before[2]) if "kheaders" in n]


@pytest.mark.network
@pytest.mark.slow
def test_many_at_once_all_succeed(debian_archive: Path, tmp_path: Path) -> None:
    code = "import sys, kheaders; print(kheaders.Context.open(headers=sys.argv[1]).directory()[1].path)"
    environ = os.environ | environment(tmp_path)
    children = [
        subprocess.Popen([sys.executable, "-c", code, debian_archive], env=environ, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    results = [(child.communicate()[0].strip(), child.returncode) for child in children]
    assert {status for _, status in results} == {0}
    assert len({path for path, _ in results}) == 1


@pytest.mark.network
@pytest.mark.slow
def test_the_memory_form_opens_no_kernel_header_on_disk(debian_archive: Path, tmp_path: Path, clang: Clang) -> None:
    with tarfile.open(debian_archive) as archive:
        kernel = {name.rpartition("include/")[2] for name in archive.getnames() if name.endswith(".h")}
    own = examine(clang.argv).include
    headers = {
        form: {
            path
            for path in opened_in(form, debian_archive, tmp_path / form, clang)
            if path.rpartition("include/")[2] in kernel and not path.startswith(own)
        }
        for form in ("memory", "directory")
    }
    assert not headers["memory"]
    assert len(headers["directory"]) > 100  # so that what is looked for would be seen


def opened_in(form: str, archive: Path, work: Path, clang: Clang) -> set[str]:
    """Every file that is opened while an example is compiled in *form*, compiler included, with nothing cached."""
    strace = need.tool("strace")
    work.mkdir()
    code = (
        "import sys, kheaders; c = kheaders.Context.open(headers=sys.argv[1], cc=sys.argv[2]); "
        "assert c.compile(sys.argv[3], form=sys.argv[4]).form == sys.argv[4]"
    )
    program = CHECKOUT / "examples/socket_filter.bpf.c"
    words: list[str | Path] = [sys.executable, "-c", code, archive, " ".join(clang.argv), program, form]
    # by pattern, since architectures without open(2) reject its name
    command = [strace, "-f", "-qq", "-s", "4096", "-e", "trace=/^open(at2?)?$", "-o", work / "log", *words]
    done = subprocess.run(command, env=os.environ | environment(work), capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("this machine does not let strace trace")
    assert done.returncode == 0, done.stderr
    return set(re.findall(r'"([^"]+)"[^\n]*= \d+$', (work / "log").read_text(), re.M))


def test_flags_that_only_makefiles_set() -> None:
    """arch/arm64/Makefile alone defines KASAN_SHADOW_SCALE_SHIFT; the top Makefile sets -fms-extensions since 6.19."""
    assert "-DKASAN_SHADOW_SCALE_SHIFT=3" in header_flags(architecture("arm64"), "/k", "/c")
    tags = architecture("arm64", frozenset({b"CONFIG_64BIT", b"CONFIG_KASAN_SW_TAGS"}))
    assert "-DKASAN_SHADOW_SCALE_SHIFT=4" in header_flags(tags, "/k", "/c")
    x32 = architecture("x86", frozenset({b"CONFIG_64BIT", b"CONFIG_X86_X32"}))
    assert "-DCONFIG_X86_X32_ABI" in header_flags(x32, "/k", "/c")
    assert "-fms-extensions" in header_flags(architecture("x86"), "/k", "/c")
