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
from enum import Enum
from typing import NamedTuple

from kheaders.c.include_path import IncludeSearch
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


class _Role(Enum):
    """What an option does."""

    DEFINE = "D"
    UNDEFINE = "U"
    ANGLED = "I"
    QUOTE = "iquote"
    SYSTEM = "isystem"
    AFTER = "idirafter"
    PREFIX = "iprefix"
    WITH_PREFIX = "iwithprefix"
    WITH_PREFIX_BEFORE = "iwithprefixbefore"
    SYSROOT = "sysroot"
    INCLUDE = "include"
    IMACROS = "imacros"
    CC1 = "Xclang"
    PREPROCESSOR = "Xpreprocessor"
    PREPROCESSOR_LIST = "Wp"
    DEBUG = "g"
    NO_DEBUG = "g0"
    OPTIMISE = "O"
    STANDARD = "std"
    LTO = "lto"
    NO_LTO = "no-lto"
    TRIGRAPHS = "trigraphs"
    NO_TRIGRAPHS = "no-trigraphs"
    NEUTRAL = "neutral"
    LANGUAGE = "language"
    PREDEFINING = "predefining"
    OTHER_OUTPUT = "other output"
    NOT_UNDERSTOOD = "not understood"


_FLAG, _JOINED, _SEPARATE, _EITHER = 0, 1, 2, 3
"""Kinds of options: without a value; with one in the same word; in the next; in either."""

