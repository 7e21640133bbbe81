"""Host assembly in headers: taken out where it is, kept where it means nothing, an error where it is reached."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders.compilers import Clang
from builders.mini import OPTIONS, mini
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute
from kheaders.forms.memory import MemoryForm
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.hostasm import lines_added, neutralise, rewrite
from kheaders.headers.markers import MARKER, REGISTER_MARKER, reached
from kheaders.trial import try_compile

M = f"{MARKER}()".encode()
REGISTER = f"{REGISTER_MARKER}()".encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'asm("hlt" : : );', M + b";"),
        (b'\tasm volatile("cli");', b"\t" + M + b";"),
        (b'\t__asm__ __volatile__("in %1, %0" : "=a" (v) : "Nd" (p));', b"\t" + M + b";"),
        (b'\tasm_inline volatile("x");', b"\t" + M + b";"),
        (b'\tasm volatile goto("jmp %l0" : : : : out);', b"\t" + M + b";"),
        (b'\tasm volatile ("a)" "b(" : : "r" (f(1)));', b"\t" + M + b";"),
        (b'\tasm volatile("" : "=a" (v));', b"\t" + M + b";"),
        (b'\tasm volatile("" : : : "rax");', b"\t" + M + b";"),
        (b'\tasm volatile("a\\n"\n\t    "b"\n\t    : : );', b"\t" + M + b"\n\n;"),
        (b'#define R() asm volatile("a" \\\n\t: : "a" (x) \\\n\t)', b"#define R() " + M + b" \\\n \\\n"),
        (b'asm(".globl x");\nint y;', b";\nint y;"),
        (b'int x;\nasm(".text\\n"\n"x:");\n', b"int x;\n\n;\n"),
        (
            b'register unsigned long sp asm("rsp");',
            b"#define sp (*(unsigned long *) " + REGISTER + b")",
        ),
        (
            b'x;\nregister struct a *tp\n__asm__("tp"); /* y */\n',
            b"x;\n#define tp (*(struct a * *) " + REGISTER + b")\n/* y */\n",
        ),
        (b'void f(void)\n{\n\tasm("hlt");\nasm("nop");\n}', b"void f(void)\n{\n\t" + M + b";\n" + M + b";\n}"),
        (b'#define R(x) ({ asm("hlt"); x; })\n', b"#define R(x) ({ " + M + b"; x; })\n"),
        (
            b'#ifdef A\nint f(int) {\n#else\nint f(void) {\n#endif\n}\n  asm(".globl x");\n',
            b"#ifdef A\nint f(int) {\n#else\nint f(void) {\n#endif\n}\n ;\n",
        ),
        (b'f() { register long a asm("r0") = 1; }', b"f() { register long a  = 1; }"),
    ],
)
def test_replaced(before: bytes, after: bytes) -> None:
    got = neutralise(before)
    assert re.sub(rb"[ \t]+", b" ", got) == re.sub(rb"[ \t]+", b" ", after)


@pytest.mark.parametrize(
    "text",
    [
        b'\t__asm__ __volatile__("" : : : "memory");',
        b'\t__asm__ ("" : "=r" (var) : "0" (var));',
        b'\tasm volatile("" : "+r" (v) : : "memory");',
        b'\tasm volatile("");',
        b'extern int f(void) asm("other_name");',
        b'extern int f(void) __asm__("other_name") __attribute__((x));',
        b'/* asm volatile("hlt") */',
        b'// asm volatile("hlt")\n',
        b'char *s = "asm volatile(\\"hlt\\")";',
        b"int asmlinkage(int x);",
        b"#define __ASM_FORM(x) x",
        b"#include <asm/page.h>\nint f(int);",
        b"struct asm_s { int volatile_(int); };",
        b'#define AT(x) extern int x; \\\n\tasm(".section y")\n',
        b'\tasm volatile("unclosed" : "=a" (v)',
        b"",
    ],
)
def test_kept(text: bytes) -> None:
    assert neutralise(text) == text


def test_unchanged_text_is_the_same_object_and_not_listed() -> None:
    text = b"int x;\n"
    assert neutralise(text) is text
    assert set(rewrite({"a.h": text, "b.h": b'\tasm volatile("hlt");'})) == {"b.h"}


TOKENS = st.sampled_from(
    [
        *(
            b"asm",
            b"__asm__",
            b"asm_inline",
            b"volatile",
            b"goto",
            b"register",
            b"if",
            b"else",
            b"x",
            b"memory",
            b"extern",
        ),
        *(
            b"(",
            b")",
            b"[",
            b"]",
            b":",
            b",",
            b";",
            b"{",
            b"}",
            b"=",
            b'"',
            b'"r"',
            b'""',
            b"'",
            b"\\",
            b"\\\n",
            b"\n",
            b" ",
        ),
        *(b"/*", b"*/", b"//", b"#define ", MARKER.encode(), b'"=a"', b"\xff", b"\0"),
    ]
)
TEXTS = st.one_of(st.binary(max_size=300), st.lists(TOKENS, max_size=60).map(b"".join))


class TestAnyText:
    @settings(max_examples=500, deadline=None)
    @given(TEXTS)
    @example(b'register asm("x") asm("y");')
    @example(b'register register int x asm("r");')
    def test_keeps_its_lines_and_is_done_once(self, text: bytes) -> None:
        once = neutralise(text)
        assert once.count(b"\n") == text.count(b"\n")
        assert neutralise(once) == once

    @settings(max_examples=500, deadline=None)
    @given(TEXTS)
    def test_what_is_not_searched_holds_nothing(self, text: bytes) -> None:
        """The cheap test in front of the real one lets everything through that would be replaced."""
        changed = neutralise(text) != text
        assert not changed or set(rewrite({"a.h": text})) == {"a.h"}


SIZE = 256 << 10


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece",
    [
        b"asm (((((",
        b"asm volatile ",
        b"asm volatile volatile volatile volatile ",
        b"asm(",
        b"asm(x)\n",
        b"asm(x), ",
        b"asm ",
        b"asm\\\n",
        b"/*",
        b"/* asm(",
        b"//",
        b'"',
        b'\\"',
        b"'",
        b'"\\\n',
        b'asm("a" : "=r" (x)) ',
        b'x asm("a"), ',
        b"register ",
        b'register asm("a");',
        b'\\"asm("',
        b":",
        b",[",
    ],
)
@pytest.mark.parametrize(
    "start", [b"", b"asm(", b"asm " + b" " * 2000 + b"x(/*", b'asm("" : ', b'asm("a'], ids=range(5)
)
def test_no_text_takes_long(piece: bytes, start: bytes) -> None:
    text = start + piece * (SIZE // len(piece))
    for whole in (text, text + b"\nx", text + b"*/)"):
        assert rewrite({"a.h": whole}).get("a.h", whole).count(b"\n") == whole.count(b"\n")


@pytest.mark.timeout(30)
def test_long_gaps_after_the_word() -> None:
    for gap in (b" ", b"\t", b"\n", b"\\\n", b"a", b"a ", b"\\"):
        rewrite({"a.h": b"asm" + gap * SIZE, "b.h": (b"asm" + gap * 200) * 5000})


def headers(**extra: bytes) -> HeaderSet:
    return HeaderSet(mini(extra={f"include/linux/{name}.h": text for name, text in extra.items()}))


def compiled(clang: Clang, given_headers: HeaderSet, program: bytes, *words: str) -> tuple[bool, bytes, str]:
    compiler = examine(clang.argv)
    with MemoryForm(given_headers).serve(compiler, program) as served:
        result = execute(compiler, Job(program, extra=words), served.flags, served.pass_fds)
    return result.ok, result.output, result.diagnostics


class TestCompiled:
    def test_unused_inline_does_no_harm(self, clang: Clang) -> None:
        ok, _, messages = compiled(clang, headers(), b"#include <linux/host.h>\nint f(void) { return 1; }\n")
        assert ok, messages

    def test_used_inline_names_the_marker_and_the_line(self, clang: Clang) -> None:
        ok, _, messages = compiled(
            clang, headers(), b"#include <linux/host.h>\nlong f(void) { return host_flags(); }\n"
        )
        assert not ok and MARKER in messages
        assert re.search(r"linux/host\.h:4:\d+: error", messages), messages

    @pytest.mark.parametrize(
        "defined",
        [
            '#define volatile(x...) volatile("")',
            "#define asm(x...)",
            "#define asm_inline(x...)",
            "#define asm\n#define volatile(x...)",
            "#define goto(x...)\n#define __asm__(x...)\n#define __volatile__(x...)\n#define __attribute__(x)",
            "#define extern static\n#define register",
        ],
    )
    @pytest.mark.parametrize("use", ["host_flags()", "CALL(1)", "csp", "plain()"])
    @pytest.mark.parametrize("place", ["before", "after", "option"])
    def test_no_macro_of_the_program_takes_the_marker_away(
        self, clang: Clang, defined: str, use: str, place: str
    ) -> None:
        """The kernel's samples define ``volatile`` so that a host's clang passes over assembly."""
        text = (
            b'register unsigned long csp asm("rsp");\n#define CALL(x) ({ long r; asm volatile("call %1" : "=a" (r)'
            b' : "i" (x)); r; })\nstatic inline long plain(void)\n{\n\tasm("cli");\n\treturn 1;\n}\n'
        )
        lines = {"before": f"{defined}\n", "after": "", "option": ""}[place]
        program = f"{lines}#include <linux/host.h>\n#include <linux/regs.h>\n"
        program += f"{defined if place == 'after' else ''}\nlong f(void) {{ return {use}; }}\n"
        words = []
        for line in defined.split("\n") if place == "option" else ():
            name, _, body = line.removeprefix("#define ").partition(" ")
            words.append(f"-D{name}={body}")
        ok, output, messages = compiled(clang, headers(regs=text), program.encode(), *words)
        assert not ok or reached(output), messages

    def test_host_register(self, clang: Clang) -> None:
        text = b'register unsigned long csp asm("rsp");\n#define ASM_CALL_CONSTRAINT "+r" (csp)\n'
        used = b"#include <linux/reg.h>\nlong f(void) { return csp; }\n"
        ok, _, messages = compiled(clang, headers(reg=text), used)
        assert not ok and REGISTER_MARKER in messages
        ok, output, _ = compiled(clang, headers(reg=text), b"#include <linux/reg.h>\nlong f(void) { return 1; }\n")
        assert ok and REGISTER_MARKER.encode() not in output

    def test_file_scope_and_macros(self, clang: Clang) -> None:
        text = (
            b'asm(".globl host\\n"\n    "host: ret");\n'
            b'#define CALL(x) ({ long r; \\\n\tasm volatile("call %1" \\\n\t: "=a" (r) : "i" (x)); \\\n\tr; })\n'
            b"static inline long g(void)\n{\n\treturn CALL(3);\n}\nint __line = __LINE__;\n"
        )
        ok, _, messages = compiled(clang, headers(odd=text), b"#include <linux/odd.h>\n")
        assert ok, messages
        ok, _, _ = compiled(clang, headers(odd=text), b"#include <linux/odd.h>\nchar at[__line == 0];", "-S")
        assert not ok

    @pytest.mark.parametrize("use", ["barrier()", "OPTIMIZER_HIDE_VAR(x)"])
    def test_generic_barriers_are_the_same_with_and_without(
        self, clang: Clang, use: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = f"#include <linux/compiler.h>\nint g;\nint f(int x) {{ g = x; {use}; g = 2; return x; }}\n".encode()
        with_rewriting = compiled(clang, headers(), program)
        bare = compiled(clang, headers(), program.replace(use.encode(), b"(void) 0"))
        monkeypatch.setattr("kheaders.forms.memory.rewritten", lambda path, text: text)
        without = compiled(clang, headers(), program)
        assert with_rewriting[0] and with_rewriting[:2] == without[:2]
        if use == "barrier()":
            assert with_rewriting[1] != bare[1]


def test_options_of_the_compiler_that_built_the_kernel(clang: Clang) -> None:
    """Per-CPU data by named address spaces (bcc issue 5172) would be plain memory in BPF; asm takes its place."""
    text = (
        b"#ifdef CONFIG_USE_X86_SEG_SUPPORT\nextern __seg_gs int per_cpu;\n"
        b"static inline int get(void) { return per_cpu; }\n"
        b"#else\nstatic inline int get(void)\n{\n\tint v;\n"
        b'\tasm("movl %%gs:0, %0" : "=a" (v));\n\treturn v;\n}\n#endif\n'
    )
    options = {**OPTIONS, "CONFIG_USE_X86_SEG_SUPPORT": "y", "CONFIG_CC_HAS_NAMED_AS": "y"}
    files = mini(options=options, extra={"include/linux/percpu.h": text})
    changed = rewrite(files)["include/generated/autoconf.h"]
    assert b"NAMED_AS" not in changed and b"SEG_SUPPORT" not in changed and b"CONFIG_SMP 1" in changed
    assert changed.count(b"\n") == files["include/generated/autoconf.h"].count(b"\n")
    ok, _, messages = compiled(clang, HeaderSet(files), b"#include <linux/percpu.h>\nint f(void) { return 1; }\n")
    assert ok, messages
    ok, _, messages = compiled(clang, HeaderSet(files), b"#include <linux/percpu.h>\nint f(void) { return get(); }\n")
    assert not ok and MARKER in messages


class TestRealHeaders:
    @pytest.fixture(scope="class")
    @classmethod
    def real(cls, debian_tree: tuple[Path, ...]) -> HeaderSet:
        return HeaderSet.from_trees(debian_tree)

    def test_lines_are_kept_and_nothing_is_left(self, real: HeaderSet) -> None:
        changed = rewrite(real.files)
        assert len(changed) > 30
        for path, new in changed.items():
            assert new.count(b"\n") == real[path].count(b"\n") + lines_added(path, real[path]), path
            assert neutralise(new) == new, path

    def test_the_trial_compiles(self, real: HeaderSet, clang: Clang) -> None:
        verdict = try_compile(real, examine(clang.argv))
        assert verdict.ok, verdict.reason
        assert verdict.checks[0].state == "ok"

    @pytest.mark.parametrize(
        "body",
        [
            "return current->pid;",
            "unsigned long long v; rdmsrl(0x10, v); return v;",
            "return current_stack_pointer;",
            "local_irq_disable(); return 0;",
        ],
    )
    def test_what_only_the_host_can_do_is_never_silent(self, real: HeaderSet, clang: Clang, body: str) -> None:
        if real.srcarch != "x86":
            pytest.skip(f"the statements are those of x86, the headers are for {real.srcarch}")
        program = (
            f"#include <linux/sched.h>\n#include <asm/msr.h>\n#include <linux/irqflags.h>\nlong f(void) {{ {body} }}\n"
        )
        ok, _, messages = compiled(clang, real, program.encode())
        assert not ok and (MARKER in messages or REGISTER_MARKER in messages), messages

    def test_barrier_of_the_real_headers(
        self, real: HeaderSet, clang: Clang, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """compiler.h parses for BPF as it is, so that both can be compared."""
        program = b"#include <linux/compiler.h>\nint g;\nint f(int x) { g = 1; barrier(); g = x; return g; }\n"
        rewritten = compiled(clang, real, program)
        monkeypatch.setattr("kheaders.forms.memory.rewritten", lambda path, text: text)
        assert rewritten[0] and rewritten[:2] == compiled(clang, real, program)[:2]


def test_module_is_pure(tmp_path: Path) -> None:
    """Its import costs nothing that a command without it would not pay."""
    code = "import sys, kheaders.headers.hostasm; print(sorted(m for m in sys.modules if m.startswith('kheaders')))"
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "compilers" not in done.stdout and "hostasm" in done.stdout
