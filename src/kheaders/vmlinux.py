"""The ``vmlinux.h`` of one libbpf program: the types that it needs, and the macros and inline functions with them.

bpftool's holds every type and nothing else, so programs copy macros by hand. This one is cut from the blob like any
slice, but without include lines to go by: the headers that define the program's words are taken as if it included them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from kheaders.btf.cprint.vmlinux import HEAD, POP, PUSH, TAIL, alone, header
from kheaders.btf.kinds import Kind
from kheaders.btf.model import Struct, Union
from kheaders.btf.selection import Used, select
from kheaders.btf.table import Btf
from kheaders.c import declaration
from kheaders.c.include_path import IncludeSearch
from kheaders.c.lexer import tokens
from kheaders.clang.flags import architecture, include_directories
from kheaders.interface.blob import Blob
from kheaders.interface.program import VMLINUX, Program, is_vmlinux, read
from kheaders.interface.schema import KINDS, NAME_ROWS
from kheaders.interface.slice import Cutter, Needs, Slice
from kheaders.retyping import Retyper

Searched = IncludeSearch | Sequence[str]
"""How the program's own headers are looked for."""

_INCLUDE = re.compile(rb"^[ \t]*#[ \t]*include[ \t]*[<\"](?:[\w./-]*/)?vmlinux\.h[>\"][^\n]*", re.MULTILINE)
_QUOTED = re.compile(rb"^[ \t]*#[ \t]*include[ \t]*\"", re.MULTILINE)
_MARKER = re.compile(rb"^# \d+ \"[^\"\n]*\"[ \d]*\n", re.MULTILINE)
_OWN = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_MACRO = re.compile(rb"^#define (\w+)[^\n]*\n", re.MULTILINE)
_EXTERN = re.compile(rb"\bextern\b[^;{}()]*?\b(CONFIG_\w+)")
_SECTION = re.compile(rb"\bSEC\s*\([^()\n]*\)")
_PACKED = re.compile(rb"\}\s*__attribute__\s*\(\(\s*(?:__)?packed(?:__)?\s*\)\)(?=\s*;\Z)")
_EMBEDDED = rb"\bstruct\s+%s\s+\w"
_MEMBERS = NAME_ROWS.index("members")
_BUILTIN = "__builtin_"
_WORD = re.compile(rb"[A-Za-z_]\w*")
_LOOSE = ("prototype", "variable", "inline")
_HEAD = f"{HEAD}#pragma clang system_header\n\n{PUSH}".encode()
_TAIL = (POP + TAIL).encode()
_CORE = (
    "include/linux/kconfig.h",
    "include/linux/sched.h",
    "include/linux/skbuff.h",
    "include/linux/fs.h",
    "include/linux/bpf.h",
    "include/net/sock.h",
)
"""What these include is what the kernel itself uses, where several headers define a name."""

_WORSE = ("include/asm-generic/", "include/trace/", "include/uapi/asm-generic/", "include/rv/")
"""Headers that stand in for others, or that only make sense within one file."""


def wanted(text: bytes, directory: str | None = None, search: Searched = ()) -> bool:
    """Whether a program includes ``vmlinux.h``, by itself or by a header of its own."""
    if _INCLUDE.search(text):
        return True
    return _may_include(text, search) and bool(named(read(text, directory, search, foreign=_foreign).includes))


def lacking(text: bytes, directory: str | None, search: Searched) -> bool:
    """Whether a program includes a ``vmlinux.h``, by itself or by a header of its own, and has none."""
    if VMLINUX.encode() not in text and not _may_include(text, search):
        return False
    return bool(named(read(text, directory, search, foreign=_is_library, opaque=is_vmlinux).includes))


def _may_include(text: bytes, search: Searched) -> bool:
    """Whether a program may have headers of its own."""
    return _QUOTED.search(text) is not None or search not in ((), IncludeSearch())


def named(includes: Iterable[str]) -> tuple[str, ...]:
    """Those of the names in include lines that mean ``vmlinux.h``."""
    return tuple(filter(is_vmlinux, includes))


