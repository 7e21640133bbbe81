"""A kernel of a few headers in which every construct occurs that a slice must get right, and nothing else."""

from __future__ import annotations

from builders.mini import mini
from kheaders.headers.headerset import HeaderSet

PADDING = b"".join(b"#define PADDING_NUMBER_%d %d\n" % (n, n) for n in range(3000))
"""No kernel is as small as this one; what is smaller counts as a pass that failed."""


def _guarded(name: str, text: str) -> bytes:
    guard = "_" + name.upper().replace("/", "_").replace(".", "_")
    return f"#ifndef {guard}\n#define {guard}\n{text}\n#endif\n".encode()


TEXTS = {
    "base.h": "#include <linux/types.h>\n#define NULL ((void *)0)\n#define __packed __attribute__((packed))\n"
    "#define offsetof(t, m) __builtin_offsetof(t, m)\n"
    "#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))\n",
    "list.h": "#include <linux/base.h>\nstruct list_head { struct list_head *next, *prev; };\n"
    "#define list_entry(p, t, m) container_of(p, t, m)\n#define list_first_entry(p, t, m) list_entry((p)->next, t, m)\n"
    "static inline int list_empty(const struct list_head *head) { return head->next == head; }\n",
    "person.h": "#include <linux/list.h>\nstruct secret { int hidden; };\nstruct weak_one { int inside; };\n"
    "struct strong_one { int value; };\n"
    "struct person {\n\tint age;\n\tstruct strong_one part;\n\tstruct weak_one *pointed;\n\tstruct secret *secret;\n"
    "\tstruct list_head list;\n\tunsigned int tall : 1, thin : 3;\n};\n"
    "struct person *find_person(int age);\nextern struct person everybody[4];\n",
    "sock.h": "#include <linux/base.h>\nstruct sock_common { u32 skc_family, skc_state; };\n"
    "struct sock { struct sock_common __sk_common;\n#define sk_family __sk_common.skc_family\n"
    "#define sk_state __sk_common.skc_state\n\tint sk_own; };\n"
    "struct inet { struct sock sk; int port; };\n"
    "#define inet_of(ptr) container_of(ptr, struct inet, sk)\n"
    "static inline int sock_state(const struct sock *sk) { return sk->sk_state; }\n",
    "nested.h": "struct outer {\n\tstruct inner { int deep; enum colour { RED = 3, GREEN } colour; } inner;\n"
    "\tenum { PLAIN = 7, FANCY = PLAIN + 2 } mode;\n\tunion { int a; long b; };\n};\n"
    "enum { ALONE = 11, ALONE_TOO = sizeof(struct inner) };\n"
    "typedef enum { T_ONE = 1, T_TWO } t_kind;\ntypedef union both { int i; char c[4]; } both_t;\n",
    "functions.h": "#include <linux/base.h>\nstruct event;\ntypedef int (handler_fn)(struct event *, int);\n"
    "typedef void (*callback_t)(const struct event *);\nstruct event { int number; callback_t callback; };\n"
    "struct operations {\n\tint (*open)(struct event *, int flags);\n\thandler_fn *handlers[3];\n"
    "\tint (*(*deep)(void))(int);\n};\nextern handler_fn default_handler;\nextern int (*table[4])(int);\n",
    "macros.h": "#define ANSWER 42\n#define ADD(a, b) ((a) + (b))\n#define ADD1(x) ADD(x, ONE)\n#define ONE 1\n"
    "#define GLUE_(a, b) a##b\n#define GLUE(a, b) GLUE_(a, b)\n#define LEVEL_low 1\n#define LEVEL_high 9\n"
    "#define LEVEL(x) LEVEL_##x\n#define LEVEL2(x) GLUE(LEVEL_, x)\n#define STR_(x) #x\n#define STR(x) STR_(x)\n"
    "#define COUNT_(a, b, c, n, ...) n\n#define COUNT(...) COUNT_(__VA_ARGS__, 3, 2, 1)\n"
    "#define self_named self_named\nextern int self_named;\n#define TESTED_ONLY\n#define SHARED 1\n"
    "#define REDEFINED 1\n#undef REDEFINED\n#define REDEFINED 2\n#define REMOVED 1\n#undef REMOVED\n"
    "#define MAKE_GETTER(name) static inline int get_##name(void) { return LEVEL_##name; }\n"
    "MAKE_GETTER(low)\nMAKE_GETTER(high)\n#define call_me(x) ((x) + 1)\n"
    "static inline int (call_me)(int x) { return x + 1; }\n",
    "embedded.h": "union ends { long both; struct { short head, tail; }; };\n"
    "struct pipe { union ends; int other; };\nextern struct pipe *first_pipe;\n",
    "bits.h": f"enum bits {{ {', '.join(f'BIT_{n}_NR, BIT_{n}' for n in range(20))}, BIT_READ_NR, BIT_WRITE_NR }};\n"
    "#define BIT_OF(name) (1 << BIT_ ## name ## _NR)\n#define OUTER(inner, name) inner(name)\n"
    "#define MAY_READ BIT_OF(READ)\n#define WRITING(x) BIT_OF(x)\n#define MAY_WRITE WRITING(WRITE)\n"
    "struct sized { int a; };\n#define CALL_size(type) sizeof(type)\n#define CALL(op, type) CALL_##op(type)\n"
    "#define SIZE CALL(size, struct sized)\n"
    f"enum calls {{ {', '.join(f'CALL_{n}' for n in range(30))} }};\n",
    "config.h": "#define __ARG_PLACEHOLDER_1 0,\n#define __take_second_arg(__ignored, val, ...) val\n"
    "#define __is_defined(x) ___is_defined(x)\n#define ___is_defined(val) ____is_defined(__ARG_PLACEHOLDER_##val)\n"
    "#define ____is_defined(arg1_or_junk) __take_second_arg(arg1_or_junk 1, 0)\n"
    "#define IS_ENABLED(option) __is_defined(option)\n",
    "packed.h": "#include <linux/base.h>\n#pragma pack(push, 1)\nstruct tight { char c; int i; };\n#pragma pack(pop)\n"
    "struct loose { char c; int i; };\nstruct attributed { char c; int i; } __packed;\n"
    '_Static_assert(sizeof(struct tight) == 5, "tight");\n_Static_assert(sizeof(struct not_here *) == 8, "x");\n',
    "shadow.h": "#include <linux/base.h>\nstruct request { int kernels; };\nint schedule(void);\n"
    "static inline int current_age(void) { return 5; }\nextern int jiffies;\n"
    "#define min(a, b) ((a) < (b) ? (a) : (b))\n"
    "static inline int helper(int x) { return x * 3; }\nenum { EXISTING = 1 };\n",
    "chain.h": "#include <linux/base.h>\nstatic inline int third(int x) { return x + 3; }\n"
    "static inline int second(int x) { return third(x) * 2; }\n"
    "static inline int first(int x) { return second(x) - 1; }\n"
    "static inline int unused(int x) { return first(x); }\n",
    "tagged.h": "struct __kernel_storage { int space[8]; };\n#define storage __kernel_storage\n"
    "struct again; struct again { struct again *next; };\nunion word { int i; char c[4]; };\n"
    "enum state { STARTED, STOPPED };\nstruct user { union word *word; enum state *state; };\n",
    "broken_inside.h": "#include <linux/base.h>\n#include <linux/this-is-not-there.h>\nint after;\n",
    "conditional.h": "#ifdef CONFIG_SMP\n#define CPUS 8\n#else\n#define CPUS 1\n#endif\n"
    "#ifdef __BIG_ENDIAN\nstatic inline int order(void) { return 1; }\n#else\n"
    "static inline int order(void) { return 2; }\n#endif\n"
    "#ifdef __OPTIMIZE__\nstatic inline int optimised(void) { return 1; }\n#else\n"
    "static inline int optimised(void) { return 0; }\n#endif\n",
    "byteorder/little.h": "#define __LITTLE_ENDIAN 1234\n#define cpu_to_be(x) __builtin_bswap32(x)\n",
    "byteorder/big.h": "#define __BIG_ENDIAN 4321\n#define cpu_to_be(x) (x)\n",
    "also_order.h": "#include <linux/byteorder/little.h>\n#define ALSO 1\n",
    "aa_wraps_big.h": "#include <linux/byteorder/big.h>\n#define WRAPPED 1\n",
    "defaults.h": "#ifndef DEFAULTED\n#define DEFAULTED 1\n#endif\n#define FIXED 2\n"
    "#define USES_BOTH (DEFAULTED + FIXED)\n"
    "#ifdef SWITCH\n#define SWITCHED 1\n#else\n#define SWITCHED 0\n#endif\n#define AFTER_SWITCH 7\n"
    "struct switched {\n\tint one;\n#ifdef SWITCH\n\tint more;\n#endif\n\tint last;\n};\n",
    "uses_order.h": "#include <linux/byteorder/little.h>\n#include <linux/conditional.h>\n"
    "#ifdef __BIG_ENDIAN\n#define ORDER 1\n#else\n#define ORDER 2\n#endif\n",
}


