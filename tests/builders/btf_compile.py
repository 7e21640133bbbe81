"""C that was printed from BTF, compiled so that the BTF of the object has every type of it; and the two compared.

Compilers leave out what nothing uses, so a pointer to each named type is added to the text.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from kheaders.btf.compare import Shape, Shapes
from kheaders.btf.container import read_btf
from kheaders.btf.cprint.printer import Printer
from kheaders.btf.kinds import ENUM_BYTES, ENUMS, RECORDS, Kind
from kheaders.btf.table import Btf

_OLD = 0xFFFFFFFF
"""clang before 15 knows no ENUM64, and writes the lower half of values."""

NAMED = (*RECORDS, *ENUMS, Kind.TYPEDEF)


def compiled(text: str, clang: Iterable[str], work: Path) -> Btf:
    """The BTF that *clang* makes of *text*, which must use what it declares."""
    source, target = work / "types.c", work / "types.o"
    source.write_text(text)
    done = subprocess.run(
        [*clang, "-target", "bpf", "-g", "-O0", "-w", "-x", "c", "-idirafter", work, "-c", source, "-o", target],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:2000]
    return read_btf(target)


def uses(printer: Printer, btf: Btf) -> Iterator[str]:
    """Pointers to all named types that *printer* printed, as parameters of functions: clang is slow with variables."""
    named = (i for i in all_ids(btf) if btf.kind(i) in NAMED and btf.type_name(i))
    declarators = printer.declarators
    names = (declarators.name(i) if btf.kind(i) is Kind.TYPEDEF else declarators.tag(i) for i in named)
    number = 0
    while chunk := list(islice(names, 500)):
        yield f"void (*use_{number})({', '.join(f'{name} *' for name in chunk)});\n"
        number += 1


def all_ids(btf: Btf) -> Iterator[int]:
    """Those of the bases too."""
    if btf.base is not None:
        yield from all_ids(btf.base)
    yield from btf.ids()


def round_trip(btf: Btf, clang: Iterable[str], work: Path) -> tuple[Printer, Btf]:
    """Everything printed, and the BTF of it compiled."""
    printer = Printer(btf)
    text = "".join(printer.everything())
    return printer, compiled(text + "".join(uses(printer, btf)), clang, work)


def wrong(btf: Btf, printer: Printer, again: Btf) -> list[str]:
    """The named records and enums of *btf* that have another size, member or value in *again*, printed and compiled."""
    faults = []
    old, new = Shapes(btf), Shapes(again)
    by_name: dict[tuple[bool, str], list[int]] = {}
    for type_id in again.ids(*RECORDS, *ENUMS):
        by_name.setdefault((again.kind(type_id) in RECORDS, again.type_name(type_id)), []).append(type_id)
    for type_id in all_ids(btf):
        kind = btf.kind(type_id)
        if kind not in (*RECORDS, *ENUMS) or not btf.type_name(type_id):
            continue
        name = printer.declarators.name(type_id)
        found = by_name.get((kind in RECORDS, name), [])
        before = old.shape(type_id)
        if kind in ENUMS:
            if not before.values:
                continue  # in C it can only be declared
            after = new.shape(found[0]) if found else None
            if after is not None and not after.values and after.size == before.size > ENUM_BYTES:
                continue  # from a compiler without ENUM64
            same = after is not None and (after.size, sorted(v & _OLD for _, v in after.values)) == (
                before.size,
                sorted(v & _OLD for _, v in before.values),
            )
        else:
            same = len(found) == 1 and _alike(before, new.shape(found[0]))
        if not same:
            faults.append(f"{kind.name} {name}")
    return faults


def _alike(before: Shape, after: Shape) -> bool:
    """Whether a record lies as before; one whose members do not fill it may have padding in C."""
    more = after.members - before.members
    return before.size == after.size and before.members <= after.members and all(n.startswith("__pad") for n, _ in more)
