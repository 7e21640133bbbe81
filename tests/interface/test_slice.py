"""Slices of a small kernel: for each construct, the object from the slice against the one from the full headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import need
from builders.compilers import compilers
from builders.differential import Kernel, Outcome, kernel
from builders.small_kernel import small_kernel
from kheaders.clang.find import find
from kheaders.clang.job import Job
from kheaders.forms.slice import SliceForm

Same = Callable[..., str]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """The small kernel and its blob."""
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    with kernel(small_kernel(), find(), tmp_path_factory.mktemp("small") / "small.kheaders") as opened:
        yield opened


@pytest.fixture
def same(small: Kernel) -> Same:
    """Compile a program both ways, see that the code is the same, and return the slice's text."""

    def check(program: str, headers: str = "", **more: tuple[str, ...]) -> str:
        outcome = small.both(_program(program, headers), "-g", **more)
        assert outcome.verdict == "same", f"{outcome}\n{outcome.sliced.piece.text.decode()}"
        return outcome.sliced.piece.text.decode()

    return check


def _program(text: str, headers: str) -> bytes:
    lines = [f"#include <linux/{name}.h>" for name in headers.split()]
    return "\n".join([*lines, text, ""]).encode()


def refused(small: Kernel, program: str, headers: str = "") -> Outcome:
    """A program that neither way may compile."""
    outcome = small.both(_program(program, headers))
    assert outcome.verdict == "both fail", str(outcome)
    return outcome