def cut(
    blob: Blob,
    retyper: Retyper,
    text: bytes,
    directory: str | None,
    search: Searched = (),
    library: Callable[[str], bytes | None] = lambda name: None,
    needs: Needs | None = None,
    known: Callable[[str], bool] = lambda name: False,
    system: Callable[[str], bytes | None] = lambda name: None,
) -> Slice:
    """The header for the program *text*, which lies in *directory*; *library* gives the texts of libbpf's headers.

    What *needs* adds is taken as if the program named it. *known* tells of headers of the kernel that the compiler
    finds, before those of the directories behind the kernel's; *system* gives the texts of those of the system that it
    finds by itself. Raises BlobError, BtfError.
    """
    bare = _SECTION.sub(b"", text)
    itself = read(bare, directory, search, foreign=_foreign, known=known)
    program = read(bare, directory, search, foreign=is_vmlinux, known=known, last=library)
    # with a whole vmlinux.h, what a program points to is defined, and it may count on that: pointer + 1
    program = program._replace(strong=program.strong | itself.weak)
    places = _search(blob)
    others = _others(itself, system)
    declared = program.declared | others.declared
    # a type may be declared again, if it is the same: with bpftool's header it must be; only others may need it
    again = _typedefs(blob, declared)
    program = program._replace(
        declared=declared - again,
        defined=program.defined | others.defined,
        words=program.words - again,
        own_macros=program.own_macros | {name.decode() for part in itself.texts for name in _OWN.findall(part)},
    )
    if needs is not None:
        program = program._replace(
            declared=program.declared - needs.names,
            defined=program.defined - needs.tags,
            words=program.words | needs.names | needs.tags,
            strong=program.strong | needs.tags,
        )
        program = program._replace(
            declared=program.declared | needs.conflicts, defined=program.defined | needs.conflicts
        )
    # the header's text stands where the program includes it: what it defines before that is in force there
    program = program._replace(early={}, since={}, before={})
    piece = _whole(blob, retyper._replace(core=False), program, places)
    if retyper.btf is not None:
        piece = piece._replace(first=_unpacked(blob, retyper.btf, piece))
    # a program that declares an option (extern bool CONFIG_X __kconfig) has its loader tell the value
    own = {name.encode() for name in program.declared}
    for part in others.texts:
        own.update(_OWN.findall(part))
    for part in program.texts:  # libbpf's headers spell attributes without underscores
        own |= declaration.attributes(tokens(part))
    for part in itself.texts:
        # with a whole vmlinux.h no macro can be called like a variable, a parameter or a member
        own.update((*_OWN.findall(part), *_EXTERN.findall(part), *declaration.variables(tokens(part))))
    body = _MACRO.sub(lambda macro: b"" if macro[1] in own else macro[0], _MARKER.sub(b"", piece.text))
    answered = tuple(name for name in itself.includes if _header(blob, name, places) is not None)
    return piece._replace(first=_HEAD + body + _TAIL, last=b"", stubs={}, includes=answered)


def _others(program: Program, system: Callable[[str], bytes | None]) -> Program:
    """The headers of the system that *program* includes, as a program of their own."""
    lines = "".join(f"#include <{name}>\n" for name in program.includes if not _foreign(name))
    return read(lines.encode(), None, (), last=system)


def from_btf(
    btf: Btf,
    text: bytes,
    directory: str | None,
    search: Searched = (),
    library: Callable[[str], bytes | None] = lambda name: None,
) -> bytes:
    """The header as :func:`cut` makes it, from types alone: there are no macros and no inline functions in it.

    Raises BtfError.
    """
    itself = read(text, directory, search, foreign=_foreign)
    program = read(text, directory, search, foreign=is_vmlinux, last=library)
    tags = (program.strong | itself.weak) - program.defined
    used = Used(
        program.words - program.declared,
        tags,
        program.weak - program.defined - tags,
        program.calls.names - program.declared,
        program.touched | program.calls.words(program.calls.names),
    )
    return "".join(header(btf, select(btf, used))).encode()


