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

/*
 * ---- registers ----
 *
 * The architecture of the kernel is the one that the user names, by __TARGET_ARCH_*. Where none is named, it is that of
 * a compiler that does not compile for BPF. Each has three lists of members of its registers:
 *
 *   __kheaders_arguments  the eight arguments of a function
 *   __kheaders_syscall    the seven arguments of a system call
 *   __kheaders_others     return address (or where it is), frame pointer, result, stack pointer, instruction pointer
 *
 * What an architecture has no register for is __kheaders_none, a member that no record has. Further macros:
 *
 *   __kheaders_as            the cast to the record that has the members; none where that is struct pt_regs
 *   __kheaders_as_original   the same for the first argument of a system call. Some architectures overwrite it with the
 *                            result and keep it elsewhere, in a member of struct pt_regs which the record that user
 *                            space sees lacks: a record with that member alone, which the loader finds in the kernel's
 *   __kheaders_in_place      the kernel hands its system calls their arguments in registers, not a pointer to them
 *   __kheaders_linked        a call leaves the return address in a register, not on the stack
 *
 * Programs ask for bpf_target_* to know the architecture.
 */
#if !(defined(__TARGET_ARCH_arc) || defined(__TARGET_ARCH_arm) || defined(__TARGET_ARCH_arm64) || \
      defined(__TARGET_ARCH_loongarch) || defined(__TARGET_ARCH_mips) || defined(__TARGET_ARCH_powerpc) || \
      defined(__TARGET_ARCH_riscv) || defined(__TARGET_ARCH_s390) || defined(__TARGET_ARCH_sparc) || \
      defined(__TARGET_ARCH_x86))
#define __kheaders_unnamed 1
#else
#define __kheaders_unnamed 0
#endif

#if defined(__TARGET_ARCH_x86) || (__kheaders_unnamed && defined(__x86_64__))
#define bpf_target_x86
#if defined(__KERNEL__) || defined(__VMLINUX_H__)
#define __kheaders_arguments di, si, dx, cx, r8, r9, __kheaders_none, __kheaders_none
#define __kheaders_syscall di, si, dx, r10, r8, r9, __kheaders_none
#define __kheaders_others sp, bp, ax, sp, ip
#elif defined(__i386__) /* the kernel is built with -mregparm=3 */
#define __kheaders_arguments \
	eax, edx, ecx, __kheaders_none, __kheaders_none, __kheaders_none, __kheaders_none, __kheaders_none
#define __kheaders_syscall ebx, ecx, edx, esi, edi, ebp, __kheaders_none
#define __kheaders_others esp, ebp, eax, esp, eip
#else /* as the C library calls them */
#define __kheaders_arguments rdi, rsi, rdx, rcx, r8, r9, __kheaders_none, __kheaders_none
#define __kheaders_syscall rdi, rsi, rdx, r10, r8, r9, __kheaders_none
#define __kheaders_others rsp, rbp, rax, rsp, rip
#endif

#elif defined(__TARGET_ARCH_arm) || (__kheaders_unnamed && defined(__arm__))
#define bpf_target_arm
/* The last is r12, which the procedure call standard calls IP; the program counter is r15. Programs rely on it. */
#define __kheaders_arguments \
	uregs[0], uregs[1], uregs[2], uregs[3], __kheaders_none, __kheaders_none, __kheaders_none, __kheaders_none
#define __kheaders_syscall uregs[0], uregs[1], uregs[2], uregs[3], uregs[4], uregs[5], uregs[6]
#define __kheaders_others uregs[14], uregs[11], uregs[0], uregs[13], uregs[12]

