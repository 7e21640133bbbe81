"""The memory form: nothing is written, nothing stays open, and clang sees what it would see on disk."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import mini, mini_archive
from builders.need import CHECKOUT
from builders.others import with_largest_file
from kheaders.clang import overlay
from kheaders.clang.find import Compiler, examine
from kheaders.clang.job import Job, Result, execute
from kheaders.errors import StoreError
from kheaders.forms.memory import MemoryForm
from kheaders.headers.headerset import HeaderSet

HEADERS = HeaderSet(mini())
CALLS = "openat,open,creat,openat2,rename,renameat,renameat2,mkdir,mkdirat"
PROGRAM = b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n"


@pytest.fixture
def compiler(clang: Clang) -> Compiler:
    return examine(clang.argv)


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """Set the soft limit on open files; it is put back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def compiled(
    compiler: Compiler,
    program: bytes,
    headers: HeaderSet = HEADERS,
    *,
    everything: bool = False,
    user: tuple[str, ...] = (),
) -> Result:
    with MemoryForm(headers, everything=everything).serve(compiler, program, user) as served:
        return execute(compiler, Job(program, includes=user), served.flags, served.pass_fds)


@pytest.mark.parametrize("everything", [False, True])
def test_compiles(compiler: Compiler, everything: bool) -> None:
    result = compiled(compiler, PROGRAM, everything=everything)
    assert result.ok, result.diagnostics


@pytest.mark.parametrize("everything", [False, True])
def test_links_of_files_and_directories(compiler: Compiler, everything: bool) -> None:
    """bcc issue 4503."""
    links = {"include/alias": "linux", "include/one.h": "linux/mm.h", "include/again": "alias"}
    program = (
        b"#include <alias/fs.h>\n#include <one.h>\n#include <again/host.h>\n"
        b"int f(struct file *f) { return f->f_flags; }\n"
    )
    result = compiled(compiler, program, HeaderSet(mini(), links), everything=everything)
    assert result.ok, result.diagnostics


def test_diagnostics_name_headers_by_release(compiler: Compiler) -> None:
    headers = HeaderSet(mini(extra={"include/linux/bad.h": b"\n#error broken\n"}))
    result = compiled(compiler, b"#include <linux/bad.h>\n", headers)
    assert f"/kheaders/{headers.release}/include/linux/bad.h:2:2: error" in result.diagnostics


def test_users_headers_reach_the_kernels(compiler: Compiler, tmp_path: Path) -> None:
    (tmp_path / "mine.h").write_text("#include <linux/skbuff.h>\n")
    program = b'#include "mine.h"\nint f(struct sk_buff *s) { return s->len; }\n'
    result = compiled(compiler, program, user=(str(tmp_path),))
    assert result.ok, result.diagnostics


@pytest.mark.parametrize(("name", "value"), [("linux/mm.h", 1), ("linux/none.h", 0)])
@pytest.mark.parametrize("words", ["#if __has_include(<{}>)", "#define NAME <{}>\n#if __has_include(NAME)"])
def test_has_include(compiler: Compiler, words: str, name: str, value: int) -> None:
    program = f"{words.format(name)} != {value}\n#error\n#endif\n#include <linux/types.h>\n"
    result = compiled(compiler, program.encode())
    assert result.ok, result.diagnostics


def test_computed_include(compiler: Compiler) -> None:
    program = b"#define WHICH <linux/fs.h>\n#include WHICH\nint f(struct file *f) { return f->f_flags; }\n"
    assert compiled(compiler, program).ok


def test_computed_include_in_a_header_needs_everything(compiler: Compiler) -> None:
    headers = HeaderSet(mini(extra={"include/linux/bridge.h": b"#define WHICH <linux/fs.h>\n#include WHICH\n"}))
    program = b"#include <linux/bridge.h>\nint f(struct file *f) { return f->f_flags; }\n"
    part = compiled(compiler, program, headers)
    assert not part.ok and "file not found" in part.diagnostics
    assert compiled(compiler, program, headers, everything=True).ok