def _search(blob: Blob) -> tuple[str, ...]:
    """The include directories of the blob's kernel."""
    config = frozenset(str(option).encode() for option in blob.meta.get("config", ()))
    return include_directories(architecture(str(blob.meta.get("srcarch", "")), config))


def _header(blob: Blob, name: str, search: Sequence[str]) -> str | None:
    """The path of the kernel's header that an include line calls *name*."""
    paths = (os.path.normpath(f"{place}/{name}") for place in search)
    return next((path for path in paths if path in blob.file_numbers), None)


def _whole(blob: Blob, retyper: Retyper, program: Program, search: Sequence[str]) -> Slice:
    """The slice with all that the program reaches through members of what it names, in whatever header that stands."""
    touched = program.touched | program.calls.words(program.calls.names)
    chosen = program
    while True:
        headers = (*program.includes, *_headers(blob, chosen, search, retyper.btf))
        piece = Cutter(blob, search).cut(chosen._replace(includes=headers, ahead=()))
        piece = piece._replace(first=_without_loose(blob, piece, program))
        piece = retyper.apply(piece, chosen)
        more = frozenset(_pending(blob, retyper.btf, piece.first, touched)) - chosen.strong
        if not more:
            return piece
        chosen = chosen._replace(strong=chosen.strong | more, words=chosen.words | more)


def _pending(blob: Blob, btf: Btf | None, text: bytes, touched: frozenset[str]) -> Iterator[str]:
    """Records that *text* points to and does not define, though a member of theirs is touched."""
    words = tokens(text)
    tags = {tag.decode() for tag in frozenset().union(*declaration.tags(words)) - declaration.defined_tags(words)}
    numbers = blob.numbers(tags)
    members = set(blob.numbers(touched).values())
    for tag in tags:
        entries = blob.row("tag_decls", numbers[tag]) if tag in numbers else ()
        found = (blob.find("decl", entry) for entry in entries)
        if any(not members.isdisjoint(page.row(item, _MEMBERS)) for page, item in found):
            yield tag
            continue
        if btf is not None and not entries and not touched.isdisjoint(_members(btf, btf.find(tag, Kind.STRUCT))):
            yield tag


def _members(btf: Btf, numbers: Iterable[int]) -> Iterator[str]:
    """Names of the members of records, those of unnamed ones within them included."""
    for number in numbers:
        record = btf.type(number)
        for member in record.members if isinstance(record, (Struct, Union)) else ():
            if member.name:
                yield member.name
            else:
                yield from _members(btf, (member.type,))


def _unpacked(blob: Blob, btf: Btf, piece: Slice) -> bytes:
    """The slice without ``packed`` where the layout is the same, and nothing in it embeds the struct.

    BTF does not tell of it, so bpftool's header has it only where it must, and members are read whole, not by bytes.
    """
    first = piece.first
    kinds = blob.kinds
    for number in piece.declarations:
        if KINDS[kinds[number]] != "struct" or b"packed" not in (text := blob.declaration(number)):
            continue
        match = _PACKED.search(text)
        found = declaration.read(text, False)
        tag = found.definitions[-1].tag if found is not None and found.definitions else b""
        if match is None or not tag or b"packed" in text[: match.start()]:
            continue
        types = btf.find(tag.decode(), Kind.STRUCT)
        if types and "__attribute__" not in alone(btf, types[0]) and not re.search(_EMBEDDED % tag, first):
            first = first.replace(text, text[: match.start()] + b"}" + text[match.end() :], 1)
    return first


def _typedefs(blob: Blob, names: frozenset[str]) -> frozenset[str]:
    """Those of *names* that the kernel's headers define as types."""
    kinds = blob.kinds
    return frozenset(
        name
        for name, number in blob.numbers(names).items()
        if any(KINDS[kinds[entry]] == "typedef" for entry in blob.row("name_decls", number))
    )