#elif defined(__TARGET_ARCH_arm64) || (__kheaders_unnamed && defined(__aarch64__))
#define bpf_target_arm64
struct pt_regs___arm64 {
	unsigned long orig_x0;
} __attribute__((__preserve_access_index__));
#define __kheaders_as (const struct user_pt_regs *)
#define __kheaders_as_original (const struct pt_regs___arm64 *)
#define __kheaders_linked
#define __kheaders_arguments regs[0], regs[1], regs[2], regs[3], regs[4], regs[5], regs[6], regs[7]
#define __kheaders_syscall orig_x0, regs[1], regs[2], regs[3], regs[4], regs[5], __kheaders_none
#define __kheaders_others regs[30], regs[29], regs[0], sp, pc

#elif defined(__TARGET_ARCH_arc) || (__kheaders_unnamed && defined(__arc__))
#define bpf_target_arc
#define __kheaders_as (const struct user_regs_struct *)
#define __kheaders_in_place
#define __kheaders_arguments \
	scratch.r0, scratch.r1, scratch.r2, scratch.r3, scratch.r4, scratch.r5, scratch.r6, scratch.r7
#define __kheaders_syscall scratch.r0, scratch.r1, scratch.r2, scratch.r3, scratch.r4, scratch.r5, __kheaders_none
#define __kheaders_others scratch.blink, scratch.fp, scratch.r0, scratch.sp, scratch.ret

#elif defined(__TARGET_ARCH_loongarch) || (__kheaders_unnamed && defined(__loongarch__))
#define bpf_target_loongarch
#define __kheaders_as (const struct user_pt_regs *)
#define __kheaders_in_place
#define __kheaders_arguments regs[4], regs[5], regs[6], regs[7], regs[8], regs[9], regs[10], regs[11]
#define __kheaders_syscall regs[4], regs[5], regs[6], regs[7], regs[8], regs[9], __kheaders_none
#define __kheaders_others regs[1], regs[22], regs[4], regs[3], csr_era

#elif defined(__TARGET_ARCH_mips) || (__kheaders_unnamed && defined(__mips__))
#define bpf_target_mips
/* as for the n64 ABI */
#define __kheaders_arguments regs[4], regs[5], regs[6], regs[7], regs[8], regs[9], regs[10], regs[11]
#define __kheaders_syscall regs[4], regs[5], regs[6], regs[7], regs[8], regs[9], __kheaders_none
#define __kheaders_others regs[31], regs[30], regs[2], regs[29], cp0_epc

#elif defined(__TARGET_ARCH_powerpc) || (__kheaders_unnamed && defined(__powerpc__))
#define bpf_target_powerpc
#define __kheaders_in_place
#define __kheaders_linked
#if defined(__arch64__)
#define __kheaders_seventh __kheaders_none
#else
#define __kheaders_seventh gpr[9]
#endif
#define __kheaders_arguments gpr[3], gpr[4], gpr[5], gpr[6], gpr[7], gpr[8], gpr[9], gpr[10]
#define __kheaders_syscall orig_gpr3, gpr[4], gpr[5], gpr[6], gpr[7], gpr[8], __kheaders_seventh
#define __kheaders_others link, __kheaders_none, gpr[3], gpr[1], nip

#elif defined(__TARGET_ARCH_riscv) || (__kheaders_unnamed && defined(__riscv) && __riscv_xlen == 64)
#define bpf_target_riscv
struct pt_regs___riscv {
	unsigned long orig_a0;
} __attribute__((__preserve_access_index__));
#define __kheaders_as (const struct user_regs_struct *)
#define __kheaders_as_original (const struct pt_regs___riscv *)
#define __kheaders_arguments a0, a1, a2, a3, a4, a5, a6, a7
#define __kheaders_syscall orig_a0, a1, a2, a3, a4, a5, __kheaders_none
#define __kheaders_others ra, s0, a0, sp, pc

#elif defined(__TARGET_ARCH_s390) || (__kheaders_unnamed && defined(__s390__))
#define bpf_target_s390
struct pt_regs___s390 {
	unsigned long orig_gpr2;
} __attribute__((__preserve_access_index__));
#define __kheaders_as (const user_pt_regs *)
#define __kheaders_as_original (const struct pt_regs___s390 *)
#define __kheaders_arguments \
	gprs[2], gprs[3], gprs[4], gprs[5], gprs[6], __kheaders_none, __kheaders_none, __kheaders_none