# Spellings and kinds are those of Options.td; a word that begins with several spellings has the longest.
_SPELLINGS: tuple[tuple[_Role, int, str], ...] = (
    (_Role.DEFINE, _EITHER, "-D"),
    (_Role.DEFINE, _SEPARATE, "--define-macro"),
    (_Role.DEFINE, _JOINED, "--define-macro="),
    (_Role.UNDEFINE, _EITHER, "-U"),
    (_Role.UNDEFINE, _SEPARATE, "--undefine-macro"),
    (_Role.UNDEFINE, _JOINED, "--undefine-macro="),
    (_Role.ANGLED, _EITHER, "-I"),
    (_Role.ANGLED, _SEPARATE, "--include-directory"),
    (_Role.ANGLED, _JOINED, "--include-directory="),
    (_Role.QUOTE, _EITHER, "-iquote"),
    (_Role.SYSTEM, _EITHER, "-isystem"),
    (_Role.AFTER, _EITHER, "-idirafter"),
    (_Role.AFTER, _SEPARATE, "--include-directory-after"),
    (_Role.AFTER, _JOINED, "--include-directory-after="),
    (_Role.PREFIX, _EITHER, "-iprefix"),
    (_Role.PREFIX, _SEPARATE, "--include-prefix"),
    (_Role.PREFIX, _JOINED, "--include-prefix="),
    (_Role.WITH_PREFIX, _EITHER, "-iwithprefix"),
    (_Role.WITH_PREFIX, _SEPARATE, "--include-with-prefix --include-with-prefix-after"),
    (_Role.WITH_PREFIX, _JOINED, "--include-with-prefix= --include-with-prefix-after="),
    (_Role.WITH_PREFIX_BEFORE, _EITHER, "-iwithprefixbefore"),
    (_Role.WITH_PREFIX_BEFORE, _SEPARATE, "--include-with-prefix-before"),
    (_Role.WITH_PREFIX_BEFORE, _JOINED, "--include-with-prefix-before="),
    (_Role.SYSROOT, _EITHER, "-isysroot"),
    (_Role.SYSROOT, _SEPARATE, "--sysroot"),
    (_Role.SYSROOT, _JOINED, "--sysroot="),
    (_Role.INCLUDE, _EITHER, "-include"),
    (_Role.INCLUDE, _JOINED, "--include="),
    (_Role.IMACROS, _EITHER, "-imacros"),
    (_Role.IMACROS, _JOINED, "--imacros="),
    (_Role.CC1, _SEPARATE, "-Xclang"),
    (_Role.CC1, _JOINED, "-Xclang="),
    (_Role.PREPROCESSOR, _SEPARATE, "-Xpreprocessor"),
    (_Role.PREPROCESSOR_LIST, _JOINED, "-Wp,"),
    (_Role.DEBUG, _JOINED, "-g --debug="),
    (_Role.DEBUG, _FLAG, "--debug"),
    (_Role.NO_DEBUG, _FLAG, "-g0 -ggdb0"),
    (_Role.NEUTRAL, _JOINED, "-gno- -gz -gdwarf-aranges -gcolumn-info"),
    (_Role.OPTIMISE, _JOINED, "-O --optimize="),
    (_Role.OPTIMISE, _FLAG, "--optimize"),
    (_Role.STANDARD, _JOINED, "-std="),
    (_Role.STANDARD, _SEPARATE, "--std"),
    (_Role.STANDARD, _JOINED, "--std="),
    (_Role.STANDARD, _FLAG, "-ansi --ansi"),
    (_Role.TRIGRAPHS, _FLAG, "-trigraphs --trigraphs -ftrigraphs"),
    (_Role.NO_TRIGRAPHS, _FLAG, "-fno-trigraphs"),
    (
        _Role.NEUTRAL,
        _JOINED,
        "-W --warn- -pedantic --pedantic -fdiagnostics- -fno-diagnostics- -fcolor-diagnostics -fno-color-diagnostics"
        " -fansi-escape-codes -ferror-limit= -fmacro-backtrace-limit= -fmessage-length= -fcaret-diagnostics"
        " -fno-caret-diagnostics -fshow-column -fno-show-column -fshow-source-location -fno-show-source-location"
        " -fspell-checking -fno-spell-checking -fcrash-diagnostics -fno-crash-diagnostics -ftabstop= -fbracket-depth="
        " -ftime-report -ftime-trace -stdlib= -rtlib= -unwindlib= -resource-dir= --gcc-toolchain= --gcc-install-dir="
        " --gcc-triple= --prefix= --ld-path= --library-directory= -Wl, --for-linker= -save-temps"
        " -save-stats -system-header-prefix --system-header-prefix= --no-system-header-prefix= --output= --language="
        " --embed-dir= -std-default= --param=",
    ),
    (
        _Role.NEUTRAL,
        _FLAG,
        "-w -v --verbose --no-warnings --all-warnings --extra-warnings -no-pedantic --no-pedantic -c --compile -H"
        " --trace-includes -MD -MMD -MG -MP -MV --write-dependencies --write-user-dependencies -C -CC --comments"
        " --comments-in-macros -P --no-line-commands -dD -dI -nostdinc --no-standard-includes -nostdlibinc -nostdinc++"
        " -ibuiltininc -nobuiltininc -nostdlib -nodefaultlibs -nostartfiles -no-pie -nopie -pie -static -shared -r -s"
        " -rdynamic -pipe -time -Qunused-arguments -Qy -Qn -Q --start-no-unused-arguments --end-no-unused-arguments"
        " -canonical-prefixes -no-canonical-prefixes --no-default-config -integrated-as -fintegrated-cc1"
        " -fno-integrated-cc1 --save-temps -no-integrated-cpp -combine -pass-exit-codes",
    ),
    (
        _Role.NEUTRAL,
        _EITHER,
        "-x -o -MF -MT -MQ -MJ -L -l -B -u -T -cxx-isystem -stdlib++-isystem",
    ),
    (
        _Role.NEUTRAL,
        _SEPARATE,
        "-Xlinker --for-linker --language --output --prefix --library-directory -rpath -z -e -resource-dir --rtlib"
        " --stdlib --system-header-prefix --no-system-header-prefix --param -serialize-diagnostics -dumpdir"
        " -dependency-file -dependency-dot -framework -object-file-name --serialize-diagnostics",
    ),
    # clang/lib/Basic/Targets/BPF.cpp: a processor of BPF changes macros that begin with __BPF_, which no header tests
    (_Role.LANGUAGE, _JOINED, "-mcpu= -mattr= -Wa, -fdebug-prefix-map= -ffile-prefix-map= -fmacro-prefix-map="),
    (_Role.LANGUAGE, _JOINED, "-fdebug-compilation-dir= -fvisibility= -fno-stack-protector -fno-jump-tables"),
    (_Role.LANGUAGE, _FLAG, "-fno-asynchronous-unwind-tables -fno-builtin -fno-common -fcommon -fms-extensions"),
    (_Role.LANGUAGE, _FLAG, "-fno-ms-extensions -fno-strict-aliasing -fstrict-aliasing -fwrapv"),
    (_Role.LANGUAGE, _SEPARATE, "-mllvm -Xassembler -fdebug-compilation-dir -target-feature -target-cpu"),
    (_Role.LANGUAGE, _FLAG, "--coverage -coverage -no-integrated-as"),
    (_Role.PREDEFINING, _JOINED, "-f -m"),
    (_Role.PREDEFINING, _FLAG, "-undef -pthread -pthreads -no-pthread -p -pg --profile --signed-char --unsigned-char"),
    (_Role.PREDEFINING, _SEPARATE, "-ftrapv-handler -fexperimental-openacc-macro-override -fnew-alignment"),
    (_Role.PREDEFINING, _SEPARATE, "-mthread-model -meabi"),
    (
        _Role.OTHER_OUTPUT,
        _FLAG,
        "-E --preprocess -S --assemble -M --dependencies -MM --user-dependencies -dM -fsyntax-only -emit-llvm -emit-ast"
        " -emit-llvm-bc -emit-pch -emit-obj -emit-module -emit-cir -emit-interface-stubs -emit-merged-ifs"
        " -emit-symbol-graph -extract-api --precompile -verify-pch -rewrite-objc -rewrite-legacy-objc --analyze"
        " -analyze --migrate --emit-static-lib -fembed-bitcode -fembed-bitcode-marker -### --help -help --help-hidden"
        " --version -dumpversion -dumpmachine -dumpspecs -ast-dump -ast-print -ast-list -dump-tokens -Eonly",
    ),
    (_Role.LTO, _JOINED, "-flto="),
    (_Role.LTO, _FLAG, "-flto"),
    (_Role.NO_LTO, _FLAG, "-fno-lto"),
    (_Role.OTHER_OUTPUT, _JOINED, "-fembed-bitcode= -print- --print- -fthinlto-index= --autocomplete="),
    (_Role.OTHER_OUTPUT, _SEPARATE, "--print-file-name --print-prog-name"),
    (_Role.OTHER_OUTPUT, _FLAG, "--"),
    # the target is the kernel's
    (_Role.NOT_UNDERSTOOD, _SEPARATE, "-target -arch -triple -darwin-target-variant -aux-triple"),
    (_Role.NOT_UNDERSTOOD, _JOINED, "--target= --driver-mode= -march="),
    (_Role.NOT_UNDERSTOOD, _FLAG, "-m16 -m32 -m64 -mx32 -EB -EL -mbig-endian -mlittle-endian -traditional"),
    (_Role.NOT_UNDERSTOOD, _FLAG, "-traditional-cpp -I- --include-barrier -index-header-map -remap -relocatable-pch"),
    # other words, other files
    (_Role.NOT_UNDERSTOOD, _EITHER, "-ivfsoverlay -vfsoverlay -F -iframework -iframeworkwithsysroot -iwithsysroot"),
    (_Role.NOT_UNDERSTOOD, _EITHER, "-isystem-after -iapinotes-modules"),
    (_Role.NOT_UNDERSTOOD, _SEPARATE, "-include-pch -working-directory --config -specs -chain-include -load -plugin"),
    (_Role.NOT_UNDERSTOOD, _SEPARATE, "-internal-isystem -internal-externc-isystem -c-isystem -remap-file -add-plugin"),
    (_Role.NOT_UNDERSTOOD, _SEPARATE, "-Xarch_host -Xarch_device -Xopenmp-target -Xanalyzer -ccc-install-dir"),
    (_Role.NOT_UNDERSTOOD, _SEPARATE, "-ccc-gcc-name -fmodule-implementation-of -fmodules-user-build-path"),
    (_Role.NOT_UNDERSTOOD, _JOINED, "-working-directory= --config= --config-system-dir= --config-user-dir= -specs="),
    (_Role.NOT_UNDERSTOOD, _JOINED, "-fmodule -fno-module -fimplicit-module -fprebuilt- -fbuild-session- -fapinotes"),
    (_Role.NOT_UNDERSTOOD, _JOINED, "-fplugin -fpass-plugin -fpch- -gmodules -finput-charset="),
    # functions are chosen by the files that they are in, or kept though nobody uses them
    (_Role.NOT_UNDERSTOOD, _JOINED, "-fsanitize-ignorelist= -fsanitize-blacklist= -fsanitize-system-ignorelist="),
    (_Role.NOT_UNDERSTOOD, _JOINED, "-fsanitize-coverage-allowlist= -fsanitize-coverage-ignorelist= -fprofile-list="),
    (_Role.NOT_UNDERSTOOD, _JOINED, "-fxray-always-instrument= -fxray-never-instrument= -fxray-attr-list="),
    (_Role.NOT_UNDERSTOOD, _FLAG, "-femit-all-decls -fkeep-static-consts -fkeep-persistent-storage-variables"),
    (_Role.NOT_UNDERSTOOD, _FLAG, "-fno-eliminate-unused-debug-types -fshow-skipped-includes"),
)
_OPTIONS: dict[str, tuple[_Role, int]] = {}
for _role, _kind, _names in _SPELLINGS:
    for _name in _names.split():
        # one spelling may be of several kinds: '-resource-dir' 'X' and '-resource-dir=X' are two
        _OPTIONS[_name] = (_role, _kind)
