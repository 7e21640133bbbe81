/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of traced functions: the registers that hold them, and programs that are written as functions with typed
 * parameters.
 *
 * The interface is that of libbpf 1.7's header of this name. Where a register holds what, each architecture's
 * psABI says; how struct pt_regs calls it, the kernel's arch/ARCH/include/asm/ptrace.h and
 * arch/ARCH/include/uapi/asm/ptrace.h, and arch/ARCH/include/asm/syscall.h for system calls.
 */
#ifndef __BPF_TRACING_H__
#define __BPF_TRACING_H__

#include "bpf_helpers.h"

struct pt_regs;

/* ---- the architecture of the kernel: as the user says, else that of a compiler which is not for BPF ---- */

#if defined(__TARGET_ARCH_x86)
#define bpf_target_x86
#elif defined(__TARGET_ARCH_s390)
#define bpf_target_s390
#elif defined(__TARGET_ARCH_arm)
#define bpf_target_arm
#elif defined(__TARGET_ARCH_arm64)
#define bpf_target_arm64
#elif defined(__TARGET_ARCH_mips)
#define bpf_target_mips
#elif defined(__TARGET_ARCH_powerpc)
#define bpf_target_powerpc
#elif defined(__TARGET_ARCH_sparc)
#define bpf_target_sparc
#elif defined(__TARGET_ARCH_riscv)
#define bpf_target_riscv
#elif defined(__TARGET_ARCH_arc)
#define bpf_target_arc
#elif defined(__TARGET_ARCH_loongarch)
#define bpf_target_loongarch
#elif defined(__x86_64__)
#define bpf_target_x86
#elif defined(__s390__)
#define bpf_target_s390
#elif defined(__arm__)
#define bpf_target_arm
#elif defined(__aarch64__)
#define bpf_target_arm64
#elif defined(__mips__)
#define bpf_target_mips
#elif defined(__powerpc__)
#define bpf_target_powerpc
#elif defined(__sparc__)
#define bpf_target_sparc
#elif defined(__riscv) && __riscv_xlen == 64
#define bpf_target_riscv
#elif defined(__arc__)
#define bpf_target_arc
#elif defined(__loongarch__)
#define bpf_target_loongarch
#else
#define ___bpf_target_unknown
#endif

#ifndef ___bpf_target_unknown
#define bpf_target_defined
#endif

#ifndef __BPF_TARGET_MISSING
#define __BPF_TARGET_MISSING "GCC error \"Must specify a BPF target arch via __TARGET_ARCH_xxx\""
#endif

/*
 * ---- registers, as members of the record that __PT_REGS_CAST makes of a struct pt_regs ----
 *
 * PARM: argument of a function; SYSCALL: of a system call; RET: return address, or where it is; FP: frame pointer;
 * RC: result; SP: stack pointer; IP: instruction pointer. Some architectures overwrite the first argument of a system
 * call with its result and keep it elsewhere, in a member of struct pt_regs which the record that user space sees
 * lacks: ___bpf_first_syscall_arg is a record with that member alone, which the loader finds in the kernel's.
 */

#if defined(bpf_target_x86)

#if defined(__KERNEL__) || defined(__VMLINUX_H__)
#define __PT_PARM1_REG di
#define __PT_PARM2_REG si
#define __PT_PARM3_REG dx
#define __PT_PARM4_REG cx
#define __PT_PARM5_REG r8
#define __PT_PARM6_REG r9
#define __PT_PARM4_SYSCALL_REG r10
#define __PT_RET_REG sp
#define __PT_FP_REG bp
#define __PT_RC_REG ax
#define __PT_SP_REG sp
#define __PT_IP_REG ip
#elif defined(__i386__)
/* the kernel is built with -mregparm=3 */
#define __PT_PARM1_REG eax
#define __PT_PARM2_REG edx
#define __PT_PARM3_REG ecx
#define __PT_PARM1_SYSCALL_REG ebx
#define __PT_PARM2_SYSCALL_REG ecx
#define __PT_PARM3_SYSCALL_REG edx
#define __PT_PARM4_SYSCALL_REG esi
#define __PT_PARM5_SYSCALL_REG edi
#define __PT_PARM6_SYSCALL_REG ebp
#define __PT_RET_REG esp
#define __PT_FP_REG ebp
#define __PT_RC_REG eax
#define __PT_SP_REG esp
#define __PT_IP_REG eip
#else
#define __PT_PARM1_REG rdi
#define __PT_PARM2_REG rsi
#define __PT_PARM3_REG rdx
#define __PT_PARM4_REG rcx
#define __PT_PARM5_REG r8
#define __PT_PARM6_REG r9
#define __PT_PARM4_SYSCALL_REG r10
#define __PT_RET_REG rsp
#define __PT_FP_REG rbp
#define __PT_RC_REG rax
#define __PT_SP_REG rsp
#define __PT_IP_REG rip
#endif

