"""The rules of the house that a program can check: linters run as tests, and what no linter knows is checked here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from builders.need import CHECKOUT

PACKAGE = CHECKOUT / "src/kheaders"
MODULES = sorted(PACKAGE.rglob("*.py"))
LINTED = ("src", "tests", "bench", "demo")
HEAVY = {
    "elftools",
    "zstandard",
    "lz4",
    "rich",
    "shtab",
    "mfusepy",
    "ziglang",
    "asyncio",
    "urllib.request",
    "http.client",
}
"""Modules that cost milliseconds to import; only what uses them may, when it does."""


def title(path: Path) -> str:
    """A file's path, as the test's id."""
    return path.relative_to(CHECKOUT).as_posix()


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("ruff", ("check", *LINTED)),
        ("ruff", ("format", "--check", *LINTED)),
        ("lint-imports", ("--config", "pyproject.toml", "--no-cache")),
    ],
    ids=["ruff check", "ruff format", "lint-imports"],
)
def test_linter_is_content(program: str, arguments: tuple[str, ...]) -> None:
    path = Path(sys.executable).with_name(program)
    if not path.exists():
        pytest.skip(f"{program} is not installed; it comes with the extra `dev`")
    done = subprocess.run([path, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=title)
def test_module_says_its_purpose(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module says in its first line what it is for"


@pytest.mark.parametrize("path", MODULES, ids=title)
def test_no_side_effects_on_the_process(path: Path) -> None:
    """No chdir, umask, shell or signal handler; only cli/ ends the process."""
    forbidden = {"os.chdir", "os.fchdir", "os.umask", "os.system", "os.popen", "os.putenv", "signal.signal"}
    if "cli" not in path.parts:
        forbidden |= {"sys.exit", "os._exit", "exit", "quit"}
    if path in (PACKAGE / "cli/exec.py", PACKAGE / "cli/main.py"):
        forbidden.remove("signal.signal")  # the command's own: to die as its tool died, to leave nothing behind
    nodes = ast.walk(ast.parse(path.read_text()))
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not called & forbidden


@pytest.mark.parametrize("path", [m for m in MODULES if m.name != "run.py"], ids=title)
def test_only_run_starts_programs(path: Path) -> None:
    text = path.read_text()
    imported = re.findall(r"^\s*(?:import|from) (subprocess|pty)\b", text, re.M)
    assert not imported, "other programs are started by kheaders.run only"
    spread = re.findall(r"^\s*(?:import|from) multiprocessing\b(.*)", text, re.M)
    assert spread in ([], [" import get_context"])
    assert text.count("get_context(") == text.count('get_context("fork")') == len(spread), "fork starts no program"


def test_importing_is_cheap() -> None:
    """No module of the package imports anything heavy merely by being imported."""
    names = [
        ".".join(("kheaders", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in MODULES
        if path.name != "__main__.py"
    ]
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


OF_C = re.compile(
    r"#\[|#\\s|\\t\]\*\+?#|\^#|##|include|define|undef|ifn?def|struct|union|\benum\b|typedef|attribute|typeof|asm|->|extern"
)
"""What a pattern holds that reads C."""
PATTERNS_OF_C = {
    "clang/diagnostics.py": (3, "diagnostics of clang"),
    "clang/predefined.py": (1, "output of clang -E -dM"),
    "consumers/bccslice.py": (1, "lines of a slice, as this package writes them"),
    "debpkg.py": (2, "names of files, and include lines of make"),
    "forms/pchnames.py": (1, "output of clang -E -dD -dI"),
    "headers/headerset.py": (1, "names of files"),
    "headers/hostasm.py": (5, "edits assembly where it stands: every line must keep its number"),
    "interface/pasting.py": (3, "to be moved"),
    "interface/slice.py": (3, "to be moved"),
    "interface/umbrella.py": (1, "output of clang -E -dI"),
    "retyping.py": (1, "to be moved"),
    "vmlinux.py": (7, "to be moved"),
}
"""Module → how many patterns that read C it may have, and why it has any. Nothing is added: c/ reads C."""


def patterns_of_c(path: Path) -> list[str]:
    """The regular expressions of a module that read C."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args and re.fullmatch(r"re\.\w+|pattern", ast.unparse(node.func)):
            texts = (part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant))
            text = " ".join(str(one, "latin-1") if isinstance(one, bytes) else str(one) for one in texts)
            if OF_C.search(text):
                found.append(f"line {node.lineno}: {text}")
    return found


@pytest.mark.parametrize("path", [m for m in MODULES if m.relative_to(PACKAGE).parts[0] != "c"], ids=title)
def test_only_c_reads_c(path: Path) -> None:
    """Text of C is read by the lexer and what stands on it: patterns that read the same thing come to disagree."""
    allowed, reason = PATTERNS_OF_C.get(path.relative_to(PACKAGE).as_posix(), (0, ""))
    found = patterns_of_c(path)
    assert len(found) <= allowed, "\n".join((reason, *found))
    assert bool(found) == bool(allowed), "it reads no C any more: take it from the list"


def test_patterns_of_c_are_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "A = re.compile(rb'^[ \\t]*#[ \\t]*define', re.M)\nB = pattern(r'->(\\w+)')\nC = re.search('a b', text)\n"
    )
    assert [line.partition(":")[0] for line in patterns_of_c(module)] == ["line 1", "line 2"]