#define __kheaders_syscall orig_gpr2, gprs[3], gprs[4], gprs[5], gprs[6], gprs[7], __kheaders_none
#define __kheaders_others gprs[14], gprs[11], gprs[2], gprs[15], psw.addr

#elif defined(__TARGET_ARCH_sparc) || (__kheaders_unnamed && defined(__sparc__))
#define bpf_target_sparc
#define __kheaders_linked
#if defined(__arch64__)
#define __kheaders_counter tpc
#else
#define __kheaders_counter pc
#endif
/* u_regs[]: eight globals, then the eight "in" registers, of which the seventh is the frame pointer */
#define __kheaders_arguments \
	u_regs[8], u_regs[9], u_regs[10], u_regs[11], u_regs[12], u_regs[13], __kheaders_none, __kheaders_none
#define __kheaders_syscall u_regs[8], u_regs[9], u_regs[10], u_regs[11], u_regs[12], u_regs[13], __kheaders_none
#define __kheaders_others u_regs[15], __kheaders_none, u_regs[8], u_regs[14], __kheaders_counter

#endif

#if defined(__kheaders_arguments)
#define bpf_target_defined
#endif
#if !defined(__kheaders_as)
#define __kheaders_as
#endif
#if !defined(__kheaders_as_original)
#define __kheaders_as_original __kheaders_as
#endif

/* ---- the macros over registers: directly, and _CORE as reads by CO-RE (with bpf_core_read.h) ---- */

#if defined(bpf_target_defined)
#define __kheaders_register(as, x, member) ((as(x))->member)
#define __kheaders_register_core(as, x, member) BPF_CORE_READ(as(x), member)
#else /* each use is an error; what it says can be set from outside */
#ifndef __BPF_TARGET_MISSING
#define __BPF_TARGET_MISSING "GCC error \"which architecture's registers? define __TARGET_ARCH_x86 or another\""
#endif
#define __kheaders_register(as, x, member) ({ _Pragma(__BPF_TARGET_MISSING); 0l; })
#define __kheaders_register_core __kheaders_register
#endif

/* The element of a list that has a number, from 1 on; the list is a macro, which is expanded first. */
#define __kheaders_pick(number, list...) __kheaders_at_##number(list, )

#define __kheaders_argument(x, how, number) how(__kheaders_as, x, __kheaders_pick(number, __kheaders_arguments))
#define __kheaders_passed(x, how, as, number) how(as, x, __kheaders_pick(number, __kheaders_syscall))
#define __kheaders_other(x, how, number) how(__kheaders_as, x, __kheaders_pick(number, __kheaders_others))

#define PT_REGS_PARM1(x) __kheaders_argument(x, __kheaders_register, 1)
#define PT_REGS_PARM2(x) __kheaders_argument(x, __kheaders_register, 2)
#define PT_REGS_PARM3(x) __kheaders_argument(x, __kheaders_register, 3)
#define PT_REGS_PARM4(x) __kheaders_argument(x, __kheaders_register, 4)
#define PT_REGS_PARM5(x) __kheaders_argument(x, __kheaders_register, 5)
#define PT_REGS_PARM6(x) __kheaders_argument(x, __kheaders_register, 6)
#define PT_REGS_PARM7(x) __kheaders_argument(x, __kheaders_register, 7)
#define PT_REGS_PARM8(x) __kheaders_argument(x, __kheaders_register, 8)
#define PT_REGS_RET(x) __kheaders_other(x, __kheaders_register, 1)
#define PT_REGS_FP(x) __kheaders_other(x, __kheaders_register, 2)
#define PT_REGS_RC(x) __kheaders_other(x, __kheaders_register, 3)
#define PT_REGS_SP(x) __kheaders_other(x, __kheaders_register, 4)
#define PT_REGS_IP(x) __kheaders_other(x, __kheaders_register, 5)
#define PT_REGS_PARM1_SYSCALL(x) __kheaders_passed(x, __kheaders_register, __kheaders_as_original, 1)
#define PT_REGS_PARM2_SYSCALL(x) __kheaders_passed(x, __kheaders_register, __kheaders_as, 2)
#define PT_REGS_PARM3_SYSCALL(x) __kheaders_passed(x, __kheaders_register, __kheaders_as, 3)
#define PT_REGS_PARM4_SYSCALL(x) __kheaders_passed(x, __kheaders_register, __kheaders_as, 4)
#define PT_REGS_PARM5_SYSCALL(x) __kheaders_passed(x, __kheaders_register, __kheaders_as, 5)
#define PT_REGS_PARM6_SYSCALL(x) __kheaders_passed(x, __kheaders_register, __kheaders_as, 6)
#define PT_REGS_PARM7_SYSCALL(x) __kheaders_passed(x, __kheaders_register, __kheaders_as, 7)

