"""The ``vmlinux.h`` of one libbpf program: the types that it needs, and the macros and inline functions with them.

bpftool's holds every type and nothing else, so programs copy macros by hand. This one is cut from the blob like any
slice, but without include lines to go by: the headers that define the program's words are taken as if it included them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence

from kheaders.btf.cprint.vmlinux import HEAD, TAIL, alone
from kheaders.btf.kinds import Kind
from kheaders.btf.model import Struct, Union
from kheaders.btf.table import Btf
from kheaders.c.declaration import names
from kheaders.clang.flags import architecture, include_directories
from kheaders.interface.blob import Blob
from kheaders.interface.program import Program, read
from kheaders.interface.schema import KINDS, NAME_ROWS
from kheaders.interface.slice import Cutter, Slice
from kheaders.retyping import Retyper

NAME = "vmlinux.h"
LIBRARY = ("/usr/include", "/usr/local/include")
"""Where libbpf's headers for programs lie; what they declare is not the kernel's to declare."""

_INCLUDE = re.compile(rb"^[ \t]*#[ \t]*include[ \t]*[<\"](?:[\w./-]*/)?vmlinux\.h[>\"][^\n]*", re.MULTILINE)
_QUOTED = re.compile(rb"^[ \t]*#[ \t]*include[ \t]*\"", re.MULTILINE)
_MARKER = re.compile(rb"^# \d+ \"[^\"\n]*\"[ \d]*\n", re.MULTILINE)
_OWN = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
_MACRO = re.compile(rb"^#define (\w+)[^\n]*\n", re.MULTILINE)
_EXTERN = re.compile(rb"\bextern\b[^;{}()]*?\b(CONFIG_\w+)")
_SECTION = re.compile(rb"\bSEC\s*\([^()\n]*\)")
_POINTED = re.compile(rb"\bstruct\s+(\w+)")
_PACKED = re.compile(rb"\}\s*__attribute__\s*\(\(\s*(?:__)?packed(?:__)?\s*\)\)(?=\s*;\Z)")
_EMBEDDED = rb"\bstruct\s+%s\s+\w"
_DEFINED = re.compile(rb"\bstruct\s+(?:__attribute__\s*\(\([^{;]*?\)\)\s*)*(\w+)\s*\{")
_MEMBERS = NAME_ROWS.index("members")
_TYPE = re.compile(rb"\b__[a-z]+(?:\d+)?\b")
_WORDS = b"static inline void kheaders_words(void) { %s; }\n"
_KNOWN = {
    "bpf/bpf_helpers.h": _WORDS % b"__u8; __u16; __u32; __u64; __s8; __s16; __s32; __s64; __be16; __be32; __wsum",
    "bpf/bpf_tracing.h": _WORDS % b"struct pt_regs regs; struct user_pt_regs user_regs",
    "bpf/usdt.bpf.h": _WORDS % b"struct pt_regs regs; BPF_MAP_TYPE_HASH; BPF_MAP_TYPE_ARRAY; BPF_NOEXIST; BPF_ANY",
}
"""What libbpf's headers ask of the kernel at least."""
_BUILTIN = "__builtin_"
_LOCAL = re.compile(
    rb"(?:[;{}(,]|\b(?:static|const|volatile|register))\s*"
    rb"(?:(?:struct|union|enum|unsigned|signed|long|short|const|volatile)\s+)*"
    rb"(?!(?:return|goto|case|else|typeof|sizeof)\b)[A-Za-z_]\w*(?:\s+|\s*(\*)[\s*]*)([A-Za-z_]\w*)\s*([;=,\[)])"
)
"""What may declare a variable, a parameter or a member: a type, and a name after it."""
_ATTRIBUTES = (b"noinline",)
"""Macros of the kernel that are words of attributes, which libbpf's headers spell without underscores."""
_WORD = re.compile(rb"[A-Za-z_]\w*")
_ATTRIBUTE = re.compile(rb"\b(?:__attribute__|__typeof__|typeof)\s*\((?:[^()]|\([^()]*\)|\((?:[^()]|\([^()]*\))*\))*\)")
_CALLED = re.compile(rb"(\w+)\s*\(")
_LOOSE = ("prototype", "variable", "inline")
_LIMIT = 1 << 22
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


