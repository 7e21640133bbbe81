"""One kernel, programs that try to change what its headers mean, and every way to have them compiled.

The kernel is made up, and its headers hold what a program can reach from outside: defaults, tests of macros, headers
that ask whether others exist, lists, macros that paste, headers that programs have copies of, host assembly.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from builders.differential import parts
from builders.mini import context, mini_archive, mini_root
from kheaders.api import Context
from kheaders.clang.job import Job, execute
from kheaders.errors import KheadersError
from kheaders.forms.directory import DirectoryForm
from kheaders.headers.markers import reached


def _guarded(name: str, text: str) -> bytes:
    return f"#ifndef _{name}_H\n#define _{name}_H\n{text}\n#endif\n".encode()


HEADERS: Mapping[str, bytes] = {
    "include/linux/order.h": _guarded(
        "ORDER",
        "#include <linux/types.h>\n#ifndef MAX_ORDER\n#define MAX_ORDER 11\n#endif\n"
        "#define ORDER_NR (1 << (MAX_ORDER - 1))\n"
        "struct zone { u32 free[MAX_ORDER]; };\n"
        "static inline u32 zone_first(struct zone *z) { return z->free[MAX_ORDER - 1]; }",
    ),
    "include/linux/debug.h": _guarded(
        "DEBUG",
        "#include <linux/types.h>\n#ifdef DEBUG\n#define LEVEL 2\nstruct lock { u32 value, owner; };\n"
        "#else\n#define LEVEL 1\n"
        "struct lock { u32 value; };\n#endif\n#if defined(WIDE) && WIDE > 1\ntypedef unsigned long width_t;\n#else\n"
        "typedef u32 width_t;\n#endif\nstruct holder { struct lock lock; width_t width; };",
    ),
    "include/linux/asks.h": _guarded(
        "ASKS",
        "#if __has_include(<linux/extra.h>)\n#include <linux/extra.h>\n"
        "#define ASKED EXTRA\n#else\n#define ASKED 0\n#endif",
    ),
    "include/linux/extra.h": _guarded("EXTRA", "#define EXTRA 5"),
    "include/linux/list_of.h": b"ENTRY(alpha)\nENTRY(beta)\n",
    "include/linux/glue.h": _guarded(
        "GLUE",
        "#define KIND_low 1\n#define KIND_high 9\n#define KIND(x) KIND_##x\n#define MODE KIND(high)\n"
        "enum { GLUED_one = 3, GLUED_two };\n#define GLUED(x) GLUED_ ## x",
    ),
    "include/uapi/linux/bpf.h": _guarded(
        "UAPI_BPF",
        "enum bpf_map_type { BPF_MAP_TYPE_UNSPEC, BPF_MAP_TYPE_HASH };\n"
        "struct bpf_sock { unsigned int family, mark; };\n"
        "#define BPF_ANY 0",
    ),
    "include/linux/tcp.h": _guarded(
        "TCP",
        "#include <linux/types.h>\n#include <linux/bpf.h>\nstruct tcp { struct bpf_sock sock; u32 port; };\n"
        "#define tcp_mark sock.mark\nstatic inline u32 mark_of(struct tcp *t) { return t->tcp_mark + BPF_ANY; }",
    ),
    "include/linux/host.h": _guarded(
        "HOST",
        "static inline unsigned long flags_of_host(void)\n{\n\tunsigned long f;\n"
        '\tasm volatile("pushf ; pop %0" : "=rm" (f) : : "memory");\n\treturn f;\n}\n#define HOST_LIMIT 4',
    ),
    "include/linux/padding.h": b"".join(b"#define PADDING_NUMBER_%d %d\n" % (n, n) for n in range(3000)),
}


class Variant(NamedTuple):
    """A program in all its files, and the words of the command line that it is compiled with."""

    text: str
    files: Mapping[str, str] = {}
    """The user's own headers, by path below the program's directory."""
    words: tuple[str, ...] = ()
    """``{dir}`` stands for the program's directory."""

    def __str__(self) -> str:
        own = "".join(f"\n--- {name}\n{text}" for name, text in self.files.items())
        return f"{shlex.join(self.words)}\n{self.text}{own}"


