"""Programs compiled with a PCH: the same objects as from the headers, or another form with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builders import precompiled
from builders.compilers import Clang
from builders.precompiled import headers
from kheaders import kernel as kernels
from kheaders.c.macro_events import mark
from kheaders.clang.find import Compiler, examine
from kheaders.clang.job import Job, Result, execute
from kheaders.errors import FormError
from kheaders.externs import described, undefined
from kheaders.forms import pchbuild
from kheaders.forms.memory import MemoryForm
from kheaders.forms.pch import Options, options_of
from kheaders.forms.pchshelf import Shelf, in_memory
from kheaders.headers.headerset import HeaderSet
from kheaders.objects import compare
from kheaders.precompiled import PchAttempt, attempt_pch, compile_with
from kheaders.store import Store

KERNEL = kernels.named("6.1.0-99-amd64")


@pytest.fixture
def compiler(clang: Clang) -> Compiler:
    return examine(clang.argv)


@pytest.fixture
def shelf(tmp_path: Path, compiler: Compiler) -> Shelf:
    store = Store.open(boot=tmp_path / "run", cache=tmp_path / "cache", boot_id="boot-1")
    return Shelf(store, KERNEL, "x86", compiler)


@pytest.fixture
def built(shelf: Shelf) -> Shelf:
    shelf.build(headers(), Options())
    return shelf


def nothing() -> HeaderSet | None:
    return None


def full(compiler: Compiler, job: Job) -> Result:
    with MemoryForm(headers(), everything=True).serve(compiler, b"") as served:
        return execute(compiler, job, served.flags, served.pass_fds)


def attempt(shelf: Shelf, text: str, *, debug: bool = False, have: bool = False, **more: tuple[str, ...]) -> PchAttempt:
    job = Job(text.encode(), debug=debug, **more)  # type: ignore[arg-type]
    return attempt_pch(shelf, job, text.encode(), headers if have else nothing)


class TestBuild:
    def test_what_cannot_be_included_is_left_out_and_listed(self, built: Shelf) -> None:
        found = built.locate(Options())
        assert found is not None
        assert set(found.left_out) == {"linux/rbtree.h", "linux/bio.h"}
        assert "not here" in found.left_out["linux/rbtree.h"]
        assert set(found.form.names.kept) >= {"include/linux/string.h", "include/linux/errno.h"}
        assert "include/uapi/linux/errno.h" not in found.form.names.kept
        assert found.form.names.covered["linux/bpf.h"] == found.form.names.covered["uapi/linux/bpf.h"]

    def test_built_once_and_found_after_a_reboot(self, built: Shelf, tmp_path: Path) -> None:
        assert not built.build(headers(), Options()).built
        later = Store.open(boot=tmp_path / "other", cache=tmp_path / "cache", boot_id="boot-2")
        assert Shelf(later, KERNEL, "x86", built.compiler).locate(Options()) is not None

    def test_nothing_popular(self, shelf: Shelf) -> None:
        few = {path: text for path, text in headers().files.items() if "generated" in path or "kconfig" in path}
        made = shelf.build(HeaderSet(few), Options(), ["linux/none.h"])
        assert made.left_out == {"linux/none.h": "this kernel has no such header"}

    def test_without_an_architecture(self, shelf: Shelf) -> None:
        with pytest.raises(Exception, match="architecture"):
            shelf.build(HeaderSet({"include/linux/types.h": b""}), Options())
        assert shelf.store.entries() == []


class TestSame:
    @pytest.mark.parametrize(
        "text",
        [
            "#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n",
            "#include <linux/kernel.h>\n#include <stddef.h>\nint f(void) { return level() + KERNEL_LIMIT + !NULL; }\n",
            "#include <linux/string.h>\n#define ENTRY(x) +1\nint f(void) { return 0 ENTRY(1); }\n",
            "#include <linux/errno.h>\nint f(void) { return ENOENT; }\n",
            "#include <linux/list.h>\nint f(int temporary) { return temporary; }\n",
            "int f(void) { return 1; }\n",
        ],
    )
    def test_code(self, built: Shelf, text: str) -> None:
        made = attempt(built, text)
        assert made.ok and made.result is not None, f"{made.reason}\n{made.result}"
        assert compare(made.result.output, full(built.compiler, Job(text.encode())).output) == []

    def test_users_own_headers(self, built: Shelf, tmp_path: Path) -> None:
        (tmp_path / "inc").mkdir()
        precompiled.program(tmp_path / "inc", "#include <linux/fs.h>\n#define MINE 3\n", "mine.h")
        path = precompiled.program(tmp_path, '#include "mine.h"\nint f(struct file *f) { return f->f_flags + MINE; }\n')
        job = Job(path, includes=(str(tmp_path / "inc"),))
        made = attempt_pch(built, job, path.read_bytes(), nothing)
        assert made.ok, made.reason

    def test_with_debug_information(self, built: Shelf) -> None:
        made = attempt(built, "#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n", debug=True)
        assert made.ok and made.result is not None
        assert described(made.result.output) == {"f"} and undefined(made.result.output) == set()

    def test_held_in_memory_only(self, compiler: Compiler, tmp_path: Path) -> None:
        job = Job(b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n")
        with in_memory(headers(), compiler, Options()) as form:
            made = compile_with(form, compiler, job)
            lacking = compile_with(form, compiler, Job(b"#include <linux/usb.h>\n"))
        assert made.ok and made.result is not None, made.reason
        assert compare(made.result.output, full(compiler, job).output) == []
        assert lacking.reason == "the PCH lacks linux/usb.h"
        assert list(tmp_path.iterdir()) == []


class TestChain:
    TEXT = "#include <linux/usb.h>\n#include <linux/sched.h>\nint f(struct usb *u) { return u->number + USB_LIMIT; }\n"

    def test_made_once_and_used_without_headers(self, built: Shelf) -> None:
        refused = attempt(built, self.TEXT)
        assert refused.reason == "the PCH lacks linux/usb.h, and there are no headers to make one that has it"
        made = attempt(built, self.TEXT, have=True)
        assert made.ok and made.result is not None, made.reason
        assert compare(made.result.output, full(built.compiler, Job(self.TEXT.encode())).output) == []
        assert attempt(built, self.TEXT).ok

    def test_a_header_that_no_kernel_has(self, built: Shelf) -> None:
        made = attempt(built, "#include <linux/none.h>\n", have=True)
        assert made.reason == "kernel 6.1.0-99-amd64 has no header <linux/none.h>"


class TestLayers:
    """A program sees the layers up to the last one that it needs, and nothing of those above."""

    def test_what_is_in_which(self, built: Shelf) -> None:
        found = built.locate(Options())
        assert found is not None and len(found.form.places) == 3
        names = found.form.names
        assert "linux/swap.h" in names.layers[1] and "linux/tcp.h" in names.layers[2]
        assert [names.layer([name]) for name in ("linux/kernel.h", "linux/swap.h", "linux/tcp.h")] == [0, 1, 2]
        assert names.layer(["linux/swap.h", "linux/kernel.h"]) == 1
        assert [names.macro("TWICE", layer) for layer in (0, 1, 2)] == [
            (names.covered["linux/kernel.h"], mark(b" 1")),
            (names.covered["linux/swap.h"], mark(b" 2")),
            (names.covered["linux/tcp.h"], mark(b" 3")),
        ]
        assert names.macro("FADES", 0) == (names.covered["linux/kernel.h"], mark(b" 5"))
        assert names.macro("FADES", 2) == (names.covered["linux/swap.h"], 0)

    @pytest.mark.parametrize(
        ("header", "value", "layer"),
        [("linux/kernel.h", "TWICE + FADES", 0), ("linux/swap.h", "TWICE", 1), ("linux/tcp.h", "TWICE", 2)],
    )
    def test_code(self, built: Shelf, header: str, value: str, layer: int) -> None:
        text = f"#include <{header}>\nint f(void) {{ return {value} + sizeof(number_t); }}\n"
        made = attempt(built, text)
        assert made.ok and made.result is not None, f"{made.reason}\n{made.result}"
        found = built.locate(Options())
        assert found is not None and made.place == found.form.places[layer]
        assert compare(made.result.output, full(built.compiler, Job(text.encode())).output) == []

    def test_a_name_of_a_layer_above_is_free(self, built: Shelf) -> None:
        own = "struct segment { int own; };\nint f(struct segment *s) { return s->own; }\n"
        assert attempt(built, f"#include <linux/kernel.h>\n{own}").ok
        assert attempt(built, f"#include <linux/swap.h>\n{own}").ok
        own = own.replace("segment", "request")
        assert "declares request itself" in attempt(built, f"#include <linux/kernel.h>\n{own}").reason

    def test_debug_information_is_that_of_full_headers(self, built: Shelf) -> None:
        """A struct that the program's headers only name is no more in the object than with full headers."""
        text = (
            b"#include <linux/kernel.h>\nstruct segment;\nstruct { struct segment *s; } x;\nint f(void) { return 1; }\n"
        )
        made = attempt(built, text.decode(), debug=True)
        assert made.ok and made.result is not None, made.reason
        whole = full(built.compiler, Job(text, debug=True))
        assert b"segment" in whole.output and b"length" not in whole.output
        assert b"segment" in made.result.output and b"length" not in made.result.output

    def test_one_more_on_top(self, built: Shelf) -> None:
        text = "#include <linux/usb.h>\nstruct segment s;\nint f(struct usb *u) { return u->number; }\n"
        assert "segment is declared in include/linux/tcp.h" in attempt(built, text, have=True).reason
        text = text.replace("struct segment s;", "#include <linux/tcp.h>\nint g(void) { return TWICE; }")
        made = attempt(built, text, have=True)
        assert made.ok and made.result is not None, made.reason
        assert compare(made.result.output, full(built.compiler, Job(text.encode())).output) == []

    def test_a_lower_one_is_damaged_or_gone(self, built: Shelf) -> None:
        found = built.locate(Options())
        assert found is not None
        lower = Path(found.form.places[1])
        whole = lower.read_bytes()
        lower.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert built.locate(Options()) is None
        assert "cannot be used" in built.why(Options())
        assert built.build(headers(), Options()).built
        assert lower.read_bytes() == whole

    def test_a_whole_one_that_cannot_be_included(self, shelf: Shelf) -> None:
        files = {**headers().files, "include/linux/swap.h": b"struct broken { struct no_such value; };\n"}
        files["include/net/sock.h"] = b"#pragma once\nstruct sock { int family; };\n"
        del files["include/uapi/linux/bpf.h"]
        made = shelf.build(HeaderSet(files), Options())
        assert set(made.left_out) >= {"linux/swap.h", "linux/bio.h", "linux/tcp.h"}
        assert [bool(names) for names in made.form.names.layers] == [True, False, True]
        for text in (
            "#include <linux/kernel.h>\nint f(void) { return level(); }\n",
            "#include <net/sock.h>\nint f(struct sock *s) { return s->family; }\n",
        ):
            made_of_it = attempt(shelf, text)
            assert made_of_it.ok, f"{made_of_it.reason}\n{made_of_it.result and made_of_it.result.diagnostics}"


