"""Which compiler is used, and why others are not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builders import need
from builders.compilers import Clang, compilers
from kheaders.clang import find as module
from kheaders.clang.find import Compiler, examine, find, find_all
from kheaders.errors import CompilerError, StoreError


class Records:
    """A store of records that counts what is put."""

    def __init__(self) -> None:
        self.values: dict[str, Mapping[str, Any]] = {}
        self.put = 0

    def record(self, kind: str, key: str) -> Mapping[str, Any] | None:
        return self.values.get(key)

    def put_record(self, kind: str, key: str, value: Mapping[str, Any], *, boot: bool) -> None:
        assert not boot
        self.put += 1
        self.values[key] = value


def script(directory: Path, name: str, text: str, mode: int = 0o755) -> Path:
    path = directory / name
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def system() -> Clang:
    """A clang of the system."""
    found = [known for known in compilers() if known.name != "zig"]
    return found[0] if found else need.missing("no clang of the system here", package="clang")


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_wheel", lambda: None)


class TestReal:
    def test_examined(self, clang: Clang) -> None:
        found = examine(clang.argv)
        assert found.kind == ("zig" if clang.name == "zig" else "clang")
        assert found.version[0] >= 13 and os.path.isfile(f"{found.include}/stddef.h")
        assert ".".join(map(str, found.version)) in found.name

    def test_named_by_path_and_by_words(self, clang: Clang) -> None:
        expected = examine(clang.argv)
        assert find(" ".join(clang.argv)) == expected
        assert find(clang.argv[0]) == expected, "zig alone means zig clang"

    def test_script_that_starts_another(self, clang: Clang, tmp_path: Path) -> None:
        wrapper = script(tmp_path, "my-clang", f'#!/bin/sh\nexec {" ".join(clang.argv)} "$@"\n')
        assert examine((str(wrapper),)).include == examine(clang.argv).include

    def test_probe_is_remembered_until_the_program_changes(self, system: Clang, tmp_path: Path) -> None:
        wrapper = script(tmp_path, "cc", f'#!/bin/sh\necho >> {tmp_path}/runs\nexec {" ".join(system.argv)} "$@"\n')
        runs, records = tmp_path / "runs", Records()
        first = examine((str(wrapper),), records)
        count = len(runs.read_text())
        assert examine((str(wrapper),), records) == first
        assert len(runs.read_text()) == count and records.put == 1
        os.utime(wrapper, ns=(1, 1))
        again = examine((str(wrapper),), records)
        assert len(runs.read_text()) > count and again.identity != first.identity

    def test_damaged_memory_is_probed_again(self, clang: Clang) -> None:
        records = Records()
        good = examine(clang.argv, records)
        (key,) = records.values
        whole = dict(records.values[key])
        for damaged in (
            {},
            {**whole, "argv": 5},
            {**whole, "include": "/gone"},
            {k: whole[k] for k in ("argv", "kind")},
        ):
            records.values[key] = damaged
            assert examine(clang.argv, records) == good

    def test_memory_that_cannot_be_written(self, clang: Clang) -> None:
        class Full(Records):
            def put_record(self, kind: str, key: str, value: Mapping[str, Any], *, boot: bool) -> None:
                raise StoreError("full")

        assert examine(clang.argv, Full()).version[0] >= 13


class TestRefused:
    def why(self, cc: str, path: str | None = None) -> str:
        with pytest.raises(CompilerError) as caught:
            find(cc, path=path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize("cc", ["no-such-compiler", "/no/such/clang", "  ", "a\0b", "/"])
    def test_not_there(self, cc: str) -> None:
        assert "no such compiler" in self.why(cc)

    def test_quotes(self) -> None:
        assert "cannot be read as a command" in self.why("clang '")

    def test_no_clang(self, tmp_path: Path) -> None:
        assert "is no clang" in self.why(str(script(tmp_path, "cc", "#!/bin/sh\necho gcc 12\n")))

    def test_too_old(self, tmp_path: Path) -> None:
        cc = script(tmp_path, "cc", "#!/bin/sh\necho clang version 12.0.1\n")
        assert "clang 12 is too old, 13 is the oldest" in self.why(str(cc))

    def test_without_bpf(self, tmp_path: Path) -> None:
        text = '#!/bin/sh\n[ "$1" = --version ] && echo clang version 19.1.0 && exit\necho no target bpf >&2\nexit 1\n'
        assert "cannot emit BPF (no target bpf)" in self.why(str(script(tmp_path, "cc", text)))

    def test_that_emits_something_else(self, tmp_path: Path) -> None:
        text = '#!/bin/sh\n[ "$1" = --version ] && echo clang version 19.1.0 && exit\nhead -c 64 /bin/sh\n'
        assert "cannot emit BPF" in self.why(str(script(tmp_path, "cc", text)))

    def test_broken_program(self, tmp_path: Path) -> None:
        assert "cannot be run" in self.why(str(script(tmp_path, "cc", "\x7fELF junk")))


@pytest.mark.usefixtures("no_wheel")
class TestSearch:
    def test_broken_ones_do_not_hide_a_good_one(self, system: Clang, tmp_path: Path) -> None:
        script(tmp_path, "clang", "\x7fELF junk")
        script(tmp_path, "clang-25", "#!/bin/sh\nexit 1\n")
        script(tmp_path, "clang-20", f'#!/bin/sh\nexec {" ".join(system.argv)} "$@"\n')
        found = find(path=str(tmp_path))
        assert found.argv == (str(tmp_path / "clang-20"),)
        kinds = [type(answer) for answer in find_all(path=str(tmp_path))][:3]
        assert kinds == [CompilerError, CompilerError, Compiler]

    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(CompilerError, match=r"no compiler that can emit BPF; pip install"):
            find(path=str(tmp_path))
        assert find_all(path=str(tmp_path)) == []

    def test_all_broken_are_told(self, tmp_path: Path) -> None:
        script(tmp_path, "clang", "#!/bin/sh\nexit 1\n")
        with pytest.raises(CompilerError, match=r"clang: is no clang"):
            find(path=str(tmp_path))

    def test_plain_name_before_versions_and_each_program_once(self, tmp_path: Path) -> None:
        script(tmp_path, "clang", "#!/bin/sh\nexit 1\n")
        (tmp_path / "clang-18").symlink_to("clang")
        script(tmp_path, "clang-15", "#!/bin/sh\nexit 2\n")
        assert [a.what.split(":")[0] for a in find_all(path=str(tmp_path)) if isinstance(a, CompilerError)] == [
            str(tmp_path / "clang"),
            str(tmp_path / "clang-15"),
        ]
