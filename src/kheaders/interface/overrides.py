"""Macros that a program defines before it includes the kernel's headers, which may define, default or test them too.

What the headers define must then come where they are included, and not before the program. Where lines of a header
depend on such a macro, a blob cannot tell what they would have been.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kheaders.c import conditionals
from kheaders.c.macro_events import Bodies
from kheaders.clang.flags import ARCHITECTURES
from kheaders.interface.blob import Blob
from kheaders.patterns import pattern

_USUAL = frozenset(("__KERNEL__", "__BPF_TRACING__", "CC_USING_FENTRY", "KBUILD_MODNAME")) | {
    define.partition("=")[0] for known in ARCHITECTURES.values() for define in known.defines
}
"""What the compiler is told anyway: to define it again changes nothing."""
_RESERVED = pattern(r"_[A-Z_]")
"""What names begin with that only the implementation may define (C11 7.1.3), and all that is predefined (6.10.8)."""
Early = Mapping[str, Bodies]


def reachable(blob: Blob, paths: Iterable[str]) -> bytearray:
    """1 for each file that the headers *paths* include, directly or through others, and for themselves."""
    numbers = blob.file_numbers
    starts, values = blob.array("includes.starts"), blob.array("includes.values")
    reached = bytearray(len(blob.files))
    todo = [numbers[path] for path in paths if path in numbers]
    while todo:
        file = todo.pop()
        if not reached[file]:
            reached[file] = 1
            todo.extend(values[starts[file] : starts[file + 1]])
    return reached


def stubs(blob: Blob, late: Sequence[str], roots: Mapping[str, str]) -> dict[str, bytes]:
    """For each include line of *roots* (name → path) the definitions of the macros *late* that it brings."""
    defaults = frozenset(blob.note("defaults").split("\n"))
    paths = blob.files
    files = blob.array("macro_files")
    found = {}
    for root, path in roots.items():
        reached = reachable(blob, (path,))
        lines = []
        for name, number in sorted(blob.numbers(late).items()):
            known = [macro for macro in blob.row("name_macros", number) if reached[files[macro]]]
            text = blob.macro(known[-1]) if known else b""
            if text:
                define = b"#define %s\n" % text
                place = f"{name} {paths[files[known[-1]]]}"
                define = b"#ifndef %s\n%s#endif\n" % (name.encode(), define) if place in defaults else define
                # as the guard of its header does: it is defined once, whatever the program does to it later
                guard = b"kheaders_macro_%d" % known[-1]
                lines.append(b"#ifndef %s\n#define %s\n%s#endif\n" % (guard, guard, define))
        if lines:
            found[root] = b"".join(lines)
    return found


def doubt(
    blob: Blob,
    early: Early,
    force: Mapping[str, int],
    given: Iterable[str],
    after: Mapping[str, bytes],
    chosen: Sequence[set[int]],
) -> str:
    """Why the headers may mean something else than the blob says, or nothing.

    *force* has the numbers of the definitions in force, *given* the names of those that come before the program;
    *after* tells for each name, with 1 for each file, what the program reads after it has changed that macro; *chosen*
    are the declarations and the macros of the slice.
    """
    known = blob.numbers(early)  # what no header tests or defines has no number
    asked = {name: early[name] for name in known if None in early[name] or name not in _USUAL}
    tested = conditionals.places(blob.note("tested"), asked) if asked else {}
    own = frozenset(given)
    for name in sorted(tested):
        number, given_before = force.get(name), name in own
        changed = any(_changes(blob, name, body, number, given_before) for body in asked[name])
        for path, first, last, effect in tested[name]:
            file = blob.file_numbers.get(path)
            if file is None or not after[name][file]:
                continue
            if effect == conditionals.GUARDS:
                if any(body is not None for body in asked[name]):
                    return f"the program may define {name} before it includes {path}, whose include guard that is"
            elif changed and (effect == conditionals.INCLUDES or among(blob, file, first, last, chosen)):
                what = "undefines" if None in asked[name] else "defines"
                return f"the program {what} {name} before it includes {path}, which depends on it"
    return ""


def differs(blob: Blob, name: str, bodies: Bodies, number: int) -> bool:
    """Whether the program may have another definition of *name* than the macro *number*."""
    return any(body is not None and not _same(blob, name, body, number) for body in bodies)


def _same(blob: Blob, name: str, body: str, number: int) -> bool:
    return "".join(f"{name}{body}".split()) == "".join(blob.macro(number).decode("utf-8", "replace").split())


def _changes(blob: Blob, name: str, body: str | None, number: int | None, given: bool) -> bool:
    """Whether a header that tests *name* sees something else for what the program did to it before."""
    if number is None:  # no header defines it: what is undefined may have been predefined, as names of its kind are
        return body is not None or _RESERVED.match(name) is not None
    if body is None:
        return True
    if _same(blob, name, body, number):
        return False
    # otherwise the headers define it themselves, whatever the program did
    return given or f"{name} {blob.place('macro', number)[0]}" in blob.note("defaults").split("\n")


def among(blob: Blob, file: int, first: int, last: int, chosen: Sequence[set[int]]) -> bool:
    """Whether something of a slice comes from lines *first* to *last* of a header."""
    decls, macros = chosen
    files = blob.array("decl_files")
    for number in decls:
        if files[number] == file:
            following = number + 1 < len(files) and files[number + 1] == file
            end = blob.place("decl", number + 1)[1] if following else last + 1
            if blob.place("decl", number)[1] <= last and end > first:
                return True
    files = blob.array("macro_files")
    return any(files[number] == file and first <= blob.place("macro", number)[1] <= last for number in macros)
