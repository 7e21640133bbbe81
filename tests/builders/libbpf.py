"""libbpf programs of Debian's linux-source-6.1, each compiled with bpftool's ``vmlinux.h`` and with its own slice.

The programs are the kernel's self-tests that include ``vmlinux.h``, and those of perf, bpftool, runqslower and the
samples. Their kernel is Debian's 6.1.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sysconfig
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builders.corpus import lay_out_libbpf
from builders.debian import Debian, kept
from builders.kernel_archive import default_cache, obtain
from kheaders import vmlinux
from kheaders.btf.container import btf_of_file, read_btf
from kheaders.clang.find import find
from kheaders.headers.headerset import HeaderSet
from kheaders.interface.blob import Blob
from kheaders.interface.build import build
from kheaders.objects import compare
from kheaders.retyping import Retyper
from kheaders.sources import bootimage

SOURCE = "linux-source-6.1"
SELF_TESTS = "tools/testing/selftests/bpf"
_PARTS = (
    *(SELF_TESTS, "tools/lib/bpf", "tools/include", "tools/perf/util/bpf_skel", "tools/bpf"),
    *("samples/bpf", "scripts/bpf_doc.py", "include/uapi/linux/bpf.h"),
)
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_DEFINE = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)(\(?)((?:[^\n\\]|\\.)*)\n", re.MULTILINE | re.DOTALL)
_WORD = re.compile(rb"[A-Za-z_]\w*")
_COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*", re.DOTALL)
_MARK = "values.c"
_AT = re.compile(rf"^{_MARK}:(\d+):\d+: error:", re.MULTILINE)
_NO_CONSTANT = 0x6E6F20636F6E7374
"""Stands for the value of what is no constant."""


def sources() -> Path:
    """The part of the kernel's source that holds the programs, with libbpf's headers. Raises Unobtainable."""
    there = kept("libbpf-programs")
    return (there or Debian("bookworm").unpacked(SOURCE, label="libbpf-programs", then=_keep_programs)) / "programs"


def _keep_programs(root: Path) -> None:
    place = root / "programs"
    place.mkdir()
    archive = root / "usr/src" / f"{SOURCE}.tar.xz"
    parts = [f"{SOURCE}/{part}" for part in _PARTS]
    subprocess.run(["tar", "-xf", archive, "-C", place, "--strip-components=1", *parts], check=True)
    shutil.rmtree(root / "usr")
    lay_out_libbpf(place)


def kernel_btf() -> bytes:
    """The BTF of the kernel whose headers builders.kernel_archive obtains. Raises Unobtainable."""
    release = obtain().release
    target = default_cache() / f"btf-{release}"
    if not target.exists():
        (path,) = Debian("bookworm").unpacked(f"linux-image-{release}").glob("boot/vmlinuz-*")
        part = target.with_name(f"{target.name}.{os.getpid()}")
        part.write_bytes(btf_of_file(path, unpack=bootimage.unpack).btf)
        part.rename(target)
    return target.read_bytes()


def programs(source: Path) -> list[Path]:
    """The programs that include ``vmlinux.h``, by themselves or by a header of their own."""
    candidates = [*source.glob(f"{SELF_TESTS}/progs/*.c"), *source.rglob("*.bpf.c")]
    return sorted(path for path in candidates if any(vmlinux.wanted(text) for text in own_files(path).values()))


def own_files(path: Path) -> dict[Path, bytes]:
    """A program and the headers of its own, by quoted include lines."""
    found: dict[Path, bytes] = {}
    todo = [path]
    while todo:
        current = todo.pop().resolve()
        if current not in found and current.is_file():
            found[current] = current.read_bytes()
            todo += [current.parent / name.decode() for name in _INCLUDE.findall(found[current])]
    return found


@dataclass(frozen=True)
class Outcome:
    """What became of one program."""

    verdict: str
    """``same``, ``differs``, ``ours fails``, ``bpftool's fails`` (ours does not) or ``both fail``."""
    detail: str = ""
    deleted: tuple[str, ...] = ()
    """Macros that the program copied from the kernel and that were deleted, in what this is the outcome of."""
    other: tuple[str, ...] = ()
    """Macros that have the name of one of the kernel's, and another value: the program's own."""


