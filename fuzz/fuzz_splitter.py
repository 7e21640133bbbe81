"""Fuzz the splitter: it never loses text, and it ends.

    python fuzz/fuzz_splitter.py [SECONDS] [CORPUS…]

With atheris installed, coverage guides it (its own options apply); else hypothesis makes inputs for SECONDS (60).
"""

from __future__ import annotations

import importlib.util
import sys
import time

from kheaders.c import declaration
from kheaders.c.split import separate, split


def check(data: bytes) -> None:
    """Raise AssertionError if anything of *data* is lost, in either step; read each piece as the index would."""
    separated = separate(data)
    assert separated.joined() == data, "separate() loses text"
    code = separated.code
    spans = list(split(code))
    assert b"".join(code[start:end] for start, end, _ in spans) == code, "split() loses text"
    for start, end, function in spans:
        declaration.read(code[start:end], function)


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
    words = [*marks, *b"struct union enum typedef int __attribute__(( asm( 1 a".split()]
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
    sys.stdout.write(f"{rounds * 2000} inputs, nothing lost\n")


if __name__ == "__main__":
    if importlib.util.find_spec("atheris"):
        guided()
    else:
        generated(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
