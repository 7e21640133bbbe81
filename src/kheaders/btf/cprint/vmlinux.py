"""A header file of a kernel's types, which is used in the place of ``vmlinux.h`` as bpftool writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kheaders.btf.cprint.printer import Printer
from kheaders.btf.kinds import ENUMS, RECORDS, Kind
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

HEAD = """\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

"""
FUNCTIONS = "#ifndef BPF_NO_KFUNC_PROTOTYPES\n"
FUNCTIONS_END = "#endif\n\n"
TAIL = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
"""

_WORDS = {"struct": {Kind.STRUCT}, "union": {Kind.UNION}, "enum": ENUMS}
_NAMED = (*RECORDS, *ENUMS, Kind.TYPEDEF, Kind.FUNC)


def header(btf: Btf, roots: Iterable[int] | None = None) -> Iterator[str]:
    """The text of ``vmlinux.h``, in pieces: all types of *btf*, or *roots* as :func:`definitions` has them.

    Records are marked ``preserve_access_index`` (CO-RE), and functions that BPF programs may call are declared; each
    unless the program defines the macro that bpftool's header heeds too. Raises BtfError for damage.
    """
    printer = Printer(btf)
    types, functions = _parted(btf, roots) if roots is not None else (None, printer.callable)
    yield HEAD
    yield from printer.everything() if types is None else printer.types(types)
    if functions:
        yield from printer.needs(functions)
        yield FUNCTIONS
        yield from printer.functions(functions)
        yield FUNCTIONS_END
    yield TAIL


def definitions(btf: Btf, roots: Iterable[int]) -> Iterator[str]:
    """The types and functions *roots* as C, with all that they embed; what they point to is declared."""
    printer = Printer(btf)
    types, functions = _parted(btf, roots)
    yield from printer.types(types)
    if functions:
        yield from printer.needs(functions)
        yield from printer.functions(functions)


def find(btf: Btf, name: str) -> list[int]:
    """The types that C text means by *name*: ``sk_buff``, ``struct sk_buff``, ``u32``, ``bpf_task_acquire``.

    Of several of that name all are given; a declaration only if there is no definition. Raises BtfError if there is
    none.
    """
    word, _, bare = name.rpartition(" ")
    wanted = _WORDS.get(word.strip(), set(_NAMED) if not word else set())
    found = btf.find(bare, *_NAMED)
    chosen = [i for i in found if btf.kind(i) in wanted]
    if chosen:
        return chosen
    if found:
        kinds = ", ".join(dict.fromkeys(btf.kind(i).name.lower() for i in found))
        raise BtfError(f"{btf.name}: {bare} is no {word or 'type'}", f"it is: {kinds}")
    raise BtfError(f"{btf.name}: has no type {name}", "check the name, or whether it belongs to a module (--btf)")


def _parted(btf: Btf, roots: Iterable[int]) -> tuple[list[int], list[int]]:
    """*roots* as types and functions."""
    types: list[int] = []
    functions: list[int] = []
    for root in roots:
        (functions if btf.kind(root) is Kind.FUNC else types).append(root)
    return types, functions