def defined(name: str, value: str) -> list[str]:
    """Spellings of one definition."""
    return [
        f"#define {name} {value}\n",
        f"/* why */ #define {name} {value}\n",
        f"  # /* why */ define /* why */ {name} {value}\n",
        f"#def\\\nine {name} {value}\n",
        f"#define {name} \\\n {value}\n",
        f"%:define {name} {value}\n",
        f"#define {name} {value} // why\n",
        f"/* over\n lines */ # define {name} {value}\r\n",
        f"#ifndef {name}\n#define {name} {value}\n#endif\n",
        f"#define HIDDEN {value}\n#define {name} HIDDEN\n",
        f'#pragma push_macro("{name}")\n#define {name} {value}\n',
    ]


USES = {
    "order": (
        "linux/order.h",
        "u32 use(struct zone *z) { return zone_first(z) + MAX_ORDER + ORDER_NR + sizeof(*z); }\n",
    ),
    "debug": ("linux/debug.h", "u32 use(struct holder *h) { return LEVEL + sizeof(struct holder) + h->lock.value; }\n"),
    "asks": ("linux/asks.h", "int use(void) { return ASKED; }\n"),
    "glue": ("linux/glue.h", "int use(void) { return KIND(low) + MODE + GLUED(two); }\n"),
    "tcp": ("linux/tcp.h", "u32 use(struct tcp *t) { return mark_of(t) + t->port + sizeof(struct bpf_sock); }\n"),
    "host": ("linux/host.h", "int use(void) { return HOST_LIMIT; }\n"),
    "assembly": ("linux/host.h", "unsigned long use(void) { return flags_of_host(); }\n"),
}
"""What is used → its header and the text."""

MACROS = {
    "order": ("MAX_ORDER", "5"),
    "debug": ("DEBUG", "1"),
    "asks": ("__has_include(x)", "0"),
    "glue": ("KIND_low", "4"),
    "tcp": ("BPF_ANY", "6"),
    "host": ("HOST_LIMIT", "8"),
    "assembly": ("volatile(x...)", 'volatile("")'),
}
"""What a program may define before it includes the header."""


def variants() -> list[Variant]:
    """Programs that define, undefine, splice and comment, have headers of the kernel's names, and ask for headers."""
    found = []
    for name, (header, use) in USES.items():
        macro, value = MACROS[name]
        line = f"#include <{header}>\n"
        for spelling in defined(macro, value):
            found.append(Variant(spelling + line + use))
        found.append(Variant(line + use))
        test = _either(f"defined({macro.partition('(')[0]})").replace("use(", "early(")
        for more in ("", "#include <linux/extra.h>\n"):
            found.append(Variant(more + test + line + use))
            found.append(Variant(f'{more}#include "own.h"\n{line}{use}', {"own.h": test}))
            found.append(Variant(f'{more}#include "own.h"\n{use}', {"own.h": f"{test}{line}"}))
        found.append(Variant(line + f"#undef {macro.partition('(')[0]}\n#define {macro} {value}\n" + use))
        found.append(Variant(f"#define {macro} {value}\n#undef {macro.partition('(')[0]}\n" + line + use))
        found.append(Variant(f"#define WHICH <{header}>\n#define {macro} {value}\n#include WHICH\n" + use))
        found.append(Variant(f'#include "own.h"\n{line}{use}', {"own.h": f"#define {macro} {value}\n"}))
        found.append(Variant(f'#include "own.h"\n{use}', {"own.h": f"#define {macro} {value}\n{line}"}))
        found.append(
            Variant(f'#define OWN "own.h"\n#include OWN\n{line}{use}', {"own.h": f"#define {macro} {value}\n"})
        )
        if "(" not in macro:
            for words in (
                (f"-D{macro}={value}",),
                ("-D", f"{macro}={value}"),
                (f"--define-macro={macro}={value}",),
                (f"-D{macro}={value}", f"-U{macro}"),
                (f"-Wp,-D{macro}={value}",),
                ("-Xpreprocessor", f"-D{macro}={value}"),
                ("-Xclang", "-D", "-Xclang", f"{macro}={value}"),
            ):
                found.append(Variant(line + use, words=words))
        for words in (("-include", "{dir}/own.h"), ("-imacros", "{dir}/own.h"), ("--include={dir}/own.h",)):
            found.append(Variant(line + use, {"own.h": f"/* */ #define {macro} {value}\n"}, words))
    for renaming in (
        "#define port gate\n",
        "#define u32 u16\n",
        "#define mark_of(t) 7\n",
        "#ifdef A\n#define port gate\n#endif\n",
    ):
        found.append(Variant(f"{renaming}#include <linux/tcp.h>\n{USES['tcp'][1]}"))
        found.append(Variant(f"#include <linux/bpf.h>\n{renaming}#include <linux/tcp.h>\n{USES['tcp'][1]}"))
    found.append(Variant(f"#include <linux/tcp.h>\n{USES['tcp'][1]}", words=("-Dport=gate",)))
    found += _own_headers()
    found += _asking()
    found += _pairs()
    return found


