from __future__ import annotations

import inspect
import re

import pytest

from kheaders import errors
from kheaders.errors import CompileFailed, HeadersNotFound, KheadersError, ToolError

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, KheadersError)}

_LINE = re.compile(r"(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)(?:\s{2,}(?P<what>.*?))?(?:\s+exit (?P<code>\d+))?")


def drawn() -> dict[str, tuple[str, int]]:
    """Class → (parent, exit code) as the tree in the module's docstring shows them; a code holds for the children."""
    assert errors.__doc__
    tree: dict[str, tuple[str, int]] = {}
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        if not line.startswith("    "):
            continue
        match = _LINE.fullmatch(line)
        assert match, f"not understood: {line}"
        depth = len(match["indent"])
        while path and path[-1][0] >= depth:
            path.pop()
        parent = path[-1][1] if path else "Exception"
        tree[match["name"]] = (parent, int(match["code"]) if match["code"] else tree[parent][1])
        path.append((depth, match["name"]))
    return tree


def test_the_tree_that_is_drawn_is_the_tree() -> None:
    real = {name: (cls.__base__.__name__, cls.exit_code) for name, cls in CLASSES.items() if cls.__base__}
    assert drawn() == real


def test_exit_codes_tell_the_branches_apart() -> None:
    branches = [cls.exit_code for cls in KheadersError.__subclasses__()] + [KheadersError.exit_code]
    assert len(set(branches)) == len(branches)
    assert all(0 < code < 126 for code in branches)  # 126 and up are the shell's


@pytest.mark.parametrize("name", CLASSES)
def test_each_class(name: str) -> None:
    cls = CLASSES[name]
    assert "__doc__" in vars(cls) and cls.__doc__
    assert cls.__doc__.splitlines()[0].endswith(".")
    error = cls("thing: is\n  wrong", "do\nthis\t now")
    assert str(error) == "thing: is wrong; do this now"
    assert (error.what, error.hint) == ("thing: is\n  wrong", "do\nthis\t now")
    assert str(cls("thing: is wrong")) == "thing: is wrong"
    assert isinstance(error, KheadersError)


def test_what_some_carry_besides() -> None:
    assert HeadersNotFound("x", "y", ["a: b", "c: d"]).reasons == ("a: b", "c: d")
    assert CompileFailed("x", diagnostics="a.c:1:\n  error\n").diagnostics == "a.c:1:\n  error\n"
    assert ToolError("x", log="all\nof it\n").log == "all\nof it\n"
