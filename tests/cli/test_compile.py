from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builders.cli import Run
from builders.kernel_archive import DebianHeaders
from kheaders.cli import objectfile
from kheaders.errors import StoreError

Process = Callable[..., subprocess.CompletedProcess[bytes]]
EM_BPF = 247


@pytest.fixture
def archive(debian_archive: Path) -> tuple[str, str]:
    return ("--headers", str(debian_archive))


def is_bpf(data: bytes) -> bool:
    return data[:4] == b"\x7fELF" and data[18] == EM_BPF


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


# ---- results --------------------------------------------------------------------------------------------------------


def test_the_object_lies_where_cc_would_put_it(run: Run, archive: tuple[str, str], program: Path) -> None:
    below = program.parent / "src"
    below.mkdir()
    (below / "other.c").write_text(program.read_text())
    assert run("compile", *archive, program.name).status == 0
    assert run("compile", *archive, "src/other.c").status == 0
    assert names(program.parent) == ["other.o", "prog.bpf.c", "prog.bpf.o", "src"]
    assert is_bpf((program.parent / "prog.bpf.o").read_bytes())


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_mode_is_that_of_compilers(process: Process, archive: tuple[str, str], program: Path, umask: int) -> None:
    assert process("compile", *archive, program.name, "-o", "a.o", umask=umask).returncode == 0
    assert stat.S_IMODE(os.stat("a.o").st_mode) == 0o666 & ~umask


def test_standard_input_and_output(process: Process, archive: tuple[str, str], program: Path) -> None:
    done = process("compile", *archive, "-o", "-", "-", input=program.read_bytes())
    assert done.returncode == 0 and is_bpf(done.stdout), done.stderr
    done = process("compile", *archive, "-o", "-", program.name)
    assert done.returncode == 0 and is_bpf(done.stdout), done.stderr
    assert names(program.parent) == ["prog.bpf.c"]


def test_options_reach_the_compiler(run: Run, archive: tuple[str, str], program: Path) -> None:
    (program.parent / "inc").mkdir()
    (program.parent / "inc/mine.h").write_text("#define MINE 7\n")
    program.write_text('#include "mine.h"\n_Static_assert(MINE + A + B == 10, "");\nint x;\n')
    done = run("compile", *archive, program.name, "-Iinc", "-DA=1", "-D", "B=2", "-g", "-Os", "-mcpu=v3", "--", "-Wall")
    assert done.status == 0, done.err
    assert b".debug_info" in (program.parent / "prog.bpf.o").read_bytes()


def test_json_tells_what_was_made(run: Run, archive: tuple[str, str], program: Path) -> None:
    answer = run("compile", *archive, program.name, "--form", "memory", "--json").json
    path = program.parent / "prog.bpf.o"
    assert (answer["object"], answer["size"], answer["form"]) == (str(path), path.stat().st_size, "memory")
    assert answer["source"] == "explicit" and answer["release"] and answer["compiler"] and answer["seconds"] > 0
    assert answer["diagnostics"] == ""


# ---- messages -------------------------------------------------------------------------------------------------------


def test_a_stand_in_is_named_unless_it_was_asked_for(
    run: Run, archive: tuple[str, str], program: Path, debian_headers: DebianHeaders
) -> None:
    release = debian_headers.release
    here = os.uname().release
    if here == release:
        pytest.skip("this machine runs the very kernel of the headers")
    done = run("compile", *archive, program.name)
    assert done.err == f"kheaders: note: compiled with headers of {release}; this machine runs {here}\n"
    assert run("compile", *archive, "--kernel", release, program.name).err == ""


def test_verbose_tells_how(run: Run, archive: tuple[str, str], program: Path) -> None:
    done = run("compile", *archive, program.name, "-v", "--form", "memory")
    assert f"from explicit: {archive[1]}" in done.err and "memory form" in done.err


def test_warnings_come_through(run: Run, archive: tuple[str, str], program: Path) -> None:
    program.write_text("#warning look here\n" + program.read_text())
    done = run("compile", *archive, program.name)
    assert done.status == 0
    assert done.err.startswith("prog.bpf.c:1:2: warning: look here")