#elif defined(bpf_target_arm64)

struct pt_regs___arm64 {
	unsigned long orig_x0;
} __attribute__((__preserve_access_index__));
#define ___bpf_first_syscall_arg struct pt_regs___arm64
#define __PT_REGS_CAST(x) ((const struct user_pt_regs *)(x))
#define __PT_PARM1_REG regs[0]
#define __PT_PARM2_REG regs[1]
#define __PT_PARM3_REG regs[2]
#define __PT_PARM4_REG regs[3]
#define __PT_PARM5_REG regs[4]
#define __PT_PARM6_REG regs[5]
#define __PT_PARM7_REG regs[6]
#define __PT_PARM8_REG regs[7]
#define __PT_PARM1_SYSCALL_REG orig_x0
#define __PT_RET_REG regs[30]
#define __PT_FP_REG regs[29]
#define __PT_RC_REG regs[0]
#define __PT_SP_REG sp
#define __PT_IP_REG pc

#elif defined(bpf_target_arm)

#define __PT_PARM1_REG uregs[0]
#define __PT_PARM2_REG uregs[1]
#define __PT_PARM3_REG uregs[2]
#define __PT_PARM4_REG uregs[3]
#define __PT_PARM5_SYSCALL_REG uregs[4]
#define __PT_PARM6_SYSCALL_REG uregs[5]
#define __PT_PARM7_SYSCALL_REG uregs[6]
#define __PT_RET_REG uregs[14]
#define __PT_FP_REG uregs[11]
#define __PT_RC_REG uregs[0]
#define __PT_SP_REG uregs[13]
/* r12, which the procedure call standard calls IP; the program counter is r15. Programs rely on libbpf's choice. */
#define __PT_IP_REG uregs[12]

#elif defined(bpf_target_s390)

struct pt_regs___s390 {
	unsigned long orig_gpr2;
} __attribute__((__preserve_access_index__));
#define ___bpf_first_syscall_arg struct pt_regs___s390
#define __PT_REGS_CAST(x) ((const user_pt_regs *)(x))
#define __PT_PARM1_REG gprs[2]
#define __PT_PARM2_REG gprs[3]
#define __PT_PARM3_REG gprs[4]
#define __PT_PARM4_REG gprs[5]
#define __PT_PARM5_REG gprs[6]
#define __PT_PARM1_SYSCALL_REG orig_gpr2
#define __PT_PARM6_SYSCALL_REG gprs[7]
#define __PT_RET_REG gprs[14]
#define __PT_FP_REG gprs[11]
#define __PT_RC_REG gprs[2]
#define __PT_SP_REG gprs[15]
#define __PT_IP_REG psw.addr

#elif defined(bpf_target_powerpc)

#define __PT_PARM1_REG gpr[3]
#define __PT_PARM2_REG gpr[4]
#define __PT_PARM3_REG gpr[5]
#define __PT_PARM4_REG gpr[6]
#define __PT_PARM5_REG gpr[7]
#define __PT_PARM6_REG gpr[8]
#define __PT_PARM7_REG gpr[9]
#define __PT_PARM8_REG gpr[10]
#define PT_REGS_SYSCALL_REGS(ctx) ctx
#define __PT_PARM1_SYSCALL_REG orig_gpr3
#if !defined(__arch64__)
#define __PT_PARM7_SYSCALL_REG gpr[9]
#endif
#define __PT_RET_REG link
#define __PT_FP_REG __unsupported__
#define __PT_RC_REG gpr[3]
#define __PT_SP_REG gpr[1]
#define __PT_IP_REG nip

