"""Types by the names that C text gives them, and their layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kheaders.btf.kinds import ENUMS, RECORDS, Kind
from kheaders.btf.table import Btf
from kheaders.errors import BtfError

if TYPE_CHECKING:
    from kheaders.btf.layout import RecordLayout

_WORDS = {"struct": {Kind.STRUCT}, "union": {Kind.UNION}, "enum": ENUMS}
_NAMED = (*RECORDS, *ENUMS, Kind.TYPEDEF, Kind.FUNC)


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


def layouts(btf: Btf, name: str, *, cacheline: int = 64) -> list[RecordLayout]:
    """The layout of each struct or union that *name* means, by way of a typedef too; each once.

    *cacheline* is in bytes. Raises BtfError if there is none.
    """
    from kheaders.btf.layout import record_layout, strip

    found = find(btf, name)
    stripped = [strip(btf, i) for i in found if btf.kind(i) in (*RECORDS, Kind.TYPEDEF)]
    records = dict.fromkeys(record.id for record in stripped if record.kind in RECORDS)
    if not records:
        kinds = ", ".join(dict.fromkeys(btf.kind(i).name.lower() for i in found))
        raise BtfError(f"{btf.name}: {name} is no struct or union", f"it is: {kinds}")
    return [record_layout(btf, record, cacheline=cacheline) for record in records]
