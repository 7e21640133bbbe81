"""Small programs, one for each macro of libbpf's headers for programs, and the registers of each architecture.

They declare all types themselves, so that nothing but the headers is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

TYPES = """\
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
typedef signed char __s8; typedef short __s16; typedef int __s32; typedef long long __s64;
typedef __u16 __be16; typedef __u32 __be32; typedef __u32 __wsum;
"""

REGISTERS = {
    "x86": "struct pt_regs { unsigned long r10, bp, r9, r8, ax, cx, dx, si, di, ip, sp; };",
    "x86-user": "struct pt_regs { unsigned long r10, rbp, r9, r8, rax, rcx, rdx, rsi, rdi, rip, rsp; };",
    "arm64": "struct user_pt_regs { __u64 regs[31], sp, pc; }; struct pt_regs { struct user_pt_regs user_regs; };",
    "arm": "struct pt_regs { unsigned long uregs[18]; };",
    "s390": (
        "typedef struct { unsigned long mask, addr; } psw_t; typedef struct { unsigned long args[1]; psw_t psw;"
        " unsigned long gprs[16]; } user_pt_regs; struct pt_regs { user_pt_regs user_regs; unsigned long orig_gpr2; };"
    ),
    "powerpc": "struct pt_regs { unsigned long gpr[32], nip, msr, orig_gpr3, ctr, link; };",
    "riscv": (
        "struct user_regs_struct { unsigned long pc, ra, sp, s0, a0, a1, a2, a3, a4, a5, a6, a7; };"
        " struct pt_regs { struct user_regs_struct user_regs; unsigned long orig_a0; };"
    ),
    "mips": "struct pt_regs { unsigned long regs[32], cp0_epc; };",
    "loongarch": (
        "struct user_pt_regs { unsigned long regs[32], orig_a0, csr_era; };"
        " struct pt_regs { unsigned long regs[32], orig_a0, csr_era; };"
    ),
    "sparc": (
        "enum { UREG_I0 = 8, UREG_I1, UREG_I2, UREG_I3, UREG_I4, UREG_I5, UREG_I6, UREG_FP = UREG_I6, UREG_I7 };"
        " struct pt_regs { unsigned long u_regs[16], tstate, pc; };"
    ),
    "arc": (
        "struct user_regs_struct { struct { unsigned long ret, fp, blink, sp, r0, r1, r2, r3, r4, r5, r6, r7; }"
        " scratch; }; struct pt_regs { struct user_regs_struct user_regs; };"
    ),
}
"""The members of each architecture's registers that the kernel calls so; ``-user``: as the C library's headers do."""

_ROWS = [f"PARM{number}" for number in range(1, 9)]
_OTHERS = ["RET", "FP", "RC", "SP", "IP"]
REGISTER_MACROS = [
    *(f"PT_REGS_{row}" for row in (*_ROWS, *_OTHERS)),
    *(f"PT_REGS_{row}_CORE" for row in (*_ROWS, *_OTHERS)),
    *(f"PT_REGS_{row}{core}_SYSCALL" for core in ("", "_CORE") for row in _ROWS[:7]),
]
TRACING = {
    **{
        macro.lower(): f'SEC("kprobe/f") long prog@(struct pt_regs *regs) {{ return (long){macro}(regs); }}'
        for macro in REGISTER_MACROS
    },
    "syscall_regs": 'SEC("kprobe/f") long prog@(struct pt_regs *ctx) { return (long)PT_REGS_SYSCALL_REGS(ctx); }',
    "nested": (
        'SEC("kprobe/f") long prog@(struct pt_regs *ctx)'
        " { return PT_REGS_PARM2_CORE_SYSCALL(PT_REGS_SYSCALL_REGS(ctx)); }"
    ),
    "read_ret_ip": (
        'SEC("kprobe/f") long prog@(struct pt_regs *ctx)'
        " { unsigned long ip = 0; BPF_KPROBE_READ_RET_IP(ip, ctx); return ip; }"
    ),
    "read_ret_ip_at_end": (
        'SEC("kretprobe/f") long prog@(struct pt_regs *ctx)'
        " { unsigned long ip = 0; BPF_KRETPROBE_READ_RET_IP(ip, ctx); return ip; }"
    ),
    "kprobe0": 'SEC("kprobe/f") int BPF_KPROBE(prog@) { return ctx != 0; }',
    "kprobe4": (
        'SEC("kprobe/f") int BPF_KPROBE(prog@, struct task_struct *task, int a, _Bool b, unsigned char c)'
        " { return BPF_CORE_READ(task, pid) + a + b + c; }"
    ),
    "kprobe5": (
        'SEC("kprobe/f") int BPF_KPROBE(prog@, int a, long b, char c, short d, const void *e)'
        " { return a + b + c + d + (e == 0); }"
    ),
    "kprobe8": (
        'SEC("kprobe/f") int BPF_KPROBE(prog@, int a, int b, int c, int d, int e, int f, int g, void *h)'
        " { return a + b + c + d + e + f + g + (h == 0); }"
    ),
    "uprobe": 'SEC("uprobe") int BPF_UPROBE(prog@, void *a, int b) { bpf_printk("%d", b); return a == 0; }',
    "kretprobe0": 'SEC("kretprobe/f") int BPF_KRETPROBE(prog@) { return ctx != 0; }',
    "kretprobe1": 'SEC("kretprobe/f") int BPF_KRETPROBE(prog@, int ret) { bpf_printk("%d", ret); return 0; }',
    "uretprobe": 'SEC("uretprobe") int BPF_URETPROBE(prog@, void *ret) { return ret == 0; }',
    "ksyscall0": 'SEC("ksyscall/f") int BPF_KSYSCALL(prog@) { return 0; }',
    "ksyscall1": 'SEC("ksyscall/f") int BPF_KSYSCALL(prog@, int a) { return a; }',
    "ksyscall6": (
        'SEC("ksyscall/f") int BPF_KSYSCALL(prog@, int a, void *b, long c, short d, char e, __u64 f)'
        " { return a + (b == 0) + c + d + e + f; }"
    ),
    "ksyscall7": (
        'SEC("ksyscall/f") int BPF_KPROBE_SYSCALL(prog@, int a, int b, int c, int d, int e, int f, int g)'
        " { return a + b + c + d + e + f + g; }"
    ),
}
"""Programs with ``bpf_tracing.h``, for every architecture; some compile for none but a few."""

CORE = {
    "read1": "return BPF_CORE_READ(task, pid);",
    "read_array": "return BPF_CORE_READ(task, numbers[3]);",
    "read_nested": "return BPF_CORE_READ(task, inner.y);",
    "read2": "return BPF_CORE_READ(task, parent, pid);",
    "read4": "return BPF_CORE_READ(task, parent, parent, inner.next, pid);",
    "read9": f"return BPF_CORE_READ(task, {', '.join(['parent'] * 8)}, pid);",
    "read_cast": "return BPF_CORE_READ((struct task_struct *)ctx, parent, pid);",
    "read_element": "return BPF_CORE_READ(task, parent, numbers[bpf_get_prandom_u32() & 7]);",
    "read_volatile": "return BPF_CORE_READ(task, changing);",
    "read_constant": "return BPF_CORE_READ(task, parent, fixed);",
    "read_user": "return BPF_CORE_READ_USER(task, parent, pid);",
    "probe_read": "return BPF_PROBE_READ(task, parent, pid);",
    "probe_read_user": "return BPF_PROBE_READ_USER(task, parent, pid);",
    "into": "int x = 0; long r = BPF_CORE_READ_INTO(&x, task, parent, pid); return x + r;",
    "user_into": "int x = 0; long r = BPF_CORE_READ_USER_INTO(&x, task, pid); return x + r;",
    "probe_into": "int x = 0; long r = BPF_PROBE_READ_INTO(&x, task, parent, pid); return x + r;",
    "probe_user_into": "int x = 0; long r = BPF_PROBE_READ_USER_INTO(&x, task, parent, pid); return x + r;",
    "str_into": "char t[16]; long r = BPF_CORE_READ_STR_INTO(&t, task, parent, comm); return t[0] + r;",
    "user_str_into": "char t[16]; long r = BPF_CORE_READ_USER_STR_INTO(&t, task, comm); return t[0] + r;",
    "probe_str_into": "char t[16]; long r = BPF_PROBE_READ_STR_INTO(&t, task, comm); return t[0] + r;",
    "probe_user_str_into": "char t[9]; long r = BPF_PROBE_READ_USER_STR_INTO(&t, task, parent, comm); return t[0] + r;",
    "core_read": "int x = 0; long r = bpf_core_read(&x, sizeof(x), &task->pid); return x + r;",
    "core_read_user": "int x = 0; long r = bpf_core_read_user(&x, sizeof(x), &task->pid); return x + r;",
    "core_read_str": "char t[8]; long r = bpf_core_read_str(t, sizeof(t), &task->comm); return t[0] + r;",
    "core_read_user_str": "char t[8]; long r = bpf_core_read_user_str(t, sizeof(t), &task->comm); return t[0] + r;",
    "field_exists": "return bpf_core_field_exists(task->inner.y);",
    "field_exists_type": "return bpf_core_field_exists(struct task_struct, inner.y);",
    "field_exists_typedef": "return bpf_core_field_exists(task_t, pid);",
    "field_size": "return bpf_core_field_size(task->comm) + bpf_core_field_size(struct task_struct, numbers);",
    "field_offset": "return bpf_core_field_offset(task->comm) + bpf_core_field_offset(struct task_struct, numbers);",
    "type_id": "return bpf_core_type_id_local(struct task_struct) + bpf_core_type_id_kernel(struct task_struct);",
    "type_exists": "return bpf_core_type_exists(struct task_struct) + bpf_core_type_exists(task_t);",
    "type_matches": "return bpf_core_type_matches(struct task_struct);",
    "type_size": "return bpf_core_type_size(struct task_struct);",
    "enum_value": "return bpf_core_enum_value(enum state, RUNNING);",
    "enum_value_exists": "return bpf_core_enum_value_exists(enum state, RUNNING);",
    "cast": "return bpf_core_cast(ctx, struct task_struct)->pid;",
    "bitfield": "return BPF_CORE_READ_BITFIELD(task, low) + BPF_CORE_READ_BITFIELD(task, sign);",
    "bitfield_long": "return BPF_CORE_READ_BITFIELD(task, wide);",
    "bitfield_whole": "return BPF_CORE_READ_BITFIELD(task, pid) + BPF_CORE_READ_BITFIELD(task, comm[0]);",
    "bitfield_probed": "return BPF_CORE_READ_BITFIELD_PROBED(task, low) + BPF_CORE_READ_BITFIELD_PROBED(task, sign);",
    "bitfield_probed_nested": "task = BPF_CORE_READ(task, parent); return BPF_CORE_READ_BITFIELD_PROBED(task, wide);",
    "bitfield_write": "BPF_CORE_WRITE_BITFIELD(task, low, 5); BPF_CORE_WRITE_BITFIELD(task, sign, -1); return 0;",
    "bitfield_write_long": "BPF_CORE_WRITE_BITFIELD(task, wide, (long)ctx); return 0;",
    "offset": "return offsetof(struct task_struct, comm);",
    "container": "return container_of(&task->inner, struct task_struct, inner)->pid;",
}
"""Bodies of a program whose context is a ``struct task_struct``, with ``bpf_core_read.h``."""

HELPERS = {
    "map": (
        "struct { __uint(type, 1); __uint(max_entries, 8); __type(key, __u32); __type(value, struct value);"
        ' __uint(pinning, LIBBPF_PIN_BY_NAME); __ulong(map_extra, 0x100000000); } map@ SEC(".maps");'
        ' SEC("socket") int prog@(void *ctx) { __u32 key = 1; (void)ctx;'
        " struct value *value = bpf_map_lookup_elem(&map@, &key); return value ? value->a : 0; }"
    ),
    "map_of_maps": (
        "struct inner@ { __uint(type, 2); __uint(max_entries, 1); __type(key, int); __type(value, int); };"
        ' struct inner@ one@ SEC(".maps"); struct { __uint(type, 12); __uint(max_entries, 2); __type(key, int);'
        ' __array(values, struct inner@); } outer@ SEC(".maps") = { .values = { [1] = &one@ } };'
        ' SEC("socket") int prog@(void *ctx) { int k = 0; (void)ctx; return bpf_map_lookup_elem(&outer@, &k) != 0; }'
    ),
    "kptr": (
        "struct held@ { struct value __kptr *a; struct value __kptr_untrusted *b; struct value __percpu_kptr *c; };"
        " struct { __uint(type, 1); __uint(max_entries, 8); __type(key, int); __type(value, struct held@); }"
        ' map@ SEC(".maps");'
    ),
    "uptr": "struct held@ { struct value __uptr *a; }; struct held@ held@ = {0};",
    "arguments": (
        "__noinline int f@(void *c __arg_ctx, int *x __arg_nonnull, int *y __arg_nullable,"
        " struct value *z __arg_trusted, void *w __arg_arena) { return c && x && y && z && w; }"
        ' SEC("socket") int prog@(void *ctx) { int x = 1; return f@(ctx, &x, 0, 0, 0); }'
    ),
    "argument_untrusted": (
        "__noinline int f@(struct value *x __arg_untrusted) { return x != 0; }"
        ' SEC("socket") int prog@(void *ctx) { return f@(ctx); }'
    ),
    "attributes": (
        "__weak __noinline int w@(int x) { return x; } __hidden __noinline int h@(int x) { barrier(); return x + 1; }"
        " static __always_inline int i@(int x) { return x * 2; } const volatile int fixed@ = 1; int hidden@ __hidden;"
        ' SEC("socket") int prog@(void *ctx) { return w@(1) + h@(2) + i@(3) + fixed@ + hidden@ + (ctx == NULL); }'
    ),
    "externs": (
        "extern _Bool CONFIG_BPF __kconfig; extern enum libbpf_tristate CONFIG_IPV6 __kconfig __weak;"
        " extern int LINUX_KERNEL_VERSION __kconfig; extern const void jiffies __ksym;"
        ' SEC("socket") int prog@(void *ctx) { return CONFIG_BPF + (CONFIG_IPV6 == TRI_MODULE) + (&jiffies == ctx)'
        " + (LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 1, 300)); }"
    ),
    "ksym_exists": (
        "extern void *bpf_thing(void) __ksym __weak; extern const int variable __ksym __weak;"
        ' SEC("socket") int prog@(void *ctx) { if (bpf_ksym_exists(&variable)) return 2;'
        " return bpf_ksym_exists(bpf_thing) && bpf_thing() == ctx; }"
    ),
    **{
        f"printk{count}": (
            'SEC("socket") int prog@(void *ctx) { (void)ctx; bpf_printk("'
            + "%d " * count
            + '"'
            + "".join(f", {number}" for number in range(count))
            + "); return 0; }"
        )
        for count in range(13)
    },
    "printk_values": (
        'SEC("socket") long prog@(struct value *ctx)'
        ' { return bpf_printk("%d %c %s %llx %p", ctx->a, (char)ctx->a, "text", -1LL, ctx); }'
    ),
    "printk_stack": ('SEC("socket") int prog@(struct value *ctx) { bpf_printk("%d", ctx->a); return 0; }'),
    "seq_printf0": 'SEC("iter/f") int prog@(void *ctx) { BPF_SEQ_PRINTF(ctx, "text\\n"); return 0; }',
    "seq_printf3": (
        'SEC("iter/f") long prog@(struct seq_file *ctx) { return BPF_SEQ_PRINTF(ctx, "%d %s %p\\n", -1, "x", ctx); }'
    ),
    "seq_printf12": (
        'SEC("iter/f") int prog@(void *ctx) { BPF_SEQ_PRINTF(ctx, "%d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);'
        " return 0; }"
    ),
    "snprintf": (
        'SEC("socket") long prog@(struct value *ctx)'
        ' { char out[32]; long r = BPF_SNPRINTF(out, sizeof(out), "%d %d", ctx->a, 7); return r + out[0]; }'
    ),
    "stream_printk": (
        "extern int bpf_stream_vprintk(int id, const char *fmt, const void *args, __u32 size) __weak __ksym;"
        ' SEC("socket") int prog@(struct value *ctx) { return bpf_stream_printk(1, "%d %p", ctx->a, ctx); }'
    ),
    "tail_call": (
        "struct { __uint(type, 3); __uint(max_entries, 8); __uint(key_size, 4); __uint(value_size, 4); }"
        ' jumps@ SEC(".maps"); SEC("socket") int prog@(struct value *ctx)'
        " { if (ctx->a) bpf_tail_call_static(ctx, &jumps@, 1); else bpf_tail_call_static(ctx, &jumps@, 2); return 0; }"
    ),
    "unreachable": 'SEC("socket") int prog@(void *ctx) { if (sizeof(ctx) == 1) __bpf_unreachable(); return 0; }',
    "barrier_var": 'SEC("socket") int prog@(struct value *ctx) { int x = ctx->a & 7; barrier_var(x); return x; }',
    "likely": (
        'SEC("socket") int prog@(struct value *ctx)'
        " { if (likely(ctx->a)) return 1; if (unlikely(ctx->b)) return 2; return 3; }"
    ),
    "for": (
        ' SEC("socket") int prog@(struct value *ctx) { int i, sum = 0; bpf_for(i, 1, ctx->a) { sum += i;'
        " if (sum > 100) break; } return sum; }"
    ),
    "repeat": (
        ' SEC("socket") int prog@(struct value *ctx) { int sum = 0; bpf_repeat(ctx->a) sum += 2;'
        " bpf_repeat(3) { bpf_repeat(4) sum++; } return sum; }"
    ),
    "for_each": (
        ' SEC("socket") int prog@(struct value *ctx) { int *p, sum = 0; bpf_for_each(num, p, 0, ctx->b) sum += *p;'
        " return sum; }"
    ),
    "prog0": 'SEC("fentry/f") int BPF_PROG(prog@) { return ctx != 0; }',
    "prog3": (
        'SEC("fentry/f") int BPF_PROG(prog@, struct value *value, int a, _Bool b)'
        ' { bpf_printk("%d", a); return value->a + a + b; }'
    ),
    "prog12": (
        'SEC("fexit/f") int BPF_PROG(prog@, int a, int b, int c, int d, int e, int f, int g, int h, int i, int j,'
        " int k, long l) { return a + b + c + d + e + f + g + h + i + j + k + l; }"
    ),
    "prog_void": 'int seen@; SEC("struct_ops/f") void BPF_PROG(prog@, int a) { seen@ = a; }',
    "prog2": (
        "struct pair@ { long a, b; }; struct one@ { int a, b; }; struct tiny@ { char a; };"
        ' SEC("fentry/f") int BPF_PROG2(prog@, struct pair@, p, int, x, struct one@, o, void *, y, struct tiny@, t,'
        " __u16, u) { return p.a + p.b + x + o.a + o.b + (y == 0) + t.a + u; }"
    ),
    "prog2_0": 'SEC("fentry/f") int BPF_PROG2(prog@) { return ctx != 0; }',
    "endian": (
        "static const __u32 fixed@[] = { bpf_htonl(1), bpf_ntohs(2) }; enum { PORT@ = bpf_htons(80) };"
        ' SEC("socket") __u64 prog@(struct value *ctx) { switch (ctx->a) { case bpf_htons(0x800):'
        " return fixed@[ctx->b & 1]; case bpf_htonl(7): return PORT@; case __bpf_constant_ntohs(9): return 1;"
        " case __bpf_constant_htonl(11): return 2; }"
        " return bpf_htons(ctx->a) + bpf_ntohs(ctx->b) + bpf_htonl(ctx->a) + bpf_ntohl(ctx->b)"
        " + bpf_cpu_to_be64(ctx->l) + bpf_be64_to_cpu(ctx->l + 1) + sizeof(bpf_htons(1)) + bpf_cpu_to_be64(3); }"
    ),
}
"""Whole programs with ``bpf_helpers.h``, ``bpf_tracing.h`` and ``bpf_endian.h``."""

_INCLUDES = "".join(
    f"#include <bpf/{name}.h>\n" for name in ("bpf_helpers", "bpf_tracing", "bpf_core_read", "bpf_endian")
)
_RECORDS = """\
struct value { int a; int b; long l; };
struct bpf_iter_num { __u64 x[1]; } __attribute__((aligned(8)));
enum state { IDLE, RUNNING = 5 };
struct task_struct;
struct inner { long x; int y; struct task_struct *next; };
struct task_struct { int pid; char comm[16]; volatile int changing; const int fixed; struct inner inner;
    struct task_struct *parent; int numbers[8]; unsigned low : 3; int sign : 5; unsigned long long wide : 40;
} __attribute__((preserve_access_index));
typedef struct task_struct task_t;
"""


class Programs(NamedTuple):
    """Programs in one text: a head, and one line each."""

    head: str
    lines: dict[str, str]

    def text(self, without: Iterable[int] = ()) -> bytes:
        """The text, with empty lines in place of those numbered *without*."""
        kept = [line if number not in without else "" for number, line in self.numbered()]
        return "\n".join([self.head, *kept, ""]).encode()

    def numbered(self) -> list[tuple[int, str]]:
        """Each program with the number of its line in the text."""
        return list(enumerate(self.lines.values(), self.head.count("\n") + 2))

    def names(self, numbers: Iterable[int]) -> set[str]:
        """The programs in the lines of these numbers."""
        first = self.head.count("\n") + 2
        names = list(self.lines)
        return {names[number - first] for number in numbers}


def _programs(head: str, texts: Mapping[str, str]) -> Programs:
    return Programs(head, {name: text.replace("@", f"_{name}") for name, text in texts.items()})


def core() -> Programs:
    """CORE and HELPERS, which no architecture is asked for."""
    bodies = {
        name: f'SEC("kprobe/f") long prog@(void *ctx) {{ struct task_struct *task = ctx; (void)task; {body} }}'
        for name, body in CORE.items()
    }
    return _programs(f"{TYPES}{_INCLUDES}{_RECORDS}", {**bodies, **HELPERS})


def tracing(architecture: str) -> Programs:
    """TRACING for one of REGISTERS."""
    guard = "" if architecture.endswith("-user") else "#define __VMLINUX_H__\n"
    return _programs(f"{guard}{TYPES}{REGISTERS[architecture]}\n{_INCLUDES}{_RECORDS}", TRACING)