How = Callable[[Path], Outcome]


class Comparison:
    """Compiles programs with both headers; the blob and the BTF are of one kernel, *clang* the words of a compiler.

    Any number of threads may use it.
    """

    def __init__(self, source: Path, blob: Path, btf: Path, clang: Sequence[str], work: Path) -> None:
        self.source = source
        self._path = blob
        self._threads = threading.local()
        self._clang = tuple(clang)
        self._work = work
        self._btf = read_btf(btf)
        self._full = work / "bpftool"
        self._full.mkdir()
        with (self._full / "vmlinux.h").open("wb") as file:
            subprocess.run(["bpftool", "btf", "dump", "file", btf, "format", "c"], stdout=file, check=True)

    def whole(self, program: Path) -> Outcome:
        """The program as it stands."""
        theirs = self._compile(program, program.parent, self._full)
        return _outcome(theirs, self._compile(program, program.parent, self._cut(program, program.parent)))

    def without_copies(self, program: Path) -> Outcome:
        """The program without the macros that it copied from the kernel, against itself with them."""
        copied: dict[str, str] = {}
        for text in own_files(program).values():
            copied.update((match[1].decode(), _plain(match[3])) for match in _DEFINE.finditer(text) if not match[2])
        names = {name for name in copied if self._kernels(name)}
        home = program.parent
        before = self._values(program, home, self._full, names)
        own = {name for name in names - before.keys() if copied[name] not in self._kernels(name)}
        while True:
            bare = self._stripped(program, names - own)
            ours = self._cut(bare, home)
            used = {word.decode() for text in own_files(bare).values() for word in _WORD.findall(text)} & names - own
            after = self._values(bare, home, ours, used)
            other = {name for name in used if before.get(name) != after.get(name)}
            if not other:
                break
            own |= other
        outcome = _outcome(self._compile(program, home, self._full), self._compile(bare, home, ours))
        return replace(outcome, deleted=tuple(sorted(used)), other=tuple(sorted(own)))

    @property
    def _blob(self) -> Blob:
        """The blob of this thread; it goes with the thread."""
        if not hasattr(self._threads, "blob"):
            self._threads.blob = Blob(self._path)
        blob: Blob = self._threads.blob
        return blob

    def _kernels(self, name: str) -> set[str]:
        """What the kernel's headers define a macro without parameters as."""
        number = self._blob.number(name)
        found = [] if number is None else [self._blob.macro(macro) for macro in self._blob.row("name_macros", number)]
        words = [text.partition(b" ") for text in found]
        return {_plain(body) for head, _, body in words if head == name.encode()}

    def _place(self, program: Path, kind: str) -> Path:
        place = self._work / kind / "-".join(program.parts[-5:])
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def _includes(self, home: Path) -> list[str]:
        tests = home.is_relative_to(self.source / SELF_TESTS)
        below = ("libbpf", *((SELF_TESTS, "tools/include/uapi") if tests else ("tools/include",)))
        return [str(home), *(str(self.source / name) for name in below)]

    def _cut(self, program: Path, home: Path) -> Path:
        """The directory of the ``vmlinux.h`` of a program that stands, or stood, in *home*."""
        place = self._place(program, "ours")
        text = program.read_bytes()
        retyper = Retyper(self._blob, False, self._btf)
        header = vmlinux.cut(self._blob, retyper, text, str(program.parent), self._includes(home))
        (place / "vmlinux.h").write_bytes(header.text)
        return place

    def _stripped(self, program: Path, names: Iterable[str]) -> Path:
        """The program and its own headers without the definitions of *names*, in another directory."""
        place = self._place(program, "bare")
        doomed = {name.encode() for name in names}

        def without(match: re.Match[bytes]) -> bytes:
            return b"\n" * match[0].count(b"\n") if match[1] in doomed and not match[2] else match[0]

        for path, text in own_files(program).items():
            (place / path.name).write_bytes(_DEFINE.sub(without, text))
        return place / program.name

    def _compile(self, program: Path | bytes, home: Path, header: Path) -> bytes | str:
        """The object, or what the compiler said."""
        source: str | Path = "-" if isinstance(program, bytes) else program
        argv = [*self._clang, "-target", "bpf", "-mcpu=v3", "-g", "-O2", "-D__TARGET_ARCH_x86", "-w", f"-I{header}"]
        argv += [f"-I{place}" for place in self._includes(home)]
        argv += ["-x", "c", "-c", str(source), "-o", "-"]
        argv += ["-idirafter", f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}"]
        given = program if isinstance(program, bytes) else b""
        done = subprocess.run(argv, input=given, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else done.stderr.decode(errors="replace")

    def _values(self, program: Path, home: Path, header: Path, names: Iterable[str]) -> dict[str, int]:
        """The values of those of the macros *names* that are constants, at the end of the program."""
        left = sorted(names)
        while left:
            lines = [f"const unsigned long long value_{name} = (unsigned long long)({name});" for name in left]
            text = "\n".join([f'#include "{program}"', f'#line 1 "{_MARK}"', *lines, ""])
            result = self._compile(text.encode(), home, header)
            if isinstance(result, bytes):
                return _numbers(result, left)
            bad = {int(number) - 1 for number in _AT.findall(result)}
            if not bad:
                return {}  # the program itself cannot be compiled
            left = [name for at, name in enumerate(left) if at not in bad]
        return {}


def _plain(body: bytes) -> str:
    """The body of a macro without comments and superfluous blanks."""
    return b" ".join(_COMMENT.sub(b" ", body.replace(b"\\\n", b" ")).split()).decode(errors="replace")


def _numbers(data: bytes, names: Iterable[str]) -> dict[str, int]:
    """The values of the variables ``value_NAME`` of an object."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    elf = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    found = {}
    for name in names:
        symbols = table.get_symbol_by_name(f"value_{name}")
        assert symbols is not None
        symbol = symbols[0]
        content = elf.get_section(symbol["st_shndx"]).data()
        found[name] = int.from_bytes(content[symbol["st_value"] :][:8], "little")
    return found


def _outcome(theirs: bytes | str, ours: bytes | str) -> Outcome:
    """The outcome of two compiles, bpftool's header first. What differs in types' names (BTF) only is the same."""
    if isinstance(theirs, bytes) and isinstance(ours, bytes):
        found = [one for one in compare(theirs, ours) if one.kind != "BTF"]
        return (
            Outcome("differs", "; ".join(f"{one.section} {one.detail}" for one in found)) if found else Outcome("same")
        )
    if isinstance(ours, bytes):
        return Outcome("bpftool's fails", _first(theirs))
    return Outcome("ours fails" if isinstance(theirs, bytes) else "both fail", _first(ours))


def _first(said: bytes | str) -> str:
    lines = said.splitlines() if isinstance(said, str) else []
    return next((line for line in lines if "error:" in line), "no message")


def comparison(work: Path, source: Path, archive: Path, btf: bytes, clang: Sequence[str]) -> Comparison:
    """A comparison with all that it needs below *work*: the blob of the headers in *archive*, and the BTF."""
    with archive.open("rb") as stream:
        build(HeaderSet.from_archive(stream), find(None), work / "blob")
    return with_blob(work, source, work / "blob", btf, clang)


def with_blob(work: Path, source: Path, blob: Path, btf: bytes, clang: Sequence[str]) -> Comparison:
    """A comparison with a blob that is there."""
    (work / "btf").write_bytes(btf)
    return Comparison(source, blob, work / "btf", clang, work)