#define PT_REGS_PARM1_CORE(x) __kheaders_argument(x, __kheaders_register_core, 1)
#define PT_REGS_PARM2_CORE(x) __kheaders_argument(x, __kheaders_register_core, 2)
#define PT_REGS_PARM3_CORE(x) __kheaders_argument(x, __kheaders_register_core, 3)
#define PT_REGS_PARM4_CORE(x) __kheaders_argument(x, __kheaders_register_core, 4)
#define PT_REGS_PARM5_CORE(x) __kheaders_argument(x, __kheaders_register_core, 5)
#define PT_REGS_PARM6_CORE(x) __kheaders_argument(x, __kheaders_register_core, 6)
#define PT_REGS_PARM7_CORE(x) __kheaders_argument(x, __kheaders_register_core, 7)
#define PT_REGS_PARM8_CORE(x) __kheaders_argument(x, __kheaders_register_core, 8)
#define PT_REGS_RET_CORE(x) __kheaders_other(x, __kheaders_register_core, 1)
#define PT_REGS_FP_CORE(x) __kheaders_other(x, __kheaders_register_core, 2)
#define PT_REGS_RC_CORE(x) __kheaders_other(x, __kheaders_register_core, 3)
#define PT_REGS_SP_CORE(x) __kheaders_other(x, __kheaders_register_core, 4)
#define PT_REGS_IP_CORE(x) __kheaders_other(x, __kheaders_register_core, 5)
#define PT_REGS_PARM1_CORE_SYSCALL(x) __kheaders_passed(x, __kheaders_register_core, __kheaders_as_original, 1)
#define PT_REGS_PARM2_CORE_SYSCALL(x) __kheaders_passed(x, __kheaders_register_core, __kheaders_as, 2)
#define PT_REGS_PARM3_CORE_SYSCALL(x) __kheaders_passed(x, __kheaders_register_core, __kheaders_as, 3)
#define PT_REGS_PARM4_CORE_SYSCALL(x) __kheaders_passed(x, __kheaders_register_core, __kheaders_as, 4)
#define PT_REGS_PARM5_CORE_SYSCALL(x) __kheaders_passed(x, __kheaders_register_core, __kheaders_as, 5)
#define PT_REGS_PARM6_CORE_SYSCALL(x) __kheaders_passed(x, __kheaders_register_core, __kheaders_as, 6)
#define PT_REGS_PARM7_CORE_SYSCALL(x) __kheaders_passed(x, __kheaders_register_core, __kheaders_as, 7)

/* The registers of a system call, in a probe of the function that does it; a program's own macro stays. */
#if defined(PT_REGS_SYSCALL_REGS)
#elif defined(__kheaders_in_place)
#define PT_REGS_SYSCALL_REGS(context) (context)
#else
#define PT_REGS_SYSCALL_REGS(context) ((struct pt_regs *)PT_REGS_PARM1(context))
#endif

