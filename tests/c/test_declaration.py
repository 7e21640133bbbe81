"""What is read off one declaration: kind, names, tags, strong and weak references, members, members touched."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kheaders.c.declaration import Definition, attributes, defined_tags, names, read, tags, variables
from kheaders.c.lexer import tokens


@dataclass(frozen=True)
class Case:
    """Words are separated by spaces; None means that it does not matter."""

    text: str
    kind: str
    names: str = ""
    tags: str = ""
    strong: str = ""
    weak: str = ""
    members: str | None = None
    words: str = ""
    """Words that must be among those referred to."""
    touched: str | None = None
    function: bool = False


CASES = [
    Case("struct a { int x; struct b *p; struct c v; };", "struct", "", "a", "c", "b", "x p v"),
    Case("union u { int i; char c[4]; };", "union", "", "u", members="i c"),
    Case("enum e { A, B = 3, C = B + sizeof(struct s) };", "enum", "A B C", "e", "s"),
    Case("enum { X, Y, };", "enum", "X Y"),
    Case("enum e : u8 { A };", "enum", "A", "e", words="u8"),
    Case("enum : unsigned long { A, B };", "enum", "A B"),
    Case("struct o { struct i { int a; } b; enum n { P, Q } c; };", "struct", "P Q", "o i n", members="b a c"),
    Case("struct o { union { int a; struct { int b; }; }; enum { Z } z; };", "struct", "Z", "o", members="a b z"),
    Case(
        "struct o { unsigned a : 1, b : 3; int : 0; u8 c : (4 + 1); };", "struct", "", "o", members="a b c", words="u8"
    ),
    Case("struct o { int (*f)(struct w *, struct v); void *(*g)(void); };", "struct", "", "o", "v", "w", "f g"),
    Case("struct o { int (*t[4])(int); char n[LEN][8]; };", "struct", "", "o", members="t n", words="LEN"),
    Case("struct o { int a; } __attribute__((packed)) __attribute__((aligned(8)));", "struct", "", "o", members="a"),
    Case("struct __attribute__((packed)) o { int a; };", "struct", "", "o", members="a"),
    Case(
        "struct o { int a __attribute__((aligned(8))); struct p q __attribute__((unused)); };",
        "struct",
        "",
        "o",
        "p",
        members="a q",
    ),
    Case("struct o { int a; } x, *y;", "variable", "x y", "o", members="a"),
    Case("struct { int a; } x;", "variable", "x", members="a"),
    Case("typedef struct { int a; } t;", "typedef", "t", members="a"),
    Case("typedef struct s { int a; } t, *p;", "typedef", "t p", "s", members="a"),
    Case("typedef enum { A, B } t;", "typedef", "A B t"),
    Case("typedef union u { int a; } t;", "typedef", "t", "u", members="a"),
    Case("typedef struct s t;", "typedef", "t", strong="s"),
    Case("typedef struct s *t;", "typedef", "t", weak="s"),
    Case("typedef int (f)(struct s *);", "typedef", "f", weak="s"),
    Case("typedef int f(struct s *, int n);", "typedef", "f", weak="s"),
    Case("typedef void (*f)(const struct s *);", "typedef", "f", weak="s"),
    Case("typedef int (*f[4])(void);", "typedef", "f"),
    Case("typedef int (*(*f)(int))(char);", "typedef", "f"),
    Case("typedef unsigned long a[LEN];", "typedef", "a", words="LEN"),
    Case("typedef typeof(((struct s *)0)->m) t;", "typedef", "t", weak="s"),
    Case("typedef __signed__ char __s8;", "typedef", "__s8"),
    Case("typedef int t __attribute__((mode(DI)));", "typedef", "t"),
    Case("typedef __attribute__((aligned(8))) int t;", "typedef", "t"),
    Case("int f(struct s *, struct v);", "prototype", "f", strong="v", weak="s"),
    Case("extern struct s *f(void) __attribute__((pure));", "prototype", "f", weak="s"),
    Case("int __attribute__((noinline)) f(int a);", "prototype", "f"),
    Case("enum e f(union u *u);", "prototype", "f", strong="e", weak="u"),
    Case("void (*signal(int n, void (*h)(int)))(int);", "", "signal"),
    Case('int f(void) __asm__("g");', "prototype", "f"),
    Case("int f(int a, ...), g(void);", "prototype", "f g"),
    Case("extern int a, b[4], *c;", "variable", "a b c"),
    Case("extern struct s v;", "variable", "v", strong="s"),
    Case("extern struct s *v;", "variable", "v", weak="s"),
    Case("extern const struct s v[];", "variable", "v", strong="s"),
    Case("extern int (*t[4])(int);", "variable", "t"),
    Case('extern int a __attribute__((section(".data"))), b;', "variable", "a b"),
    Case("static const int a = 4 + OTHER;", "variable", "a", words="OTHER"),
    Case('static const char a[] = "struct x *y; b";', "variable", "a"),
    Case("static struct s v = { .a = FIRST, .b = &other };", "variable", "v", strong="s", words="FIRST other"),
    Case("int a[] = { [ONE] = 1, [TWO] = f(2) };", "variable", "a", words="ONE TWO f"),
    Case("extern typeof(f) g;", "variable", "g", words="f"),
    Case("struct s;", "forward", weak="s"),
    Case("union u;", "forward", weak="u"),
    Case("enum e;", "forward"),
    Case(
        "static inline int f(struct s *p) { return p->a + g(p); }",
        "inline",
        "f",
        weak="s",
        words="g",
        touched="a",
        function=True,
    ),
    Case(
        "static inline struct s f(void) { struct t x = {}; return h(x.m.n); }",
        "inline",
        "f",
        strong="s t",
        words="h",
        touched="m n",
        function=True,
    ),
    Case("static inline __attribute__((always_inline)) int f(void) { return 1; }", "inline", "f", function=True),
    Case(
        "static inline int f(void) __attribute__((pure)) { return sizeof(struct s); }",
        "inline",
        "f",
        strong="s",
        function=True,
    ),
    Case("static int (*f(int a))(int) { return 0; }", "inline", "f", function=True),
    Case("int f(a, b) int a; char *b; { return a + b[0]; }", "inline", "f", function=True),
    Case(
        "static inline int f(void) { return ({ typeof(*x) y = *x; y.z; }); }",
        "inline",
        "f",
        words="x",
        touched="z",
        function=True,
    ),
    Case("static inline int (f)(int x) { return x; }", "inline", "f", function=True),
    Case("enum e { A = sizeof(struct { int x; }), B, C = A };", "enum", "A B C", "e", members="x"),
    Case("enum e { A = 0xE, B = 0x1f };", "enum", "A B", "e", members="", words=""),
    Case("struct o { u32 (*coeff)[4][2]; u32 n; };", "struct", "", "o", members="coeff n", words="u32"),
    Case("struct o { int (*(*f)(int))(char); };", "struct", "", "o", members="f"),
    Case("struct o { struct a *p, q; };", "struct", "", "o", strong="a", members="p q"),
    Case("struct o { struct a *p, *q; };", "struct", "", "o", weak="a", members="p q"),
    Case("struct o { struct a * const volatile *p; };", "struct", "", "o", weak="a", members="p"),
    Case("struct o { struct in; int a; };", "struct", "", "o", strong="in", members="a"),
    Case("struct o { u32 : 4; u32 a : 4; };", "struct", "", "o", members="a", words="u32"),
    Case("struct o { u32 u32; };", "struct", "", "o", members="u32", words="u32"),
    Case('struct o { _Static_assert(sizeof(int) == 4, "x"); _Alignas(8) int a; };', "struct", "", "o", members="a"),
    Case(
        "struct o { __extension__ union { int a; }; _Atomic(int) b; _Atomic int c; };",
        "struct",
        "",
        "o",
        members="a b c",
    ),
    Case("static struct o { int (*f)(int n); } x = { .f = g };", "variable", "x", "o", members="f", words="g"),
    Case("__extension__ typedef struct { int a; } t;", "typedef", "t", members="a"),
    Case("__extension__ typedef long long t, *p;", "typedef", "t p"),
    Case("typedef _Bool bool;", "typedef", "bool"),
    Case("typedef struct s *(*t)(struct v);", "typedef", "t", strong="v", weak="s"),
    Case("typedef u32 (*t)(u8);", "typedef", "t", words="u32 u8"),
    Case("typedef u32 (t)(u8);", "typedef", "t", words="u32 u8"),
    Case("typedef int t __attribute__((vector_size(sizeof(struct s))));", "typedef", "t", strong="s"),
    Case("[[nodiscard]] int f(void);", "prototype", "f"),
    Case("int f [[gnu::cold]] (void);", "", "f"),
    Case("constexpr int a = 3;", "variable", "a"),
    Case("typeof_unqual(b) a;", "variable", "a", words="b"),
    Case("auto a = nullptr;", "variable", "a"),
    Case("enum e : typeof(x);", "forward", words="x"),
    Case("__auto_type a = b;", "variable", "a", words="b"),
    Case("extern const char *const a[], *const *b;", "variable", "a b"),
    Case("struct s (*f(int a))[4];", "prototype", "f", strong="s"),
    Case("void (*(*f[3])(int))(char), (*g)(void);", "variable", "f g"),
    Case('extern int a __asm__("b"), c;', "variable", "a c"),
    Case("int a = ({ struct s *p = q; p->m; });", "variable", "a", weak="s", words="q", touched="m"),
    Case("int a = sizeof(*(struct s *)0);", "variable", "a", strong="s"),
    Case("int a[] = { [A ... B] = 1, [C] = 2 };", "variable", "a", words="A B C"),
    Case("struct s a = { .b = { .c = 1 }, .d[0].e = 2 };", "variable", "a", strong="s", touched="b c d e"),
    Case("int f(u32, u32 b, u8 *c);", "prototype", "f", words="u32 u8"),
    Case("static inline void f(struct s *a, struct s *b) { *a = *b; }", "inline", "f", strong="s", function=True),
    Case("static inline void *f(struct s *a) { return a + 1; }", "inline", "f", strong="s", function=True),
    Case("static inline void *f(struct s *a) { return (a)[1]; }", "inline", "f", strong="s", function=True),
    Case("static inline void f(void) { struct s *a, *b = g(), c; }", "inline", "f", weak="", strong="s", function=True),
    Case(
        "static inline int f(struct s *a, struct v *b) { return g(a) + h(a, b); }",
        "inline",
        "f",
        weak="s v",
        function=True,
    ),
    Case("static inline int f(void) { return x.y + z; }", "inline", "f", words="x z", touched="y", function=True),
    Case("struct s { int m; } f(void) { return g; }", "inline", "f", "s", members="m", function=True),
]


def words(text: str) -> set[bytes]:
    """The words of a case."""
    return {word.encode() for word in text.split()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text[:60])
def test_constructs(case: Case) -> None:
    found = read(case.text.encode(), case.function)
    assert found is not None
    assert case.kind in ("", found.kind)
    assert set(found.names) == words(case.names)
    assert set(found.tags) == words(case.tags)
    assert set(found.strong) - {b"__attribute__"} == words(case.strong)
    assert set(found.weak) == words(case.weak)
    assert words(case.words) <= found.words
    if case.members is not None:
        assert found.members >= words(case.members)
    if case.touched is not None:
        assert found.touched >= words(case.touched)


@pytest.mark.parametrize(
    "text", [";", "", " \n", '_Static_assert(1, "x");', 'asm("nop");', '__asm__("a" : : );', "@;", "  ; "]
)
def test_what_declares_nothing(text: str) -> None:
    assert read(text.encode(), False) is None


def test_numbers_and_parameters_are_no_members() -> None:
    found = read(b"struct o { int (*f)(int n, char c[0xE]); enum { A = 0x1f } e; int a[0xB]; };", False)
    assert found is not None
    assert found.members == {b"f", b"e", b"a"}


def test_definitions() -> None:
    found = read(b"struct o { enum e { A, B } x; union { int u; }; struct in; } v, *w;", False)
    assert found is not None
    assert found.definitions == (
        Definition(b"enum", b"e", (b"A", b"B")),
        Definition(b"union", b"", (b"u",)),
        Definition(b"struct", b"o", (b"x",)),
    )
    assert found.embedded == (b"in",)


def test_a_pragma_around_it_says_nothing() -> None:
    found = read(b"#pragma pack(push, 1)\nstruct o { int a; };\n#pragma pack(pop)", False)
    assert found is not None
    assert (found.kind, found.tags, found.words) == ("struct", (b"o",), frozenset())


@pytest.mark.parametrize(
    ("text", "function", "wanted"),
    [
        (b"int f(int a) { return a; }", True, ((b"f",), ())),
        (b"struct s { int a; } f(void) { }", True, ((b"f",), (b"s",))),
        (b"int f(int a);", False, ((), ())),
        (b"struct s;", False, ((), ())),
        (b"struct s { int a; } x;", False, ((b"x",), (b"s",))),
        (b'struct { int a; } counts SEC(".maps");', False, ((b"counts",), ())),
        (b'SEC("xdp") int prog(struct xdp_md *ctx) { return 1; }', True, ((b"prog",), ())),
        (b'char license[] SEC("license") = "GPL";', False, ((b"license",), ())),
        (b"LICENSE(GPL);", False, ((), ())),
    ],
)
def test_names_that_are_defined(
    text: bytes, function: bool, wanted: tuple[tuple[bytes, ...], tuple[bytes, ...]]
) -> None:
    """Of programs too, whose macros nobody has expanded."""
    assert names(text, function) == wanted


def test_tags_in_any_tokens() -> None:
    found = tokens(b"#define X(p) ((struct a *)(p)) sizeof(union b) *(struct c *)p enum d e struct f; { struct g; }")
    assert tags(found) == (frozenset((b"b", b"c", b"d", b"g")), frozenset((b"a",)))
    assert defined_tags(tokens(b"struct a { struct b *c; }; enum d : int { E }; struct e;")) == {b"a", b"d"}


def test_names_of_attributes() -> None:
    found = tokens(b"int f(void) __attribute__((noinline, aligned(sizeof(x)))) __attribute__((cold));")
    assert attributes(found) == {b"noinline", b"aligned", b"cold"}


def test_variables_wherever_they_are_declared() -> None:
    code = b"static int a; int f(struct s *b, u32 c) { u8 d[4]; for (int e = 0; e < g; e++) return h * i; j = k; }"
    assert variables(tokens(code)) >= {b"a", b"c", b"d", b"e"}
    assert variables(tokens(code)).isdisjoint((b"g", b"h", b"i", b"j", b"k", b"f"))


def test_a_tag_that_is_needed_once_is_needed() -> None:
    found = read(b"struct a { struct b *p; struct b v; };", False)
    assert found is not None
    assert found.strong == {b"b"}
    assert not found.weak


def test_strings_hold_no_names() -> None:
    found = read(b'static inline int f(void) { return g("h->i struct j k"); }', True)
    assert found is not None
    assert {b"g"} == found.words & {b"g", b"h", b"i", b"j", b"k"}
    assert not found.strong | found.weak | found.touched


MARKS = list("ab{}()[]*,;:=1.")
MARKS += ["struct", "union", "enum", "typedef", "int", "->", '"', "'", "\\", "...", "@", "#"]
PIECES = st.lists(st.sampled_from([*MARKS, "__attribute__((", "typeof(", "))"]), max_size=30).map(
    lambda parts: " ".join(parts).encode()
)


@given(PIECES | st.binary(max_size=100), st.booleans())
@example(b"{", True)
@example(b"struct { {", False)
def test_anything_can_be_read(text: bytes, function: bool) -> None:
    read(text + (b"{}" if function and b"{" not in text else b""), function)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"int x" + b"[" * 20_000 + b";", id="brackets"),
        pytest.param(b"int " + b"(" * 3_000 + b"x" + b")" * 3_000 + b";", id="parentheses"),
        pytest.param(b"struct s { int " + b"(" * 3_000 + b"x" + b")" * 3_000 + b"; };", id="parentheses in a struct"),
        pytest.param(b"struct a { " * 5_000 + b"};" * 5_000, id="nested structs"),
        pytest.param(b"enum e { " + b"A, " * 50_000 + b"};", id="a large enum"),
        pytest.param(b"__attribute__((" * 3_000 + b"int x;", id="attributes"),
        pytest.param(b"typeof(" * 3_000 + b"int x;", id="typeof"),
        pytest.param(b"int a" + b", a" * 50_000 + b";", id="declarators"),
        pytest.param(b"struct " * 30_000 + b"x;", id="keywords"),
        pytest.param(b"struct s" + b" const" * 20_000 + b" x;", id="qualifiers"),
        pytest.param(b"struct s __attribute__((a(" * 20_000, id="tags with attributes"),
        pytest.param(b"struct s { struct s; " * 20_000, id="members without a name"),
        pytest.param(b"struct s *a" + b", *b" * 50_000 + b";", id="pointers"),
        pytest.param(b"enum e : " * 20_000 + b"{", id="underlying types"),
        pytest.param(b"int f(struct s *p) {" + b"((((p))));" * 20_000 + b"}", id="pointers in parentheses"),
    ],
)
def test_reading_ends(text: bytes) -> None:
    for function in (False, True):
        read(text, function)
    variables(tokens(text))
    attributes(tokens(text))
    defined_tags(tokens(text))