_LONGEST = max(map(len, _OPTIONS))

_AS_O2 = frozenset(("", "1", "2", "3", "4", "g"))
"""Levels at which clang predefines what it does at ``-O2``.""" ""


class _Word(NamedTuple):
    text: str
    given: tuple[str, ...]
    """As it was given: with ``-Xclang`` before it."""


class _Option(NamedTuple):
    role: _Role
    value: str
    given: tuple[str, ...]


def read(words: Sequence[str]) -> Arguments:
    """Read the *words* that follow a compiler's name; response files among them are read from disk."""
    driver = [_Word(word, (word,)) for word in expanded(words)]
    preprocessor: list[_Word] = []
    cc1: list[_Word] = []
    found: list[_Option] = []
    for option in _options(driver):
        if option.role is _Role.CC1:
            cc1.append(_Word(option.value, option.given))
        elif option.role is _Role.PREPROCESSOR:
            preprocessor.append(_Word(option.value, option.given))
        elif option.role is _Role.PREPROCESSOR_LIST:
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
        role, kind, size = _matched(word.text)
        value, given = word.text[size:], word.given
        if kind == _SEPARATE or (kind == _EITHER and not value):
            following = next(rest, None)
            if following is None:
                role = _Role.NOT_UNDERSTOOD  # clang complains of it
            else:
                value, given = following.text, (*given, *following.given)
        yield _Option(role, value, given)


