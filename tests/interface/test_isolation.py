"""Macros that headers leave behind: whose come last, and whose are taken back."""

from __future__ import annotations

from kheaders.interface.leftovers import Leftovers, grouped, private, spread

EDGES = {"leaf.h": {"shared.h"}, "other.h": {"shared.h", "base.h"}, "shared.h": {"base.h"}}


def test_a_header_is_as_harmful_as_the_worst_that_it_includes() -> None:
    assert spread({"base.h": 2, "leaf.h": 5}, EDGES) == {"leaf.h": 5, "base.h": 2, "shared.h": 2, "other.h": 2}
    assert not spread({}, EDGES)


def test_who_takes_the_names_of_others() -> None:
    texts = {
        "events.h": b"#define events mine\n#define own_name 1\n",
        "own.h": b"int events(int);\n#define events(x) x\n#define events events\n",
        "format.h": b'#undef pr_fmt\n#define pr_fmt(fmt) "x" fmt\n',
        "base.h": b"#define pr_fmt(fmt) fmt\nextern int replaced;\n#define replaced zero\n",
    }
    left = Leftovers(texts)
    assert left.captors(EDGES, {b"events", b"replaced"}) == {"events.h": 1, "format.h": 1}
    many = {f"{n}.h": {"events.h", "format.h"} for n in range(50)}
    assert not left.captors(many, {b"events"})


def test_constants_are_hidden_from_macros_of_headers_that_theirs_does_not_include() -> None:
    texts = {
        "serial.h": b"#define PORT_UNKNOWN 0\n#define LIMIT 5\n",
        "ata.h": b"enum port {\n\tPORT_UNKNOWN = 0,\n\tPORT_LAST\n};\nint a[] = {\n\tLIMIT,\n};\n",
    }
    groups = [["serial.h"], ["ata.h"]]
    shared = {"serial.h", "ata.h"}
    _, apart = Leftovers(texts).arranged(groups, shared, {"x.h": {"serial.h"}})
    assert apart.hidden == apart.restored == (b"PORT_UNKNOWN",)
    _, together = Leftovers(texts).arranged(groups, shared, {"ata.h": {"limits.h"}, "limits.h": {"serial.h"}})
    assert together.hidden == together.restored == ()
    _, unknown = Leftovers(texts).arranged(groups, shared, {})
    assert not unknown.hidden


def taken_back(texts: dict[str, bytes], shared: set[str], order: str = "") -> dict[str, list[bytes]]:
    """What is taken back; headers without such macros are left out."""
    groups = Leftovers(texts).arranged(([path] for path in order.split() or texts), shared, EDGES)
    return {group.headers[0]: [*group.restored] for group in groups if group.restored}


def test_macros_of_a_header_that_nobody_includes_are_taken_back() -> None:
    texts = {"leaf.h": b"#define DATA 1\n# define  other_name(x) x\n#undef GONE\n#define GUARD\n"}
    assert taken_back(texts, set()) == {"leaf.h": [b"DATA", b"GONE", b"GUARD", b"other_name"]}


def test_only_what_others_use_or_define_is_worth_it() -> None:
    texts = {"a.h": b"#define DATA 1\n#define FREE 2\n#define EM 3\n", "b.h": b"#undef EM\n"}
    first, second = Leftovers(texts).arranged([["a.h"], ["b.h"]], set(), EDGES, frozenset({b"DATA", b"OTHER"}))
    assert (first.restored, second.restored) == ((b"DATA", b"EM"), (b"EM",))


def test_macros_of_shared_headers_that_are_read_there_first_stay() -> None:
    texts = {
        "leaf.h": b"#define OWN 1\n#define KEPT 2\n",
        "shared.h": b"#define KEPT 2\n#define MORE 1\n",
        "other.h": b"",
    }
    assert taken_back(texts, {"shared.h"}, "leaf.h shared.h") == {"leaf.h": [b"OWN"]}
    assert taken_back(texts, {"shared.h"}, "shared.h leaf.h") == {"leaf.h": [b"KEPT", b"OWN"]}
    assert taken_back(texts, {"shared.h"}, "other.h leaf.h") == {"leaf.h": [b"KEPT", b"OWN"]}


def test_names_that_others_define_for_a_while_are_taken_back() -> None:
    texts = {"leaf.h": b"#undef EM\n#define EM 1\n", "shared.h": b"#undef EM\n#define EM 2\n"}
    assert taken_back(texts, {"shared.h"}) == {"leaf.h": [b"EM"]}


def test_macros_of_a_private_header_are_taken_back_with_those_of_its_root() -> None:
    texts = {"leaf.h": b"#define LEAF 1\n", "shared.h": b"#define fls(x) generic_fls(x)\n", "base.h": b"#define B 1\n"}
    assert taken_back(texts, {"base.h"}, "leaf.h shared.h base.h") == {"leaf.h": [b"LEAF", b"fls"]}


def test_what_is_private_to_whom() -> None:
    edges = {"a.h": {"own.h", "both.h"}, "own.h": {"inner.h"}, "b.h": {"both.h"}, "both.h": {"base.h"}}
    order = ["base.h", "inner.h", "b.h", "both.h", "own.h", "a.h", "alone.h"]
    roots = private(order, edges)
    assert roots == {"a.h": "a.h", "own.h": "a.h", "inner.h": "a.h", "b.h": "b.h", "alone.h": "alone.h"}
    assert list(grouped(order, roots)) == [["base.h"], ["b.h"], ["both.h"], ["a.h", "inner.h", "own.h"], ["alone.h"]]


def test_what_becomes_shared_late_shares_all_that_it_includes() -> None:
    edges = {"a.h": {"mid.h"}, "mid.h": {"low.h"}, "low.h": {"lowest.h"}, "b.h": {"mid.h", "low.h"}}
    assert private(["a.h", "b.h", "mid.h", "low.h", "lowest.h"], edges) == {"a.h": "a.h", "b.h": "b.h"}


def test_headers_that_include_each_other_have_a_root() -> None:
    assert private(["x.h", "y.h"], {"x.h": {"y.h"}, "y.h": {"x.h"}}) == {"x.h": "x.h", "y.h": "x.h"}


def test_a_private_header_stays_where_it_is_if_its_root_is_left_out() -> None:
    assert list(grouped(["own.h", "b.h"], {"own.h": "a.h", "b.h": "b.h"})) == [["own.h"], ["b.h"]]