SPELLINGS = (
    ("-I{dir}/inc",),
    ("-I", "{dir}/inc"),
    ("-isystem", "{dir}/inc"),
    ("-isystem{dir}/inc",),
    ("-iquote", "{dir}/inc"),
    ("-iquote{dir}/inc",),
    ("-idirafter", "{dir}/inc"),
    ("-idirafter{dir}/inc",),
    ("--include-directory={dir}/inc",),
    ("--include-directory", "{dir}/inc"),
    ("@{dir}/words",),
)
"""How a directory of headers is named."""


def _own_headers() -> list[Variant]:
    """A header of the user's own, found by its directory, that asks, defines or stands for one of the kernel's."""
    found = []
    mine = "#if __has_include(<linux/extra.h>)\n#define ANSWER 1\n#else\n#define ANSWER 2\n#endif\n"
    old = _guarded("UAPI_BPF", "struct bpf_sock { unsigned int family; };\n#define BPF_ANY 7").decode()
    for words in SPELLINGS:
        extra = {"words": "-I {dir}/inc\n"}
        for quote in ('"mine.h"', "<mine.h>"):
            found.append(
                Variant(f"#include {quote}\nint use(void) {{ return ANSWER; }}\n", {"inc/mine.h": mine, **extra}, words)
            )
        found.append(
            Variant("int use(void) { return ANSWER; }\n", {"inc/mine.h": mine, **extra}, (*words, "-include", "mine.h"))
        )
        for header, tag in (("linux/order.h", "zone"), ("linux/debug.h", "holder")):
            text = f"#include <mine.h>\n#include <{header}>\nint use(void) {{ return sizeof(struct {tag}); }}\n"
            sets = "%:define MAX_ORDER 3\n/**/#define DEBUG\n"
            found.append(Variant(text, {"inc/mine.h": sets, **extra}, words))
        for first in ("", "#include <linux/bpf.h>\n"):
            use = "int use(struct tcp *t) { return sizeof(struct bpf_sock) + BPF_ANY + t->port; }\n"
            found.append(Variant(f"{first}#include <linux/tcp.h>\n{use}", {"inc/linux/bpf.h": old, **extra}, words))
        use = "int use(void) { return OWN_EXTRA; }\n"
        found.append(
            Variant(
                f"#include <linux/asks.h>\n{use}",
                {"inc/linux/extra.h": "#define EXTRA 1\n#define OWN_EXTRA 2\n", **extra},
                words,
            )
        )
    return found


def _either(test: str) -> str:
    """A function that tells whether a test of the preprocessor holds."""
    return f"#if {test}\nint use(void) {{ return 1; }}\n#else\nint use(void) {{ return 2; }}\n#endif\n"