/* The return address at the entry of a function, and at its end, where it lies above the caller's frame pointer. */
#if defined(__kheaders_linked)
#define BPF_KPROBE_READ_RET_IP(address, context) ({ (address) = PT_REGS_RET(context); })
#define BPF_KRETPROBE_READ_RET_IP(address, context) BPF_KPROBE_READ_RET_IP(address, context)
#else
#define __kheaders_from_stack(address, place) \
	({ bpf_probe_read_kernel(&(address), sizeof(address), (void *)(place)); })
#define BPF_KPROBE_READ_RET_IP(address, context) __kheaders_from_stack(address, PT_REGS_RET(context))
#define BPF_KRETPROBE_READ_RET_IP(address, context) \
	__kheaders_from_stack(address, PT_REGS_FP(context) + sizeof(address))
#endif

/*
 * ---- programs with typed parameters ----
 *
 * A program has one parameter, its context. Each macro below declares the program, whose body passes on the context
 * and the arguments found in it, and begins the definition of the function with the user's parameters, which is always
 * inlined. The type before the macro, and what the user says of linkage, belongs to the program; the inner function
 * has the same, by typeof(name(0)). "also" is a declaration between both; "parameters" are in parentheses.
 *
 * Every argument is passed as 64 bits, whatever the type of the parameter: hence no word of conversions between
 * integers and pointers.
 */
#define __kheaders_program(name, inner, record, also, parameters, body...) \
	name(record *ctx); \
	also static __always_inline __typeof__(name(0)) inner parameters; \
	__typeof__(name(0)) name(record *ctx) \
	{ \
		_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
		body \
		_Pragma("GCC diagnostic pop") \
	} \
	static __always_inline __typeof__(name(0)) inner parameters

/* The context, and after it one value for each of args: value(1, ), value(2, ) and so on, each after a comma. */
#define __kheaders_values(value, args...) (ctx __kheaders_for_each(value, ##args))

