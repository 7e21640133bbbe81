"""The environment that every compiler is started in: nothing that changes what it reads, prints or makes.

Besides its command line clang takes from the environment, as its sources and those of LLVM's driver say:

* include directories: CPATH, C_INCLUDE_PATH, CPLUS_INCLUDE_PATH, OBJC_INCLUDE_PATH, OBJCPLUS_INCLUDE_PATH, INCLUDE,
  EXTERNAL_INCLUDE (clang/lib/Driver/ToolChains/Clang.cpp, MSVC.cpp), SDKROOT (ToolChains/Darwin.cpp);
* words: CCC_OVERRIDE_OPTIONS, CCC_ADD_ARGS, QA_OVERRIDE_GCC3_OPTIONS, CL, _CL_ (clang/tools/driver/driver.cpp),
  RC_DEBUG_OPTIONS, RC_DEBUG_PREFIX_MAP, *_DEPLOYMENT_TARGET, AS_SECURE_LOG_FILE;
* other programs and directories: COMPILER_PATH, LIBRARY_PATH, GCC_EXEC_PREFIX, CLANG_MODULE_CACHE_PATH,
  CLANG_CONFIG_FILE_USER_DIR, CLANG_CONFIG_FILE_SYSTEM_DIR, CLANG_CRASH_DIAGNOSTICS_DIR;
* outputs: CC_PRINT_OPTIONS, CC_PRINT_HEADERS, CC_LOG_DIAGNOSTICS, CC_PRINT_PROC_STAT and the files of each,
  DEPENDENCIES_OUTPUT, SUNPRO_DEPENDENCIES, FORCE_CLANG_DIAGNOSTICS_CRASH, LIBCLANG_*;

and wrappers have more: NIX_CFLAGS_COMPILE, ZIG_LIB_DIR, ICECC_*. So it is told what is kept, and not what is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_KEPT = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM"),
        *("TMPDIR", "TMP", "TEMP", "TEMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"),
        *("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR", "CCACHE_DIR", "CCACHE_DISABLE", "CCACHE_CONFIGPATH"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "GCONV_PATH"),
        *("SOURCE_DATE_EPOCH",),  # what __DATE__ and __TIME__ say
    )
)
"""What a program needs to start and to find its own files."""

HEADERS = (
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "OBJCPLUS_INCLUDE_PATH",
    "CCC_OVERRIDE_OPTIONS",
    "CCC_ADD_ARGS",
    "QA_OVERRIDE_GCC3_OPTIONS",
)
"""What would bring other headers, or other words, to a clang that other tools run."""


def cleaned(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a compiler gets of *environ* (by default this process's own); the locale is set by who starts it."""
    found = os.environ if environ is None else environ
    kept = {name: value for name, value in found.items() if name in _KEPT}
    # the same as --no-default-config, for what a wrapper starts
    return {**kept, "CLANG_NO_DEFAULT_CONFIG": "1"}
