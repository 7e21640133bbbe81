"""The order in which C wants types: what is embedded before what embeds it, the rest declared where it is first named.

Two walks, as libbpf has them (tools/lib/bpf/btf_dump.c, ``btf_dump_order_type`` and ``btf_dump_emit_type``), since the
order of the output is theirs: the first puts the definitions that a type needs in a queue; the second, at each
definition, finds what must have been declared before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kheaders.btf.cprint.columns import Columns
from kheaders.btf.kinds import VLEN_MASK, Kind

MAX_DEPTH = 256
"""How many types may be needed through each other; the kernel's records nest 20 deep."""

MAX_STEPS = 1 << 20
"""Steps that all walks together may take, beyond one for each word of the types."""

_NEW, _BEGUN, _DONE = 0, 1, 2
_PTR, _ARRAY, _FUNC_PROTO, _TYPEDEF, _FWD = (
    int(k) for k in (Kind.PTR, Kind.ARRAY, Kind.FUNC_PROTO, Kind.TYPEDEF, Kind.FWD)
)
_RECORDS = frozenset(map(int, (Kind.STRUCT, Kind.UNION)))
_ENUMS = frozenset(map(int, (Kind.ENUM, Kind.ENUM64)))
_NUMBERS = frozenset(map(int, (Kind.INT, Kind.FLOAT)))
_THROUGH = frozenset(map(int, (Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG)))
_SINGLE = _THROUGH | set(map(int, (Kind.PTR, Kind.TYPEDEF, Kind.FUNC, Kind.FUNC_PROTO, Kind.VAR, Kind.DECL_TAG)))
"""Kinds whose third word is a type."""


class Write(NamedTuple):
    """What is called, with the id of a type, where the text of it has to stand."""

    define: Callable[[int], None]
    """A record or enum, whole."""
    declare: Callable[[int], None]
    """A record that is defined later or never."""
    typedef: Callable[[int], None]
    number: Callable[[int], None]
    """An INT or FLOAT is used, once for each."""


