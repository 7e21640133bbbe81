from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.root import CONFIG, RELEASE, FakeRoot, autoconf_text, config_text, unprivileged
from kheaders import kconfig, kernel
from kheaders.kconfig import KConfig
from kheaders.kernel import Kernel

OPTIONS = {
    "CONFIG_SMP": "y",
    "CONFIG_TUN": "m",
    "CONFIG_OFF": "n",
    "CONFIG_HZ": "250",
    "CONFIG_PHYSICAL_START": "0x1000000",
    "CONFIG_EMPTY": '""',
    "CONFIG_CC_TEXT": '"gcc (x) = \\"y\\" # z"',
    "CONFIG_64BIT": "y",
}
SET = {
    "CONFIG_SMP": "y",
    "CONFIG_TUN": "m",
    "CONFIG_HZ": "250",
    "CONFIG_PHYSICAL_START": "0x1000000",
    "CONFIG_EMPTY": "",
    "CONFIG_CC_TEXT": 'gcc (x) = "y" # z',
    "CONFIG_64BIT": "y",
}

ALL_PLACES = [
    "/proc/config.gz",
    f"/boot/config-{RELEASE}",
    f"/lib/modules/{RELEASE}/config",
    f"/usr/lib/modules/{RELEASE}/config",
    f"/lib/modules/{RELEASE}/build/.config",
    f"/lib/modules/{RELEASE}/build/include/config/auto.conf",
    f"/usr/src/linux-headers-{RELEASE}/.config",
]


def running(root: FakeRoot) -> Kernel:
    return kernel.running(root.path, host=Path("/nonexistent-host"))


def options(config: KConfig | str | None) -> dict[str, str]:
    assert isinstance(config, KConfig), config
    return dict(config)


def test_config() -> None:
    config = kconfig.parse(config_text(OPTIONS), "here")
    assert config == SET
    assert config.origin == "here"
    assert not config.certain
    assert "CONFIG_OFF" not in config
    assert config.get("CONFIG_OFF") is None


def test_autoconf_says_what_config_says() -> None:
    assert kconfig.parse_autoconf(autoconf_text(OPTIONS), "there") == kconfig.parse(config_text(OPTIONS), "here")


def test_auto_conf_of_later_kernels_has_no_quotes() -> None:
    text = 'CONFIG_HOST=(none)\nCONFIG_INIT=\nCONFIG_TEXT=a "b" \\c\n'
    assert kconfig.parse(text, "") == {"CONFIG_HOST": "(none)", "CONFIG_INIT": "", "CONFIG_TEXT": 'a "b" \\c'}
    quoted = 'CONFIG_HOST="(none)"\nCONFIG_INIT=""\nCONFIG_TEXT="a \\"b\\" \\\\c"\n'
    assert kconfig.parse(quoted, "") == kconfig.parse(text, "")


def test_lines_of_other_forms_are_passed_over() -> None:
    text = 'CONFIG_A=y\r\nCONFIG_B=m\nFOO=y\n#CONFIG_C=y\nCONFIG_D\n=y\nCONFIG_A-B=y\n CONFIG_E=y\nCONFIG_F="a=b"\n'
    assert kconfig.parse(text, "") == {"CONFIG_A": "y", "CONFIG_B": "m", "CONFIG_F": "a=b"}
    text = "#define FOO 1\n/* #define CONFIG_A 1 */\n#define\tCONFIG_B\t1\n#define CONFIG_C\n#undef CONFIG_D\n"
    assert kconfig.parse_autoconf(text, "") == {"CONFIG_B": "y"}


def test_the_last_value_counts() -> None:
    assert kconfig.parse("CONFIG_A=y\nCONFIG_A=m\n", "") == {"CONFIG_A": "m"}


@given(st.text())
def test_any_text(text: str) -> None:
    for config in (kconfig.parse(text, ""), kconfig.parse_autoconf(text, "")):
        assert all(name.startswith("CONFIG_") and name.isascii() for name in config)


