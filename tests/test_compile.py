"""Programs to objects: every form, compiler and input gives the same; faults are the program's, in clang's words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.kernel_archive import DebianHeaders
from builders.mini import context, mini, mini_archive, mini_root
from kheaders.api import Context
from kheaders.clang.job import Job
from kheaders.compile import Compiled, program_text
from kheaders.errors import CompileFailed, CompilerError, HeadersNotFound, HostAssembly, KheadersError, UsageError

PROGRAM = b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid + ADD; }\n"
REAL = b"""\
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/ip.h>
#include <net/sock.h>
#include <linux/atomic.h>
int f(struct task_struct *t, struct sk_buff *skb, struct sock *sk)
{
	struct task_struct *first = list_first_entry(&t->children, struct task_struct, sibling);
	barrier();
	return t->pid + ip_hdr(skb)->ttl + atomic_read(&sk->sk_wmem_alloc.refs) + first->tgid;
}
"""

Make = Callable[..., Context]


@pytest.fixture
def make(tmp_path: Path, clang: Clang) -> Make:
    """``make(headers=…)``: a context with named headers, a store of its own, and the compiler of the test."""

    def made(headers: object = None, data: bytes | None = None, **more: object) -> Context:
        if headers is None:
            headers = tmp_path / "kheaders.tar.xz"
            headers.write_bytes(mini_archive() if data is None else data)
        root = mini_root(tmp_path)
        return context(root, tmp_path, headers=headers, cc=" ".join(clang.argv), **more)

    return made


class TestForms:
    def test_all_give_the_same(self, make: Make) -> None:
        results = {}
        for form in ("memory", "directory", "auto"):
            results[form] = make().compile(PROGRAM, form=form, debug=True, defines=["ADD=1"])
        assert [r.form for r in results.values()] == ["memory", "directory", "directory"]
        code = {name: r.object for name, r in results.items()}
        assert code["directory"] == code["auto"]
        plain = {make().compile(PROGRAM, form=form, defines=["ADD=1"]).object for form in ("memory", "directory")}
        assert len(plain) == 1

    def test_memory_is_taken_while_nothing_is_in_the_store(self, make: Make, tmp_path: Path) -> None:
        assert make().compile(PROGRAM, defines=["ADD=1"]).form == "memory"
        assert not (tmp_path / "run/trees").exists()

    def test_unusable_store(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "run").touch()
        (tmp_path / "cache").touch()
        assert make().compile(PROGRAM, defines=["ADD=1"]).form == "memory"
        with pytest.raises(KheadersError, match=r"run"):
            make().compile(PROGRAM, form="directory", defines=["ADD=1"])


class TestRealInputs:
    def test_tree_archive_and_packages(self, make: Make, debian_headers: DebianHeaders) -> None:
        """bcc issues 397, 2999: split source and build."""
        objects = set()
        (own,) = (deb for deb in debian_headers.debs if debian_headers.release in deb.name)
        for headers in (debian_headers.archive, debian_headers.layers[-1], own):
            compiled = make(headers, machine=debian_headers.srcarch).compile(REAL, form="memory")
            assert compiled.found is not None
            assert compiled.found.facts.release == debian_headers.release
            objects.add(compiled.object)
        objects.add(make(debian_headers.archive).compile(REAL, form="directory").object)
        assert len(objects) == 1

    def test_missing_inline_is_no_call(self, make: Make, debian_archive: Path) -> None:
        with pytest.raises(CompileFailed) as caught:
            make(debian_archive).compile(b"#include <linux/types.h>\nint f(void) { return ip_hdr(0)->ttl; }\n")
        assert "ip_hdr" in caught.value.diagnostics

    @pytest.mark.parametrize("body", ["return current->pid;", "return current_stack_pointer;"])
    def test_host_assembly(self, make: Make, debian_headers: DebianHeaders, body: str) -> None:
        if debian_headers.srcarch != "x86":
            pytest.skip("the statements are x86's")
        program = f"#include <linux/sched.h>\nunsigned long f(void) {{ {body} }}\n"
        with pytest.raises(HostAssembly, match=r"inline assembly of the host.*; do not call that function"):
            make(debian_headers.archive).compile(program.encode(), debug=True)


class TestOptions:
    def test_each_reaches_the_compiler(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "inc").mkdir()
        (tmp_path / "inc/mine.h").write_text("#include <linux/fs.h>\n#define MINE 5\n")
        body = b"unsigned f(struct file *f, unsigned x) { return f->f_flags < x ? MINE + ADD : x * 3; }\n"
        program = b'#include "mine.h"\n' + body

        def run(**more: object) -> bytes:
            words: dict[str, object] = {"mcpu": "v1", "defines": ["ADD=1"], "includes": [str(tmp_path / "inc")], **more}
            return make().compile(program, **words).object  # type: ignore[arg-type]

        outputs = [run(), run(debug=True), run(mcpu="v3"), run(optimise="1", extra=["-DX"]), run(defines=["ADD=2"])]
        assert len({*outputs[:3], outputs[4]}) == 4
        assert b".BTF" in outputs[1] and b".BTF" not in outputs[0]

    def test_source_directory_is_searched_first(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "src").mkdir()
        (tmp_path / "src/near.h").write_text("#include <linux/mm.h>\n")
        (tmp_path / "src/p.c").write_text('#include "near.h"\nlong f(struct page *p) { return p->flags; }\n')
        assert make().compile(tmp_path / "src/p.c").object

    def test_what_closure_cannot_see(self, make: Make) -> None:
        program = b"#include HEADER\nunsigned f(struct file *f) { return f->f_flags; }\n"
        assert make().compile(program, form="memory", defines=["HEADER=<linux/fs.h>"]).object
        assert make().compile(b"int f(struct page *p);", form="memory", extra=["-include", "linux/mm.h"]).object


class TestFaults:
    def failed(self, compile: Callable[[], Compiled]) -> str:
        with pytest.raises(CompileFailed) as caught:
            compile()
        assert "\n" not in str(caught.value)
        return caught.value.diagnostics

    @pytest.mark.parametrize("form", ["memory", "directory"])
    def test_users_file_and_line(self, make: Make, tmp_path: Path, form: str) -> None:
        source = tmp_path / "prog.c"
        source.write_text("#include <linux/sched.h>\n\nint f(void) {\n\treturn nonsense;\n}\n")
        told = self.failed(lambda: make().compile(source, form=form))  # type: ignore[arg-type]
        assert f"{source}:4:9: error: use of undeclared identifier 'nonsense'" in told

    def test_stdin(self, make: Make) -> None:
        assert "<stdin>:1:6: error:" in self.failed(lambda: make().compile(b"int (;\n"))

    @pytest.mark.parametrize("form", ["memory", "directory"])
    def test_header_that_does_not_exist(self, make: Make, form: str) -> None:
        told = self.failed(lambda: make().compile(b"#include <linux/none.h>\n", form=form))  # type: ignore[arg-type]
        assert "fatal error: 'linux/none.h' file not found" in told

    def test_binary_junk(self, make: Make) -> None:
        assert self.failed(lambda: make().compile(bytes(range(256)) * 20))

    def test_unused_asm_and_used(self, make: Make) -> None:
        assert make().compile(b"#include <linux/host.h>\nint f(void) { return 1; }\n").object
        with pytest.raises(HostAssembly) as caught:
            make().compile(b"#include <linux/host.h>\nlong f(void) { return host_flags(); }\n")
        assert "linux/host.h:4" in caught.value.diagnostics

    def test_host_assembly_hides_in_no_other_output(self, make: Make) -> None:
        program = b"#include <linux/host.h>\nlong f(void) { return host_flags(); }\n"
        with pytest.raises(UsageError, match="-S: with it the compiler makes no object"):
            make().compile(program, extra=["-S"])

    def test_empty(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "empty.c").touch()
        assert make().compile(tmp_path / "empty.c").object.startswith(b"\x7fELF")
        assert make().compile(b"").object.startswith(b"\x7fELF")

    def test_headers_at_fault_are_not_the_programs(self, make: Make) -> None:
        bad = mini_archive(extra={"include/linux/sched.h": b"struct task_struct {\n"})
        with pytest.raises(HeadersNotFound, match=r"small program does not compile"):
            make(data=bad).compile(PROGRAM)

    def test_32_bit_kernel(self, make: Make) -> None:
        data = mini_archive(options={"CONFIG_X86": "y", "CONFIG_SMP": "y"})
        with pytest.raises(CompilerError, match="32-bit x86 kernel give wrong layouts"):
            make(data=data).compile(PROGRAM)


class TestSources:
    @pytest.mark.parametrize("name", ["gone.c", ".", "a\0b.c"])
    def test_that_cannot_be_read(self, make: Make, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError, match=r"cannot be read \(.*name a C source file"):
            make().compile(tmp_path / name)

    def test_pipe_is_read_once(self, make: Make, tmp_path: Path) -> None:
        read, write = os.pipe()
        os.write(write, PROGRAM)
        os.close(write)
        try:
            assert make().compile(f"/dev/fd/{read}", defines=["ADD=1"]).object
        finally:
            os.close(read)

    def test_text_of_a_job(self, tmp_path: Path) -> None:
        (tmp_path / "p.c").write_bytes(b"int x;")
        assert program_text(Job(tmp_path / "p.c")) == program_text(Job(b"int x;")) == b"int x;"


def test_falls_through_to_the_next_headers(tmp_path: Path, clang: Clang) -> None:
    """The first source's headers do not compile, though all that is known of them is right; the next one's do."""
    root = mini_root(tmp_path, mini_archive(extra={"include/linux/sched.h": b"struct task_struct {\n"}))
    root.files(f"{root.modules}/build", mini())
    compiled = context(root, tmp_path, cc=" ".join(clang.argv)).compile(PROGRAM, defines=["ADD=1"])
    assert compiled.found is not None
    assert compiled.found.candidate.source == "build"
    assert any(r.source == "sysfs" and "does not compile" in r.reason for r in compiled.found.rejections)
