"""The options of clang that matter to what kheaders does: spellings and kinds, as clang's option table has them."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
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


FLAG, JOINED, SEPARATE, EITHER = 0, 1, 2, 3
"""Kinds of options: without a value; with one in the same word; in the next; in either."""

# Spellings and kinds are those of Options.td; a word that begins with several spellings has the longest.
_SPELLINGS: tuple[tuple[Role, int, str], ...] = (
    (Role.DEFINE, EITHER, "-D"),
    (Role.DEFINE, SEPARATE, "--define-macro"),
    (Role.DEFINE, JOINED, "--define-macro="),
    (Role.UNDEFINE, EITHER, "-U"),
    (Role.UNDEFINE, SEPARATE, "--undefine-macro"),
    (Role.UNDEFINE, JOINED, "--undefine-macro="),
    (Role.ANGLED, EITHER, "-I"),
    (Role.ANGLED, SEPARATE, "--include-directory"),
    (Role.ANGLED, JOINED, "--include-directory="),
    (Role.QUOTE, EITHER, "-iquote"),
    (Role.SYSTEM, EITHER, "-isystem"),
    (Role.AFTER, EITHER, "-idirafter"),
    (Role.AFTER, SEPARATE, "--include-directory-after"),
    (Role.AFTER, JOINED, "--include-directory-after="),
    (Role.PREFIX, EITHER, "-iprefix"),
    (Role.PREFIX, SEPARATE, "--include-prefix"),
    (Role.PREFIX, JOINED, "--include-prefix="),
    (Role.WITH_PREFIX, EITHER, "-iwithprefix"),
    (Role.WITH_PREFIX, SEPARATE, "--include-with-prefix --include-with-prefix-after"),
    (Role.WITH_PREFIX, JOINED, "--include-with-prefix= --include-with-prefix-after="),
    (Role.WITH_PREFIX_BEFORE, EITHER, "-iwithprefixbefore"),
    (Role.WITH_PREFIX_BEFORE, SEPARATE, "--include-with-prefix-before"),
    (Role.WITH_PREFIX_BEFORE, JOINED, "--include-with-prefix-before="),
    (Role.SYSROOT, EITHER, "-isysroot"),
    (Role.SYSROOT, SEPARATE, "--sysroot"),
    (Role.SYSROOT, JOINED, "--sysroot="),
    (Role.INCLUDE, EITHER, "-include"),
    (Role.INCLUDE, JOINED, "--include="),
    (Role.IMACROS, EITHER, "-imacros"),
    (Role.IMACROS, JOINED, "--imacros="),
    (Role.CC1, SEPARATE, "-Xclang"),
    (Role.CC1, JOINED, "-Xclang="),
    (Role.PREPROCESSOR, SEPARATE, "-Xpreprocessor"),
    (Role.PREPROCESSOR_LIST, JOINED, "-Wp,"),
    (Role.DEBUG, JOINED, "-g --debug="),
    (Role.DEBUG, FLAG, "--debug"),
    (Role.NO_DEBUG, FLAG, "-g0 -ggdb0"),
    (Role.NEUTRAL, JOINED, "-gno- -gz -gdwarf-aranges -gcolumn-info"),
    (Role.OPTIMISE, JOINED, "-O --optimize="),
    (Role.OPTIMISE, FLAG, "--optimize"),
    (Role.STANDARD, JOINED, "-std="),
    (Role.STANDARD, SEPARATE, "--std"),
    (Role.STANDARD, JOINED, "--std="),
    (Role.STANDARD, FLAG, "-ansi --ansi"),
    (Role.TRIGRAPHS, FLAG, "-trigraphs --trigraphs -ftrigraphs"),
    (Role.NO_TRIGRAPHS, FLAG, "-fno-trigraphs"),
    (
        Role.NEUTRAL,
        JOINED,
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
        Role.NEUTRAL,
        FLAG,
        "-w -v --verbose --no-warnings --all-warnings --extra-warnings -no-pedantic --no-pedantic -c --compile -H"
        " --trace-includes -MD -MMD -MG -MP -MV --write-dependencies --write-user-dependencies -C -CC --comments"
        " --comments-in-macros -P --no-line-commands -dD -dI -nostdinc --no-standard-includes -nostdlibinc -nostdinc++"
        " -ibuiltininc -nobuiltininc -nostdlib -nodefaultlibs -nostartfiles -no-pie -nopie -pie -static -shared -r -s"
        " -rdynamic -pipe -time -Qunused-arguments -Qy -Qn -Q --start-no-unused-arguments --end-no-unused-arguments"
        " -canonical-prefixes -no-canonical-prefixes --no-default-config -integrated-as -fintegrated-cc1"
        " -fno-integrated-cc1 --save-temps -no-integrated-cpp -combine -pass-exit-codes",
    ),
    (
        Role.NEUTRAL,
        EITHER,
        "-x -o -MF -MT -MQ -MJ -L -l -B -u -T -cxx-isystem -stdlib++-isystem",
    ),
    (
        Role.NEUTRAL,
        SEPARATE,
        "-Xlinker --for-linker --language --output --prefix --library-directory -rpath -z -e -resource-dir --rtlib"
        " --stdlib --system-header-prefix --no-system-header-prefix --param -serialize-diagnostics -dumpdir"
        " -dependency-file -dependency-dot -framework -object-file-name --serialize-diagnostics",
    ),
    # clang/lib/Basic/Targets/BPF.cpp: a processor of BPF changes macros that begin with __BPF_, which no header tests
    (Role.LANGUAGE, JOINED, "-mcpu= -mattr= -Wa, -fdebug-prefix-map= -ffile-prefix-map= -fmacro-prefix-map="),
    (Role.LANGUAGE, JOINED, "-fdebug-compilation-dir= -fvisibility= -fno-stack-protector -fno-jump-tables"),
    (Role.LANGUAGE, FLAG, "-fno-asynchronous-unwind-tables -fno-builtin -fno-common -fcommon -fms-extensions"),
    (Role.LANGUAGE, FLAG, "-fno-ms-extensions -fno-strict-aliasing -fstrict-aliasing -fwrapv"),
    (Role.LANGUAGE, SEPARATE, "-mllvm -Xassembler -fdebug-compilation-dir -target-feature -target-cpu"),
    (Role.LANGUAGE, FLAG, "--coverage -coverage -no-integrated-as"),
    (Role.PREDEFINING, JOINED, "-f -m"),
    (Role.PREDEFINING, FLAG, "-undef -pthread -pthreads -no-pthread -p -pg --profile --signed-char --unsigned-char"),
    (Role.PREDEFINING, SEPARATE, "-ftrapv-handler -fexperimental-openacc-macro-override -fnew-alignment"),
    (Role.PREDEFINING, SEPARATE, "-mthread-model -meabi"),
    (
        Role.OTHER_OUTPUT,
        FLAG,
        "-E --preprocess -S --assemble -M --dependencies -MM --user-dependencies -dM -fsyntax-only -emit-llvm -emit-ast"
        " -emit-llvm-bc -emit-pch -emit-obj -emit-module -emit-cir -emit-interface-stubs -emit-merged-ifs"
        " -emit-symbol-graph -extract-api --precompile -verify-pch -rewrite-objc -rewrite-legacy-objc --analyze"
        " -analyze --migrate --emit-static-lib -fembed-bitcode -fembed-bitcode-marker -### --help -help --help-hidden"
        " --version -dumpversion -dumpmachine -dumpspecs -ast-dump -ast-print -ast-list -dump-tokens -Eonly",
    ),
    (Role.LTO, JOINED, "-flto="),
    (Role.LTO, FLAG, "-flto"),
    (Role.NO_LTO, FLAG, "-fno-lto"),
    (Role.OTHER_OUTPUT, JOINED, "-fembed-bitcode= -print- --print- -fthinlto-index= --autocomplete="),
    (Role.OTHER_OUTPUT, SEPARATE, "--print-file-name --print-prog-name"),
    (Role.OTHER_OUTPUT, FLAG, "--"),
    # the target is the kernel's
    (Role.NOT_UNDERSTOOD, SEPARATE, "-target -arch -triple -darwin-target-variant -aux-triple"),
    (Role.NOT_UNDERSTOOD, JOINED, "--target= --driver-mode= -march="),
    (Role.NOT_UNDERSTOOD, FLAG, "-m16 -m32 -m64 -mx32 -EB -EL -mbig-endian -mlittle-endian -traditional"),
    (Role.NOT_UNDERSTOOD, FLAG, "-traditional-cpp -I- --include-barrier -index-header-map -remap -relocatable-pch"),
    # other words, other files
    (Role.NOT_UNDERSTOOD, EITHER, "-ivfsoverlay -vfsoverlay -F -iframework -iframeworkwithsysroot -iwithsysroot"),
    (Role.NOT_UNDERSTOOD, EITHER, "-isystem-after -iapinotes-modules"),
    (Role.NOT_UNDERSTOOD, SEPARATE, "-include-pch -working-directory --config -specs -chain-include -load -plugin"),
    (Role.NOT_UNDERSTOOD, SEPARATE, "-internal-isystem -internal-externc-isystem -c-isystem -remap-file -add-plugin"),
    (Role.NOT_UNDERSTOOD, SEPARATE, "-Xarch_host -Xarch_device -Xopenmp-target -Xanalyzer -ccc-install-dir"),
    (Role.NOT_UNDERSTOOD, SEPARATE, "-ccc-gcc-name -fmodule-implementation-of -fmodules-user-build-path"),
    (Role.NOT_UNDERSTOOD, JOINED, "-working-directory= --config= --config-system-dir= --config-user-dir= -specs="),
    (Role.NOT_UNDERSTOOD, JOINED, "-fmodule -fno-module -fimplicit-module -fprebuilt- -fbuild-session- -fapinotes"),
    (Role.NOT_UNDERSTOOD, JOINED, "-fplugin -fpass-plugin -fpch- -gmodules -finput-charset="),
    # functions are chosen by the files that they are in, or kept though nobody uses them
    (Role.NOT_UNDERSTOOD, JOINED, "-fsanitize-ignorelist= -fsanitize-blacklist= -fsanitize-system-ignorelist="),
    (Role.NOT_UNDERSTOOD, JOINED, "-fsanitize-coverage-allowlist= -fsanitize-coverage-ignorelist= -fprofile-list="),
    (Role.NOT_UNDERSTOOD, JOINED, "-fxray-always-instrument= -fxray-never-instrument= -fxray-attr-list="),
    (Role.NOT_UNDERSTOOD, FLAG, "-femit-all-decls -fkeep-static-consts -fkeep-persistent-storage-variables"),
    (Role.NOT_UNDERSTOOD, FLAG, "-fno-eliminate-unused-debug-types -fshow-skipped-includes"),
)
_OPTIONS: dict[str, tuple[Role, int]] = {}
for _role, _kind, _names in _SPELLINGS:
    for _name in _names.split():
        # one spelling may be of several kinds: '-resource-dir' 'X' and '-resource-dir=X' are two
        _OPTIONS[_name] = (_role, _kind)
_LONGEST = max(map(len, _OPTIONS))


def matched(word: str) -> tuple[Role, int, int]:
    """Role and kind of the option that *word* is or begins with, and the length of its spelling."""
    for size in range(min(len(word), _LONGEST), 0, -1):
        known = _OPTIONS.get(word[:size])
        if known is not None and (size == len(word) or known[1] in (JOINED, EITHER)):
            return *known, size
    return Role.NOT_UNDERSTOOD, FLAG, len(word)  # another file to compile, or what this table does not have
