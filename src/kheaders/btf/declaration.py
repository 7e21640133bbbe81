"""How C declares one thing of a type, in one line: for messages and layouts, where no definition is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kheaders.btf import model
from kheaders.btf.kinds import QUALIFIERS, Kind
from kheaders.btf.table import Btf

MAX_DEPTH = 64
"""How deep types may be nested in each other; the kernel's go to 10."""

MAX_WORDS = 1000
"""Types that one declaration may mention."""

MAX_FUNCTIONS = 32
"""Functions that may stand in each other's parameters."""

_WORDS = {Kind.STRUCT: "struct", Kind.UNION: "union", Kind.ENUM: "enum", Kind.ENUM64: "enum", Kind.FWD: "struct"}


class Budget:
    """What one declaration may still mention, so that a few types that name each other do not fill the memory."""

    def __init__(self) -> None:
        self.words = MAX_WORDS
        self.functions = 0

    def word(self) -> bool:
        """Whether there is room for one more type."""
        self.words -= 1
        return self.words >= 0

    @contextmanager
    def function(self, btf: Btf, type_id: int) -> Iterator[None]:
        """One more function in the parameters of another; BtfError for too many."""
        self.functions += 1
        if self.functions > MAX_FUNCTIONS:
            raise btf.damage(type_id, f"has more than {MAX_FUNCTIONS} functions within each other")
        yield
        self.functions -= 1


def declaration(btf: Btf, type_id: int, name: str = "") -> str:
    """How C declares *name* of the type *type_id*: ``char comm[16]``, ``void (*func)(struct foo *, int)``.

    Anonymous records and enums are written ``struct {...}``. Raises BtfError for cycles and beyond MAX_WORDS.
    """
    return _declaration(btf, type_id, name, Budget())


def _declaration(btf: Btf, type_id: int, name: str, budget: Budget) -> str:
    text, qualifiers = name, ""
    pointer = False
    at = type_id
    for _ in range(MAX_DEPTH):
        if not budget.word():
            break
        found = btf.type(at)
        if found.kind in QUALIFIERS and isinstance(found, model.Const | model.Volatile | model.Restrict):
            qualifiers = f"{qualifiers}{found.kind.name.lower()} "
            at = found.target
            continue
        match found:
            case model.Ptr():
                text = f"*{qualifiers}{text}" if text or not qualifiers else f"*{qualifiers.rstrip()}"
                qualifiers, pointer, at = "", True, found.target
            case model.Array():
                text = f"({text})[{found.nelems}]" if pointer else f"{text}[{found.nelems}]"
                pointer, at = False, found.element
            case model.FuncProto():
                with budget.function(btf, type_id):
                    parameters = [_declaration(btf, param.type, "", budget) for param in found.params]
                parameters += ["..."] * found.variadic
                text = f"({text})" if pointer else text
                text = f"{text}({', '.join(parameters) or 'void'})"
                qualifiers, pointer, at = "", False, found.result
            case model.TypeTag():
                at = found.target
            case _:
                words = f"{qualifiers}{plain_name(found)}"
                return f"{words} {text}" if text and not text.startswith("[") else words + text
    raise btf.damage(type_id, f"refers to itself, or to more than {MAX_WORDS} types")


def plain_name(found: model.Type) -> str:
    """The name of a type that is no pointer, array, function or qualifier, as C writes it."""
    if isinstance(found, model.Fwd):
        return f"{'union' if found.union else 'struct'} {found.name}"
    word = _WORDS.get(found.kind)
    name = getattr(found, "name", "") or "{...}"
    return f"{word} {name}" if word else str(name)