@pytest.mark.parametrize("form", ["memory", "directory"])
def test_the_programs_fault_is_shown_untouched(run: Run, archive: tuple[str, str], program: Path, form: str) -> None:
    program.write_text("int x = undeclared;\n")
    done = run("compile", *archive, "--form", form, "--json", program.name)
    assert done.status == 7
    assert done.err.startswith("prog.bpf.c:1:9: error: use of undeclared identifier 'undeclared'\n")
    assert done.err.splitlines()[-1].startswith("kheaders: error: ")
    assert done.json["error"]["diagnostics"] in done.err
    assert names(program.parent) == ["prog.bpf.c"]


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["-"], 2, "name the object with -o"),
        (["absent.c"], 2, "absent.c: cannot be read"),
        (["prog.bpf.c", "-o", "prog.bpf.c"], 2, "is the program itself"),
        (["prog.bpf.c", "-o", "."], 2, "is a directory"),
        (["prog.bpf.c", "-o", ""], 2, "names no file"),
        (["prog.bpf.c", "-o", "no/such/x.o"], 5, "is no directory"),
        (["prog.bpf.c", "-o", "-", "--json"], 2, "both want standard output"),
        (["prog.bpf.c", "--target-arch", "arm64", "--machine", "x86_64"], 2, "different architectures"),
        (["prog.bpf.c", "--target-arch", "vax"], 2, "no machine that kheaders knows"),
    ],
)
def test_refusals(
    run: Run, archive: tuple[str, str], program: Path, words: list[str], status: int, expected: str
) -> None:
    text = program.read_text()
    done = run("compile", *archive, *words)
    assert done.status == status and expected in done.error
    assert names(program.parent) == ["prog.bpf.c"] and program.read_text() == text


def test_headers_of_another_architecture(
    run: Run, archive: tuple[str, str], program: Path, debian_headers: DebianHeaders
) -> None:
    other = "riscv" if debian_headers.srcarch != "riscv" else "arm64"
    done = run("compile", *archive, "--target-arch", other, program.name)
    assert done.status == 3 and f"not for {other}" in done.error
    assert names(program.parent) == ["prog.bpf.c"]


def test_a_terminal_is_spared(terminal: Callable[..., tuple[int, str]], program: Path) -> None:
    status, seen = terminal("compile", program.name, "-o", "-")
    assert status == 2 and "nothing for a terminal" in seen


# ---- the object's place ---------------------------------------------------------------------------------------------


def test_an_object_is_replaced_whole(own_surroundings: Path) -> None:
    target = own_surroundings / "a.o"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        objectfile.write(str(target), b"new" * 100)
        assert reader.read() == b"old"
    assert target.read_bytes() == b"new" * 100 and names(own_surroundings) == ["a.o"]


def test_a_link_is_followed(own_surroundings: Path) -> None:
    (own_surroundings / "real").mkdir()
    (own_surroundings / "a.o").symlink_to("real/b.o")
    objectfile.write(str(own_surroundings / "a.o"), b"x")
    assert (own_surroundings / "a.o").is_symlink() and (own_surroundings / "real/b.o").read_bytes() == b"x"


def test_devices_are_written_directly() -> None:
    before = os.stat("/dev/null")
    objectfile.write("/dev/null", b"x")
    assert os.stat("/dev/null").st_rdev == before.st_rdev
    with pytest.raises(StoreError, match="No space left on device"):
        objectfile.write("/dev/full", b"x")


def test_a_disk_that_is_full_keeps_what_was_there(own_surroundings: Path) -> None:
    target = own_surroundings / "a.o"
    target.write_bytes(b"old")
    code = (
        "import sys; from kheaders.cli import objectfile; from kheaders.errors import StoreError\n"
        "try: objectfile.write(sys.argv[1], bytes(1 << 20))\n"
        "except StoreError as error: print(error); sys.exit(5)"
    )

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))

    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=False, preexec_fn=small
    )
    assert done.returncode == 5 and os.strerror(errno.EFBIG) in done.stdout
    assert target.read_bytes() == b"old" and names(own_surroundings) == ["a.o"]


@pytest.mark.root
def test_a_small_file_system_that_is_full(own_surroundings: Path, need_tool: Callable[[str], Path]) -> None:
    mounted = subprocess.run(
        [need_tool("mount"), "-t", "tmpfs", "-o", "size=64k", "none", own_surroundings],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (own_surroundings / "a.o").write_bytes(b"old")
        with pytest.raises(StoreError, match=r"a\.o: cannot be written \(No space left on device\)"):
            objectfile.write(str(own_surroundings / "a.o"), bytes(1 << 20))
        assert (own_surroundings / "a.o").read_bytes() == b"old" and names(own_surroundings) == ["a.o"]
    finally:
        subprocess.run([need_tool("umount"), own_surroundings], check=True)


def test_an_interrupt_while_writing_leaves_nothing(own_surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "write", interrupted)
        objectfile.write(str(own_surroundings / "a.o"), b"x")
    assert names(own_surroundings) == []
