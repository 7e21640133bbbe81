"""The overlay and the flags that a compiler is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders.compilers import Clang
from builders.mini import mini
from kheaders.clang.find import examine
from kheaders.clang.job import Job, execute
from kheaders.clang.overlay import overlay
from kheaders.errors import CompilerError, VerificationError
from kheaders.forms.served import flags_for
from kheaders.headers.headerset import HeaderSet


def test_every_file_once_below_its_directory() -> None:
    told = json.loads(overlay({"/k/a.h": "/1", "/k/b.h": "/2", "/k/d/c.h": "/3", '/k/"q\\u.h': "/4"}))
    shown = {f"{r['name']}/{c['name']}": c["external-contents"] for r in told["roots"] for c in r["contents"]}
    assert shown == {"/k/a.h": "/1", "/k/b.h": "/2", "/k/d/c.h": "/3", '/k/"q\\u.h': "/4"}


def test_compiler_reads_through_it(clang: Clang, tmp_path: Path) -> None:
    """Odd names included; diagnostics name the path that was asked for."""
    files = {"/nowhere/x y/a.h": "int a;\n", "/nowhere/ü.h": '#include "x y/a.h"\n', "/nowhere/bad.h": "int;;(\n"}
    for number, text in enumerate(files.values()):
        (tmp_path / str(number)).write_text(text)
    (tmp_path / "o.json").write_bytes(overlay({path: str(tmp_path / str(n)) for n, path in enumerate(files)}))
    flags = ["-target", "bpf", "-I/nowhere", "-ivfsoverlay", str(tmp_path / "o.json")]
    compiler = examine(clang.argv)
    good = execute(compiler, Job("#include <ü.h>\nint *f(void) { return &a; }\n".encode()), flags)
    assert good.ok, good.diagnostics
    bad = execute(compiler, Job(b"#include <bad.h>\n"), flags)
    assert "/nowhere/bad.h:1:" in bad.diagnostics and str(tmp_path / "2") not in bad.diagnostics


class TestFlags:
    def test_without_an_architecture(self, clang: Clang) -> None:
        with pytest.raises(VerificationError, match=r"architecture of the headers cannot be told.*doctor"):
            flags_for(HeaderSet({"include/a.h": b""}), "/r", examine(clang.argv))

    def test_of_a_32_bit_kernel(self, clang: Clang) -> None:
        headers = HeaderSet(mini(options={"CONFIG_X86": "y", "CONFIG_SMP": "y"}))
        with pytest.raises(CompilerError, match="32-bit x86 kernel"):
            flags_for(headers, "/r", examine(clang.argv))
