"""A program compiled two ways, from a kernel's full headers and from a slice of its blob, and what differs.

Both compiles take place in memory. What counts is what a loader sees: code, data, maps, relocations, symbols. Debug
information is left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kheaders.clang.find import Compiler
from kheaders.clang.job import Job, Result, execute
from kheaders.forms.memory import MemoryForm
from kheaders.forms.served import Served
from kheaders.headers.headerset import HeaderSet
from kheaders.headers.markers import reached
from kheaders.interface.blob import Blob
from kheaders.interface.build import build
from kheaders.slicing import SliceAttempt, attempt_slice

_LEFT_OUT = (
    ".debug",
    ".rel.debug",
    ".BTF",
    ".rel.BTF",
    ".llvm_addrsig",
    ".strtab",
    ".discard",
    ".modinfo",
    ".rel.discard",
)
"""Debug information, and what the kernel's linker script discards: variables in inline functions that nobody calls."""


@dataclass(frozen=True)
class Outcome:
    """One program, both ways."""

    full: Result
    sliced: SliceAttempt

    @property
    def verdict(self) -> str:
        """``same``, ``both fail``, ``slice fails``, ``full fails`` or ``different``."""
        full, sliced = (self.full.ok and not reached(self.full.output)), self.sliced.ok
        if full and sliced:
            return "different" if self.differences() else "same"
        return "slice fails" if full else "full fails" if sliced else "both fail"

    def differences(self) -> list[str]:
        """Names of the parts of the objects that differ."""
        assert self.sliced.result is not None
        one, other = parts(self.full.output), parts(self.sliced.result.output)
        return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))

    def __str__(self) -> str:
        if self.verdict == "different":
            return f"different: {', '.join(self.differences())}"
        told = self.sliced.result.diagnostics if self.sliced.result and not self.sliced.ok else self.full.diagnostics
        errors = [line for line in told.splitlines() if "error:" in line]
        return "\n    ".join([f"{self.verdict} {self.sliced.reason}", *errors[:5]])


class Kernel:
    """A kernel's headers served whole, and its blob."""

    def __init__(self, headers: HeaderSet, blob: Blob, compiler: Compiler, served: Served) -> None:
        self.headers = headers
        self.blob = blob
        self.compiler = compiler
        self._served = served

    def with_blob(self, blob: Blob) -> Kernel:
        """This kernel, with its blob opened anew."""
        return Kernel(self.headers, blob, self.compiler, self._served)

    def full(self, job: Job, *mode: str) -> Result:
        """Compile *job* from all headers."""
        return execute(self.compiler, job, self._served.flags, self._served.pass_fds, mode or ("-c",))

    def sliced(self, job: Job) -> SliceAttempt:
        """Compile *job* from the blob."""
        text = job.source if isinstance(job.source, bytes) else job.source.read_bytes()
        return attempt_slice(self.blob, self.compiler, job, text)

    def both(self, source: Path | bytes, *extra: str, includes: tuple[str, ...] = ()) -> Outcome:
        """Compile a program both ways, with *extra* words for the compiler."""
        job = Job(source, includes=includes, extra=extra)
        return Outcome(self.full(job), self.sliced(job))


@contextmanager
def kernel(headers: HeaderSet, compiler: Compiler, path: Path) -> Iterator[Kernel]:
    """*headers*, with the blob at *path*, which is built if it is not there."""
    if not path.exists():
        build(headers, compiler, path)
    with Blob(path) as blob, MemoryForm(headers, everything=True).serve(compiler, b"") as served:
        yield Kernel(headers, blob, compiler, served)


def parts(data: bytes) -> dict[str, object]:
    """What a loader sees of an object: bytes of each section, relocations by name of the symbol, defined symbols."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.relocation import RelocationSection
    from elftools.elf.sections import Symbol, SymbolTableSection

    elf = ELFFile(io.BytesIO(data))

    def named(symbol: Symbol) -> str:
        index = symbol["st_shndx"]
        section = elf.get_section(index).name if isinstance(index, int) else str(index)
        return symbol.name or section

    found: dict[str, object] = {}
    for section in elf.iter_sections():
        if section.name.startswith(_LEFT_OUT):
            continue
        if isinstance(section, RelocationSection):
            symbols = elf.get_section(section["sh_link"])
            assert isinstance(symbols, SymbolTableSection)
            found[section.name] = [
                (r["r_offset"], r["r_info_type"], named(symbols.get_symbol(r["r_info_sym"])))
                for r in section.iter_relocations()
            ]
        elif isinstance(section, SymbolTableSection):
            defined = [s for s in section.iter_symbols() if isinstance(s["st_shndx"], int)]
            kept = [s for s in defined if not elf.get_section(s["st_shndx"]).name.startswith(_LEFT_OUT)]
            rows = [(named(s), s["st_value"], s["st_size"], str(s["st_info"])) for s in kept]
            found[section.name] = sorted(row for row in rows if not row[0].startswith(".L"))
        else:
            found[section.name] = (section["sh_type"], section["sh_flags"], section["sh_addralign"], section.data())
    return found