def wanted(text: bytes, directory: str | None = None, includes: Sequence[str] = ()) -> bool:
    """Whether a program includes ``vmlinux.h``, by itself or by a header of its own."""
    if _INCLUDE.search(text):
        return True
    return _QUOTED.search(text) is not None and any(
        map(_is_this, read(text, directory, includes, foreign=_foreign).includes)
    )


def cut(blob: Blob, retyper: Retyper, text: bytes, directory: str | None, includes: Sequence[str] = ()) -> Slice:
    """The header for the program *text*, which lies in *directory*. Raises BlobError, BtfError."""
    bare = _SECTION.sub(b"", _INCLUDE.sub(b"", text))
    itself = read(bare, directory, includes, foreign=_foreign)
    program = _read(bare, directory, includes)
    # with a whole vmlinux.h, what a program points to is defined, and it may count on that: pointer + 1
    program = program._replace(strong=program.strong | itself.weak)
    config = frozenset(str(option).encode() for option in blob.meta.get("config", ()))
    search = include_directories(architecture(str(blob.meta.get("srcarch", "")), config))
    # a type may be declared again, if it is the same: with bpftool's header it must be
    program = program._replace(declared=program.declared - _typedefs(blob, program.declared))
    piece = _whole(blob, retyper._replace(core=False), program, search)
    if retyper.btf is not None:
        piece = piece._replace(first=_unpacked(blob, retyper.btf, piece))
    # a program that declares an option (extern bool CONFIG_X __kconfig) has its loader tell the value
    own = {*_ATTRIBUTES, *(name.encode() for name in program.declared)}
    for part in itself.texts:
        own.update((*_OWN.findall(part), *_EXTERN.findall(part), *_locals(part)))
    body = _MACRO.sub(lambda macro: b"" if macro[1] in own else macro[0], _MARKER.sub(b"", piece.text))
    head = HEAD.replace("#define __VMLINUX_H__\n", "#define __VMLINUX_H__\n\n#pragma clang system_header\n")
    return piece._replace(first=head.encode() + body + TAIL.encode(), last=b"", includes=())


def _whole(blob: Blob, retyper: Retyper, program: Program, search: Sequence[str]) -> Slice:
    """The slice with all that the program reaches through members of what it names, in whatever header that stands."""
    touched = program.touched | program.calls.words(program.calls.names)
    chosen = program
    while True:
        headers = tuple(_headers(blob, chosen, search))
        piece = Cutter(blob, search).cut(chosen._replace(includes=headers))
        piece = piece._replace(first=_without_loose(blob, piece, program))
        piece = retyper.apply(piece, chosen)
        more = frozenset(_pending(blob, retyper.btf, piece.first, touched)) - chosen.strong
        if not more:
            return piece
        chosen = chosen._replace(strong=chosen.strong | more, words=chosen.words | more)


def _pending(blob: Blob, btf: Btf | None, text: bytes, touched: frozenset[str]) -> Iterator[str]:
    """Structs that *text* points to and does not define, though a member of theirs is touched."""
    tags = {tag.decode() for tag in set(_POINTED.findall(text)).difference(_DEFINED.findall(text))}
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
        if KINDS[kinds[number]] != "struct" or b"packed" not in (declaration := blob.declaration(number)):
            continue
        match = _PACKED.search(declaration)
        tag = _DEFINED.match(declaration)
        if match is None or tag is None or b"packed" in declaration[: match.start()]:
            continue
        types = btf.find(tag[1].decode(), Kind.STRUCT)
        if types and "__attribute__" not in alone(btf, types[0]) and not re.search(_EMBEDDED % tag[1], first):
            first = first.replace(declaration, declaration[: match.start()] + b"}" + declaration[match.end() :], 1)
    return first


