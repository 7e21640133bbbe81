"""What users may set, by option, environment variable or configuration file, and where each value came from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from kheaders.errors import UsageError

SOURCES: Final = ("explicit", "sysfs", "procfs", "module", "image", "build", "distro", "store", "loaded", "apt")
"""Every name that the order of sources may contain."""

DEFAULT_ORDER: Final = tuple(name for name in SOURCES if name != "apt")
"""The running kernel's own archive first, because it cannot be stale; nothing is downloaded."""

SYSTEM_FILE: Final = Path("/etc/kheaders/config.toml")

DEFAULT_STORE_LIMIT: Final = 1024**3
"""Bytes that the store may keep; a header tree has some 30 MB to 60 MB, a blob a few."""

DEFAULT_UNPACK_LIMIT: Final = 2 * 1024**3
"""Bytes that an archive may unpack to (that of kheaders.compression, which is too slow to import for a number)."""

_FILE_LIMIT = 1024**2
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class Settings(NamedTuple):
    """All settings, checked."""

    order: tuple[str, ...]
    """Names of the sources, in the order of asking."""
    store: Path | None
    """Directory for what lasts until reboot; None: chosen by the store."""
    cache: Path | None
    """Directory for what may persist; None: chosen by the store."""
    cc: str | None
    """The compiler, a name or a path; None: looked for."""
    store_limit: int
    """Bytes that the store may keep."""
    unpack_limit: int
    """Bytes that an archive may unpack to."""
    download: bool
    """Whether packages may be downloaded; true exactly when ``apt`` is in the order."""
    origin: Mapping[str, str]
    """Field → where its value came from: ``option order``, ``KHEADERS_CC``, a file's path, ``default``."""


class _Layer(NamedTuple):
    """Values as one place gives them, unchecked, with the name that each value has there."""

    values: Mapping[str, object]
    names: Mapping[str, str]
    origins: Mapping[str, str]
    trusts_relative: bool = False


_DEFAULTS: Final[Mapping[str, object]] = {
    "order": DEFAULT_ORDER,
    "store": None,
    "cache": None,
    "cc": None,
    "store_limit": DEFAULT_STORE_LIMIT,
    "unpack_limit": DEFAULT_UNPACK_LIMIT,
    "download": False,
}


def load(
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    system_file: Path = SYSTEM_FILE,
) -> Settings:
    """The settings: *overrides* before *environ* before the user's file before *system_file* before the defaults.

    *overrides* are options by field name; None stands for an option that was not given. Environment variables are
    ``KHEADERS_`` and the field's name; an empty one counts as not set. The user's file is
    ``$XDG_CONFIG_HOME/kheaders/config.toml``, else ``~/.config/kheaders/config.toml``; it is not looked at while the
    effective user is not the real one, because then its place is not the effective user's choice.

    ``apt`` ends the order where a download was asked for; an order that names ``apt`` asks for it, and one of lower
    precedence than a ``download`` that is off loses it.

    Raises UsageError for every value, key or file that cannot be used, also where another one takes precedence.
    """
    values: dict[str, object] = {}
    origin: dict[str, str] = {}
    rank: dict[str, int] = {}
    layers = list(_layers(environ, overrides or {}, system_file))
    for number, layer in enumerate(layers):
        for key, raw in layer.values.items():
            value = _checked(key, raw, layer, environ)
            if key not in values:
                values[key], origin[key], rank[key] = value, layer.origins[key], number
    for key, value in _DEFAULTS.items():
        if key not in values:
            values[key], origin[key], rank[key] = value, "default", len(layers)

    order, download = values["order"], values["download"]
    assert isinstance(order, tuple)
    if download and "apt" not in order and rank["download"] <= rank["order"]:
        order += ("apt",)
    elif not download and "apt" in order and rank["download"] <= rank["order"]:
        order = tuple(name for name in order if name != "apt")
        if not order:
            raise UsageError(
                f"{origin['order']}: asks for apt alone, but {origin['download']} forbids downloads",
                "name another source or allow downloads",
            )
    values["order"], values["download"] = order, "apt" in order
    return Settings(**values, origin=MappingProxyType(origin))  # type: ignore[arg-type]  # each is checked by its key


def parse_size(text: str) -> int:
    """Bytes that ``512``, ``64K``, ``300M`` or ``2G`` means, in powers of 1024. Raises ValueError for anything else."""
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if not (number.isascii() and number.isdigit()) or unit not in _UNITS or not int(number):
        raise ValueError(text)
    return int(number) * _UNITS[unit]


def _layers(environ: Mapping[str, str], overrides: Mapping[str, object], system_file: Path) -> Iterator[_Layer]:
    """The places that give values, the one with the highest precedence first."""
    given = {key: value for key, value in overrides.items() if value is not None}
    options = {key: f"option {key}" for key in given}
    yield _Layer(given, options, options, trusts_relative=True)
    variables = {key: f"KHEADERS_{key.upper()}" for key in _DEFAULTS}
    yield _Layer({key: environ[name] for key, name in variables.items() if environ.get(name)}, variables, variables)
    for file in (_user_file(environ), system_file):
        table = _read(file) if file else None
        if table is not None:
            names = {key: f"{file}: {key}" for key in table}
            yield _Layer(table, names, {key: str(file) for key in table})