def small_kernel(**more: bytes) -> HeaderSet:
    """The headers; *more* has the texts of further ones, by name below include/linux without ``.h``."""
    extra = {f"include/linux/{name}": _guarded(name, text) for name, text in TEXTS.items()}
    extra["include/linux/padding.h"] = PADDING
    extra["include/linux/twice.h"] = b"ENTRY(alpha)\nENTRY(beta)\n"
    extra["include/linux/twice_user.h"] = _guarded(
        "twice_user.h",
        "#define ENTRY(x) entry_##x,\nenum entries {\n#include <linux/twice.h>\nentry_count };\n#undef ENTRY\n"
        "#define ENTRY(x) int field_##x;\nstruct entry_fields {\n#include <linux/twice.h>\n};\n#undef ENTRY\n",
    )
    extra["include/linux/hooks.h"] = b"/* a list */\nHOOK(open)\nHOOK(close)\n"
    extra["include/linux/hooked.h"] = _guarded(
        "hooked.h", "#define HOOK(name) int hook_##name;\nstruct hooked {\n#include <linux/hooks.h>\n};\n#undef HOOK\n"
    )
    extra["include/uapi/linux/only_uapi.h"] = b"#ifndef _OU\n#define _OU\n#define FROM_UAPI 77\n#endif\n"
    extra.update({f"include/linux/{name}.h": text for name, text in more.items()})
    return HeaderSet(mini(extra=extra))