#elif defined(bpf_target_riscv)

struct pt_regs___riscv {
	unsigned long orig_a0;
} __attribute__((__preserve_access_index__));
#define ___bpf_first_syscall_arg struct pt_regs___riscv
#define __PT_REGS_CAST(x) ((const struct user_regs_struct *)(x))
#define __PT_PARM1_REG a0
#define __PT_PARM2_REG a1
#define __PT_PARM3_REG a2
#define __PT_PARM4_REG a3
#define __PT_PARM5_REG a4
#define __PT_PARM6_REG a5
#define __PT_PARM7_REG a6
#define __PT_PARM8_REG a7
#define __PT_PARM1_SYSCALL_REG orig_a0
#define __PT_RET_REG ra
#define __PT_FP_REG s0
#define __PT_RC_REG a0
#define __PT_SP_REG sp
#define __PT_IP_REG pc

#elif defined(bpf_target_mips)

/* as for the n64 ABI */
#define __PT_PARM1_REG regs[4]
#define __PT_PARM2_REG regs[5]
#define __PT_PARM3_REG regs[6]
#define __PT_PARM4_REG regs[7]
#define __PT_PARM5_REG regs[8]
#define __PT_PARM6_REG regs[9]
#define __PT_PARM7_REG regs[10]
#define __PT_PARM8_REG regs[11]
#define __PT_RET_REG regs[31]
#define __PT_FP_REG regs[30]
#define __PT_RC_REG regs[2]
#define __PT_SP_REG regs[29]
#define __PT_IP_REG cp0_epc

#elif defined(bpf_target_loongarch)

#define __PT_REGS_CAST(x) ((const struct user_pt_regs *)(x))
#define __PT_PARM1_REG regs[4]
#define __PT_PARM2_REG regs[5]
#define __PT_PARM3_REG regs[6]
#define __PT_PARM4_REG regs[7]
#define __PT_PARM5_REG regs[8]
#define __PT_PARM6_REG regs[9]
#define __PT_PARM7_REG regs[10]
#define __PT_PARM8_REG regs[11]
#define PT_REGS_SYSCALL_REGS(ctx) ctx
#define __PT_RET_REG regs[1]
#define __PT_FP_REG regs[22]
#define __PT_RC_REG regs[4]
#define __PT_SP_REG regs[3]
#define __PT_IP_REG csr_era

#elif defined(bpf_target_sparc)

/* u_regs[]: eight globals, then the eight "in" registers, of which the seventh is the frame pointer */
#define __PT_PARM1_REG u_regs[8]
#define __PT_PARM2_REG u_regs[9]
#define __PT_PARM3_REG u_regs[10]
#define __PT_PARM4_REG u_regs[11]
#define __PT_PARM5_REG u_regs[12]
#define __PT_PARM6_REG u_regs[13]
#define __PT_RET_REG u_regs[15]
#define __PT_FP_REG __unsupported__
#define __PT_RC_REG u_regs[8]
#define __PT_SP_REG u_regs[14]
#if defined(__arch64__)
#define __PT_IP_REG tpc
#else
#define __PT_IP_REG pc
#endif

#elif defined(bpf_target_arc)

#define __PT_REGS_CAST(x) ((const struct user_regs_struct *)(x))
#define __PT_PARM1_REG scratch.r0
#define __PT_PARM2_REG scratch.r1
#define __PT_PARM3_REG scratch.r2
#define __PT_PARM4_REG scratch.r3
#define __PT_PARM5_REG scratch.r4
#define __PT_PARM6_REG scratch.r5
#define __PT_PARM7_REG scratch.r6
#define __PT_PARM8_REG scratch.r7
#define PT_REGS_SYSCALL_REGS(ctx) ctx
#define __PT_RET_REG scratch.blink
#define __PT_FP_REG scratch.fp
#define __PT_RC_REG scratch.r0
#define __PT_SP_REG scratch.sp
#define __PT_IP_REG scratch.ret

#endif

/* ---- the macros over registers: directly, and _CORE as reads by CO-RE (with bpf_core_read.h) ---- */

#if defined(bpf_target_defined)

#ifndef __PT_REGS_CAST
#define __PT_REGS_CAST(x) (x)
#endif

