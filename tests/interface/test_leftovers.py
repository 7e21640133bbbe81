"""Macros that headers leave behind: whose come last, and whose are taken back."""

from __future__ import annotations

from kheaders.interface.leftovers import Leftovers, spread

EDGES = {"leaf.h": {"shared.h"}, "other.h": {"shared.h", "base.h"}, "shared.h": {"base.h"}}


def test_a_header_is_as_harmful_as_the_worst_that_it_includes() -> None:
    assert spread({"base.h": 2, "leaf.h": 5}, EDGES) == {"leaf.h": 5, "base.h": 2, "shared.h": 2, "other.h": 2}
    assert not spread({}, EDGES)


def test_who_takes_the_names_of_others() -> None:
    texts = {
        "events.h": b"#define events mine\n#define own_name 1\n",
        "reserved.h": b"#define RESERVED \\\n\t5\n#define FREE other\n",
        "user.h": b"enum a {\n\tRESERVED,\n\tLAST\n};\nint events;\n#define LAST OTHER\n",
        "format.h": b'#undef pr_fmt\n#define pr_fmt(fmt) "x" fmt\n',
        "base.h": b"#define pr_fmt(fmt) fmt\nextern int replaced;\n#define replaced zero\n",
    }
    left = Leftovers(texts, {"base.h": 9})
    assert left.captors(EDGES, {b"events", b"replaced"}) == {"events.h": 1, "reserved.h": 1, "format.h": 1}
    many = {f"{n}.h": {"events.h", "format.h"} for n in range(50)}
    assert left.captors(many, {b"events"}) == {"reserved.h": 1}


def taken_back(texts: dict[str, bytes], popularity: dict[str, int], order: str = "") -> dict[str, list[bytes]]:
    """What is taken back; headers without such macros are left out."""
    found = Leftovers(texts, popularity).restored(order.split() or texts, EDGES)
    return {path: names for path, names in found.items() if names}


def test_macros_of_a_header_that_nobody_includes_are_taken_back() -> None:
    texts = {"leaf.h": b"#define DATA 1\n# define  other_name(x) x\n#undef GONE\n#define GUARD\n"}
    assert taken_back(texts, {}) == {"leaf.h": [b"DATA", b"GONE", b"GUARD", b"other_name"]}


def test_macros_of_headers_that_are_read_there_first_stay() -> None:
    texts = {
        "leaf.h": b"#define OWN 1\n#define KEPT 2\n",
        "shared.h": b"#define KEPT 2\n#define MORE 1\n",
        "other.h": b"",
    }
    assert taken_back(texts, {"shared.h": 2}, "leaf.h shared.h") == {"leaf.h": [b"OWN"]}
    assert taken_back(texts, {"shared.h": 2}, "shared.h leaf.h") == {"leaf.h": [b"KEPT", b"OWN"]}
    assert taken_back(texts, {"shared.h": 2}, "other.h leaf.h") == {"leaf.h": [b"KEPT", b"OWN"]}


def test_names_that_others_define_for_a_while_are_taken_back() -> None:
    texts = {"leaf.h": b"#undef EM\n#define EM 1\n", "shared.h": b"#undef EM\n#define EM 2\n"}
    assert taken_back(texts, {"shared.h": 1}) == {"leaf.h": [b"EM"]}