class TestRouted:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (
                "#include <linux/types.h>\n#ifdef KERNEL_LIMIT\n#endif\n",
                r"KERNEL_LIMIT is a macro of include/linux/kern",
            ),
            (
                "#include <linux/types.h>\nstruct request { int own; };\n",
                r"declares request itself.*include/linux/fs.h",
            ),
            (
                "#include <linux/types.h>\nint f(struct file *f) { return sizeof(struct file); }\n",
                r"file is declared in",
            ),
            ("#include <linux/types.h>\nint f(void) { return level(); }\n", r"level is declared in"),
            ("#define DEBUG\n#include <linux/kernel.h>\n", r"defines DEBUG, which the headers look at"),
            ("#define ENTRY(x) int x;\n#include <linux/string.h>\n", r"defines ENTRY"),
            ("#if 0\n#include <linux/kernel.h>\n#endif\n#ifdef KERNEL_LIMIT\n#endif\n", r"include lines count is told"),
            ("#define NAME <linux/fs.h>\n#include NAME\n", r"include lines count is told by a preprocessor only"),
        ],
    )
    def test_what_would_mean_something_else(self, built: Shelf, text: str, reason: str) -> None:
        made = attempt(built, text)
        assert made.result is None
        assert re.search(reason, made.reason), made.reason

    def test_macro_of_the_users_header_before_the_kernels(self, built: Shelf, tmp_path: Path) -> None:
        precompiled.program(tmp_path, "#define SMALL 1\n", "mine.h")
        first = precompiled.program(tmp_path, '#include "mine.h"\n#include <linux/kernel.h>\nnumber_t n;\n')
        made = attempt_pch(built, Job(first), first.read_bytes(), nothing)
        assert made.reason.startswith("it defines SMALL")
        last = precompiled.program(tmp_path, '#include <linux/kernel.h>\n#include "mine.h"\nnumber_t n;\n')
        assert attempt_pch(built, Job(last), last.read_bytes(), nothing).ok

    def test_the_same_macro_once_more(self, built: Shelf) -> None:
        assert attempt(
            built, "#include <linux/types.h>\n#ifndef ENOENT\n#define ENOENT  2\n#endif\nint x = ENOENT;\n"
        ).ok

    @pytest.mark.parametrize("debug", [False, True])
    def test_extern_variable_of_a_header(self, built: Shelf, debug: bool) -> None:
        made = attempt(built, "#include <linux/kernel.h>\nint f(void) { return jiffies; }\n", debug=debug)
        assert made.ok is not debug
        assert made.reason == ("jiffies, which only a header declares, would be missing from the BTF" if debug else "")

    def test_host_assembly(self, built: Shelf) -> None:
        text = "#include <linux/host.h>\nunsigned long f(void) { return host_flags(); }\n"
        assert "inline assembly of the host" in attempt(built, text, have=True).reason

    def test_a_fault_of_the_program(self, built: Shelf) -> None:
        made = attempt(built, "#include <linux/sched.h>\nint f(struct task_struct *t) { return t->none; }\n")
        assert made.result is not None and "none" in made.result.diagnostics and "refused" in made.reason