PROGRAMS = {
    "a struct by value brings its parts": ("person", "int f(struct person *p) { return p->part.value + p->age; }"),
    "bit-fields": ("person", "int f(struct person *p) { p->thin = 2; return p->tall; }"),
    "a pointer is followed": ("person", "int f(struct person *p) { return p->pointed->inside; }"),
    "a chain of macros over members": (
        "person",
        "struct person *f(struct list_head *h) { return list_first_entry(h, struct person, list); }",
    ),
    "an inline touches for the program": ("list", "int f(struct list_head *h) { return list_empty(h); }"),
    "a macro that stands for a member": ("sock", "int f(struct sock *s) { return s->sk_family + s->sk_own; }"),
    "a macro for a member within an inline": ("sock", "int f(struct sock *s) { return sock_state(s); }"),
    "a cast that is a macro": ("sock", "int f(struct sock *s) { return inet_of(s)->port; }"),
    "a nested tag by itself": ("nested", "int f(struct inner *i) { return i->deep + i->colour; }"),
    "a constant of a nested enum": ("nested", "int f(void) { return GREEN; }"),
    "a constant of an anonymous enum in a struct": ("nested", "int f(void) { return FANCY; }"),
    "a constant of an anonymous enum": ("nested", "long f(void) { return ALONE_TOO + ALONE; }"),
    "a typedef of an anonymous enum": ("nested", "t_kind f(void) { return T_TWO; }"),
    "a member of an anonymous union": ("nested", "long f(struct outer *o) { return o->b + o->mode; }"),
    "a typedef of a named union": ("nested", "both_t shared; int f(union both *b) { return b->c[1] + shared.i; }"),
    "a typedef of a function type": ("functions", "handler_fn *keep; int f(struct event *e) { return keep(e, 1); }"),
    "a typedef of a pointer to a function": ("functions", "void f(struct event *e) { e->callback(e); }"),
    "tables of pointers to functions": (
        "functions",
        "int f(struct operations *o, struct event *e) { return o->handlers[1](e, 2) + o->open(e, 3) + o->deep()(4); }",
    ),
    "an extern table": ("functions", "int f(int i) { return table[i & 3](i); }"),
    "a variable of a function type": ("functions", "int f(struct event *e) { return default_handler(e, 1); }"),
    "a chain of inline functions": ("chain", "int f(int x) { return first(x); }"),
    "macros of macros": ("macros", "int f(void) { return ADD1(ANSWER); }"),
    "pasting of the kernel's": ("macros", "int f(void) { return LEVEL(low) + LEVEL2(high); }"),
    "pasting of the program's": ("macros", "#define MINE(x) LEVEL_##x\nint f(void) { return MINE(high); }"),
    "pasting of what a macro gives": ("bits", "int f(void) { return MAY_READ; }"),
    "pasting of what a macro gives through another": ("bits", "int f(void) { return MAY_WRITE; }"),
    "a pasted call": ("bits", "int f(void) { return SIZE; }"),
    "pasting in two steps": (
        "macros",
        "#define A(x, y) GLUE(LEVEL, GLUE(_, y))\nint f(void) { return A(0, high); }",
    ),
    "functions that a macro made": ("macros", "int f(void) { return get_low() + get_high(); }"),
    "names in a string": ("macros", "const char t[] = STR(ANSWER); int f(void) { return t[0]; }"),
    "variadic macros": ("macros", "int f(void) { return COUNT(1, 2); }"),
    "a macro that names itself": ("macros", "int f(void) { return self_named; }"),
    "a function-like macro without its parentheses": ("macros", "int (*f(void))(int) { return call_me; }"),
    "a macro defined again": ("macros", "int f(void) { return REDEFINED; }"),
    "a macro that was removed": ("macros", "#ifdef REMOVED\n#error seen\n#endif\nint f(void) { return 1; }"),
    "a macro that is only tested": ("macros", "#ifndef TESTED_ONLY\n#error gone\n#endif\nint f(void) { return 1; }"),
    "defined() and numbers": (
        "macros",
        "#if !defined(SHARED) || SHARED != 1\n#error no\n#endif\nint f(void) { return 1; }",
    ),
    "IS_ENABLED": ("config", "int f(void) { return IS_ENABLED(CONFIG_SMP) * 2 + IS_ENABLED(CONFIG_NOT_SET); }"),
    "configuration in a condition": ("config", "#ifdef CONFIG_SMP\nint f(void) { return CONFIG_HZ; }\n#endif\n"),
    "packing by pragma": (
        "packed",
        "int f(void) { return sizeof(struct tight) * 100 + sizeof(struct loose) + sizeof(struct attributed); }",
    ),
    "a tag that is a macro": ("tagged", "int f(void) { struct storage s = {}; return sizeof(s) + s.space[1]; }"),
    "a tag declared first and defined later": ("tagged", "int f(struct again *a) { return a->next->next != a; }"),
    "a pointer to a union": ("tagged", "int f(struct user *u) { return u->word->c[2] + *u->state; }"),
    "an enum only as a type": ("tagged", "enum state s; int f(void) { return s == STOPPED; }"),
    "a header that is included twice": (
        "twice_user",
        "int f(struct entry_fields *e) { return e->field_beta + entry_alpha + entry_count; }",
    ),
    "a header of the user's interface": ("only_uapi", "int f(void) { return FROM_UAPI; }"),
    "what the configuration chose": ("conditional", "int f(void) { return CPUS; }"),
    "a header that another one would disturb": ("uses_order", "int f(void) { return ORDER * 10 + order(); }"),
    "the optimiser's own condition": ("conditional", "int f(void) { return optimised(); }"),
    "an array of the kernel's": ("person", "int f(int i) { return everybody[i & 3].part.value; }"),
    "sizeof and offsetof only": (
        "person base",
        "int f(void) { return sizeof(struct person) + offsetof(struct person, list); }",
    ),
    "typeof a member": ("person", "typeof(((struct person *)0)->part) p; int f(void) { return p.value; }"),
    "a designated initialiser": (
        "person",
        "struct person p = {.age = 4, .part = {.value = 5}}; int f(void) { return p.age; }",
    ),
    "a statement expression": ("person", "int f(struct person *p) { return ({ typeof(*p) *q = p; q->age; }); }"),
}


@pytest.mark.parametrize(("headers", "program"), PROGRAMS.values(), ids=PROGRAMS.keys())
def test_the_same_code(same: Same, headers: str, program: str) -> None:
    same(program, headers)