class TestOpenFiles:
    def test_closed_when_done_and_when_it_fails(self, compiler: Compiler) -> None:
        before = sorted(os.listdir("/proc/self/fd"))
        compiled(compiler, PROGRAM)
        with pytest.raises(ZeroDivisionError), MemoryForm(HEADERS).serve(compiler, PROGRAM):
            _ = 1 / 0
        assert sorted(os.listdir("/proc/self/fd")) == before

    def test_soft_limit_is_lifted_and_put_back(self, compiler: Compiler, limit: Callable[[int], None]) -> None:
        limit(256)
        headers = HeaderSet(mini(extra={f"include/linux/n{n}.h": b"int n;\n" for n in range(600)}))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        result = compiled(compiler, PROGRAM, headers, everything=True)
        assert result.ok, result.diagnostics
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard) == (256, hard)

    def test_soft_limit_with_many_threads(self, compiler: Compiler, limit: Callable[[int], None]) -> None:
        limit(256)
        headers = HeaderSet(mini(extra={f"include/linux/n{n}.h": b"int n;\n" for n in range(300)}))
        results: list[bool] = []
        threads = [
            threading.Thread(target=lambda: results.append(compiled(compiler, PROGRAM, headers, everything=True).ok))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [True] * 6
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256

    def test_hard_limit(self, compiler: Compiler) -> None:
        code = (
            "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
            "from builders.mini import mini\nfrom kheaders.headers.headerset import HeaderSet\n"
            "from kheaders.forms.memory import MemoryForm\nfrom kheaders.clang.find import Compiler\n"
            "headers = HeaderSet(mini(extra={f'include/linux/n{n}.h': b'x' for n in range(200)}))\n"
            "cc = Compiler(('x',), 'clang', (19, 0, 0), '/x', 'x')\n"
            "try:\n    with MemoryForm(headers, everything=True).serve(cc, b''): pass\n"
            "except Exception as error: print(type(error).__name__, error)\n"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT / "tests"), *sys.path])}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        assert re.match(
            r"StoreError memory form: 2\d\d headers need as many open files, and the limit is 100; raise", done.stdout
        )

    def test_hard_limit_is_met_only_where_the_headers_are_many(
        self, compiler: Compiler, limit: Callable[[int], None]
    ) -> None:
        limit(200)
        assert compiled(compiler, PROGRAM).ok


def test_never_half_a_header(compiler: Compiler) -> None:
    """Under RLIMIT_FSIZE a write may be short."""
    headers = HeaderSet(mini(extra={"include/linux/big.h": b"//" + b"x" * 100_000 + b"\nint end;\n"}))

    def attempt() -> str:
        try:
            result = compiled(compiler, b"#include <linux/big.h>\nint *f(void) { return &end; }\n", headers)
        except StoreError as error:
            return str(error)
        return result.diagnostics

    assert re.match(
        r"memory form: /kheaders/.*/include/linux/big\.h cannot be held in memory \(File too large\)",
        with_largest_file(50_000, attempt),
    )


def test_without_proc(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "_DESCRIPTORS", "/nowhere/fd")
    with pytest.raises(StoreError, match=r"/proc is not mounted.*--form directory"):
        compiled(compiler, PROGRAM)


def test_no_header_is_opened_and_no_file_is_written(
    compiler: Compiler, tmp_path: Path, need_tool: Callable[[str], Path]
) -> None:
    """The proof, with strace over every process of a compile; the archive is the only file that is read for headers."""
    (tmp_path / "k.tar.xz").write_bytes(mini_archive())
    (tmp_path / "p.c").write_bytes(PROGRAM)
    for name in ("home", "run", "cache"):
        (tmp_path / name).mkdir(mode=0o700)
    code = (
        "import sys, kheaders\n"
        f"c = kheaders.Context.open(headers={str(tmp_path / 'k.tar.xz')!r}, store={str(tmp_path / 'run')!r},"
        f" cache={str(tmp_path / 'cache')!r}, cc={' '.join(compiler.argv)!r})\n"
        "c.compiler\n"
        "print('begin', file=open('/dev/null', 'w'))\n"
        f"sys.stdout.buffer.write(c.compile({str(tmp_path / 'p.c')!r}, form='memory', debug=True).object)\n"
    )
    trace = tmp_path / "trace"
    words: list[str | Path] = [need_tool("strace"), "-f", "-qq", "-z", "-e", f"trace={CALLS}",
             "-o", trace, sys.executable, "-B", "-c", code]  # fmt: skip
    env = {**os.environ, "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    done = subprocess.run(words, capture_output=True, check=False, env=env)
    if b"PTRACE" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0 and done.stdout.startswith(b"\x7fELF"), done.stderr.decode()
    calls = trace.read_text(errors="replace")
    calls = calls[calls.index('"/dev/null", O_WRONLY') :]
    opened = [
        path
        for path, rest in re.findall(r'open(?:at)?\((?:AT_FDCWD, |\d+, )?"([^"]*)"([^\n]*)', calls)
        if " = -1" not in rest
    ]
    assert str(tmp_path / "k.tar.xz") in opened
    kernel_headers = [p for p in opened if any(p.endswith(f"/{path}") for path in mini())]
    assert kernel_headers == [], "headers come from descriptors"
    assert sum(path.startswith("/proc/self/fd/") for path in opened) > 3
    written = re.findall(r'open(?:at)?\([^"]*"([^"]*)", [^\n]*O_(?:WRONLY|RDWR)[^\n]*\) = \d', calls)
    assert [path for path in written if not path.startswith("/dev/")] == []
    assert not re.search(r"(?:mkdir|rename)\w*\([^\n]*= 0", calls)
