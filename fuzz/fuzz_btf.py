"""Fuzz BTF: the parser, layouts, comparison and the printer either read it or raise BtfError, and they end.

    python fuzz/fuzz_btf.py [SECONDS] [CORPUS…]

With atheris installed, coverage guides it (its own options apply); else hypothesis makes inputs for SECONDS (60).
"""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests")]

from builders import btf as build  # noqa: E402
from kheaders.btf.compare import compare  # noqa: E402
from kheaders.btf.cprint.vmlinux import definitions, header  # noqa: E402
from kheaders.btf.kinds import RECORDS, Kind  # noqa: E402
from kheaders.btf.layout import record_layout  # noqa: E402
from kheaders.btf.pahole import as_dict, as_text  # noqa: E402
from kheaders.btf.table import Btf  # noqa: E402
from kheaders.errors import BtfError  # noqa: E402

LIMIT = 64 * 1024 * 1024
"""Characters of C that may come of one input."""


def check(data: bytes) -> None:
    """Raise anything but BtfError if something of *data* is handled badly."""
    try:
        btf = Btf.parse(data)
    except BtfError as error:
        assert "byte" in str(error), f"names no offset: {error}"
        return
    for type_id in btf.ids():
        try:
            btf.type(type_id)
            btf.size_of(type_id)
        except BtfError:
            pass
        try:
            if btf.kind(type_id) in (*RECORDS, Kind.TYPEDEF):
                layout = record_layout(btf, type_id)
                as_text(btf, layout)
                as_dict(layout)
            size = sum(map(len, definitions(btf, [type_id])))
            assert size < LIMIT, f"{size} characters of C from {len(data)} bytes"
        except BtfError:
            pass
    for work in (lambda: list(compare(btf, btf)), lambda: list(header(btf))):
        try:
            work()
        except BtfError:
            pass


def mutated(seed: int) -> bytes:
    """A BTF with every kind, of which some words, at random, were exchanged for others that stand in it or near."""
    chance = random.Random(seed)
    data = bytearray(
        build.everything(big_endian=chance.random() < 0.2).write(layouts=chance.choice([None, build.LAYOUTS]))
    )
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(0, len(data) - 3, chance.choice((1, 4)))
        match chance.randrange(5):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at : at + 4] = chance.randrange(40).to_bytes(4, "little")
            case 2:
                other = chance.randrange(0, len(data) - 3, 4)
                data[at : at + 4] = data[other : other + 4]
            case 3:
                data[at : at + 4] = (chance.randrange(20) << 24 | chance.randrange(4)).to_bytes(4, "little")
            case _:
                del data[at : None if chance.random() < 0.1 else at + 4]
        if len(data) < 8:
            break
    return bytes(data)


def guided() -> None:
    """Run under atheris."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


def generated(seconds: float) -> None:
    """Mutate one BTF at random until the time is over; the number of a bad input is told with its error."""
    end = time.monotonic() + seconds
    number = start = random.SystemRandom().randrange(1 << 48)
    while time.monotonic() < end:
        begun = time.monotonic()
        try:
            check(mutated(number))
        except Exception as error:
            error.add_note(f"input number {number}: check(mutated({number}))")
            raise
        assert time.monotonic() - begun < 10, f"input number {number} took too long"
        number += 1
    sys.stdout.write(f"{number - start} inputs read or refused\n")


if __name__ == "__main__":
    if importlib.util.find_spec("atheris"):
        guided()
    else:
        generated(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
