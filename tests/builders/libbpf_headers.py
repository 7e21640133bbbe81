"""libbpf's headers for BPF programs as Debian packages them, and objects that were compiled with one set or another.

An object is the same as another if a loader sees the same: code, data, maps, symbols, relocations, types, and the
relocations of CO-RE. The order of types without relation to each other, which is of the compiler's memory, does not
count, nor do the lines of source beside the instructions, which name the header.
"""

from __future__ import annotations

import io
import re
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from builders.debian import Debian, kept
from builders.differential import parts
from kheaders.btf.container import btf_bytes, parse_sections
from kheaders.btf.table import Btf

OURS = Path(str(files("kheaders.libbpf").joinpath("include")))
"""The directory of our own headers: ``bpf/*.h`` below it."""
SUITES = {"1.1": "bookworm", "1.5": "trixie"}
"""Version of libbpf → the suite of Debian that has it."""
NEWEST = "1.5"
HELPERS = "bpf/bpf_helper_defs.h"
_TYPES = frozenset({"target", "type", "element", "index_type", "proto", "result"})
"""Fields of kheaders.btf.model that are ids of types."""


def theirs(version: str) -> Path:
    """The directory that holds ``bpf/*.h`` of libbpf *version*, and nothing else. Raises Unobtainable."""
    label = f"libbpf-dev-{version}"
    return (kept(label) or Debian(SUITES[version]).unpacked("libbpf-dev", label=label, then=_headers_alone)) / "include"


def _headers_alone(root: Path) -> None:
    (root / "include").mkdir()
    (root / "usr/include/bpf").rename(root / "include/bpf")


def declared(directory: Path) -> dict[str, int]:
    """Helper → its number, as ``bpf_helper_defs.h`` below *directory* has them."""
    text = (directory / HELPERS).read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = re.findall(r"\(\s*\*\s*(?:const\s+)?(\w+)\)\([^;]*?\)\s*=\s*\(void \*\)\s*(\d+);", text)
    return {name: int(number) for name, number in found}


def compiled(argv: Sequence[str], text: bytes, *words: str, includes: Sequence[Path] = ()) -> bytes | str:
    """The object that *argv*, the words of a clang, makes of *text*, or what it said."""
    command = [*argv, "-target", "bpf", "-mcpu=v3", "-g", "-O2", *(f"-I{place}" for place in includes), *words]
    done = subprocess.run([*command, "-x", "c", "-c", "-", "-o", "-"], input=text, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else done.stderr.decode(errors="replace")


def refused_lines(argv: Sequence[str], text: bytes, *words: str, includes: Sequence[Path] = ()) -> set[int]:
    """The numbers of the lines of *text* in which a compiler finds errors; lines count from 1."""
    command = [*argv, "-target", "bpf", "-fsyntax-only", "-ferror-limit=0", *(f"-I{place}" for place in includes)]
    done = subprocess.run([*command, *words, "-x", "c", "-"], input=text, capture_output=True, check=False)
    return {int(number) for number in re.findall(rb"^<stdin>:(\d+):\d+: error:", done.stderr, re.M)}


def differences(left: bytes, right: bytes) -> list[str]:
    """The parts in which two objects are not the same program."""
    one, other = parts(left), parts(right)
    found = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    types = [_types(data) for data in (left, right)]
    found += [f".BTF: {shape}" for shape in sorted((types[0] - types[1]) + (types[1] - types[0]))]
    core = [list(core_relocations(data)) for data in (left, right)]
    return found + ([".BTF.ext: relocations of CO-RE"] if core[0] != core[1] else [])


def core_relocations(data: bytes) -> Iterator[tuple[str, int, str, str, int]]:
    """Each relocation of CO-RE of an object: section, offset, type, access string, kind (``struct bpf_core_relo``)."""
    from elftools.elf.elffile import ELFFile

    elf = ELFFile(io.BytesIO(data))
    section = elf.get_section_by_name(".BTF.ext")
    if section is None:
        return
    content = section.data()
    order = "<" if elf.little_endian else ">"
    (length,) = struct.unpack_from(f"{order}I", content, 4)
    if length < 32:  # struct btf_ext_header without what CO-RE needs
        return
    start, size = struct.unpack_from(f"{order}2I", content, 24)
    btf = parse_sections(btf_bytes(data, "object"))
    at, end = length + start, length + start + size
    row = struct.Struct(f"{order}4I")
    assert not size or struct.unpack_from(f"{order}I", content, at) == (row.size,)
    at += 4
    while at < end:
        name, count = struct.unpack_from(f"{order}2I", content, at)
        at += 8
        for _ in range(count):
            offset, type_id, access, kind = row.unpack_from(content, at)
            at += row.size
            yield btf.string(name, 0), offset, _shape(btf, type_id), btf.string(access, 0), kind


def _types(data: bytes) -> Counter[str]:
    """Every type of an object's BTF, in words."""
    if b".BTF\0" not in data:
        return Counter()
    btf = parse_sections(btf_bytes(data, "object"))
    return Counter(_shape(btf, number, whole=True) for number in btf.ids())


def _shape(btf: Btf, number: int, whole: bool = False) -> str:
    """A type in words: what it refers to by name, where that has one."""
    found = btf.type(number)
    name = getattr(found, "name", "")
    if name and not whole:
        return f"{found.kind.name} {name}"
    return f"{found.kind.name} {_words(btf, found)}"


def _words(btf: Btf, value: Any) -> str:
    rows = []
    for field, one in value._asdict().items():
        if field in _TYPES:
            rows.append(_shape(btf, one))
        elif isinstance(one, tuple) and one and hasattr(one[0], "_asdict"):
            rows.append("[" + "; ".join(_words(btf, each) for each in one) + "]")
        elif field != "id":
            rows.append(str(one))
    return ", ".join(rows)