/* BPF_PROG: raw tracepoints with BTF, fentry, LSM, struct_ops. The context is an array of 64-bit arguments. */
#define __kheaders_element(number, ...) , (void *)ctx[(number) - 1]
#define BPF_PROG(name, args...) \
	__kheaders_program(name, ____##name, unsigned long long, , (unsigned long long *ctx, ##args), \
			   return ____##name __kheaders_values(__kheaders_element, ##args);)

/*
 * BPF_PROG2(name, type, arg, type, arg, ...): the same, for functions that take records by value. A record of up to 8
 * bytes is in one element of the context, one of 16 in two; none has another size. At most six arguments.
 *
 * For each pair, use(at, type, arg), where "at" is the element of the context in which the argument begins.
 */
#define __kheaders_elements(type) (sizeof(type) <= 8 ? 1 : 2)
#define __kheaders_pairs_0(use, at)
#define __kheaders_pairs_2(use, at, type, arg) use(at, type, arg)
#define __kheaders_pairs_4(use, at, type, arg, ...) \
	use(at, type, arg) __kheaders_pairs_2(use, (at) + __kheaders_elements(type), __VA_ARGS__)
#define __kheaders_pairs_6(use, at, type, arg, ...) \
	use(at, type, arg) __kheaders_pairs_4(use, (at) + __kheaders_elements(type), __VA_ARGS__)
#define __kheaders_pairs_8(use, at, type, arg, ...) \
	use(at, type, arg) __kheaders_pairs_6(use, (at) + __kheaders_elements(type), __VA_ARGS__)
#define __kheaders_pairs_10(use, at, type, arg, ...) \
	use(at, type, arg) __kheaders_pairs_8(use, (at) + __kheaders_elements(type), __VA_ARGS__)
#define __kheaders_pairs_12(use, at, type, arg, ...) \
	use(at, type, arg) __kheaders_pairs_10(use, (at) + __kheaders_elements(type), __VA_ARGS__)
#define __kheaders_pairs(use, args...) __kheaders_glue(__kheaders_pairs_, __kheaders_count(args))(use, 0, ##args)

/* The integer as wide as an argument, or as one of its halves. */
#define __kheaders_word(type) \
	__typeof__(__builtin_choose_expr(sizeof(type) == 8 || sizeof(type) == 16, (__u64)0, \
		   __builtin_choose_expr(sizeof(type) == 4, (__u32)0, \
		   __builtin_choose_expr(sizeof(type) == 2, (__u16)0, \
		   __builtin_choose_expr(sizeof(type) == 1, (__u8)0, (void)0)))))
#define __kheaders_reinterpreted(type, count, words...) \
	({ \
		union { \
			__kheaders_word(type) ___words[count]; \
			type ___whole; \
		} ___argument = { .___words = { words } }; \
		___argument.___whole; \
	})
#define __kheaders_record(at, type, arg) \
	, __builtin_choose_expr(sizeof(type) == 16, __kheaders_reinterpreted(type, 2, ctx[at], ctx[(at) + 1]), \
				__kheaders_reinterpreted(type, 1, ctx[at]))
#define __kheaders_parameter(at, type, arg) , type arg

#define BPF_PROG2(name, args...) \
	__kheaders_program(name, ____##name, unsigned long long, , \
			   (unsigned long long *ctx __kheaders_pairs(__kheaders_parameter, ##args)), \
			   return ____##name(ctx __kheaders_pairs(__kheaders_record, ##args));)

/* A program whose context is the registers. */
#define __kheaders_probe(name, inner, value, args...) \
	__kheaders_program(name, inner, struct pt_regs, , (struct pt_regs *ctx, ##args), \
			   return inner __kheaders_values(value, ##args);)

/* BPF_KPROBE: the entry of a function, of the kernel or (BPF_UPROBE) of a process. */
#define __kheaders_at_entry(number, ...) , (unsigned long long)PT_REGS_PARM##number(ctx)
#define BPF_KPROBE(name, args...) __kheaders_probe(name, ____##name, __kheaders_at_entry, ##args)
#define BPF_UPROBE(name, args...) __kheaders_probe(name, ____##name, __kheaders_at_entry, ##args)

/* BPF_KRETPROBE: the end of a function, with its result or without. */
#define __kheaders_at_end(number, ...) __kheaders_at_end_##number
#define __kheaders_at_end_1 , (unsigned long long)PT_REGS_RC(ctx)
#define BPF_KRETPROBE(name, args...) __kheaders_probe(name, ____##name, __kheaders_at_end, ##args)
#define BPF_URETPROBE(name, args...) __kheaders_probe(name, ____##name, __kheaders_at_end, ##args)

/*
 * BPF_KSYSCALL: a system call. Its arguments are in the registers that the probe sees or, where the kernel calls its
 * system calls with a pointer to registers (CONFIG_ARCH_HAS_SYSCALL_WRAPPER), in those: the loader tells which.
 */
#define __kheaders_in_registers(number, ...) , (unsigned long long)PT_REGS_PARM##number##_SYSCALL(regs)
#define __kheaders_behind_pointer(number, ...) , (unsigned long long)PT_REGS_PARM##number##_CORE_SYSCALL(regs)
#define BPF_KSYSCALL(name, args...) \
	__kheaders_program(name, ____##name, struct pt_regs, extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;, \
			   (struct pt_regs *ctx, ##args), \
			   struct pt_regs *regs __attribute__((__unused__)) = \
				   LINUX_HAS_SYSCALL_WRAPPER ? (struct pt_regs *)PT_REGS_PARM1(ctx) : ctx; \
			   if (LINUX_HAS_SYSCALL_WRAPPER) \
				   return ____##name __kheaders_values(__kheaders_behind_pointer, ##args); \
			   else return ____##name __kheaders_values(__kheaders_in_registers, ##args);)
#define BPF_KPROBE_SYSCALL BPF_KSYSCALL

#endif