class TestOptions:
    def test_macros_that_headers_look_at_need_a_pch_of_their_own(self, built: Shelf) -> None:
        text = "#include <linux/kernel.h>\nint f(void) { return level(); }\n"
        assert attempt(built, text, defines=("OTHER=1",)).ok
        assert "has no PCH" in attempt(built, text, defines=("DEBUG",)).reason
        job = Job(text.encode(), defines=("DEBUG",))
        made = attempt_pch(built, job, text.encode(), headers, build=True)
        assert made.ok and made.result is not None
        assert compare(made.result.output, full(built.compiler, job).output) == []

    @pytest.mark.parametrize("more", [{"mcpu": "v3"}, {"optimise": "s"}, {"optimise": "1"}, {"extra": ("-std=gnu99",)}])
    def test_other_options_never_use_it(self, built: Shelf, more: dict[str, object]) -> None:
        text = b"#include <linux/sched.h>\nint f(struct task_struct *t) { return t->pid; }\n"
        job = Job(text)._replace(**more)  # type: ignore[arg-type]
        assert "has no PCH" in attempt_pch(built, job, text, nothing).reason
        made = attempt_pch(built, job, text, headers, build=True)
        assert made.ok and made.result is not None, made.reason
        assert compare(made.result.output, full(built.compiler, job).output) == []

    def test_harmless_words(self) -> None:
        words = ("-Wall", "-g", "-I", "dir", "-include", "x.h", "-isystem", "y", "-DX", "-D", "Y")
        assert options_of(Job(b"", extra=words)) == Options()
        assert options_of(Job(b"", extra=("-Wp,-DX", "-fno-builtin"))).words == ("-fno-builtin",)