OWN = {
    "a tag": "struct request { int own; };\nint f(struct request *r) { return r->own; }",
    "a function": "int schedule2; static int helper2(int x) { return x; }\n"
    "int f(void) { return helper2(1) + schedule2; }",
    "a local": "int f(int x) { int jiffies = x, helper = 2; return jiffies + helper; }",
    "a parameter": "int f(int schedule, int current_age) { return schedule + current_age; }",
    "a member": "struct mine { int jiffies, schedule; };\nint f(struct mine *m) { return m->jiffies + m->schedule; }",
    "a label": "int f(int x) { if (x) goto schedule; x = 7;\nschedule: return x; }",
    "a macro defined again": "#undef min\n#define min(a, b) 5\nint f(int a) { return min(a, 2); }",
    "a macro defined if it is missing": "#ifndef min\n#define min(a, b) 5\n#endif\nint f(int a) { return min(a, 2); }",
    "an enumerator": "enum { OTHER = EXISTING + 1 };\nint f(void) { return OTHER; }",
    "a prototype given again": "int schedule(void);\nint f(void) { return schedule(); }",
    "a variable given again": "extern int jiffies;\nint f(void) { return jiffies; }",
}


@pytest.mark.parametrize("program", OWN.values(), ids=OWN.keys())
def test_what_the_program_declares_wins(same: Same, program: str) -> None:
    same(program, "" if "struct request" in program else "shadow")


BEFORE = {
    "a macro that a header defines": "#define FIXED 90\n#include <linux/defaults.h>\nint f(void) { return USES_BOTH; }",
    "a macro with a default": "#define DEFAULTED 90\n#include <linux/defaults.h>\nint f(void) { return USES_BOTH; }",
    "a macro changed between include lines": "#include <linux/defaults.h>\n#undef FIXED\n#define FIXED 80\n"
    "#include <linux/chain.h>\n#include <linux/defaults.h>\nint f(void) { return USES_BOTH; }",
    "a macro undefined between include lines": "#include <linux/defaults.h>\n#undef FIXED\n#include <linux/chain.h>\n"
    "#ifdef FIXED\n#error seen\n#endif\nint f(void) { return DEFAULTED; }",
    "a switch that concerns other lines": "#define SWITCH\n#include <linux/defaults.h>\n"
    "int f(void) { return AFTER_SWITCH; }",
    "a switch that is of no header's": "#define SWITCH2\n#include <linux/defaults.h>\nint f(void) { return SWITCHED; }",
}


@pytest.mark.parametrize("program", BEFORE.values(), ids=BEFORE.keys())
def test_what_the_program_defines_before_its_headers(same: Same, program: str) -> None:
    same(program)


@pytest.mark.parametrize("use", ["int f(void) { return SWITCHED; }", "int f(struct switched *s) { return s->last; }"])
def test_a_header_that_depends_on_what_the_program_defines(small: Kernel, use: str) -> None:
    attempt = small.sliced(Job(f"#define SWITCH\n#include <linux/defaults.h>\n{use}\n".encode()))
    assert not attempt.ok
    assert "defines SWITCH before it includes include/linux/defaults.h" in attempt.reason
    switched = Job(f"#include <linux/defaults.h>\n{use}\n".encode(), defines=("SWITCH",))
    assert "SWITCH" in small.sliced(switched).reason
    assert small.sliced(switched._replace(defines=())).ok


CONDITIONAL = {
    "a header that is not included": "#if 0\n#include <linux/macros.h>\n#endif\n#ifdef ANSWER\n#error seen\n"
    "#endif\nint x;",
    "a header that the kernel lacks": "#ifdef NEVER\n#include <linux/nowhere.h>\n#endif\nint x;",
    "one of two headers": "#include <linux/macros.h>\n#if ANSWER == 42\n#include <linux/chain.h>\n#else\n"
    "#include <linux/nowhere.h>\n#endif\nint f(int x) { return third(x); }",
    "a header that may be there": "#if __has_include(<linux/nowhere.h>)\n#error there\n"
    "#elif __has_include(<linux/chain.h>)\n"
    "#include <linux/chain.h>\n#endif\nint f(int x) { return third(x); }",
    "a header that a macro names": "#define H <linux/chain.h>\n#include H\nint f(int x) { return third(x); }",
    "a header whose name a macro makes": "#define H(x) <linux/x.h>\n#include H(chain)\n"
    "int f(int x) { return third(x); }",
    "a declaration that is not compiled": "#include <linux/person.h>\n#include <linux/chain.h>\n#if 0\n"
    "static int third(int x) { return 0; }\nstruct person { int other; };\ntypedef int u32;\n#endif\n"
    "u32 f(struct person *p) { return third(p->age); }",
}


