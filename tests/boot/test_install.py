"""The files that systemd reads: what is in them, where they lie, and that nobody else's are touched."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kheaders.boot import install
from kheaders.errors import StoreError, UnsafePath, UsageError

PROGRAM = Path("/usr/bin/kheaders")


def unit(root: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation has it
    parser.read(root / "etc/systemd/system/kheaders.service")
    return parser


def test_installed_and_removed(tmp_path: Path) -> None:
    paths = install.install(tmp_path, program=PROGRAM)
    assert paths == [tmp_path / "etc/systemd/system/kheaders.service", tmp_path / "etc/tmpfiles.d/kheaders.conf"]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o644, 0o644]
    assert unit(tmp_path)["Service"]["ExecStart"] == '"/usr/bin/kheaders" boot warm'
    assert install.install(tmp_path, program=PROGRAM, blob=True) == paths  # again, with other words
    assert unit(tmp_path)["Service"]["ExecStart"] == '"/usr/bin/kheaders" boot warm --blob'
    assert install.remove(tmp_path) == paths
    assert install.remove(tmp_path) == []


def test_the_unit_reaches_the_store_and_nothing_else(tmp_path: Path) -> None:
    install.install(tmp_path, program=PROGRAM)
    service = unit(tmp_path)["Service"]
    assert service["ProtectSystem"] == "strict"
    assert (service["RuntimeDirectory"], service["CacheDirectory"]) == ("kheaders", "kheaders")
    assert service["RuntimeDirectoryPreserve"] == "yes"  # else the headers go when the unit ends
    assert service["PrivateNetwork"] == "yes"
    assert "@" not in (tmp_path / "etc/systemd/system/kheaders.service").read_text()


def test_a_program_below_a_home_can_be_read(tmp_path: Path) -> None:
    install.install(tmp_path, program=Path("/root/venv/bin/kheaders"))
    assert unit(tmp_path)["Service"]["ProtectHome"] == "read-only"


def test_the_directories_of_the_store(tmp_path: Path) -> None:
    install.install(tmp_path, program=PROGRAM)
    lines = (tmp_path / "etc/tmpfiles.d/kheaders.conf").read_text().splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    assert [entry[:5] for entry in entries] == [
        ["d", "/run/kheaders", "0755", "root", "root"],
        ["d", "/var/cache/kheaders", "0755", "root", "root"],
    ]


def test_files_of_somebody_else_stay(tmp_path: Path) -> None:
    own = tmp_path / "etc/systemd/system/kheaders.service"
    own.parent.mkdir(parents=True)
    own.write_text("[Unit]\n")
    with pytest.raises(StoreError, match="not from kheaders"):
        install.install(tmp_path, program=PROGRAM)
    with pytest.raises(StoreError, match="not from kheaders"):
        install.remove(tmp_path)
    assert own.read_text() == "[Unit]\n"


def test_a_path_that_cannot_stand_in_a_unit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot stand in a unit"):
        install.install(tmp_path, program=Path('/opt/a"b/kheaders'))


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    install.install(tmp_path, program=Path("/bin/true"))
    path = tmp_path / "etc/systemd/system/kheaders.service"
    done = subprocess.run([analyze, "verify", "--man=no", path], capture_output=True, text=True, check=False)
    assert "kheaders.service" not in done.stderr, done.stderr


def test_a_program_that_others_could_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o777)
    (place / "kheaders").write_text("")
    monkeypatch.setattr(sys, "executable", str(place / "python3"))
    monkeypatch.setattr(install, "_place", lambda _, name: tmp_path / "etc" / name)
    with pytest.raises(UnsafePath, match="can be written by everybody"):
        install.install()
    assert not (tmp_path / "etc").exists()
