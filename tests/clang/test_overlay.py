"""Files that a compiler waits for."""

from __future__ import annotations

import pytest

from builders.compilers import Clang
from kheaders.clang.find import examine
from kheaders.clang.job import Job, begun
from kheaders.clang.overlay import promised_files

FIRST = "/kheaders/promised/first.h"
PROGRAM = b"#include <empty.h>\nint f(struct late *late) { return late->number; }\n"


def test_what_was_promised_is_read_when_it_comes(clang: Clang) -> None:
    with promised_files(1) as (files, keep):
        flags = ("-target", "bpf", "-isystem", "/kheaders/promised/include", "-include", FIRST, *files.flags)
        with begun(examine(clang.argv), Job(PROGRAM), flags, files.pass_fds) as finish:
            assert keep({FIRST: b"struct late { int number; };\n", "/kheaders/promised/include/empty.h": b""})
            result = finish()
    assert result.ok, result.diagnostics
    assert result.output.startswith(b"\x7fELF")


@pytest.mark.timeout(60)
def test_a_compiler_that_waits_in_vain_is_ended(clang: Clang) -> None:
    with (
        promised_files(1) as (files, _),
        begun(examine(clang.argv), Job(PROGRAM), ("-target", "bpf", *files.flags), files.pass_fds),
    ):
        pass


def test_a_list_that_no_pipe_holds_is_refused() -> None:
    with promised_files(1) as (_, keep):
        assert not keep({f"/kheaders/promised/include/{'x' * 100}/{number}.h": b"" for number in range(100_000)})
        assert keep({FIRST: b""})


def test_no_more_texts_than_promised() -> None:
    with promised_files(2) as (_, keep):
        assert not keep({f"/kheaders/promised/{number}.h": b"int a%d;\n" % number for number in range(3)})
        assert keep({f"/kheaders/promised/{number}.h": b"int a%d;\n" % (number % 2) for number in range(3)})
