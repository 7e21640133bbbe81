from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from builders.root import unprivileged
from kheaders import compression, settings
from kheaders.errors import UsageError
from kheaders.settings import DEFAULT_ORDER, Settings


class Places:
    """A user's and a system's configuration file, in a temporary directory."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.user = self.home / ".config/kheaders/config.toml"
        self.system = directory / "etc/kheaders/config.toml"
        for file in (self.user, self.system):
            file.parent.mkdir(parents=True)

    def load(self, environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
        return settings.load(
            environ={"HOME": str(self.home), **(environ or {})}, overrides=overrides, system_file=self.system
        )

    @staticmethod
    def write(file: Path, text: str, mode: int = 0o644) -> None:
        file.write_text(text)
        file.chmod(mode)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults(places: Places) -> None:
    found = places.load()
    assert found.order == DEFAULT_ORDER
    assert (found.store, found.cache, found.cc, found.download) == (None, None, None, False)
    assert set(found.origin.values()) == {"default"}
    assert set(found.origin) == set(Settings._fields) - {"origin"}


def test_the_limit_of_unpacking_is_that_of_the_decompressor(places: Places) -> None:
    assert places.load().unpack_limit == compression.MAX_UNPACKED


def test_nothing_is_downloaded_by_default() -> None:
    assert "apt" not in DEFAULT_ORDER
    assert {*DEFAULT_ORDER, "apt"} == set(settings.SOURCES)


def test_precedence(places: Places) -> None:
    places.write(places.system, 'cc = "system"\nstore = "/system"\ncache = "/system"\nstore_limit = "1K"\n')
    places.write(places.user, 'cc = "user"\nstore = "/user"\ncache = "/user"\n')
    found = places.load({"KHEADERS_CC": "environment", "KHEADERS_STORE": "/environment"}, cc="flag", store=None)
    assert (found.cc, found.store, found.cache) == ("flag", Path("/environment"), Path("/user"))
    assert (found.store_limit, found.unpack_limit) == (1024, settings.DEFAULT_UNPACK_LIMIT)
    assert found.origin == {
        "cc": "option cc",
        "store": "KHEADERS_STORE",
        "cache": str(places.user),
        "store_limit": str(places.system),
        "unpack_limit": "default",
        "order": "default",
        "download": "default",
    }


def test_every_variable(places: Places) -> None:
    found = places.load(
        {
            "KHEADERS_ORDER": "build, sysfs",
            "KHEADERS_STORE": "/s",
            "KHEADERS_CACHE": "~/c",
            "KHEADERS_CC": "clang-19",
            "KHEADERS_STORE_LIMIT": "300m",
            "KHEADERS_UNPACK_LIMIT": "4G",
            "KHEADERS_DOWNLOAD": "0",
        }
    )
    assert (found.order, found.store, found.cache) == (("build", "sysfs"), Path("/s"), places.home / "c")
    assert (found.cc, found.store_limit, found.unpack_limit) == ("clang-19", 300 * 1024**2, 4 * 1024**3)


def test_every_key_of_a_file(places: Places) -> None:
    places.write(
        places.user,
        'order = ["build", "sysfs"]\nstore = "/s"\ncache = "/c"\ncc = "/opt/my clang"\n'
        'store_limit = 4096\nunpack_limit = "2G"\ndownload = true\n',
    )
    found = places.load()
    assert (found.order, found.store, found.cache) == (("build", "sysfs", "apt"), Path("/s"), Path("/c"))
    assert (found.cc, found.store_limit, found.unpack_limit) == ("/opt/my clang", 4096, 2 * 1024**3)
    assert found.download


def test_empty_variables_are_not_set(places: Places) -> None:
    found = places.load({"KHEADERS_ORDER": "", "KHEADERS_STORE": "", "KHEADERS_DOWNLOAD": "", "XDG_CONFIG_HOME": ""})
    assert set(found.origin.values()) == {"default"}


def test_overrides_as_values(places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = places.load(order=("store", "apt"), store="here", cache=Path("/c"), unpack_limit=7, download=True)
    assert (found.order, found.store, found.cache) == (("store", "apt"), tmp_path / "here", Path("/c"))
    assert found.unpack_limit == 7


def test_xdg_config_home(places: Places, tmp_path: Path) -> None:
    places.write(places.user, 'cc = "home"\n')
    (tmp_path / "xdg/kheaders").mkdir(parents=True)
    places.write(tmp_path / "xdg/kheaders/config.toml", 'cc = "xdg"\n')
    assert places.load({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}).cc == "xdg"
    assert places.load({"XDG_CONFIG_HOME": "relative"}).cc == "home"
    assert places.load({"XDG_CONFIG_HOME": "/nonexistent"}).cc is None
    assert places.load({"HOME": ""}).cc is None


def test_while_the_effective_user_differs_the_users_file_is_not_read(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.write(places.user, 'cc = "user"\n')
    places.write(places.system, 'store_limit = "1M"\n')
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    found = places.load()
    assert (found.cc, found.store_limit) == (None, 1024**2)


@pytest.mark.parametrize(
    ("order", "download", "expected"),
    [
        ("", "1", (*DEFAULT_ORDER, "apt")),
        ("", "0", DEFAULT_ORDER),
        ("apt,build", "", ("apt", "build")),
        ("apt,build", "1", ("apt", "build")),
        ("apt,build", "0", ("build",)),
        ("build", "1", ("build", "apt")),
        ("build", "", ("build",)),
    ],
)
def test_apt_is_only_taken_when_asked_for(places: Places, order: str, download: str, expected: tuple[str, ...]) -> None:
    found = places.load({"KHEADERS_ORDER": order, "KHEADERS_DOWNLOAD": download})
    assert found.order == expected
    assert found.download == ("apt" in expected)


def test_order_and_download_of_different_precedence(places: Places) -> None:
    assert places.load({"KHEADERS_DOWNLOAD": "0"}, order="apt").order == ("apt",)
    assert places.load({"KHEADERS_DOWNLOAD": "1"}, order="build").order == ("build",)
    assert places.load({"KHEADERS_ORDER": "apt,build"}, download=False).order == ("build",)
    assert places.load({"KHEADERS_ORDER": "build"}, download=True).order == ("build", "apt")


def test_an_order_that_a_forbidden_download_empties(places: Places) -> None:
    text = refusal(lambda: places.load({"KHEADERS_ORDER": "apt", "KHEADERS_DOWNLOAD": "0"}))
    assert "KHEADERS_ORDER" in text and "KHEADERS_DOWNLOAD" in text


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("KHEADERS_ORDER", "sysf", ("'sysf'", "did you mean 'sysfs'", "procfs")),
        ("KHEADERS_ORDER", "build,build", ("'build'", "twice")),
        ("KHEADERS_ORDER", "build,", ("''", "sysfs")),
        ("KHEADERS_ORDER", ",", ("''", "sysfs")),
        ("KHEADERS_STORE", "relative/dir", ("'relative/dir'", "absolute")),
        ("KHEADERS_STORE", ".", ("'.'", "absolute")),
        ("KHEADERS_STORE", "~other/x", ("'~other/x'", "absolute")),
        ("KHEADERS_CACHE", "relative", ("'relative'", "absolute")),
        ("KHEADERS_CC", "  ", ("compiler",)),
        ("KHEADERS_CC", "clang\n", ("compiler",)),
        ("KHEADERS_DOWNLOAD", "yes", ("'yes'", "0 and 1")),
        *[
            ("KHEADERS_STORE_LIMIT", bad, (repr(bad), "K, M or G"))
            for bad in ("0", "-1", "1.5G", "G", "1T", "1KB", "²")
        ],
        ("KHEADERS_UNPACK_LIMIT", "9" * 5000, ("K, M or G",)),
    ],
)
def test_bad_variables_are_named(places: Places, variable: str, value: str, words: tuple[str, ...]) -> None:
    text = refusal(lambda: places.load({variable: value}))
    assert text.startswith(f"{variable}: ")
    assert all(word in text for word in words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("oder = []", ("oder", "did you mean 'order'", "store_limit")),
        ("[store]\nx = 1", ("store: ",)),
        ("order = []", ("order", "sysfs")),
        ("order = [1]", ("1", "sysfs")),
        ("order = 1", ("order", "sysfs")),
        ("store = 1", ("store: 1",)),
        ('store = ""', ("store", "absolute")),
        ('store = "a\\u0000b"', ("store",)),
        ("cc = true", ("cc: True",)),
        ("store_limit = true", ("store_limit: True", "K, M or G")),
        ("store_limit = -5", ("store_limit: -5",)),
        ("store_limit = 1.5", ("store_limit: 1.5",)),
        ("download = 1", ("download: 1", "true and false")),
        ("order = ", ("not TOML",)),
        ("a = " + "[" * 5000, ("not TOML",)),
    ],
)
def test_bad_files_are_named(places: Places, line: str, words: tuple[str, ...]) -> None:
    for file in (places.system, places.user):
        places.write(file, line)
        text = refusal(places.load)
        assert text.startswith(f"{file}: ")
        assert all(word in text for word in words)


def test_what_takes_no_effect_is_checked_too(places: Places) -> None:
    places.write(places.system, 'store_limit = "much"\n')
    assert "much" in refusal(lambda: places.load(store_limit="1G"))


def test_unknown_option(places: Places) -> None:
    assert "option colour" in refusal(lambda: places.load(colour=1))


def test_bytes_that_are_no_text(places: Places) -> None:
    places.user.write_bytes(b'cc = "\xff"\n')
    assert "not TOML" in refusal(places.load)


def test_a_huge_file(places: Places) -> None:
    places.write(places.user, "#" * (1024**2 + 1))
    assert "larger" in refusal(places.load)


@pytest.mark.parametrize(("mode", "who"), [(0o664, "group"), (0o646, "everybody"), (0o666, "everybody")])
def test_files_that_others_may_write(places: Places, mode: int, who: str) -> None:
    for file in (places.system, places.user):
        places.write(file, 'cc = "evil"\n', mode)
        text = refusal(places.load)
        assert text.startswith(f"{file}: ")
        assert who in text and f"chmod go-w {file}" in text


def test_a_file_of_another_user(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    places.write(places.user, 'cc = "evil"\n')
    real = os.fstat

    def stranger(descriptor: int) -> os.stat_result:
        status = list(real(descriptor))
        status[stat.ST_UID] = 12345
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", stranger)
    text = refusal(places.load)
    assert str(places.user) in text and "12345" in text


@pytest.mark.root
def test_root_refuses_files_of_users(places: Places) -> None:
    places.write(places.user, 'cc = "evil"\n')
    os.chown(places.user, 12345, 12345)
    text = refusal(places.load)
    assert str(places.user) in text and "root" in text


def test_what_is_no_file(places: Places) -> None:
    places.user.mkdir()
    assert "regular" in refusal(places.load)
    places.user.rmdir()
    os.mkfifo(places.user, 0o600)
    assert "regular" in refusal(places.load)
    places.user.unlink()
    places.user.symlink_to(places.user)
    assert str(places.user) in refusal(places.load)


def test_a_link_to_ones_own_file(places: Places, tmp_path: Path) -> None:
    places.write(tmp_path / "dotfiles.toml", 'cc = "linked"\n')
    places.user.symlink_to(tmp_path / "dotfiles.toml")
    assert places.load().cc == "linked"


def test_permission_denied_is_not_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    with unprivileged() as directory:
        monkeypatch.setattr(os, "getuid", os.geteuid)
        places = Places(directory)
        places.write(places.user, 'cc = "x"\n', 0o000)
        assert "Permission denied" in refusal(places.load)


def test_a_home_that_may_not_be_entered_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with unprivileged() as directory:
        monkeypatch.setattr(os, "getuid", os.geteuid)
        places = Places(directory)
        places.write(places.user, 'cc = "x"\n')
        assert places.load().cc == "x"
        places.home.chmod(0)
        assert places.load().cc is None
        places.home.chmod(0o700)


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("64K", 65536), ("64k", 65536), ("3M", 3145728), ("1G", 2**30)])
def test_sizes(text: str, size: int) -> None:
    assert settings.parse_size(text) == size
