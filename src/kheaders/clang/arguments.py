"""The words of a clang command line, read once: macros, included files, include directories, and what else matters.

Options are matched as clang's driver does: the longest known spelling that the word begins with, and its value joined
to it or in the next word (llvm/lib/Option/OptTable.cpp; the table is clang/include/clang/Driver/Options.td). In the
order in which cc1 gets them come first the driver's own words, then those of ``-Wp,`` and ``-Xpreprocessor``, then
those of ``-Xclang`` (clang/lib/Driver/ToolChains/Clang.cpp). Of all other words it is told whether they

* mean nothing to the text of a program: warnings, debug information, names of outputs;
* mean the same to every text that they are given with: code generation, language. They may change what is predefined;
* are not understood, so that nothing may be concluded from the rest: they read other files, change the target, keep
  what nobody uses;
* ask for something else than an object.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kheaders.c.include_path import IncludeSearch
from kheaders.clang.options import EITHER, SEPARATE, Role, matched
from kheaders.errors import UsageError

_FILE_LIMIT = 16 << 20
_DEPTH = 20
"""Response files within response files."""


class Macro(NamedTuple):
    """What one ``-D`` or ``-U`` does to a macro."""

    name: str
    parameters: str
    """In their parentheses; empty for an object-like macro."""
    body: str | None
    """Replacement; None where the macro is undefined."""

    def directive(self) -> str:
        """As a line of C."""
        if self.body is None:
            return f"#undef {self.name}"
        return f"#define {self.name}{self.parameters} {self.body}"

    def word(self) -> str:
        """As a word of the command line."""
        return f"-U{self.name}" if self.body is None else f"-D{self.name}{self.parameters}={self.body}"


class Arguments(NamedTuple):
    """What a command line says."""

    macros: tuple[Macro, ...] = ()
    """In order; they come before everything that is read."""
    imacros: tuple[str, ...] = ()
    """Files of which only the macros are kept; read before the kernel's headers."""
    includes: tuple[str, ...] = ()
    """Files that are read after the kernel's headers and before the program."""
    search: IncludeSearch = IncludeSearch()
    language: tuple[str, ...] = ()
    """Words that mean the same to every text, as they were given; a PCH must have been made with the same."""
    predefining: tuple[str, ...] = ()
    """Those of ``language`` that may change which macros clang predefines."""
    not_understood: tuple[str, ...] = ()
    """Words from which it cannot be told what they do to headers."""
    other_output: tuple[str, ...] = ()
    """Words by which clang makes something else than an object."""
    trigraphs: bool = False
    """Whether ``??=`` and the like are replaced: in a standard mode before C23, or where it is asked for."""
    debug: bool = False
    """Whether debug information is asked for."""

    def prelude(self) -> bytes:
        """Lines of C with the same meaning as macros and included files.

        clang looks for such a file in its working directory first, and then as for any other name in quotes
        (clang/lib/Lex/PPDirectives.cpp, Preprocessor::LookupFile).
        """
        lines = [macro.directive() for macro in self.macros]
        for name in (*self.imacros, *self.includes):
            here = next(
                (path for d in (".", *self.search.ahead(True)) if os.path.isfile(path := os.path.join(d, name))), ""
            )
            lines.append(f'#include "{os.path.abspath(here)}"' if here else f"#include <{name}>")
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")

    def refuse_other_output(self) -> None:
        """Raise UsageError where something else than an object is asked for."""
        if self.other_output:
            word = self.other_output[0]
            raise UsageError(
                f"{word}: with it the compiler makes no object",
                "leave it out, or run clang with the flags of 'kheaders cflags'",
            )


_AS_O2 = frozenset(("", "1", "2", "3", "4", "g"))
"""Levels at which clang predefines what it does at ``-O2``.""" ""


class _Word(NamedTuple):
    text: str
    given: tuple[str, ...]
    """As it was given: with ``-Xclang`` before it."""


class _Option(NamedTuple):
    role: Role
    value: str
    given: tuple[str, ...]


def read(words: Sequence[str]) -> Arguments:
    """Read the *words* that follow a compiler's name; response files among them are read from disk."""
    driver = [_Word(word, (word,)) for word in expanded(words)]
    preprocessor: list[_Word] = []
    cc1: list[_Word] = []
    found: list[_Option] = []
    for option in _options(driver):
        if option.role is Role.CC1:
            cc1.append(_Word(option.value, option.given))
        elif option.role is Role.PREPROCESSOR:
            preprocessor.append(_Word(option.value, option.given))
        elif option.role is Role.PREPROCESSOR_LIST:
            values = option.value.split(",")
            if values[0] in ("-MD", "-MMD"):  # the driver's own, with the name of the file (Clang.cpp)
                values = values[2:]
            preprocessor += (_Word(value, ("-Xpreprocessor", value)) for value in values)
        else:
            found.append(option)
    found += _options(preprocessor)
    found += _options(cc1)
    return _gathered(found)


def _options(words: Sequence[_Word]) -> Iterator[_Option]:
    rest = iter(words)
    for word in rest:
        role, kind, size = matched(word.text)
        value, given = word.text[size:], word.given
        if kind == SEPARATE or (kind == EITHER and not value):
            following = next(rest, None)
            if following is None:
                role = Role.NOT_UNDERSTOOD  # clang complains of it
            else:
                value, given = following.text, (*given, *following.given)
        yield _Option(role, value, given)