class TestBadInput:
    def test_damaged_is_never_used_and_built_again(self, built: Shelf) -> None:
        found = built.locate(Options())
        assert found is not None
        whole = found.path.read_bytes()
        found.path.write_bytes(whole[: len(whole) // 2])
        assert built.locate(Options()) is None
        made = attempt(built, "int f(void) { return 1; }\n")
        assert "cannot be used" in made.reason and "changed" in made.reason
        assert built.build(headers(), Options()).built
        assert found.path.read_bytes() == whole

    def test_of_another_kernel_or_compiler(self, built: Shelf) -> None:
        other = kernels.named("6.1.0-98-amd64")
        assert Shelf(built.store, other, "x86", built.compiler).locate(Options()) is None
        assert Shelf(built.store, KERNEL, "arm64", built.compiler).locate(Options()) is None
        updated = built.compiler._replace(identity="0" * 64)
        assert Shelf(built.store, KERNEL, "x86", updated).locate(Options()) is None
        assert built.locate(Options()) is not None

    @pytest.mark.parametrize("value", [{}, {"key": 7}, {"key": "../../etc"}, {"key": "a" * 64}])
    def test_a_record_that_was_changed(self, built: Shelf, value: dict[str, object]) -> None:
        (name,) = [p.stem for p in (built.store.place("persistent") or Path()).glob("records/pch/*.json")]
        built.store.put_record("pch", name, value, boot=False)
        assert built.locate(Options()) is None and "has no PCH" in built.why(Options())

    def test_what_clang_does_not_take(self, built: Shelf, tmp_path: Path) -> None:
        """As if the compiler's own check were all there is."""
        found = built.locate(Options())
        assert found is not None
        (tmp_path / "cut.pch").write_bytes(found.path.read_bytes()[:3000])
        cut = found.form.at([str(tmp_path / "cut.pch") for _ in found.form.places])
        made = compile_with(cut, built.compiler, Job(b"int f(void) { return 1; }\n"))
        assert not made.ok
        made = compile_with(found.form, built.compiler, Job(b"int f(void) { return 1; }\n", optimise="s"))
        assert "does not take the PCH" in made.reason

    def test_an_index_of_another_format(self) -> None:
        from kheaders.forms.pchnames import unpack

        for data in (b"", b"{}", b"[]", b'{"format": 1}', b"\xff"):
            with pytest.raises(FormError, match="index of a PCH"):
                unpack(data)

    def test_headers_that_do_not_compile_at_all(self, shelf: Shelf) -> None:
        broken = headers({"include/linux/kconfig.h": b"#error broken\n"})
        with pytest.raises(FormError, match=r"no PCH of kernel .*broken"):
            shelf.build(broken, Options())
        assert shelf.store.entries() == []
        assert pchbuild.EMBED