@pytest.mark.parametrize("program", CONDITIONAL.values(), ids=CONDITIONAL.keys())
def test_what_is_not_compiled_does_not_count(same: Same, program: str) -> None:
    same(program)


SPELLINGS = {
    "a path with dots": "#include <linux/../linux/chain.h>\nint f(int x) { return third(x); }",
    "a path with more slashes": "#include <linux//chain.h>\n#include <./linux/base.h>\n"
    "int f(int x) { return third(x); }",
    "dots in a condition": "#if 1\n#include <linux/../linux/chain.h>\n#endif\nint f(int x) { return third(x); }",
    "a byte order mark": "\N{BYTE ORDER MARK}#include <linux/chain.h>\nint f(int x) { return third(x); }",
    "digraphs": "%:include <linux/chain.h>\nint f(int x) <% return third(x); %>",
    "a union that is pointed to": "#include <linux/base.h>\n"
    "union both *b; union unheard *u; void *f(void) { return b; }",
}


@pytest.mark.parametrize("program", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_unusual_spellings(same: Same, program: str) -> None:
    same(program)


def test_a_list_is_read_with_the_programs_own_macro(same: Same) -> None:
    same("#define HOOK(x) N_##x,\nenum { ZERO,\n#include <linux/hooks.h>\n};\nint f(void) { return N_close; }")
    same(
        "#include <linux/hooked.h>\n#define HOOK(x) + h->hook_##x\n"
        "int f(struct hooked *h) { return 0\n#include <linux/hooks.h>\n; }"
    )


MADE = [("MAY_READ", "BIT_READ_NR"), ("MAY_WRITE", "BIT_WRITE_NR"), ("SIZE", "CALL_size")]


@pytest.mark.parametrize(("use", "needed"), MADE)
def test_pasting_of_what_macros_give_is_foreseen(small: Kernel, use: str, needed: str) -> None:
    """Repair would find it, for the price of another compile."""
    form = SliceForm(small.blob)
    piece = form.cut(form.program(f"#include <linux/bits.h>\nint f(void) {{ return {use}; }}\n".encode(), None, []))
    assert needed.encode() in piece.text


def test_members_of_an_unnamed_union_that_has_a_tag_are_foreseen(small: Kernel) -> None:
    form = SliceForm(small.blob)
    program = b"#include <linux/embedded.h>\nint f(void) { return first_pipe->head; }\n"
    assert "struct pipe {" in form.cut(form.program(program, None, [])).text.decode()


def test_pasting_that_only_a_macro_tests(same: Same) -> None:
    own = "#define C_(a, b) a##b\n#define C(a, b) C_(a, b)\n#define HAVE(x) IS_ENABLED(C(CONFIG_, x))\n"
    assert "CONFIG_SMP" in same(own + "int f(void) { return HAVE(SMP) * 2 + HAVE(NOT_SET); }", "config")


def test_a_name_that_is_misused_is_not_called_missing(small: Kernel) -> None:
    outcome = refused(small, "int f(void) { return ADD; }", "macros")
    assert "refused the program" in outcome.sliced.reason


def test_a_struct_that_is_only_pointed_to_is_not_defined(same: Same) -> None:
    text = same("int f(struct person *p) { return p->age; }", "person")
    assert "hidden" not in text
    assert "struct secret;" in text
    assert "struct strong_one {" in text


def test_what_nobody_asks_for_stays_away(same: Same) -> None:
    text = same("int f(int x) { return third(x); }", "chain person macros")
    assert "second" not in text
    assert "find_person" not in text
    assert "ANSWER" not in text


def test_only_what_the_include_lines_give_is_visible(same: Same, small: Kernel) -> None:
    same(
        "#ifdef ANSWER\n#error seen\n#endif\nstruct person { int mine; };\nint f(struct person *p) { return p->mine; }"
    )
    outcome = refused(small, "int f(struct person *p) { return p->age; }", "macros")
    assert "person" in outcome.sliced.reason


def test_what_a_visible_header_includes_is_visible(same: Same) -> None:
    same("int f(struct list_head *h) { u32 x = list_empty(h); return x; }", "person")


def test_assertions_are_dropped(same: Same) -> None:
    assert "_Static_assert" not in same("int f(struct tight *t) { return t->i; }", "packed")


def test_the_programs_own_headers_are_read(same: Same, small: Kernel, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "mine.h").write_text("#include <linux/person.h>\n#include <deep/other.h>\n#define AGE(p) ((p)->age)\n")
    (tmp_path / "deep/other.h").write_text('#include "mine.h"\n#include <linux/macros.h>\n#define N ANSWER\n')
    (tmp_path / "program.c").write_text(
        '#include "mine.h"\n#include "mine.h"\nint f(struct person *p) { return AGE(p) + N; }\n'
    )
    source = (tmp_path / "program.c").read_text().replace('#include "mine.h"\n#include "mine.h"', '#include "mine.h"')
    (tmp_path / "mine.h").write_text("#pragma once\n" + (tmp_path / "mine.h").read_text())
    (tmp_path / "deep/other.h").write_text("#pragma once\n" + (tmp_path / "deep/other.h").read_text())
    (tmp_path / "program.c").write_text(source)
    outcome = small.both(tmp_path / "program.c", includes=(str(tmp_path),))
    assert outcome.verdict == "same", str(outcome)


def test_headers_beside_the_kernels_with_its_names_win(same: Same, tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    (tmp_path / "linux/macros.h").write_text("#define ANSWER 1000\n")
    text = same("int f(void) { return ANSWER; }", "macros", includes=(str(tmp_path),))
    assert "42" not in text


def test_a_mistake_is_told_with_the_programs_own_line(small: Kernel, tmp_path: Path) -> None:
    (tmp_path / "wrong.c").write_text("#include <linux/person.h>\n\nint f(struct person *p)\n{\n\treturn p->agee;\n}\n")
    outcome = small.both(tmp_path / "wrong.c")
    assert outcome.sliced.result is not None
    assert outcome.verdict == "both fail"
    assert f"{tmp_path}/wrong.c:5:12: error" in outcome.sliced.result.diagnostics
    assert f"{tmp_path}/wrong.c:5:12: error" in outcome.full.diagnostics


def test_notes_name_the_kernels_header_and_line(small: Kernel) -> None:
    outcome = small.both(_program("int f(void) { return third(1, 2); }", "chain"))
    assert outcome.sliced.result is not None
    texts = small.headers["include/linux/chain.h"].decode().splitlines()
    line = next(i for i, text in enumerate(texts, 1) if "int third" in text)
    assert f"include/linux/chain.h:{line}:" in outcome.sliced.result.diagnostics


def test_a_header_that_the_kernel_lacks_is_named(small: Kernel) -> None:
    outcome = refused(small, "int f(void) { return 1; }", "nowhere")
    assert "linux/nowhere.h" in outcome.sliced.reason


def test_a_header_that_cannot_be_included_is_named(small: Kernel) -> None:
    outcome = refused(small, "int f(void) { return after; }", "broken_inside")
    assert "this-is-not-there" in outcome.sliced.reason


def test_a_name_that_exists_nowhere_is_named(small: Kernel) -> None:
    outcome = refused(small, "int f(void) { return no_such_name_at_all; }", "macros")
    assert "no_such_name_at_all" in outcome.sliced.reason


def test_a_slice_is_the_same_each_time(small: Kernel) -> None:
    job = Job(_program("int f(struct person *p) { return p->part.value + LEVEL(low); }", "person macros"))
    assert small.sliced(job).piece.text == small.sliced(job).piece.text