def _gathered(options: Sequence[_Option]) -> Arguments:
    macros: list[Macro] = []
    directories: dict[Role, list[str]] = {}
    files: dict[Role, list[str]] = {Role.INCLUDE: [], Role.IMACROS: []}
    language: list[str] = []
    predefining: list[str] = []
    unclear: list[str] = []
    other: list[str] = []
    lto: list[str] = []
    trigraphs: bool | None = None
    strict = debug = sysroot = False
    prefix = ""
    for role, value, given in options:
        shown = " ".join(given)
        if role is Role.DEFINE:
            macros.append(_defined(value))
        elif role is Role.UNDEFINE:
            macros.append(Macro(value, "", None))
        elif role in (Role.ANGLED, Role.QUOTE, Role.SYSTEM, Role.AFTER):
            directories.setdefault(role, []).append(value)
        elif role is Role.PREFIX:
            prefix = value
        elif role in (Role.WITH_PREFIX, Role.WITH_PREFIX_BEFORE):
            directories.setdefault(role, []).append(prefix + value)
        elif role in files:
            files[role].append(value)
        elif role is Role.SYSROOT:
            sysroot = True
        elif role in (Role.DEBUG, Role.NO_DEBUG):
            debug = role is Role.DEBUG
        elif role in (Role.LTO, Role.NO_LTO):
            lto = [shown] if role is Role.LTO else []
        elif role is Role.OTHER_OUTPUT:
            other.append(shown)
        elif role is Role.NOT_UNDERSTOOD:
            unclear.append(shown)
        elif role is not Role.NEUTRAL:
            language += given
            if role is Role.STANDARD:
                strict = not value.startswith("gnu") and not value.endswith(("23", "2x", "2y"))
            elif role in (Role.TRIGRAPHS, Role.NO_TRIGRAPHS):
                trigraphs = role is Role.TRIGRAPHS
            if role is not Role.LANGUAGE and not (role is Role.OPTIMISE and value in _AS_O2):
                predefining += given
    if sysroot:  # what "=" stands for differs between versions of clang
        every = [value for values in directories.values() for value in values]
        unclear += [f"the directory {value} below a sysroot" for value in every if value.startswith("=")]
    return Arguments(
        tuple(macros),
        tuple(files[Role.IMACROS]),
        tuple(files[Role.INCLUDE]),
        _search(directories),
        tuple(language),
        tuple(predefining),
        tuple(unclear),
        (*other, *lto),
        strict if trigraphs is None else trigraphs,
        debug,
    )


def _defined(value: str) -> Macro:
    """What clang makes of the value of a ``-D`` (clang/lib/Frontend/InitPreprocessor.cpp, DefineBuiltinMacro)."""
    head, equals, body = value.partition("=")
    name, parenthesis, parameters = head.partition("(")
    # what follows an end of line is dropped, as GCC does
    return Macro(name.strip(), parenthesis + parameters, body.split("\n", 1)[0].split("\r", 1)[0] if equals else "1")


def _search(directories: dict[Role, list[str]]) -> IncludeSearch:
    """The order of clang/lib/Frontend/CompilerInvocation.cpp (ParseHeaderSearchArgs).

    A directory that is given as one for system headers too is no other (clang/lib/Lex/InitHeaderSearch.cpp).
    """

    def of(*roles: Role) -> list[str]:
        return [directory for role in roles for directory in directories.get(role, ())]

    system, after = of(Role.SYSTEM), of(Role.WITH_PREFIX, Role.AFTER)
    angled = of(Role.ANGLED, Role.WITH_PREFIX_BEFORE)
    if angled and (system or after):
        later = {os.path.realpath(directory) for directory in (*system, *after)}
        angled = [directory for directory in angled if os.path.realpath(directory) not in later]
    return IncludeSearch(tuple(of(Role.QUOTE)), tuple(angled), tuple(system), tuple(after))


def expanded(words: Sequence[str]) -> tuple[str, ...]:
    """*words* with those of response files (``@file``) in their places.

    A word whose file cannot be read stays as it is, as in clang. Raises UsageError for files that name each other.
    """
    if not any(word.startswith("@") for word in words):
        return tuple(words)
    return tuple(_expanded(words, ()))


def _expanded(words: Sequence[str], within: tuple[str, ...]) -> Iterator[str]:
    for word in words:
        if not word.startswith("@") or (text := _response(word[1:])) is None:
            yield word
            continue
        real = os.path.realpath(word[1:])
        if real in within or len(within) == _DEPTH:
            raise UsageError(f"{word}: the response file names itself", "correct it")
        yield from _expanded(tokens(text), (*within, real))


def _response(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            data = file.read(_FILE_LIMIT)
    except (OSError, ValueError):
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def tokens(text: str) -> list[str]:
    """The words of a response file (llvm/lib/Support/CommandLine.cpp, TokenizeGNUCommandLine).

    Quotes of both kinds keep what is between them together; a backslash takes the next character as it is, also in
    quotes.
    """
    found: list[str] = []
    token: list[str] = []
    quote = ""
    started = False
    characters = iter(text)
    for character in characters:
        if character == "\\":
            following = next(characters, None)
            token.append("\\" if following is None else following)
            started = True
        elif quote:
            if character == quote:
                quote = ""
            else:
                token.append(character)
        elif character in "\"'":
            quote, started = character, True
        elif character in " \t\r\n\0":
            if started:
                found.append("".join(token))
            token, started = [], False
        else:
            token.append(character)
            started = True
    if started:
        found.append("".join(token))
    return found