/* What an architecture has no register for is a member that no record has. */
#ifndef __PT_PARM4_REG
#define __PT_PARM4_REG __unsupported__
#endif
#ifndef __PT_PARM5_REG
#define __PT_PARM5_REG __unsupported__
#endif
#ifndef __PT_PARM6_REG
#define __PT_PARM6_REG __unsupported__
#endif
#ifndef __PT_PARM7_REG
#define __PT_PARM7_REG __unsupported__
#endif
#ifndef __PT_PARM8_REG
#define __PT_PARM8_REG __unsupported__
#endif

/* Where a system call takes its arguments like a function, but at most six. */
#ifndef __PT_PARM1_SYSCALL_REG
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#endif
#ifndef __PT_PARM2_SYSCALL_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#endif
#ifndef __PT_PARM3_SYSCALL_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#endif
#ifndef __PT_PARM4_SYSCALL_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#endif
#ifndef __PT_PARM5_SYSCALL_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#endif
#ifndef __PT_PARM6_SYSCALL_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#endif
#ifndef __PT_PARM7_SYSCALL_REG
#define __PT_PARM7_SYSCALL_REG __unsupported__
#endif

#define ___bpf_reg(x, reg) (__PT_REGS_CAST(x)->reg)
#define ___bpf_reg_core(x, reg) BPF_CORE_READ(__PT_REGS_CAST(x), reg)

#else /* without an architecture, each use is an error */

#define ___bpf_reg(x, reg) ({ _Pragma(__BPF_TARGET_MISSING); 0l; })
#define ___bpf_reg_core(x, reg) ___bpf_reg(x, reg)

#endif

#define PT_REGS_PARM1(x) ___bpf_reg(x, __PT_PARM1_REG)
#define PT_REGS_PARM2(x) ___bpf_reg(x, __PT_PARM2_REG)
#define PT_REGS_PARM3(x) ___bpf_reg(x, __PT_PARM3_REG)
#define PT_REGS_PARM4(x) ___bpf_reg(x, __PT_PARM4_REG)
#define PT_REGS_PARM5(x) ___bpf_reg(x, __PT_PARM5_REG)
#define PT_REGS_PARM6(x) ___bpf_reg(x, __PT_PARM6_REG)
#define PT_REGS_PARM7(x) ___bpf_reg(x, __PT_PARM7_REG)
#define PT_REGS_PARM8(x) ___bpf_reg(x, __PT_PARM8_REG)
#define PT_REGS_RET(x) ___bpf_reg(x, __PT_RET_REG)
#define PT_REGS_FP(x) ___bpf_reg(x, __PT_FP_REG)
#define PT_REGS_RC(x) ___bpf_reg(x, __PT_RC_REG)
#define PT_REGS_SP(x) ___bpf_reg(x, __PT_SP_REG)
#define PT_REGS_IP(x) ___bpf_reg(x, __PT_IP_REG)

#define PT_REGS_PARM1_CORE(x) ___bpf_reg_core(x, __PT_PARM1_REG)
#define PT_REGS_PARM2_CORE(x) ___bpf_reg_core(x, __PT_PARM2_REG)
#define PT_REGS_PARM3_CORE(x) ___bpf_reg_core(x, __PT_PARM3_REG)
#define PT_REGS_PARM4_CORE(x) ___bpf_reg_core(x, __PT_PARM4_REG)
#define PT_REGS_PARM5_CORE(x) ___bpf_reg_core(x, __PT_PARM5_REG)
#define PT_REGS_PARM6_CORE(x) ___bpf_reg_core(x, __PT_PARM6_REG)
#define PT_REGS_PARM7_CORE(x) ___bpf_reg_core(x, __PT_PARM7_REG)
#define PT_REGS_PARM8_CORE(x) ___bpf_reg_core(x, __PT_PARM8_REG)
#define PT_REGS_RET_CORE(x) ___bpf_reg_core(x, __PT_RET_REG)
#define PT_REGS_FP_CORE(x) ___bpf_reg_core(x, __PT_FP_REG)
#define PT_REGS_RC_CORE(x) ___bpf_reg_core(x, __PT_RC_REG)
#define PT_REGS_SP_CORE(x) ___bpf_reg_core(x, __PT_SP_REG)
#define PT_REGS_IP_CORE(x) ___bpf_reg_core(x, __PT_IP_REG)

