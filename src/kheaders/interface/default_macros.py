"""Macros that headers define unless that was done before: whose text depends on what a program defined instead.

``#ifndef MAX_ORDER / #define MAX_ORDER 11 / #endif`` gives way to the program's definition, and so do the declarations
into which the macro was expanded, directly or by way of other macros. A blob has the text after expansion (C11 5.1.1.2,
phase 4). The note ``mentions`` tells for each header which such names its code has; where a program has another
definition, and its slice has a declaration of that header, the slice is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from kheaders.interface.blob import Blob
from kheaders.system.ragged import Rows


def note(
    code: Mapping[str, bytes],
    files: Sequence[str],
    defaults: Iterable[str],
    names: Sequence[bytes],
    macro_names: Sequence[int],
    macro_words: Rows,
) -> str:
    """The note: a line for each file, its number and after a tab the names that its code has, parted by spaces.

    *code* are the identifiers of each header's code, parted by spaces, by path, *files* the paths by number, *defaults*
    the lines of that note, *macro_names* the name of each macro, *macro_words* the names that each macro's body has.
    """
    wanted = {line.partition(" ")[0].encode() for line in defaults if line}
    known = {number for number, name in enumerate(names) if name in wanted}
    # what macros make of a default macro depends on it too
    users: dict[int, list[int]] = {}
    for name, words in zip(macro_names, macro_words, strict=True):
        for word in words:
            users.setdefault(word, []).append(name)
    todo = list(known)
    while todo:
        for name in users.get(todo.pop(), ()):
            if name not in known:
                known.add(name)
                todo.append(name)
    looked_for = frozenset(names[number] for number in known)
    lines = []
    for number, path in enumerate(files):
        if found := looked_for.intersection(code.get(path, b"").split()):
            lines.append(f"{number}\t{' '.join(sorted(name.decode() for name in found))}")
    return "\n".join(lines)


def doubt(
    blob: Blob,
    changed: Mapping[str, int],
    after: Mapping[str, bytes],
    definition: Callable[[int], int | None],
    declarations: Iterable[int],
) -> str:
    """Why the text of *declarations* may be another for a program, or nothing.

    *changed* are the macros that the program has other definitions of → the header's, among which the defaults count;
    *after* tells for each, with 1 for each file, what the program reads after that. *definition* gives the macro in
    force of a name.
    """
    paths, macro_files, decl_files = blob.files, blob.array("macro_files"), blob.array("decl_files")
    defaults = frozenset(blob.note("defaults").split("\n")) if changed else frozenset()
    numbers = blob.numbers(
        name for name, number in changed.items() if f"{name} {paths[macro_files[number]]}" in defaults
    )
    if not numbers:
        return ""
    used = {decl_files[number] for number in declarations}
    mentions: dict[int, list[str]] = {}
    for line in blob.note("mentions").split("\n"):
        head, _, rest = line.partition("\t")
        if head and int(head) in used:
            mentions[int(head)] = rest.split(" ")
    users: dict[int, set[int]] = {}
    todo = list(blob.numbers({name for named in mentions.values() for name in named}).values())
    done = set(todo)
    while todo:
        name = todo.pop()
        macro = definition(name)
        for word in blob.row("macro_words", macro) if macro is not None else ():
            users.setdefault(word, set()).add(name)
            if word not in done:
                done.add(word)
                todo.append(word)
    for default, number in sorted(numbers.items()):
        reached = {number}
        todo = [number]
        while todo:
            more = users.get(todo.pop(), set()) - reached
            reached |= more
            todo += more
        names = {blob.name(one) for one in reached}
        for file, named in sorted(mentions.items()):
            if after[default][file] and not names.isdisjoint(named):
                by = paths[macro_files[changed[default]]]
                return f"the program defines {default} otherwise than {by}, and the text of {paths[file]} depends on it"
    return ""
