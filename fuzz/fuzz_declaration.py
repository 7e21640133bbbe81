"""Fuzz the declaration reader: it reads anything, it ends, and what it says is consistent.

    python fuzz/fuzz_declaration.py [SECONDS] [CORPUS…]

With atheris installed, coverage guides it (its own options apply); else hypothesis makes inputs for SECONDS (60).
"""

from __future__ import annotations

import importlib.util
import sys
import time

from kheaders.c import declaration
from kheaders.c.anonymous_members import written_out
from kheaders.c.lexer import tokens


def check(data: bytes) -> None:
    """Raise AssertionError if what is read of *data* contradicts itself, or depends on what its meaning does not."""
    found = tokens(data)
    for function in (False, True):
        one = declaration.read(data, function)
        lines = b"\n".join(found)
        if b"#" not in lines + data and tokens(lines) == found:  # a word at the end of a line may meet a literal
            assert one == declaration.read(lines, function), "white space changes the meaning"
        if one is None:
            continue
        assert one.strong.isdisjoint(one.weak), "a type is needed complete and incomplete"
        assert not (one.strong | one.weak) & set(one.tags), "a tag is defined and referred to"
        assert not one.words & set(one.names), "a name is declared and referred to"
        for name in (*one.names, *one.tags, *one.words, *one.strong, *one.weak, *one.members, *one.touched):
            assert declaration.is_name(name), f"{name!r} is no name"
        assert {tag.tag for tag in one.definitions if tag.tag} == set(one.tags), "a definition without its tag"
    declaration.variables(found)
    declaration.attributes(found)
    written_out(data, {b"s": data}.get)


def guided() -> None:
    """Run under atheris."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


def generated(seconds: float) -> None:
    """Run under hypothesis, in rounds, until the time is over."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    marks = b"{ } ( ) [ ] ; , = : * @; @ \" ' \\ # /* */ // . ->".split()
    words = [*marks, *b"struct union enum typedef int s const __attribute__(( )) asm( typeof( sizeof( 1 a b".split()]
    soup = st.lists(st.sampled_from([*words, b"\n", b" ", b"\0", b"\xff", b"\\\n"])).map(b"".join)
    end = time.monotonic() + seconds
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]

    @settings(max_examples=2000, database=None, deadline=2000, suppress_health_check=quiet)
    @given(soup | st.binary())
    def once(data: bytes) -> None:
        check(data)

    rounds = 0
    while time.monotonic() < end:
        once()
        rounds += 1
    sys.stdout.write(f"{rounds * 2000} inputs read\n")


if __name__ == "__main__":
    if importlib.util.find_spec("atheris"):
        guided()
    else:
        generated(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
