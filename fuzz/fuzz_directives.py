"""Fuzz the directives and what is read from them: code and directives are the text, and every reading ends.

    python fuzz/fuzz_directives.py [SECONDS] [CORPUS…]

With atheris installed, coverage guides it (its own options apply); else hypothesis makes inputs for SECONDS (60).
"""

from __future__ import annotations

import importlib.util
import sys
import time

from kheaders.c import conditionals, directives, lexer
from kheaders.c.macro_events import own_macros
from kheaders.c.own_headers import gather

SOUP = (
    b"# # # %: include include_next define undef if ifdef ifndef elif else endif pragma once push_macro( pop_macro( "
    b'_Pragma( __has_include( ) defined A B <a> "a" <a//b> /* */ // \\ \' R"( )" 1 ! && ##'
).split()
SPACE = (b"\n", b"\n", b"\n", b"\r\n", b"\\\n", b"\\ \n", b" ", b" ", b"\0", b"\xff")


def check(data: bytes) -> None:
    """Raise AssertionError if directives and code are not all of *data*, or a directive is missed or invented."""
    found = directives.scan(data)
    done, parts = 0, []
    for code, one in zip(found.code(), found.directives, strict=False):
        parts += (code, found.text[one.start : one.end])
        done = one.end
    assert b"".join((*parts, found.text[done:])) == found.text, "scan() loses text"
    wanted, begins = [], True
    for piece in lexer.pieces(data):
        if piece.kind == "newline":
            begins = True
        elif piece.kind not in ("space", "comment"):
            if begins and piece.spelling == b"#":
                wanted.append((piece.line, piece.offset))
            begins = False
    told = [(one.line, found.logical.offset(one.start)) for one in found.directives]
    assert told == wanted, "scan() and pieces() differ"
    exact = directives.named(found.directives)
    every = {header._replace(following=False) for header in (*exact.included, *exact.asked)}
    assert every <= directives.mentioned(data), "mentioned() misses a name"
    for group in conditionals.groups(found)[1]:
        assert 0 < group.first <= group.last
    conditionals.guard(found)
    conditionals.is_list(found)
    own_macros(gather(data, None, ()))


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

    soup = st.lists(st.sampled_from([*SOUP, *SPACE])).map(b"".join)
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
    sys.stdout.write(f"{rounds * 2000} inputs, nothing lost\n")


if __name__ == "__main__":
    if importlib.util.find_spec("atheris"):
        guided()
    else:
        generated(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
