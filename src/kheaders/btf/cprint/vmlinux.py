"""A header file of a kernel's types, which is used in the place of ``vmlinux.h`` as bpftool writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kheaders.btf.cprint.printer import Printer
from kheaders.btf.kinds import RECORDS, Kind
from kheaders.btf.table import Btf

HEAD = """\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

"""
ORDER = """\
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_{}_ENDIAN__
#error "these are the types of {} kernel: compile with -target bpf{}"
#endif

"""
PUSH = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

"""
FUNCTIONS = "#ifndef BPF_NO_KFUNC_PROTOTYPES\n"
FUNCTIONS_END = "#endif\n\n"
POP = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

"""
TAIL = """\
#endif /* __VMLINUX_H__ */
"""


def header(btf: Btf, roots: Iterable[int] | None = None) -> Iterator[str]:
    """The text of ``vmlinux.h``, in pieces: all types of *btf*, or *roots* as :func:`definitions` has them.

    Records are marked ``preserve_access_index`` (CO-RE), and functions that BPF programs may call are declared; each
    unless the program defines the macro that bpftool's header heeds too. Raises BtfError for damage.
    """
    printer = Printer(btf, guarded=True)
    yield HEAD
    yield (
        ORDER.format("BIG", "a big-endian", "eb") if btf.big_endian else ORDER.format("LITTLE", "a little-endian", "el")
    )
    if roots is None:
        functions = printer.callable
        pieces: Iterable[str] = printer.everything()
        records = any(kind in RECORDS for kind in printer.columns.kinds)
    else:
        types, functions = _parted(btf, roots)
        pieces = [*printer.types(types), *printer.needs(functions)]
        records = printer.bodies.records > 0
    if records:  # clang warns where there is nothing to mark
        yield PUSH
    yield from pieces
    if functions:
        yield from printer.needs(functions)
        yield FUNCTIONS
        yield from printer.functions(functions)
        yield FUNCTIONS_END
    if records:
        yield POP
    yield TAIL


def definitions(btf: Btf, roots: Iterable[int]) -> Iterator[str]:
    """The types and functions *roots* as C, with all that they embed; what they point to is declared."""
    printer = Printer(btf)
    types, functions = _parted(btf, roots)
    yield from printer.types(types)
    if functions:
        yield from printer.needs(functions)
        yield from printer.functions(functions)


def alone(btf: Btf, type_id: int) -> str:
    """The definition of one type or function, without what it needs."""
    printer = Printer(btf)
    pieces = printer.functions([type_id]) if btf.kind(type_id) is Kind.FUNC else [printer.one(type_id)]
    return "".join(pieces)


def _parted(btf: Btf, roots: Iterable[int]) -> tuple[list[int], list[int]]:
    """*roots* as types and functions."""
    types: list[int] = []
    functions: list[int] = []
    for root in roots:
        (functions if btf.kind(root) is Kind.FUNC else types).append(root)
    return types, functions