def _matched(word: str) -> tuple[_Role, int, int]:
    """Role and kind of the option that *word* is or begins with, and the length of its spelling."""
    for size in range(min(len(word), _LONGEST), 0, -1):
        known = _OPTIONS.get(word[:size])
        if known is not None and (size == len(word) or known[1] in (_JOINED, _EITHER)):
            return *known, size
    return _Role.NOT_UNDERSTOOD, _FLAG, len(word)  # another file to compile, or what this table does not have


def _gathered(options: Sequence[_Option]) -> Arguments:
    macros: list[Macro] = []
    directories: dict[_Role, list[str]] = {}
    files: dict[_Role, list[str]] = {_Role.INCLUDE: [], _Role.IMACROS: []}
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
        if role is _Role.DEFINE:
            macros.append(_defined(value))
        elif role is _Role.UNDEFINE:
            macros.append(Macro(value, "", None))
        elif role in (_Role.ANGLED, _Role.QUOTE, _Role.SYSTEM, _Role.AFTER):
            directories.setdefault(role, []).append(value)
        elif role is _Role.PREFIX:
            prefix = value
        elif role in (_Role.WITH_PREFIX, _Role.WITH_PREFIX_BEFORE):
            directories.setdefault(role, []).append(prefix + value)
        elif role in files:
            files[role].append(value)
        elif role is _Role.SYSROOT:
            sysroot = True
        elif role in (_Role.DEBUG, _Role.NO_DEBUG):
            debug = role is _Role.DEBUG
        elif role in (_Role.LTO, _Role.NO_LTO):
            lto = [shown] if role is _Role.LTO else []
        elif role is _Role.OTHER_OUTPUT:
            other.append(shown)
        elif role is _Role.NOT_UNDERSTOOD:
            unclear.append(shown)
        elif role is not _Role.NEUTRAL:
            language += given
            if role is _Role.STANDARD:
                strict = not value.startswith("gnu") and not value.endswith(("23", "2x", "2y"))
            elif role in (_Role.TRIGRAPHS, _Role.NO_TRIGRAPHS):
                trigraphs = role is _Role.TRIGRAPHS
            if role is not _Role.LANGUAGE and not (role is _Role.OPTIMISE and value in _AS_O2):
                predefining += given
    if sysroot:  # what "=" stands for differs between versions of clang
        every = [value for values in directories.values() for value in values]
        unclear += [f"the directory {value} below a sysroot" for value in every if value.startswith("=")]
    return Arguments(
        tuple(macros),
        tuple(files[_Role.IMACROS]),
        tuple(files[_Role.INCLUDE]),
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


def _search(directories: dict[_Role, list[str]]) -> IncludeSearch:
    """The order of clang/lib/Frontend/CompilerInvocation.cpp (ParseHeaderSearchArgs).

    A directory that is given as one for system headers too is no other (clang/lib/Lex/InitHeaderSearch.cpp).
    """

    def of(*roles: _Role) -> list[str]:
        return [directory for role in roles for directory in directories.get(role, ())]

    system, after = of(_Role.SYSTEM), of(_Role.WITH_PREFIX, _Role.AFTER)
    angled = of(_Role.ANGLED, _Role.WITH_PREFIX_BEFORE)
    if angled and (system or after):
        later = {os.path.realpath(directory) for directory in (*system, *after)}
        angled = [directory for directory in angled if os.path.realpath(directory) not in later]
    return IncludeSearch(tuple(of(_Role.QUOTE)), tuple(angled), tuple(system), tuple(after))


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
