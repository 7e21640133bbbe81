"""The configuration of a kernel: option → value, from whichever of its files is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kheaders.c import generated
from kheaders.errors import KheadersError
from kheaders.kernel import Kernel
from kheaders.sysroot import resolve

LIMIT = 64 * 1024**2
"""Bytes that one configuration may have, unpacked; real ones have some 300,000."""

RUNNING_ONLY = "/proc/config.gz"
"""The one place that certainly tells of the running kernel (``CONFIG_IKCONFIG_PROC``, kernel/configs.c)."""

PLACES = (
    "/boot/config-{release}",
    "/lib/modules/{release}/config",
    "/lib/modules/{release}/build/.config",
    "/lib/modules/{release}/build/include/config/auto.conf",
    "/usr/lib/modules/{release}/config",
    "/usr/src/linux-headers-{release}/.config",
)
"""Where else a configuration may lie, in the order of asking; each is trusted by its name alone."""

_IGNORED = re.compile(
    r"""CONFIG_(
        # The tools that built the kernel. Whatever the code depends on in them has options of its own (CC_HAS_…),
        # and a distribution's header package may be configured by a later compiler than its image.
        (CC|RUSTC|BINDGEN|PAHOLE)_VERSION_TEXT | (CC|GCC|CLANG|LD|LLD|AS|PAHOLE|RUSTC|RUSTC_LLVM)_VERSION
        # Differs with each build and only goes into notes and the vDSO's build id.
        | BUILD_SALT
        # File names of keys and certificates that are linked in as data; distributions blank them in what they ship.
        | MODULE_SIG_KEY | SYSTEM_(TRUSTED|REVOCATION)_KEYS | SYSTEM_BLACKLIST_HASH_LIST | (IMA|EVM)_X509_PATH
        | \w+_SIGNING_KEY
    )""",
    re.VERBOSE,
)

_LINE = re.compile(r"(CONFIG_\w+)=(.*?)\r?", re.ASCII)


class KConfig(Mapping[str, str]):
    """The options that are set, by name with ``CONFIG_``: ``y``, ``m``, a number or a string, without quotes.

    An option that is off (``# CONFIG_X is not set``) is absent. Compares equal to any mapping with the same items.
    """

    def __init__(self, origin: str, certain: bool = False, options: Mapping[str, str] | None = None) -> None:
        self.origin = origin
        """Where it was read, as the examined system calls the place."""
        self.certain = certain
        """Whether it must belong to the running kernel; otherwise a file's name is all that says whose it is."""
        self._options = dict(options or {})

    def __getitem__(self, name: str) -> str:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)


def parse(text: str, origin: str, *, certain: bool = False) -> KConfig:
    """The options of a ``.config`` or ``auto.conf``. Lines of any other form are passed over; the last value counts.

    Strings lose their quotes, because ``auto.conf`` has none since 5.17 (commit 129ab0d2d9f3).
    """
    found = (_LINE.fullmatch(line) for line in text.split("\n"))
    return KConfig(origin, certain, {match[1]: _unquoted(match[2]) for match in found if match and match[2] != "n"})


def parse_autoconf(text: str, origin: str) -> KConfig:
    """The options of an ``include/generated/autoconf.h`` (written by scripts/kconfig/confdata.c).

    It does not tell ``y`` from the number 1 nor ``X=m`` from ``X_MODULE=y``: the result is ``y`` and ``X=m``.
    """
    options = {}
    for name, value in generated.values(text):
        if value != "1":
            options[name] = _unquoted(value)
        elif name.endswith("_MODULE"):
            options[name.removesuffix("_MODULE")] = "m"
        else:
            options[name] = "y"
    return KConfig(origin, False, options)


def _unquoted(value: str) -> str:
    """The string that Kconfig wrote as *value*, with a backslash before quotes and backslashes; other values as is."""
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if quoted else value


def read(kernel: Kernel) -> KConfig | None:
    """The first whole configuration of *kernel* in its sysroot, or None. What cannot be read is passed over."""
    return next((found for found in attempts(kernel) if isinstance(found, KConfig)), None)


def attempts(kernel: Kernel) -> Iterator[KConfig | str]:
    """For each place that holds something: the configuration, or a line that says why it is none. Never raises.

    ``/proc/config.gz`` comes first and is asked for the running kernel only.
    """
    places = [place.format(release=kernel.release) for place in PLACES]
    for place in [RUNNING_ONLY, *places] if kernel.running else places:
        try:
            text = _text(kernel, place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield f"{place}: cannot be read ({error.strerror})"
            continue
        except KheadersError as error:
            yield error.what
            continue
        except UnicodeDecodeError:
            yield f"{place}: is not text"
            continue
        found = parse(text, place, certain=place == RUNNING_ONLY)
        yield found if found else f"{place}: holds no options"


def differences(a: KConfig, b: KConfig) -> list[tuple[str, str | None, str | None]]:
    """Each option in which *a* and *b* differ: name, value in *a*, value in *b* (None: not set), sorted by name.

    Left out is what says nothing about the code: versions of the build's tools, the build's salt, names of key files.
    ``y`` and ``1`` are the same, because autoconf.h writes them alike.
    """
    same = {"y": "1"}
    pairs = ((name, a.get(name), b.get(name)) for name in sorted({*a, *b}) if not _IGNORED.fullmatch(name))
    return [(name, x, y) for name, x, y in pairs if same.get(x or "", x) != same.get(y or "", y)]


def _text(kernel: Kernel, place: str) -> str:
    """What *place* holds, unpacked. Raises OSError, KheadersError, UnicodeDecodeError."""
    from kheaders.compression import chunks

    path = resolve(kernel.sysroot, place)
    if path.exists() and not path.is_file():
        raise OSError(0, "not a regular file")
    with path.open("rb") as stream:
        return b"".join(chunks(stream, limit=LIMIT, name=place)).decode()
