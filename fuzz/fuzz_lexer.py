"""Fuzz the lexer: it never loses text, its readings agree, and it ends.

    python fuzz/fuzz_lexer.py [SECONDS] [CORPUS…]

With atheris installed, coverage guides it (its own options apply); else hypothesis makes inputs for SECONDS (60).
"""

from __future__ import annotations

import importlib.util
import sys
import time

from kheaders.c import lexer

SOUP = (
    b'{ } ( ) # ## %: %:%: <: :> <% %> " \' \\ /* */ // / < > . ... -> + 1 0x1e+ .5 a L u8 U R"( )" include $ @ \\u00e9'
).split()
SPACE = (b"\n", b"\r\n", b"\r", b"\n\r", b"\\\n", b"\\ \n", b"\\\r\n", b" ", b"\0", b"\xff", b"\xef\xbb\xbf")


def check(data: bytes) -> None:
    """Raise AssertionError if anything of *data* is lost, or if two readings of it differ."""
    logical = lexer.logical(data)
    pieces = list(lexer.pieces(data))
    assert b"".join(piece.spelling for piece in pieces) == lexer.undigraphed(logical.text), "pieces() loses text"
    offsets = [piece.offset for piece in pieces]
    assert offsets == sorted(offsets), "offsets go back"
    assert all(0 <= offset < max(1, len(data)) for offset in offsets), "an offset lies outside"
    lines = [piece.line for piece in pieces]
    assert lines == sorted(lines), "lines go back"
    if all(piece.kind != "header" for piece in pieces):
        tokens = [piece.spelling for piece in pieces if piece.kind not in ("space", "newline", "comment")]
        assert tokens == lexer.tokens(logical.text), "tokens() and pieces() differ"
        assert tokens == lexer.tokens(lexer.uncommented(logical.text)), "a comment is more than a space"
    lexer.tokens(lexer.code(logical.text))


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