#if defined(___bpf_first_syscall_arg)
#define PT_REGS_PARM1_CORE_SYSCALL(x) \
	BPF_CORE_READ((const ___bpf_first_syscall_arg *)(x), __PT_PARM1_SYSCALL_REG)
#define PT_REGS_PARM1_SYSCALL(x) (((const ___bpf_first_syscall_arg *)(x))->__PT_PARM1_SYSCALL_REG)
#else
#define PT_REGS_PARM1_CORE_SYSCALL(x) ___bpf_reg_core(x, __PT_PARM1_SYSCALL_REG)
#define PT_REGS_PARM1_SYSCALL(x) ___bpf_reg(x, __PT_PARM1_SYSCALL_REG)
#endif
#define PT_REGS_PARM2_SYSCALL(x) ___bpf_reg(x, __PT_PARM2_SYSCALL_REG)
#define PT_REGS_PARM3_SYSCALL(x) ___bpf_reg(x, __PT_PARM3_SYSCALL_REG)
#define PT_REGS_PARM4_SYSCALL(x) ___bpf_reg(x, __PT_PARM4_SYSCALL_REG)
#define PT_REGS_PARM5_SYSCALL(x) ___bpf_reg(x, __PT_PARM5_SYSCALL_REG)
#define PT_REGS_PARM6_SYSCALL(x) ___bpf_reg(x, __PT_PARM6_SYSCALL_REG)
#define PT_REGS_PARM7_SYSCALL(x) ___bpf_reg(x, __PT_PARM7_SYSCALL_REG)
#define PT_REGS_PARM2_CORE_SYSCALL(x) ___bpf_reg_core(x, __PT_PARM2_SYSCALL_REG)
#define PT_REGS_PARM3_CORE_SYSCALL(x) ___bpf_reg_core(x, __PT_PARM3_SYSCALL_REG)
#define PT_REGS_PARM4_CORE_SYSCALL(x) ___bpf_reg_core(x, __PT_PARM4_SYSCALL_REG)
#define PT_REGS_PARM5_CORE_SYSCALL(x) ___bpf_reg_core(x, __PT_PARM5_SYSCALL_REG)
#define PT_REGS_PARM6_CORE_SYSCALL(x) ___bpf_reg_core(x, __PT_PARM6_SYSCALL_REG)
#define PT_REGS_PARM7_CORE_SYSCALL(x) ___bpf_reg_core(x, __PT_PARM7_SYSCALL_REG)

/* The registers of a system call, in a probe of the function that does it: the kernel hands them on by pointer. */
#ifndef PT_REGS_SYSCALL_REGS
#define PT_REGS_SYSCALL_REGS(ctx) ((struct pt_regs *)PT_REGS_PARM1(ctx))
#endif

/* The return address at the entry of a function, and at its end: in a register, or on the stack. */
#if defined(bpf_target_powerpc)
#define BPF_KPROBE_READ_RET_IP(ip, ctx) ({ (ip) = (ctx)->link; })
#define BPF_KRETPROBE_READ_RET_IP BPF_KPROBE_READ_RET_IP
#elif defined(bpf_target_sparc) || defined(bpf_target_arm64)
#define BPF_KPROBE_READ_RET_IP(ip, ctx) ({ (ip) = PT_REGS_RET(ctx); })
#define BPF_KRETPROBE_READ_RET_IP BPF_KPROBE_READ_RET_IP
#elif defined(bpf_target_defined)
#define BPF_KPROBE_READ_RET_IP(ip, ctx) \
	({ bpf_probe_read_kernel(&(ip), sizeof(ip), (void *)PT_REGS_RET(ctx)); })
#define BPF_KRETPROBE_READ_RET_IP(ip, ctx) \
	({ bpf_probe_read_kernel(&(ip), sizeof(ip), (void *)(PT_REGS_FP(ctx) + sizeof(ip))); })
#else
#define BPF_KPROBE_READ_RET_IP(ip, ctx) ___bpf_reg(ctx, )
#define BPF_KRETPROBE_READ_RET_IP(ip, ctx) ___bpf_reg(ctx, )
#endif

