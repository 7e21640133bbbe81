"""Types of BTF as C: all of them, or those that some need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from kheaders.btf import calls
from kheaders.btf.cprint.bodies import Bodies
from kheaders.btf.cprint.columns import Columns
from kheaders.btf.cprint.declarators import Declarators
from kheaders.btf.cprint.layouts import Layouts
from kheaders.btf.cprint.names import MAX_NAME, Names, Space
from kheaders.btf.cprint.order import Order, Write
from kheaders.btf.kinds import Kind
from kheaders.btf.table import Btf
from kheaders.c.declaration import IF_NO_BOOL

FLUSH = 1 << 12
"""Definitions after which the text so far is handed out."""

_RECORDS = (Kind.STRUCT, Kind.UNION)
_BUILT_IN = ("__builtin_va_list",)
"""Names that each compiler defines in its own way for each processor: what BTF means by them gets another name."""


def guarded(text: str) -> str:
    """*text*, which declares ``bool``, ``false`` or ``true``, for compilers to which these are no keywords (C23)."""
    return f"{IF_NO_BOOL.decode()}{text}#endif\n"


class Printer:
    """Writes the types of one BTF, each at most once; what was written stays declared.

    Text comes in pieces, each of whole definitions. All methods raise BtfError for damage that they meet.
    """

    def __init__(self, btf: Btf, guarded: bool = False) -> None:
        self._guarded = guarded
        self.columns = columns = Columns(btf)
        self.names = Names(btf)
        self.names.guards = guarded
        self.ordinary = Space(_BUILT_IN)
        self.bodies = Bodies(columns, self.names, Layouts(columns, btf.pointer_size), self.ordinary)
        self.declarators = Declarators(columns, self.names, Space(), self.ordinary, self.bodies)
        self.bodies.declarators = self.declarators
        self.order = Order(columns, Write(self._define, self._declare, self._typedef, self._number))
        self._out: list[str] = []
        self._told = 0
        """How many of the names that C cannot have were told of."""
        self._defined: set[str] = set()
        """Macros that the text has."""
        self.callable = self._read_tags()

    def everything(self) -> Iterator[str]:
        """All types."""
        self.names.load()
        self.bodies.layouts.load()
        yield from self.types([i for i, kind in enumerate(self.columns.kinds) if kind in _DEFINED])

    def types(self, roots: Iterable[int]) -> Iterator[str]:
        """The types *roots* with all that they embed; what they only point to is declared."""
        add, out = self.order.add, self._out
        for number, root in enumerate(roots):
            add(root)
            if not number % FLUSH and out:
                yield self._flush()
        if out:
            yield self._flush()

    def needs(self, functions: Iterable[int]) -> Iterator[str]:
        """What the prototypes of the FUNCs *functions* need before them."""
        for function in functions:
            proto = self.columns.target(function)
            self.order.add(proto)
            self.order.need(proto)
        if self._out:
            yield self._flush()

    def functions(self, functions: Iterable[int]) -> Iterator[str]:
        """Declarations of the FUNCs *functions*, after their needs: kfuncs as functions that a program calls.

        Others come with a remark and cannot be called: a helper is not declared at all, as libbpf declares it. One
        whose name the text already uses for something else is left out.
        """
        tagged = frozenset(self.callable)
        for function in functions:
            self.names.user = function
            name = self.names[self.columns.name_offset(function)]
            if name and name not in self.ordinary.used:
                self.ordinary.used[name] = 1
                text = self.declarators.declare(self.columns.target(function), name, 0, function)
                if function in tagged:
                    yield f'extern {text} __attribute__((weak, section(".ksyms")));\n'
                else:
                    yield self._not_callable(function, name, text)

    def _not_callable(self, function: int, name: str, text: str) -> str:
        btf = self.columns.btf
        number = calls.helper_number(btf, name)
        if number is not None:
            return f"/* {name}: {calls.helper_remark(number)} */\n"
        remark = calls.REMARKS[calls.callable_from_bpf(btf, function)]
        return f"extern {text}; /* {remark} */\n"

    def one(self, type_id: int) -> str:
        """The definition of a type by itself; the declaration of one that has none."""
        kind = self.columns.kinds[type_id]
        write = self._typedef if kind == Kind.TYPEDEF else self._declare if kind == Kind.FWD else self._define
        write(type_id)
        return self._flush()

    # ---- pieces ----

    def _flush(self) -> str:
        renamed = dict(islice(self.names.renamed.items(), self._told, None))
        self._told += len(renamed)
        notes = [f"/* {_comment(one)} is called {name} */\n" for one, name in renamed.items()]
        macros, self.names.macros = self.names.macros, {}
        for one, macro in macros.items():
            if macro not in self._defined:
                self._defined.add(macro)
                other = f"#define {macro} {one}_\n#endif\n"
                notes.append(f"{IF_NO_BOOL.decode()}#define {macro} {one}\n#else\n{other}")
        text = "".join((*notes, *self._out))
        self._out.clear()
        return text

    def _define(self, type_id: int) -> None:
        if self.columns.kinds[type_id] in _RECORDS:
            self._out.append(f"{self.bodies.record(type_id, 0, named=True)};\n\n")
        else:
            text = f"{self.bodies.enum(type_id, 0, self.declarators.tag(type_id))};\n"
            own = self._guarded and ("\tfalse =" in text or "\ttrue =" in text)
            self._out.append(f"{guarded(text) if own else text}\n")

    def _declare(self, type_id: int) -> None:
        if self.columns.name_offset(type_id):
            self._out.append(f"{self.declarators.tag(type_id)};\n\n")

    def _typedef(self, type_id: int) -> None:
        name = self.declarators.name(type_id)
        text = self.declarators.declare(self.columns.target(type_id), name, 0, type_id)
        tags = self.bodies.tags.get(type_id)
        more = "".join(f" __attribute__(({tag}))" for tag in tags.get(-1, ())) if tags else ""
        text = f"typedef {text}{more};\n"
        self._out.append(f"{guarded(text) if self._guarded and name == 'bool' else text}\n")

    def _number(self, type_id: int) -> None:
        name, text = self.declarators.number(type_id)
        if text:
            self._out.append(f"{guarded(text) if self._guarded and name == 'bool' else text}\n")

    def _read_tags(self) -> list[int]:
        """Tags of records, members and typedefs to where they are printed; the FUNCs that are tagged as callable."""
        columns, btf = self.columns, self.columns.btf
        found = []
        at = -1
        while (at := columns.kinds.find(int(Kind.DECL_TAG), at + 1)) >= 0:
            target = columns.target(at)
            kind = columns.kind(target, at)
            component = columns.words[columns.starts[at] + 3]
            text = btf.type_name(at)
            if kind == Kind.FUNC:
                if text == calls.KFUNC_TAG:
                    found.append(target)
            elif kind in _RECORDS or kind == Kind.TYPEDEF:
                own = component == _ITSELF
                if not own and (kind == Kind.TYPEDEF or component >= columns.count(target)):
                    raise btf.damage(at, f"is a tag on part {component} of type {target}, which it has not")
                attribute = self.declarators.attribute(at, "btf_decl_tag")
                if not attribute:
                    continue
                parts = self.bodies.tags.setdefault(target, {})
                parts.setdefault(-1 if own else component, []).append(attribute)
        return found


def _comment(text: str) -> str:
    """*text* as it may stand in a comment of one line."""
    return ascii(text[:MAX_NAME]).replace("*/", "* /").replace("/*", "/ *")


_ITSELF = 0xFFFFFFFF
_DEFINED = frozenset(map(int, (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.FWD, Kind.TYPEDEF)))
