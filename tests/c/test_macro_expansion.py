"""What calls of macros at file scope become."""

from __future__ import annotations

import pytest

from kheaders.c.macro_expansion import declared, expanded, macros


def _parted(line: bytes) -> tuple[bytes, bytes]:
    rest = line.removeprefix(b"#define ")
    name = rest.split(b"(")[0].split(b" ")[0]
    return name, rest.removeprefix(name)


def words(definitions: str, code: str) -> list[str]:
    """Each expansion of *code*, without white space where it does not count."""
    known = macros(_parted(line) for line in definitions.encode().split(b"\n"))
    return ["".join(one.decode().split()) for one in expanded(code.encode(), known)]


@pytest.mark.parametrize(
    ("definitions", "code", "right"),
    [
        ("#define F(name) int name(void)", "F(open) {}", "intopen(void){}"),
        ("#define F(name, args...) int name(int c, ##args)", "F(open) {}", "intopen(intc){}"),
        ("#define F(name, args...) int name(int c, ##args)", "F(open, int a, int b) {}", "intopen(intc,inta,intb){}"),
        ("#define F(name, ...) int name(__VA_ARGS__)", "F(open, int a) {}", "intopen(inta){}"),
        ("#define F(name) int sys_##name(void)", "F(open) {}", "intsys_open(void){}"),
        ("#define ONE open\n#define F(n) int n##_x(n y)", "F(ONE) {}", "intONE_x(openy){}"),
        ("#define G(n) int n(void)\n#define F(n) G(n)", "F(open) {}", "intopen(void){}"),
        ("#define F(n) F(n)", "F(open) {}", "F(open){}"),
        ("#define F G\n#define G(n) int n(void)", "F(open) {}", "intopen(void){}"),
        ("#define F G\n#define G F", "F(open) {}", "F(open){}"),
        ("#define F(n) SEC(#n) int n(void)", "F(open) {}", 'SEC("")intopen(void){}'),
        ("#define F(n) int n(void)", "int F(open); ", "intintopen(void);"),
        ("#define F(n) int n(void)", "int g(void) { F(open); }", None),
        ("#define F(a, b) int a(int b)", "F((open), f(x, y)) {}", "int(open)(intf(x,y)){}"),
        ("#define F(n) int n(void)", "F(open", "F(open"),
    ],
)
def test_an_expansion(definitions: str, code: str, right: str | None) -> None:
    assert words(definitions, code) == ([right] if right else [])


def test_each_definition_is_tried() -> None:
    """Which of them is in force is told by conditions, and those by a preprocessor only."""
    assert words("#define F(n) int n(void)\n#define F(n) int my_##n(void)", "F(open) {}") == [
        "intopen(void){}",
        "intmy_open(void){}",
    ]


def test_what_grows_without_end_is_given_up() -> None:
    lines = ["#define M0 int x"] + [f"#define M{n} M{n - 1} M{n - 1}" for n in range(1, 40)]
    assert words("\n".join(lines), "M39;") == []


def test_what_a_piece_declares() -> None:
    parts = b"int n##_handler(void *); static int ____##n(int c, ##a); "
    parts += b"int n##_handler(void *c) {} static int ____##n(int c, ##a)"
    known = macros([(b"HANDLER", b"(n, a...) " + parts), (b"OTHER", b"(n) n")])
    assert declared(b"int HANDLER(open, int fd)\n{ return OTHER(close); }", known) == {b"open_handler", b"____open"}
    assert declared(b"int open(void) { return HANDLER(x); }", known) == set()
