"""A program compiled two ways, from a kernel's full headers and from a slice of its blob, and what differs.

Both compiles take place in memory. What counts is what a loader sees: code, data, maps, relocations and symbols.
Debug information is left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kheaders.compilers.find import Compiler
from kheaders.compilers.flags import architecture, header_flags, include_directories, version_of
from kheaders.compilers.job import Job, Result, execute
from kheaders.compilers.vfs import virtual_files
from kheaders.forms.memory import MemoryForm
from kheaders.forms.served import Served
from kheaders.headers.headerset import HeaderSet
from kheaders.interface import program as programs
from kheaders.interface.blob import Blob
from kheaders.interface.build import build
from kheaders.interface.slice import Cutter, Slice

SLICE = "/kheaders/slice"
_DEBUG = (".debug", ".rel.debug", ".rela.debug", ".BTF", ".rel.BTF", ".llvm_addrsig", ".strtab", ".symtab")


@dataclass(frozen=True)
class Outcome:
    """One program, both ways."""

    full: Result
    slice: Result
    cut: Slice

    @property
    def verdict(self) -> str:
        """``same``, ``both fail``, ``slice fails``, ``full fails`` or ``different``."""
        if not self.full.ok:
            return "full fails" if self.slice.ok else "both fail"
        if not self.slice.ok:
            return "slice fails"
        return "different" if self.differences() else "same"

    @property
    def good(self) -> bool:
        """Whether the slice gave what the full headers give."""
        return self.verdict in ("same", "both fail")

    def differences(self) -> list[str]:
        """Names of the parts of the objects that differ."""
        one, other = parts(self.full.output), parts(self.slice.output)
        return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))

    def explained(self) -> str:
        """The verdict with what is needed to understand it."""
        if self.verdict == "different":
            return f"different: {', '.join(self.differences())}"
        told = self.slice if not self.slice.ok else self.full
        errors = [line for line in told.diagnostics.splitlines() if "error" in line]
        return "\n    ".join([self.verdict, *errors[:4]])


class Kernel:
    """A kernel's headers served whole, and its blob."""

    def __init__(self, headers: HeaderSet, blob: Blob, compiler: Compiler, served: Served) -> None:
        self.headers = headers
        self.blob = blob
        self.compiler = compiler
        self.arch = architecture(headers.srcarch or "", headers.config)
        self._served = served

    def full(self, job: Job) -> Result:
        """Compile *job* from all headers."""
        return execute(self.compiler, job, self._served.flags, self._served.pass_fds)

    def cut(self, job: Job) -> Slice:
        """The slice of *job*'s program."""
        path = job.source if isinstance(job.source, Path) else None
        text = path.read_bytes() if path else job.source
        assert isinstance(text, bytes)
        read = programs.read(text, str(path.absolute().parent) if path else None, job.includes)
        return Cutter(self.blob, include_directories(self.arch)).cut(read)

    def sliced(self, job: Job, cut: Slice) -> Result:
        """Compile *job* from its slice alone."""
        flags = header_flags(self.arch, SLICE, self.compiler.include, version_of(self.headers.release))
        at = flags.index("-include")
        del flags[at : at + 2]
        texts = {f"{SLICE}/include/{name}": b"" for name in cut.includes}
        texts[f"{SLICE}/slice.h"] = cut.text
        with virtual_files(texts) as files:
            words = [*flags, *files.flags, "-include", f"{SLICE}/slice.h"]
            return execute(self.compiler, job, words, files.pass_fds)

    def both(self, job: Job) -> Outcome:
        """Compile *job* both ways."""
        cut = self.cut(job)
        return Outcome(self.full(job), self.sliced(job, cut), cut)


@contextmanager
def kernel(headers: HeaderSet, compiler: Compiler, path: Path) -> Iterator[Kernel]:
    """*headers*, with the blob at *path*, which is built if it is not there."""
    if not path.exists():
        build(headers, compiler, path)
    with Blob(path) as blob, MemoryForm(headers, everything=True).serve(compiler, b"") as served:
        yield Kernel(headers, blob, compiler, served)


def parts(data: bytes) -> dict[str, object]:
    """What a loader sees of an object: bytes of each section, relocations by name of the symbol, symbols."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.relocation import RelocationSection
    from elftools.elf.sections import SymbolTableSection

    elf = ELFFile(io.BytesIO(data))
    found: dict[str, object] = {}
    for section in elf.iter_sections():
        name = section.name
        if name.startswith(_DEBUG) and not isinstance(section, SymbolTableSection):
            continue
        if isinstance(section, RelocationSection):
            symbols = elf.get_section(section["sh_link"])
            found[name] = [
                (r["r_offset"], r["r_info_type"], _symbol(elf, symbols.get_symbol(r["r_info_sym"])))
                for r in section.iter_relocations()
            ]
        elif isinstance(section, SymbolTableSection):
            rows = [(_symbol(elf, s), s["st_value"], s["st_size"], str(s["st_info"])) for s in section.iter_symbols()]
            found[name] = sorted(row for row in rows if not row[0].startswith((".debug", ".BTF", ".L")))
        else:
            found[name] = (section["sh_type"], section["sh_flags"], section["sh_addralign"], section.data())
    return found


def _symbol(elf: object, symbol: object) -> str:
    if symbol.name:  # type: ignore[attr-defined]
        return str(symbol.name)  # type: ignore[attr-defined]
    index = symbol["st_shndx"]  # type: ignore[index]
    return str(elf.get_section(index).name) if isinstance(index, int) else str(index)  # type: ignore[attr-defined]