def test_order_of_places(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    for place in ALL_PLACES:
        root.config({"CONFIG_PLACE": f'"{place}"'}, place)
    for place in ALL_PLACES:
        config = kconfig.read(running(root))
        assert config is not None
        assert config == {"CONFIG_PLACE": place}
        assert config.origin == place
        assert config.certain == (place == "/proc/config.gz")
        root.remove(place)
    assert kconfig.read(running(root)) is None
    assert list(kconfig.attempts(running(root))) == []


def test_another_kernel_is_not_asked_of_proc(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.config(path="/proc/config.gz")
    other = kernel.named("5.10.0-1-amd64", sysroot=root.path, host=Path("/nonexistent-host"))
    assert kconfig.read(other) is None
    root.config({"CONFIG_OLD": "y"}, "/boot/config-5.10.0-1-amd64")
    assert options(kconfig.read(other)) == {"CONFIG_OLD": "y"}


def test_links_are_the_sysroots(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.build_tree("/usr/src/tree")
    config = kconfig.read(running(root))
    assert config is not None
    assert dict(config) == CONFIG
    assert config.origin == f"/lib/modules/{RELEASE}/build/.config"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (gzip.compress(config_text(OPTIONS).encode())[:-12], "config.gz"),
        (gzip.compress(b"\0\xff\xfe" * 100), "text"),
        (gzip.compress(b"# nothing\n"), "no options"),
        (b"", "no options"),
        (b"\0" * 4096, "no options"),
    ],
)
def test_garbage_is_passed_over_and_named(tmp_path: Path, damage: bytes, reason: str) -> None:
    root = FakeRoot(tmp_path)
    root.write("/proc/config.gz", damage)
    root.config()
    found = list(kconfig.attempts(running(root)))
    assert isinstance(found[0], str)
    assert found[0].startswith("/proc/config.gz: ")
    assert reason in found[0]
    assert options(found[1]) == CONFIG
    config = kconfig.read(running(root))
    assert config is not None
    assert dict(config) == CONFIG
    assert not config.certain


def test_huge_when_unpacked(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    packed = b"".join(gzip.compress(b"CONFIG_A=y\n" + b"#" * (8 * 1024**2), 1) for _ in range(9))
    root.write("/proc/config.gz", packed)
    assert kconfig.read(running(root)) is None


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.at(f"/boot/config-{RELEASE}").mkdir(parents=True)
    root.at(root.modules).mkdir(parents=True)
    os.mkfifo(root.at(f"{root.modules}/config"))
    root.link(f"{root.modules}/build", "build")
    reasons = list(kconfig.attempts(running(root)))
    assert len(reasons) == 4  # the directory, the pipe, and twice the loop of links
    assert all(isinstance(reason, str) for reason in reasons)


def test_without_permission_the_next_is_read() -> None:
    with unprivileged() as directory:
        root = FakeRoot(directory)
        root.config({"CONFIG_HIDDEN": "y"}).chmod(0)
        root.config({"CONFIG_NEXT": "y"}, f"{root.modules}/config")
        refused, config = kconfig.attempts(running(root))
    assert "Permission denied" in str(refused)
    assert options(config) == {"CONFIG_NEXT": "y"}


def test_differences_are_sorted_and_complete() -> None:
    a = KConfig("a", False, {"CONFIG_Z": "y", "CONFIG_HZ": "250", "CONFIG_M": "m", "CONFIG_SAME": "y"})
    b = KConfig("b", False, {"CONFIG_HZ": "1000", "CONFIG_A": "m", "CONFIG_M": "y", "CONFIG_SAME": "y"})
    expected = [
        ("CONFIG_A", None, "m"),
        ("CONFIG_HZ", "250", "1000"),
        ("CONFIG_M", "m", "y"),
        ("CONFIG_Z", "y", None),
    ]
    assert kconfig.differences(a, b) == expected
    assert kconfig.differences(b, a) == [(name, y, x) for name, x, y in expected]
    assert kconfig.differences(a, a) == []


@pytest.mark.parametrize(
    "name",
    [
        *["CC_VERSION_TEXT", "GCC_VERSION", "CLANG_VERSION", "LD_VERSION", "LLD_VERSION", "AS_VERSION"],
        *["PAHOLE_VERSION", "RUSTC_VERSION", "RUSTC_VERSION_TEXT", "BINDGEN_VERSION_TEXT", "BUILD_SALT"],
        *["MODULE_SIG_KEY", "SYSTEM_TRUSTED_KEYS", "SYSTEM_REVOCATION_KEYS", "IMA_X509_PATH", "X_SIGNING_KEY"],
    ],
)
def test_what_is_not_about_the_code_is_no_difference(name: str) -> None:
    a = KConfig("a", False, {f"CONFIG_{name}": '"a"'})
    assert kconfig.differences(a, KConfig("b", False, {f"CONFIG_{name}": '"b"'})) == []
    assert kconfig.differences(a, KConfig("b")) == []


@pytest.mark.parametrize("name", ["CC_HAS_ASM_GOTO_OUTPUT", "CC_IS_GCC", "MODULE_SIG", "LOCALVERSION", "XGCC_VERSION"])
def test_what_is_about_the_code_is_a_difference(name: str) -> None:
    a = KConfig("a", False, {f"CONFIG_{name}": "y"})
    assert kconfig.differences(a, KConfig("b")) == [(f"CONFIG_{name}", "y", None)]


def test_the_number_one_of_a_config_is_not_a_difference_to_its_autoconf() -> None:
    options = {"CONFIG_UARTS": "1", "CONFIG_SMP": "y", "CONFIG_ZERO": "0"}
    config = kconfig.parse(config_text(options), "")
    assert kconfig.differences(config, kconfig.parse_autoconf(autoconf_text(options), "")) == []
    assert kconfig.differences(config, kconfig.parse_autoconf("", "")) != []


def test_a_configuration_of_this_machine_is_read_whole_if_there_is_one() -> None:
    config = kconfig.read(kernel.running())
    if config is None:
        pytest.skip("this machine has no configuration of its kernel")
    assert "CONFIG_64BIT" in config or "CONFIG_32BIT" in config or len(config) > 100


def test_a_kernel_that_does_not_run_is_never_certain(tmp_path: Path) -> None:
    root = FakeRoot(tmp_path)
    root.config(path="/proc/config.gz")
    root.config({"CONFIG_BOOT": "y"})
    config = kconfig.read(running(root)._replace(running=False))
    assert config is not None
    assert dict(config) == {"CONFIG_BOOT": "y"}
    assert not config.certain