def _typedefs(blob: Blob, names: frozenset[str]) -> frozenset[str]:
    """Those of *names* that the kernel's headers define as types."""
    kinds = blob.kinds
    return frozenset(
        name
        for name, number in blob.numbers(names).items()
        if any(KINDS[kinds[entry]] == "typedef" for entry in blob.row("name_decls", number))
    )


def _locals(clean: bytes) -> Iterator[bytes]:
    """Names of variables, parameters and members: with a whole ``vmlinux.h`` no macro can be called so."""
    for star, name, after in _LOCAL.findall(clean):
        if not (star and after in b",)"):  # that may be a product
            yield name


def _without_loose(blob: Blob, piece: Slice, program: Program) -> bytes:
    """The slice without prototypes and variables that nothing in it, nor a call of the program, refers to.

    bpftool's header has none, so programs give the names to functions and variables of their own.
    """
    kinds = blob.kinds
    loose = {number: blob.declaration(number) for number in piece.declarations if KINDS[kinds[number]] in _LOOSE}
    text = [blob.declaration(number) for number in piece.declarations if number not in loose]
    text += [blob.macro(number) for number in piece.macros]
    called = {number: _names(declaration) for number, declaration in loose.items()}
    needed = set(_WORD.findall(b"\n".join(text))) | {name.encode() for name in program.calls.names}
    while more := [number for number in called if not needed.isdisjoint(called[number])]:
        for number in more:
            del called[number]
            needed.update(_WORD.findall(loose[number]))
    first = piece.first
    for number in called:
        first = first.replace(b"\n" + loose[number] + b"\n", b"\n\n", 1)
    return first


def _names(loose: bytes) -> list[bytes]:
    """What a prototype or a declaration of a variable declares."""
    bare = loose.partition(b"{")[0].removesuffix(b";")
    return [*names(bare, False)[0], *_CALLED.findall(_ATTRIBUTE.sub(b"", bare))]


def _is_library(name: str) -> bool:
    return name.startswith("bpf/")


def _is_this(name: str) -> bool:
    return os.path.basename(name) == NAME


def _foreign(name: str) -> bool:
    """Whether an include line is not to be answered by what lies there: the file that is made may be an old one."""
    return _is_library(name) or _is_this(name)


def _read(text: bytes, directory: str | None, includes: Sequence[str]) -> Program:
    """The program with those of libbpf's headers that it includes."""
    seen: set[str] = set()
    while True:
        program = read(text, directory, includes, foreign=_foreign)
        more = [name for name in program.includes if _is_library(name) and name not in seen]
        if not more:
            return program
        for name in more:
            seen.add(name)
            text += b"\n" + _library(name, (*includes, *LIBRARY))


def _library(name: str, places: Sequence[str]) -> bytes:
    """What a header of libbpf's asks of the kernel, as a program's text; where it is not at hand, what all have."""
    for place in places:
        try:
            with open(os.path.normpath(f"{place}/{name}"), "rb") as file:
                data = file.read(_LIMIT)
        except OSError:
            continue
        if name.endswith("helper_defs.h"):  # prototypes of all helpers; it declares the structs by itself
            data = _WORDS % b"; ".join(sorted(set(_TYPE.findall(data))))
        return _KNOWN.get(name, b"") + data.replace(
            b'#include "bpf_helper_defs.h"', b"#include <bpf/bpf_helper_defs.h>"
        )
    return _KNOWN.get(name, b"")


def _headers(blob: Blob, program: Program, search: Sequence[str]) -> Iterator[str]:
    """Names by which the headers are included that define what the program names and does not define itself."""
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
        places = [] if name in program.defined else _places(blob, "tag_decls", "decl", number)
        if name not in own:
            places += _places(blob, "name_macros", "macro", number) or _places(blob, "name_decls", "decl", number)
        if places:
            paths[min(places, key=rank)] = None
    ordered = sorted((f"{place}/" for place in search), key=len, reverse=True)
    for path in paths:
        place = next((place for place in ordered if path.startswith(place)), None)
        if place is not None:
            yield path[len(place) :]


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