def _without_loose(blob: Blob, piece: Slice, program: Program) -> bytes:
    """The slice without prototypes and variables that nothing in it, nor a call of the program, refers to.

    bpftool's header has none, so programs give the names to functions and variables of their own.
    """
    kinds = blob.kinds
    loose = {number: blob.declaration(number) for number in piece.declarations if KINDS[kinds[number]] in _LOOSE}
    texts = [blob.declaration(number) for number in piece.declarations if number not in loose]
    texts += [blob.macro(number) for number in piece.macros]
    called = {number: _names(text, KINDS[kinds[number]] == "inline") for number, text in loose.items()}
    needed = set(_WORD.findall(b"\n".join(texts))) | {name.encode() for name in program.calls.names}
    while more := [number for number in called if not needed.isdisjoint(called[number])]:
        for number in more:
            del called[number]
            needed.update(_WORD.findall(loose[number]))
    first = piece.first
    for number in called:
        first = first.replace(b"\n" + loose[number] + b"\n", b"\n\n", 1)
    return first


def _names(loose: bytes, function: bool) -> tuple[bytes, ...]:
    """What a function, a prototype or a declaration of a variable declares."""
    found = declaration.read(loose, function)
    return found.names if found is not None else ()


def _is_library(name: str) -> bool:
    return name.startswith("bpf/")


def _foreign(name: str) -> bool:
    """Whether an include line is not to be answered by what lies there: the file that is made may be an old one."""
    return _is_library(name) or is_vmlinux(name)


def _headers(blob: Blob, program: Program, search: Sequence[str], btf: Btf | None) -> Iterator[str]:
    """Names by which the headers are included that define what the program names and does not define itself.

    Of several definitions of a record, of which a source file of the kernel includes one, *btf* tells the kernel's.
    """
    own = program.declared | program.own_macros
    named = (program.words - own) | program.strong | program.weak
    numbers = blob.numbers(name for name in named if not name.startswith(_BUILTIN))
    paths: dict[str, None] = {}
    core = _reached(blob)

    def rank(path: str) -> tuple[bool, bool, bool, int, str]:
        """The likelier header is the smaller."""
        public = path.startswith(("include/linux/", "include/uapi/linux/"))
        return path not in core, path.startswith(_WORSE), not public, len(path), path

    for name, number in numbers.items():
        places = [] if name in program.defined else _tag_places(blob, name, number, btf)
        if name not in own:
            places += _places(blob, "name_macros", "macro", number) or _places(blob, "name_decls", "decl", number)
        if places:
            paths[min(places, key=rank)] = None
    ordered = sorted((f"{place}/" for place in search), key=len, reverse=True)
    for path in paths:
        place = next((place for place in ordered if path.startswith(place)), None)
        if place is not None:
            yield path[len(place) :]


def _tag_places(blob: Blob, tag: str, number: int, btf: Btf | None) -> list[str]:
    """Paths of the headers that define a tag, as the kernel of *btf* does if that is there."""
    places = _places(blob, "tag_decls", "decl", number)
    if btf is None or len(places) < 2 or not (types := btf.find(tag, Kind.STRUCT, Kind.UNION)):
        return places
    wanted = set(_members(btf, types[:1]))
    known = set(blob.numbers(wanted).values())
    same = []
    for entry in blob.row("tag_decls", number):
        page, item = blob.find("decl", entry)
        members = set(page.row(item, _MEMBERS))
        if len(known) == len(wanted) and members.issuperset(known):
            same.append((len(members), blob.place("decl", entry)[0]))
    # members of records within it count as well: the one with the fewest is no more than the record
    return [path for size, path in same if size == min(same)[0]] or places


def _places(blob: Blob, row: str, kind: str, number: int) -> list[str]:
    entries = blob.row(row, number)
    if kind == "decl":  # of an assembler's macros nothing is C
        entries = [entry for entry in entries if not blob.declaration(entry).lstrip().startswith(b".")]
    return [blob.place(kind, entry)[0] for entry in entries]


def _reached(blob: Blob) -> frozenset[str]:
    """Paths of the headers that _CORE include, and those that they include."""
    numbers, files = blob.file_numbers, blob.files
    todo = [numbers[path] for path in _CORE if path in numbers]
    seen = set(todo)
    while todo:
        for number in blob.row("includes", todo.pop()):
            if number not in seen:
                seen.add(number)
                todo.append(number)
    return frozenset(files[number] for number in seen)