/*
 * ---- programs with typed parameters ----
 *
 * A program has one parameter, its context. Each macro below declares the program, whose body passes on the context
 * and the arguments found in it, and begins the definition of the function with the user's parameters, which is always
 * inlined. The type before the macro, and what the user says of linkage, belongs to the program; the inner function
 * has the same, by typeof(name(0)).
 *
 * Every argument is passed as 64 bits, whatever the type of the parameter: hence no word of conversions between
 * integers and pointers.
 */
#define ___bpf_silent(...) \
	_Pragma("GCC diagnostic push") \
	_Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
	__VA_ARGS__ \
	_Pragma("GCC diagnostic pop")

/* BPF_PROG: raw tracepoints with BTF, fentry, LSM, struct_ops. The context is an array of 64-bit arguments. */
#define ___bpf_ctx_cast0() ctx
#define ___bpf_ctx_cast1(...) ctx, (void *)ctx[0]
#define ___bpf_ctx_cast2(...) ___bpf_ctx_cast1(), (void *)ctx[1]
#define ___bpf_ctx_cast3(...) ___bpf_ctx_cast2(), (void *)ctx[2]
#define ___bpf_ctx_cast4(...) ___bpf_ctx_cast3(), (void *)ctx[3]
#define ___bpf_ctx_cast5(...) ___bpf_ctx_cast4(), (void *)ctx[4]
#define ___bpf_ctx_cast6(...) ___bpf_ctx_cast5(), (void *)ctx[5]
#define ___bpf_ctx_cast7(...) ___bpf_ctx_cast6(), (void *)ctx[6]
#define ___bpf_ctx_cast8(...) ___bpf_ctx_cast7(), (void *)ctx[7]
#define ___bpf_ctx_cast9(...) ___bpf_ctx_cast8(), (void *)ctx[8]
#define ___bpf_ctx_cast10(...) ___bpf_ctx_cast9(), (void *)ctx[9]
#define ___bpf_ctx_cast11(...) ___bpf_ctx_cast10(), (void *)ctx[10]
#define ___bpf_ctx_cast12(...) ___bpf_ctx_cast11(), (void *)ctx[11]
#define ___bpf_ctx_cast(args...) ___bpf_apply(___bpf_ctx_cast, ___bpf_narg(args))(args)

