"""What the documents say is so: examples run, links lead somewhere, named tests exist, exit codes are in step."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.need import CHECKOUT
from kheaders import errors

DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("examples/*.md")])
NEEDS = {"archive": "debian_archive", "tree": "debian_tree"}
"""Name that a block of code uses → the fixture that provides it."""


def title(path: Path) -> str:
    """A document's path, as the test's id."""
    return path.relative_to(CHECKOUT).as_posix()


# ---- code -----------------------------------------------------------------------------------------------------------


def blocks(text: str) -> Iterator[tuple[int, str, set[str]]]:
    """Line, code and needs of each ```python block that is not marked ``<!-- not run: reason -->``."""
    for found in re.finditer(r"(?:^<!-- (?P<mark>[^>]*) -->\n+)?^```python\n(?P<code>.*?)^```$", text, re.M | re.S):
        mark = found["mark"] or ""
        if not re.match(r"not run: \S", mark):
            wanted = re.match(r"needs: (.+)", mark)
            line = text.count("\n", 0, found.start("code")) + 1
            yield line, found["code"], set(wanted[1].split()) if wanted else set()


def run_block(code: str, name: str, line: int, names: dict[str, object]) -> None:
    """Run *code* in *names*: what a ``>>>`` session prints is compared, anything else must only not fail."""
    if ">>>" not in code:
        exec(compile("\n" * (line - 1) + code, name, "exec"), names)
        return
    example = doctest.DocTestParser().get_doctest(code, names, name, name, line - 1)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    failed = runner.run(example, out=report.append, clear_globs=False).failed
    names.update(example.globs)
    assert not failed, "".join(report)


@pytest.mark.parametrize("path", [d for d in DOCUMENTS if "```python" in d.read_text()], ids=title)
def test_examples_run(
    path: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of one document run from top to bottom, in one namespace and an empty directory."""
    names: dict[str, object] = {"examples": CHECKOUT / "examples", "__name__": "__main__"}
    monkeypatch.chdir(tmp_path)
    for variable in ("KHEADERS_STORE", "KHEADERS_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    for line, code, needs in blocks(path.read_text()):
        for need in sorted(needs):
            names[need] = request.getfixturevalue(NEEDS[need])
        run_block(code, str(path), line, names)


def test_a_wrong_example_is_noticed() -> None:
    with pytest.raises(AssertionError, match="Expected"):
        run_block(">>> 1 + 1\n3\n", "document", 1, {})
    with pytest.raises(ZeroDivisionError):
        run_block("1 / 0\n", "document", 1, {})


def test_only_marked_blocks_are_left_out() -> None:
    skipped = "<!-- not run: needs root -->\n```python\na\n```\n"
    text = f"{skipped}\n```python\nb\n```\n<!-- needs: archive -->\n```python\nc\n```\n"
    assert [(code, needs) for _, code, needs in blocks(text)] == [("b\n", set()), ("c\n", {"archive"})]


# ---- links ----------------------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors that a forge makes of the headings of *text*."""
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=title)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text()
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)):
        file, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        other = (path.parent / file) if file else path
        if not other.exists() or (anchor and anchor not in anchors(other.read_text())):
            broken.append(target)
    assert not broken


def test_every_document_is_in_the_index() -> None:
    index = (CHECKOUT / "docs/index.md").read_text()
    missing = [
        path.name for path in CHECKOUT.glob("docs/*.md") if path.name != "index.md" and f"({path.name})" not in index
    ]
    assert not missing


# ---- named tests ----------------------------------------------------------------------------------------------------


def functions(path: Path) -> set[str]:
    """Names of the test functions in *path*, those of classes as ``Class::test``."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=title)
def test_named_tests_exist(path: Path) -> None:
    missing = []
    for file, name in re.findall(r"(tests/[\w/]+\.py)::([\w:]+)", path.read_text()):
        if not (CHECKOUT / file).is_file() or name not in functions(CHECKOUT / file):
            missing.append(f"{file}::{name}")
    assert not missing


def test_each_known_failure_names_a_test() -> None:
    """In docs/failures.md a row is a failure of another tool and the test that shows how kheaders behaves."""
    rows = re.findall(r"^\|(?! *-)(?! *What fails)(.+)\|$", (CHECKOUT / "docs/failures.md").read_text(), re.M)
    assert len(rows) >= 20
    assert not [row for row in rows if "tests/" not in row and "by construction" not in row]


# ---- exit codes -----------------------------------------------------------------------------------------------------


def tree(base: type[errors.KheadersError] = errors.KheadersError) -> dict[str, int]:
    """Each exception of kheaders and its exit code."""
    return {base.__name__: base.exit_code} | {k: v for sub in base.__subclasses__() for k, v in tree(sub).items()}


def test_exit_codes_are_in_step() -> None:
    text = (CHECKOUT / "docs/exit-codes.md").read_text()
    documented: dict[str, int] = {}
    for code, names in re.findall(r"^\| *(\d+) *\| *([^|]*`[^|]*) *\|", text, re.M):
        documented |= dict.fromkeys(re.findall(r"`(\w+)`", names), int(code))
    assert documented == tree()