def _asking() -> list[Variant]:
    """Programs that ask for headers, include by conditions, and read lists."""
    found = []
    for name in ("linux/extra.h", "linux/nothing.h", "linux/order.h"):
        asked = f"__has_include(<{name}>)"
        found.append(Variant(_either(asked)))
        found.append(Variant(f"#if {asked}\n#include <{name}>\n#endif\n{_either(asked)}"))
        found.append(
            Variant(f"#ifdef __has_include\n#if {asked}\n#define HAVE\n#endif\n#endif\n{_either('defined(HAVE)')}")
        )
        found.append(Variant(f"#define NAME <{name}>\n{_either('__has_include(NAME)')}"))
    for condition in ("defined(MAX_ORDER)", "0", "1", "EXTRA == 5", "__has_include(<linux/order.h>)"):
        included = f"#include <linux/extra.h>\n#if {condition}\n#include <linux/order.h>\n#endif\n"
        found.append(Variant(included + _either("defined(ORDER_NR)")))
    entries = (
        "#define ENTRY(x) x##_number,\nenum {\n#include <linux/list_of.h>\nlast };\nint use(void) { return last; }\n"
    )
    found.append(Variant(entries))
    found.append(Variant(f"#include <linux/list_of.h>\n{entries}"))
    return found


def _pairs() -> list[Variant]:
    """Two headers in either order, with a macro of the first defined before, between or after them."""
    found = []
    for one, other in product(USES, USES):
        if one == other or "assembly" in (one, other):
            continue
        macro, value = MACROS[one]
        lines = [f"#include <{USES[name][0]}>\n" for name in (one, other)]
        uses = "".join(USES[name][1].replace(" use(", f" use_{name}(") for name in (one, other))
        definition = f"#undef {macro.partition('(')[0]}\n#define {macro} {value}\n"
        for at in range(3):
            found.append(Variant("".join((*lines[:at], definition, *lines[at:], uses))))
        for words in (("-g",), ("-std=gnu11", "-O1"), ("-funsigned-char",), ("-include", USES[one][0])):
            found.append(
                Variant("".join((lines[1], uses if "-include" in words else uses.partition("}\n")[2])), words=words)
            )
    return found


class Outcome(NamedTuple):
    """An object, or why there is none."""

    object: bytes | None
    why: str = ""

    def agrees(self, full: Outcome) -> bool:
        """Whether this is what the full headers give, or an error."""
        if self.object is None:
            return True
        return full.object is not None and parts(self.object) == parts(full.object)


class Machine:
    """A machine that runs the kernel: its headers in sysfs, a blob, a precompiled header, a tree in the store."""

    def __init__(self, place: Path) -> None:
        root = mini_root(place / "root", mini_archive(extra=HEADERS))
        home = place / "home"
        self.words = ("--sysroot", str(root.path))
        """What tells ``kheaders`` of the machine."""
        self.environ = {"HOME": str(home), "KHEADERS_STORE": str(home / "run"), "KHEADERS_CACHE": str(home / "cache")}
        self.context: Context = context(root, home)
        self.compiler = self.context.compiler
        found, entry = self.context.directory()
        self._flags = DirectoryForm(entry.path, found.facts).flags(self.compiler)
        self.context.build_blob()
        self.context.build_pch()
        self._place = place / "program"
        self._place.mkdir()
        self._count = 0

    def written(self, variant: Variant) -> tuple[Path, tuple[str, ...]]:
        """The program in a directory of its own, and the words for it."""
        self._count += 1
        directory = self._place / str(self._count)
        for name, text in {"p.c": variant.text, **variant.files}.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("{dir}", str(directory)), newline="")
        return directory / "p.c", tuple(word.replace("{dir}", str(directory)) for word in variant.words)

    def full(self, program: Path, words: Sequence[str]) -> Outcome:
        """A plain clang that is given the tree: the right answer."""
        result = execute(self.compiler, Job(program, extra=tuple(words)), self._flags)
        if result.ok and reached(result.output):
            return Outcome(None, "host assembly")
        return Outcome(result.output) if result.ok else Outcome(None, result.diagnostics)

    def form(self, name: str, program: Path, words: Sequence[str]) -> Outcome:
        """By one of the forms of ``kheaders compile``."""
        try:
            return Outcome(self.context.compile(program, form=name, extra=words).object)  # type: ignore[arg-type]
        except KheadersError as error:
            return Outcome(None, str(error))


FORMS = ("slice", "pch", "memory", "directory", "auto")