def _user_file(environ: Mapping[str, str]) -> Path | None:
    """Where the user's file would lie, or None where that cannot or must not be said."""
    if os.geteuid() != os.getuid():
        return None
    # A relative XDG_CONFIG_HOME is to be ignored (XDG Base Directory Specification).
    base = environ.get("XDG_CONFIG_HOME", "")
    if base.startswith("/"):
        return Path(base, "kheaders/config.toml")
    home = environ.get("HOME", "")
    return Path(home, ".config/kheaders/config.toml") if home.startswith("/") else None


def _read(file: Path) -> dict[str, object] | None:
    """The table in *file*, None where there is no such file. UsageError if others could have written it."""
    try:
        # Opened once and then examined, so that what is checked is what is read; a pipe must not block.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if isinstance(error, PermissionError) and not os.path.exists(file):
            return None  # a service keeps a HOME that it may not enter
        raise UsageError(
            f"{file}: cannot be read ({error.strerror})", "correct its permissions or remove it"
        ) from error
    try:
        _check_owner(file, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as stream:
            data = stream.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})", "correct or remove it") from error
    finally:
        os.close(descriptor)
    if len(data) > _FILE_LIMIT:
        raise UsageError(f"{file}: is larger than {_FILE_LIMIT} bytes", "correct or remove it")

    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: is not TOML ({error})", "correct or remove it") from error


def _check_owner(file: Path, status: os.stat_result) -> None:
    """UsageError unless only the effective user or root can change the open file."""
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{file}: is not a regular file", "put a file there or remove it")
    user = os.geteuid()
    if status.st_uid not in (0, user):
        allowed = "root" if user == 0 else f"uid {user} or root"
        hint = f"give it to {allowed}, remove it, or set XDG_CONFIG_HOME"
        raise UsageError(f"{file}: belongs to uid {status.st_uid}, not to {allowed}", hint)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        who = "everybody" if status.st_mode & stat.S_IWOTH else "its group"
        raise UsageError(f"{file}: {who} may write to it", f"chmod go-w {file}")


def _checked(key: str, raw: object, layer: _Layer, environ: Mapping[str, str]) -> object:
    """*raw* as the value of the field *key*; UsageError names where it stands, what it is and what is allowed."""
    name = layer.names[key]
    if key == "order":
        return _order(name, raw)
    if key in ("store", "cache"):
        return _directory(name, raw, layer.trusts_relative, environ)
    if key == "cc":
        if isinstance(raw, str) and raw.strip() and raw.isprintable():
            return raw
        raise UsageError(f"{name}: {raw!r} is no compiler", "give the name or the path of one program")
    if key in ("store_limit", "unpack_limit"):
        return _size(name, raw)
    if key == "download":
        if isinstance(raw, bool):
            return raw
        if raw in ("0", "1"):
            return raw == "1"
        raise UsageError(f"{name}: {raw!r} is neither yes nor no", "allowed: 0 and 1, in a file true and false")
    raise UsageError(f"{name}: there is no such setting", _suggestion(key, _DEFAULTS))


def _order(name: str, raw: object) -> tuple[str, ...]:
    parts: Sequence[object] = ()
    if isinstance(raw, str):
        parts = [part.strip() for part in raw.split(",")]
    elif isinstance(raw, list | tuple):
        parts = raw
    if not parts:
        raise UsageError(f"{name}: {raw!r} is no list of sources", f"allowed: {', '.join(SOURCES)}")
    order: list[str] = []
    for part in parts:
        if not isinstance(part, str) or part not in SOURCES:
            raise UsageError(f"{name}: {part!r} is no source", _suggestion(str(part), SOURCES))
        if part in order:
            raise UsageError(f"{name}: {part!r} stands there twice", "name each source once")
        order.append(part)
    return tuple(order)


def _directory(name: str, raw: object, relative: bool, environ: Mapping[str, str]) -> Path:
    if not isinstance(raw, str | Path) or not str(raw) or "\0" in str(raw):
        raise UsageError(f"{name}: {raw!r} is no directory", "give an absolute path")
    path = Path(raw)
    home = environ.get("HOME", "")
    if path.parts[:1] == ("~",) and home.startswith("/"):
        path = Path(home, *path.parts[1:])
    if relative:
        return path.absolute()
    if not path.is_absolute():
        raise UsageError(f"{name}: {str(raw)!r} is not absolute", "give an absolute path")
    return path


def _size(name: str, raw: object) -> int:
    try:
        # bool is an int to isinstance, but true is no size.
        return parse_size(str(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else "")
    except ValueError:
        hint = "allowed: a number of bytes above 0, or one with K, M or G"
        raise UsageError(f"{name}: {raw!r} is no size", hint) from None


def _suggestion(word: str, allowed: Mapping[str, object] | Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, list(allowed), 1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed: {', '.join(allowed)}"