#define BPF_PROG(name, args...) \
	name(unsigned long long *ctx); \
	static __always_inline __typeof__(name(0)) ____##name(unsigned long long *ctx, ##args); \
	__typeof__(name(0)) name(unsigned long long *ctx) \
	{ \
		___bpf_silent(return ____##name(___bpf_ctx_cast(args));) \
	} \
	static __always_inline __typeof__(name(0)) ____##name(unsigned long long *ctx, ##args)

/*
 * BPF_PROG2(name, type, arg, type, arg, ...): the same, for functions that take records by value. A record of up to 8
 * bytes is in one element of the context, one of 16 in two. At most six arguments.
 */
#define ___bpf_slots(t) (sizeof(t) <= 8 ? 1 : 2)
#define ___bpf_as(t, word, n, from...) \
	({ \
		union { \
			word ___in[n]; \
			t ___out; \
		} ___u = { .___in = { from } }; \
		___u.___out; \
	})
#define ___bpf_arg(t, n) \
	__builtin_choose_expr(sizeof(t) == 1, ___bpf_as(t, __u8, 1, ctx[n]), \
	__builtin_choose_expr(sizeof(t) == 2, ___bpf_as(t, __u16, 1, ctx[n]), \
	__builtin_choose_expr(sizeof(t) == 4, ___bpf_as(t, __u32, 1, ctx[n]), \
	__builtin_choose_expr(sizeof(t) == 8, ___bpf_as(t, __u64, 1, ctx[n]), \
	__builtin_choose_expr(sizeof(t) == 16, ___bpf_as(t, __u64, 2, ctx[n], ctx[n + 1]), \
			      (void)0)))))

#define ___bpf_ctx_arg0(n)
#define ___bpf_ctx_arg2(n, t, x) , ___bpf_arg(t, n)
#define ___bpf_ctx_arg4(n, t, x, ...) ___bpf_ctx_arg2(n, t, x) ___bpf_ctx_arg2((n) + ___bpf_slots(t), __VA_ARGS__)
#define ___bpf_ctx_arg6(n, t, x, ...) ___bpf_ctx_arg2(n, t, x) ___bpf_ctx_arg4((n) + ___bpf_slots(t), __VA_ARGS__)
#define ___bpf_ctx_arg8(n, t, x, ...) ___bpf_ctx_arg2(n, t, x) ___bpf_ctx_arg6((n) + ___bpf_slots(t), __VA_ARGS__)
#define ___bpf_ctx_arg10(n, t, x, ...) ___bpf_ctx_arg2(n, t, x) ___bpf_ctx_arg8((n) + ___bpf_slots(t), __VA_ARGS__)
#define ___bpf_ctx_arg12(n, t, x, ...) ___bpf_ctx_arg2(n, t, x) ___bpf_ctx_arg10((n) + ___bpf_slots(t), __VA_ARGS__)
#define ___bpf_ctx_arg(args...) ___bpf_apply(___bpf_ctx_arg, ___bpf_narg(args))(0, ##args)

#define ___bpf_ctx_decl0()
#define ___bpf_ctx_decl2(t, x) , t x
#define ___bpf_ctx_decl4(t, x, ...) , t x ___bpf_ctx_decl2(__VA_ARGS__)
#define ___bpf_ctx_decl6(t, x, ...) , t x ___bpf_ctx_decl4(__VA_ARGS__)
#define ___bpf_ctx_decl8(t, x, ...) , t x ___bpf_ctx_decl6(__VA_ARGS__)
#define ___bpf_ctx_decl10(t, x, ...) , t x ___bpf_ctx_decl8(__VA_ARGS__)
#define ___bpf_ctx_decl12(t, x, ...) , t x ___bpf_ctx_decl10(__VA_ARGS__)
#define ___bpf_ctx_decl(args...) ___bpf_apply(___bpf_ctx_decl, ___bpf_narg(args))(args)

#define BPF_PROG2(name, args...) \
	name(unsigned long long *ctx); \
	static __always_inline __typeof__(name(0)) ____##name(unsigned long long *ctx ___bpf_ctx_decl(args)); \
	__typeof__(name(0)) name(unsigned long long *ctx) \
	{ \
		return ____##name(ctx ___bpf_ctx_arg(args)); \
	} \
	static __always_inline __typeof__(name(0)) ____##name(unsigned long long *ctx ___bpf_ctx_decl(args))

/* BPF_KPROBE: the entry of a function, of the kernel or (BPF_UPROBE) of a process. */
#define ___bpf_kprobe_args0() ctx
#define ___bpf_kprobe_args1(...) ctx, (unsigned long long)PT_REGS_PARM1(ctx)
#define ___bpf_kprobe_args2(...) ___bpf_kprobe_args1(), (unsigned long long)PT_REGS_PARM2(ctx)
#define ___bpf_kprobe_args3(...) ___bpf_kprobe_args2(), (unsigned long long)PT_REGS_PARM3(ctx)
#define ___bpf_kprobe_args4(...) ___bpf_kprobe_args3(), (unsigned long long)PT_REGS_PARM4(ctx)
#define ___bpf_kprobe_args5(...) ___bpf_kprobe_args4(), (unsigned long long)PT_REGS_PARM5(ctx)
#define ___bpf_kprobe_args6(...) ___bpf_kprobe_args5(), (unsigned long long)PT_REGS_PARM6(ctx)
#define ___bpf_kprobe_args7(...) ___bpf_kprobe_args6(), (unsigned long long)PT_REGS_PARM7(ctx)
#define ___bpf_kprobe_args8(...) ___bpf_kprobe_args7(), (unsigned long long)PT_REGS_PARM8(ctx)
#define ___bpf_kprobe_args(args...) ___bpf_apply(___bpf_kprobe_args, ___bpf_narg(args))(args)

/* A program whose context is the registers, and the inner function with the parameters "args", given "values". */
#define ___bpf_probe(name, inner, values, args...) \
	name(struct pt_regs *ctx); \
	static __always_inline __typeof__(name(0)) inner(struct pt_regs *ctx, ##args); \
	__typeof__(name(0)) name(struct pt_regs *ctx) \
	{ \
		___bpf_silent(return inner(values(args));) \
	} \
	static __always_inline __typeof__(name(0)) inner(struct pt_regs *ctx, ##args)

#define BPF_KPROBE(name, args...) ___bpf_probe(name, ____##name, ___bpf_kprobe_args, ##args)
#define BPF_UPROBE(name, args...) BPF_KPROBE(name, ##args)

/* BPF_KRETPROBE: the end of a function, with its result or without. */
#define ___bpf_kretprobe_args0() ctx
#define ___bpf_kretprobe_args1(...) ctx, (unsigned long long)PT_REGS_RC(ctx)
#define ___bpf_kretprobe_args(args...) ___bpf_apply(___bpf_kretprobe_args, ___bpf_narg(args))(args)

#define BPF_KRETPROBE(name, args...) ___bpf_probe(name, ____##name, ___bpf_kretprobe_args, ##args)
#define BPF_URETPROBE(name, args...) BPF_KRETPROBE(name, ##args)

/*
 * BPF_KSYSCALL: a system call. Its arguments are in the registers that the probe sees or, where the kernel calls its
 * system calls with a pointer to registers (CONFIG_ARCH_HAS_SYSCALL_WRAPPER), in those: the loader tells which.
 */
#define ___bpf_syscall_args0() ctx
#define ___bpf_syscall_args1(...) ctx, (unsigned long long)PT_REGS_PARM1_SYSCALL(regs)
#define ___bpf_syscall_args2(...) ___bpf_syscall_args1(), (unsigned long long)PT_REGS_PARM2_SYSCALL(regs)
#define ___bpf_syscall_args3(...) ___bpf_syscall_args2(), (unsigned long long)PT_REGS_PARM3_SYSCALL(regs)
#define ___bpf_syscall_args4(...) ___bpf_syscall_args3(), (unsigned long long)PT_REGS_PARM4_SYSCALL(regs)
#define ___bpf_syscall_args5(...) ___bpf_syscall_args4(), (unsigned long long)PT_REGS_PARM5_SYSCALL(regs)
#define ___bpf_syscall_args6(...) ___bpf_syscall_args5(), (unsigned long long)PT_REGS_PARM6_SYSCALL(regs)
#define ___bpf_syscall_args7(...) ___bpf_syscall_args6(), (unsigned long long)PT_REGS_PARM7_SYSCALL(regs)
#define ___bpf_syscall_args(args...) ___bpf_apply(___bpf_syscall_args, ___bpf_narg(args))(args)

#define ___bpf_syswrap_args0() ctx
#define ___bpf_syswrap_args1(...) ctx, (unsigned long long)PT_REGS_PARM1_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args2(...) ___bpf_syswrap_args1(), (unsigned long long)PT_REGS_PARM2_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args3(...) ___bpf_syswrap_args2(), (unsigned long long)PT_REGS_PARM3_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args4(...) ___bpf_syswrap_args3(), (unsigned long long)PT_REGS_PARM4_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args5(...) ___bpf_syswrap_args4(), (unsigned long long)PT_REGS_PARM5_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args6(...) ___bpf_syswrap_args5(), (unsigned long long)PT_REGS_PARM6_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args7(...) ___bpf_syswrap_args6(), (unsigned long long)PT_REGS_PARM7_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args(args...) ___bpf_apply(___bpf_syswrap_args, ___bpf_narg(args))(args)

#define BPF_KSYSCALL(name, args...) \
	name(struct pt_regs *ctx); \
	extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig; \
	static __always_inline __typeof__(name(0)) ____##name(struct pt_regs *ctx, ##args); \
	__typeof__(name(0)) name(struct pt_regs *ctx) \
	{ \
		struct pt_regs *regs __attribute__((__unused__)) = \
			LINUX_HAS_SYSCALL_WRAPPER ? (struct pt_regs *)PT_REGS_PARM1(ctx) : ctx; \
		___bpf_silent(if (LINUX_HAS_SYSCALL_WRAPPER) return ____##name(___bpf_syswrap_args(args)); \
			      else return ____##name(___bpf_syscall_args(args));) \
	} \
	static __always_inline __typeof__(name(0)) ____##name(struct pt_regs *ctx, ##args)
#define BPF_KPROBE_SYSCALL BPF_KSYSCALL

#endif
