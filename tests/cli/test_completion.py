from __future__ import annotations

import builtins
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders.cli import run_main
from kheaders.cli.options import COMMANDS

COMPLETE = """
set -eu
source ./script
complete -p kheaders >/dev/null
COMP_WORDS=({words} "$1"); COMP_CWORD={count}; COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
function_name=$(complete -p kheaders | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function_name kheaders "$1" {previous} 2>/dev/null || true
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completions(script: Path, words: list[str], start: str, bash: Path) -> set[str]:
    text = COMPLETE.format(words=" ".join(words), count=len(words), previous=words[-1])
    done = subprocess.run(
        [bash, "-c", text, "bash", start], cwd=script.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


def test_bash_reads_it_and_completes(own_surroundings: Path, need_tool: Callable[[str], Path]) -> None:
    pytest.importorskip("shtab")
    done = run_main("completion", "bash")
    assert done.status == 0 and not done.err
    script = own_surroundings / "script"
    script.write_text(done.out)
    bash = need_tool("bash")
    assert completions(script, ["kheaders"], "co", bash) == {"compile", "completion"}
    assert completions(script, ["kheaders"], "", bash) >= set(COMMANDS)
    assert "--target-arch" in completions(script, ["kheaders", "compile"], "--t", bash)
    assert completions(script, ["kheaders", "completion"], "", bash) >= {"bash", "zsh", "tcsh"}
    (own_surroundings / "one.c").touch()
    assert "one.c" in completions(script, ["kheaders", "compile"], "on", bash)


@pytest.mark.parametrize(("shell", "sign"), [("zsh", "#compdef kheaders"), ("tcsh", "complete kheaders")])
def test_other_shells(shell: str, sign: str) -> None:
    pytest.importorskip("shtab")
    done = run_main("completion", shell)
    assert done.status == 0 and sign in done.out


def test_without_shtab(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "shtab":
            raise ModuleNotFoundError("No module named 'shtab'")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    done = run_main("completion", "bash")
    assert done.status == 9
    assert "pip install 'kheaders[cli]'" in done.error
