"""The pass over all headers: what is left out and why, and what comes last."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from builders import need
from builders.compilers import compilers
from builders.small_kernel import PADDING, small_kernel
from kheaders.clang.find import find
from kheaders.interface.umbrella import preprocess


class Passed(NamedTuple):
    """What a pass gave."""

    text: bytes
    headers: tuple[str, ...]
    failed: dict[str, str]


def passed(**more: bytes) -> Passed:
    """The pass over the small kernel with *more* headers below include/linux."""
    if not compilers():
        need.missing("no clang here, neither ziglang's nor the system's", package="clang")
    with preprocess(small_kernel(**more), find()) as running:
        return Passed(b"".join(running), running.headers, running.failed)


@pytest.fixture(scope="module")
def usual() -> Passed:
    """The pass over headers that go wrong in each way."""
    return passed(
        stops=b"#error not on this machine\n",
        asks=b"#include <asm/nowhere.h>\nint asks;\n",
        reaches=b"#include <linux/asks.h>\nint reaches;\n",
        open_brace=b"struct never_closed { int a;\n",
        after_open=b"int survives_the_brace;\n",
        odd_bytes=b"/* \xff\xfe */ int odd_bytes;\r\nint crlf;\r\n",
        empty=b"",
        no_newline=b"int no_newline;",
        zz_intruder=b"#define ANSWER 666\n",
        aa_captor=b"#define JOINED(a, b) a##b\n#define legs JOINED(legs_, OWNER)\nstatic int ask(enum legs legs);\n",
        aa_stub=b"#ifdef CONFIG_OF_NOBODY\nextern int arms;\n#else\n#define arms zero_arms\n#endif\n",
        aa_animal=b"struct early { int legs, arms; };\n",
        user_of_words=b"struct animal { int legs, arms; };\n",
        list_a=b"#undef EACH\n#define EACH(a) TWICE(a)\n#define tell(x) EACH(x)\n",
        list_b=b"#undef EACH\n#define EACH(a, b) a b\n",
        list_c=b"int tell(int);\n",
        sort_a=b"#define GRADE 1\n",
        sort_b=b"enum grade { GRADE };\n",
    )


def test_headers_that_stop_are_left_out_with_their_words(usual: Passed) -> None:
    assert "not on this machine" in usual.failed["include/linux/stops.h"]


def test_headers_that_ask_for_missing_ones_are_left_out_by_name(usual: Passed) -> None:
    assert "asm/nowhere.h" in usual.failed["include/linux/asks.h"]
    assert "asm/nowhere.h" in usual.failed["include/linux/reaches.h"]
    assert "this-is-not-there" in usual.failed["include/linux/broken_inside.h"]


def test_the_others_are_there(usual: Passed) -> None:
    for path in ("include/linux/person.h", "include/linux/empty.h", "include/linux/after_open.h"):
        assert path in usual.headers
        assert path not in usual.failed
    for text in (b"survives_the_brace", b"odd_bytes", b"crlf", b"no_newline", b"PADDING_NUMBER_2999"):
        assert text in usual.text


def test_headers_that_others_include_come_before_those_that_none_does(usual: Passed) -> None:
    order = list(usual.headers)
    assert order.index("include/linux/list.h") < order.index("include/linux/zz_intruder.h")
    assert order.index("include/linux/byteorder/little.h") < order.index("include/linux/aa_wraps_big.h")


def test_macros_of_a_header_that_another_does_not_include_do_not_count_there(usual: Passed) -> None:
    assert b"#define ORDER 2" in usual.text
    assert b"#define ORDER 1" not in usual.text


def test_a_macro_that_is_a_common_word_changes_no_members(usual: Passed) -> None:
    """include/rv/automata.h of 7.2 defines ``events`` and ``states``, which are members of many structs."""
    assert usual.text.count(b"int legs,") == 2
    assert usual.text.count(b"arms; };") == 2


def test_what_only_programs_include_leaves_no_macros_behind(usual: Passed) -> None:
    """trace/events/sock.h of 7.2 has a macro that uses ``EM`` as it left it; then sunrpc.h and tcp.h are read."""
    assert not {path: why for path, why in usual.failed.items() if "list_" in path}
    assert b"int tell(int);" in usual.text
    assert b"enum grade { GRADE };" in usual.text


def test_each_header_is_included_once_and_from_the_tree(usual: Passed) -> None:
    assert len(set(usual.headers)) == len(usual.headers)
    assert all(path.startswith(("include/", "arch/x86/include/")) for path in usual.headers)


def test_padding_is_what_it_says() -> None:
    assert len(PADDING) > 1 << 16