class Order:
    """Walks the types of one BTF and calls *write* in the order of the text."""

    def __init__(self, columns: Columns, write: Write) -> None:
        self.columns = columns
        self.write = write
        self.queue: list[int] = []
        self._ordered = bytearray(columns.end)
        self._emitted = bytearray(columns.end)
        self._declared = bytearray(columns.end)
        self._final = bytearray(columns.end)
        """1 for types of which everything has been written that a use of them needs."""
        self._final[0] = 1
        self._steps = MAX_STEPS + len(columns.words)
        self._referenced: set[int] | None = None

    def add(self, type_id: int) -> None:
        """Write all that the type *type_id* needs and, if it has a definition, that. Raises BtfError for damage."""
        self._order(type_id, False, type_id, 0)
        queue, self.queue = self.queue, []
        for queued in queue:
            self._define(queued)

    # ---- definitions ----

    def _order(self, type_id: int, weak: bool, user: int, depth: int) -> bool:
        """Queue the definitions that *type_id* needs; whether it is *strong*: cannot just be declared.

        *weak*: it is needed behind a pointer only.
        """
        columns, ordered = self.columns, self._ordered
        kinds, words, starts = columns.kinds, columns.words, columns.starts
        self._step(user)
        while True:
            try:
                if ordered[type_id]:
                    if ordered[type_id] == _DONE:
                        return True
                    break  # a record that is begun
            except IndexError:
                columns.check(type_id, user)
            kind = kinds[type_id]
            if kind == _PTR:
                ordered[type_id] = _DONE
                user, type_id, weak = type_id, words[starts[type_id] + 2], True
            elif kind in _THROUGH:
                user, type_id = type_id, words[starts[type_id] + 2]
            elif kind == _ARRAY:
                user, type_id, weak = type_id, words[starts[type_id] + 3], False
            else:
                break
            depth += 1
            if depth > MAX_DEPTH:
                raise self._too_deep(user)
        if depth > MAX_DEPTH:
            raise self._too_deep(user)
        kind = columns.kind(type_id, user)
        if kind in _RECORDS:
            return self._order_record(type_id, weak, depth)
        if kind == _TYPEDEF:
            strong = self._order(columns.target(type_id), weak, type_id, depth + 1)
            if weak and not strong:
                return False
            if ordered[type_id] == _DONE:
                return True  # by way of itself, behind a pointer
            self.queue.append(type_id)
            ordered[type_id] = _DONE
            return True
        if kind == _FUNC_PROTO:
            strong = self._order(columns.target(type_id), weak, type_id, depth + 1)
            for target in columns.targets(type_id, _FUNC_PROTO):
                strong |= self._order(target, weak, type_id, depth + 1)
            return strong
        ordered[type_id] = _DONE
        if kind in _ENUMS and (definition := columns.enum_definition(type_id)) != type_id:
            self._order(definition, False, type_id, depth + 1)
        if kind == _FWD or kind in _ENUMS:
            if columns.name_offset(type_id) or not self._is_referenced(type_id):
                self.queue.append(type_id)
            return True
        return False

    def _order_record(self, type_id: int, weak: bool, depth: int) -> bool:
        columns, ordered = self.columns, self._ordered
        named = columns.name_offset(type_id)
        if weak and named:
            return False
        if ordered[type_id] == _BEGUN:
            raise columns.btf.damage(type_id, "contains itself")
        ordered[type_id] = _BEGUN
        kinds, words, starts = columns.kinds, columns.words, columns.starts
        for target in columns.targets(type_id, Kind.STRUCT):
            try:
                if ordered[target] == _DONE:
                    continue
                if kinds[target] == _PTR:  # most members point to a record with a name, which only is declared
                    pointee = words[starts[target] + 2]
                    if kinds[pointee] in _RECORDS and words[starts[pointee]]:
                        ordered[target] = _DONE
                        continue
            except IndexError:
                pass  # the error is told by the walk
            self._order(target, False, type_id, depth + 1)
        if named:
            self.queue.append(type_id)
        ordered[type_id] = _DONE
        return True

    def _is_referenced(self, type_id: int) -> bool:
        """Whether anything refers to an enum without a name; what nothing refers to stands for its constants."""
        if self._referenced is None:
            self._referenced = _references(self.columns)
        return type_id in self._referenced

    # ---- declarations ----

    def _define(self, type_id: int) -> None:
        kind = self.columns.kinds[type_id]
        if kind not in _RECORDS:
            if kind in _ENUMS:
                if self._emitted[type_id] == _NEW:
                    self._emitted[type_id] = _DONE
                    self.write.define(type_id)
            else:
                self._need(type_id, 0, type_id, 0)
            return
        if self._emitted[type_id] == _DONE:
            return
        self._emitted[type_id] = _BEGUN
        final, declared, emitted = self._final, self._declared, self._emitted
        kinds, words, starts = self.columns.kinds, self.columns.words, self.columns.starts
        for target in self.columns.targets(type_id, Kind.STRUCT):
            if final[target]:
                continue
            if kinds[target] == _PTR:
                pointee = words[starts[target] + 2]
                if kinds[pointee] in _RECORDS and words[starts[pointee]]:
                    if pointee != type_id:
                        if emitted[pointee] != _DONE and not declared[pointee]:
                            declared[pointee] = 1
                            self.write.declare(pointee)
                        final[target] = final[pointee] = 1
                    continue
            self._need(target, type_id, type_id, 0)
        self.write.define(type_id)
        self._emitted[type_id] = _DONE
        final[type_id] = 1

    def need(self, type_id: int) -> None:
        """Write the declarations that a prototype or a variable of the type *type_id* needs."""
        self._need(type_id, 0, type_id, 0)

    def _need(self, type_id: int, container: int, user: int, depth: int) -> bool:
        """Write the declarations that a use of *type_id* within *container* needs; False if it may need more later."""
        columns, final = self.columns, self._final
        self._step(user)
        chain = []
        while columns.checked(type_id, user) and not final[type_id]:
            kind = columns.kinds[type_id]
            if kind == _PTR or kind in _THROUGH:
                chain.append(type_id)
                user, type_id = type_id, columns.target(type_id)
            elif kind == _ARRAY:
                chain.append(type_id)
                user, type_id = type_id, columns.array(type_id)[0]
            else:
                if depth + len(chain) > MAX_DEPTH:
                    raise self._too_deep(user)
                if not self._need_named(type_id, kind, container, user, depth + len(chain) + 1):
                    return False
                break
            if len(chain) > MAX_DEPTH:
                raise self._too_deep(user)
        for link in chain:
            final[link] = 1
        return True

    def _need_named(self, type_id: int, kind: int, container: int, user: int, depth: int) -> bool:
        columns, emitted = self.columns, self._emitted
        if kind == _TYPEDEF:
            self._need_typedef(type_id, depth)
        elif kind in _RECORDS:
            if not columns.name_offset(type_id):
                return self._need_all(type_id, columns.targets(type_id, Kind.STRUCT), container, depth)
            if type_id == container:
                return False
            if emitted[type_id] != _DONE and not self._declared[type_id]:
                self._declared[type_id] = 1
                self.write.declare(type_id)
        elif kind == _FUNC_PROTO:
            targets = [columns.target(type_id), *columns.targets(type_id, _FUNC_PROTO)]
            return self._need_all(type_id, targets, container, depth)
        elif kind == _FWD:
            self.write.declare(type_id)
        elif kind in _NUMBERS:
            self.write.number(type_id)
        self._final[type_id] = 1
        return True

    def _need_typedef(self, type_id: int, depth: int) -> None:
        if self._declared[type_id]:
            return
        if self._emitted[type_id] == _NEW:
            self._emitted[type_id] = _BEGUN
            self._need(self.columns.target(type_id), type_id, type_id, depth)
        if not self._declared[type_id]:
            self._declared[type_id] = 1
            self.write.typedef(type_id)

    def _need_all(self, type_id: int, targets: Iterable[int], container: int, depth: int) -> bool:
        if self._emitted[type_id] == _BEGUN:
            return False  # of itself, through a pointer
        self._emitted[type_id] = _BEGUN
        result = True
        for target in targets:
            result &= self._need(target, container, type_id, depth)
        self._emitted[type_id] = _NEW
        if result:
            self._final[type_id] = 1
        return result

    def _step(self, user: int) -> None:
        """Functions within functions are walked anew for each use, so that a few could keep this busy forever."""
        self._steps -= 1
        if self._steps < 0:
            raise self.columns.btf.damage(user, "types refer to each other in too many ways to follow them all")

    def _too_deep(self, type_id: int) -> Exception:
        return self.columns.btf.damage(type_id, f"refers to itself, or through more than {MAX_DEPTH} types")


def _references(columns: Columns) -> set[int]:
    """Every type that another one refers to."""
    words = columns.words
    found = {words[start + 2] for start in columns.starts_of(_SINGLE)}
    for kinds, width in ((_RECORDS, 3), ((_FUNC_PROTO,), 2)):
        for start in columns.starts_of(kinds):
            if count := words[start + 1] & VLEN_MASK:
                found.update(words[start + 4 : start + 3 + width * count : width])
    for start in columns.starts_of((_ARRAY,)):
        found.update(words[start + 3 : start + 5])
    return found
