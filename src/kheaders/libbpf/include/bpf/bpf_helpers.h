/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a BPF program needs whatever it does: helpers, definitions of maps, sections, attributes, printing, loops.
 *
 * The interface is that of libbpf 1.7's header of this name. The types __u8 to __u64, __s8 to __s64, __be16, __be32
 * and __wsum must be known before: from vmlinux.h, <linux/types.h> or <linux/bpf.h>.
 *
 * Attributes are spelt with underscores throughout, because the kernel has macros called noinline, weak or used.
 */
#ifndef __BPF_HELPERS__
#define __BPF_HELPERS__

#include "bpf_helper_defs.h"

/*
 * Arguments of macros: pasting after expansion, the number of arguments (0 to 12), one of them by its number (from 1
 * on), and what(number, args...) for each.
 */
#define __kheaders_paste(left, right) left##right
#define __kheaders_glue(left, right) __kheaders_paste(left, right)
#define __kheaders_after_13(a, b, c, d, e, f, g, h, i, j, k, l, m, found, ...) found
#define __kheaders_count(args...) __kheaders_after_13(0, ##args, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, )
#define __kheaders_at_1(a, ...) a
#define __kheaders_at_2(a, b, ...) b
#define __kheaders_at_3(a, b, c, ...) c
#define __kheaders_at_4(a, b, c, d, ...) d
#define __kheaders_at_5(a, b, c, d, e, ...) e
#define __kheaders_at_6(a, b, c, d, e, f, ...) f
#define __kheaders_at_7(a, b, c, d, e, f, g, ...) g
#define __kheaders_at_8(a, b, c, d, e, f, g, h, ...) h
#define __kheaders_at_9(a, b, c, d, e, f, g, h, i, ...) i
#define __kheaders_at_10(a, b, c, d, e, f, g, h, i, j, ...) j
#define __kheaders_at_11(a, b, c, d, e, f, g, h, i, j, k, ...) k
#define __kheaders_at_12(a, b, c, d, e, f, g, h, i, j, k, l, ...) l
#define __kheaders_up_to_0(what, args...)
#define __kheaders_up_to_1(what, args...) what(1, args)
#define __kheaders_up_to_2(what, args...) __kheaders_up_to_1(what, args) what(2, args)
#define __kheaders_up_to_3(what, args...) __kheaders_up_to_2(what, args) what(3, args)
#define __kheaders_up_to_4(what, args...) __kheaders_up_to_3(what, args) what(4, args)
#define __kheaders_up_to_5(what, args...) __kheaders_up_to_4(what, args) what(5, args)
#define __kheaders_up_to_6(what, args...) __kheaders_up_to_5(what, args) what(6, args)
#define __kheaders_up_to_7(what, args...) __kheaders_up_to_6(what, args) what(7, args)
#define __kheaders_up_to_8(what, args...) __kheaders_up_to_7(what, args) what(8, args)
#define __kheaders_up_to_9(what, args...) __kheaders_up_to_8(what, args) what(9, args)
#define __kheaders_up_to_10(what, args...) __kheaders_up_to_9(what, args) what(10, args)
#define __kheaders_up_to_11(what, args...) __kheaders_up_to_10(what, args) what(11, args)
#define __kheaders_up_to_12(what, args...) __kheaders_up_to_11(what, args) what(12, args)
#define __kheaders_for_each(what, args...) \
	__kheaders_glue(__kheaders_up_to_, __kheaders_count(args))(what, ##args)

/* Names of libbpf's for the first of these, which other headers use (bpf/usdt.bpf.h) or define themselves. */
#ifndef ___bpf_narg
#define ___bpf_narg(args...) __kheaders_count(args)
#define ___bpf_concat(left, right) __kheaders_paste(left, right)
#define ___bpf_apply(macro, number) __kheaders_glue(macro, number)
#endif

/*
 * Members of the definition of a map. A loader reads the types from BTF: a number is the length of an array, or the
 * value of an enumerator where it may need 64 bits.
 */
#define __uint(name, val) int (*name)[val]
#define __type(name, val) __typeof__(val) *name
#define __array(name, val) __typeof__(val) *name[]
#define __ulong(name, val) enum { __kheaders_paste(__unique_value, __COUNTER__) = val } name

/* Values of the member "pinning" of a map. */
enum libbpf_pin_type {
	LIBBPF_PIN_NONE,
	LIBBPF_PIN_BY_NAME,
};

/* Values of an option of the kernel's configuration that can be built as a module. */
enum libbpf_tristate {
	TRI_NO = 0,
	TRI_YES = 1,
	TRI_MODULE = 2,
};

/* The section of a program or variable, which says what it is, and keeps it though nothing refers to it. */
#define __kheaders_kept_in(section) __attribute__((__section__(section), __used__))
#if defined(__clang__) /* warns of "used" on a declaration that is no definition */
#define SEC(section) \
	_Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wignored-attributes\"") \
	__kheaders_kept_in(section) _Pragma("GCC diagnostic pop")
#else
#define SEC(section) __kheaders_kept_in(section)
#endif

/* Spelt as in the kernel, whose definitions may come before or after. */
#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#endif
#ifndef unlikely
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif
#undef __always_inline
#define __always_inline inline __attribute__((__always_inline__))
#ifndef __noinline
#define __noinline __attribute__((__noinline__))
#endif
#ifndef __weak
#define __weak __attribute__((__weak__))
#endif
#define __hidden __attribute__((__visibility__("hidden")))

/* Variables that the loader fills: from the kernel's configuration, and with addresses of the kernel's symbols. */
#define __kconfig __attribute__((__section__(".kconfig")))
#define __ksym __attribute__((__section__(".ksyms")))

/* Pointers in values of maps, for the verifier. */
#define __kptr_untrusted __attribute__((__btf_type_tag__("kptr_untrusted")))
#define __kptr __attribute__((__btf_type_tag__("kptr")))
#define __percpu_kptr __attribute__((__btf_type_tag__("percpu_kptr")))
#define __uptr __attribute__((__btf_type_tag__("uptr")))

/* Parameters of global functions, for the verifier. */
#define __arg_ctx __attribute__((__btf_decl_tag__("arg:ctx")))
#define __arg_nonnull __attribute__((__btf_decl_tag__("arg:nonnull")))
#define __arg_nullable __attribute__((__btf_decl_tag__("arg:nullable")))
#define __arg_trusted __attribute__((__btf_decl_tag__("arg:trusted")))
#define __arg_untrusted __attribute__((__btf_decl_tag__("arg:untrusted")))
#define __arg_arena __attribute__((__btf_decl_tag__("arg:arena")))

/* Whether the kernel has a symbol, which must be declared __ksym and __weak, or the compiler takes it for granted. */
#if defined(__clang__)
#define __kheaders_must_be_weak(symbol) \
	_Static_assert(!__builtin_constant_p(!!symbol), "bpf_ksym_exists: declare " #symbol " as __weak")
#define bpf_ksym_exists(symbol) ({ __kheaders_must_be_weak(symbol); !!symbol; })
#else
#define bpf_ksym_exists(symbol) (!!symbol)
#endif

#ifndef NULL
#define NULL ((void *)0)
#endif

#ifndef KERNEL_VERSION
#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + ((patch) > 255 ? 255 : (patch)))
#endif

/*
 * An offset is an access at address 0, not __builtin_offsetof: only an access can be relocated, and offsetof and
 * container_of must give what accesses to the record give. Hence definitions of others do not stay.
 */
#undef offsetof
#define offsetof(record, path) ((unsigned long)&((record *)0)->path)
#undef container_of
#define container_of(inner, record, path) ((record *)((void *)(inner) - offsetof(record, path)))

/* The compiler may move no access to memory across the one, and assume nothing of the variable after the other. */
#ifndef barrier
#define barrier() __asm__ __volatile__("" ::: "memory")
#endif
#ifndef barrier_var
#define barrier_var(var) __asm__ __volatile__("" : "+r"(var))
#endif

/* Where control must not come: no code; in a program, a compile error if it can be reached. */
#ifndef __bpf_unreachable
#define __bpf_unreachable() __builtin_trap()
#endif

/*
 * A tail call to a slot that is constant, with map and slot in their registers, as the kernel must find them to make a
 * direct jump of it. Compilers would otherwise load both in common code of several calls.
 */
#if defined(__bpf__) && (!defined(__clang__) || __clang_major__ >= 8)
static __always_inline void bpf_tail_call_static(void *ctx, const void *map, const __u32 slot)
{
	if (__builtin_constant_p(slot))
		__asm__ __volatile__("r1 = %0; r2 = %1; r3 = %2; call 12"
				     : /* what a call leaves undefined */
				     : "r"(ctx), "r"(map), "i"(slot)
				     : "r0", "r1", "r2", "r3", "r4", "r5");
	else
		__bpf_unreachable();
}
#endif

/* Stores arguments, each as 64 bits, in an array. Programs with output of their own use it, too (sched_ext). */
#define __kheaders_store(number, array, args...) \
	(array)[(number) - 1] = (unsigned long long)(__kheaders_at_##number(args, ));
#define ___bpf_fill(array, args...) \
	__kheaders_glue(__kheaders_up_to_, __kheaders_count(args))(__kheaders_store, array, ##args)

/*
 * A call with a format and the array of its arguments: fn(..., format, ...). The names are those of symbols in the
 * object.
 */
#define __kheaders_formatted(call, format, args...) \
	({ \
		static const char ___fmt[] = format; \
		unsigned long long ___param[__kheaders_count(args)]; \
		___bpf_fill(___param, ##args) \
		call; \
	})

/* Formatted output of an iterator, into memory, into a stream of the program, into the kernel's trace. */
#define BPF_SEQ_PRINTF(seq, format, args...) \
	__kheaders_formatted(bpf_seq_printf(seq, ___fmt, sizeof(___fmt), ___param, sizeof(___param)), format, ##args)
#define BPF_SNPRINTF(to, size, format, args...) \
	__kheaders_formatted(bpf_snprintf(to, size, ___fmt, ___param, sizeof(___param)), format, ##args)
#define bpf_stream_printk(stream, format, args...) \
	__kheaders_formatted(bpf_stream_vprintk(stream, ___fmt, ___param, sizeof(___param)), format, ##args)
#define __bpf_vprintk(format, args...) \
	__kheaders_formatted(bpf_trace_vprintk(___fmt, sizeof(___fmt), ___param, sizeof(___param)), format, ##args)

/* Kernels before 5.2 have no global data: a program that defines BPF_NO_GLOBAL_DATA has the format on its stack. */
#if defined(BPF_NO_GLOBAL_DATA)
#define __kheaders_format_kept
#else
#define __kheaders_format_kept static const
#endif
#define __bpf_printk(format, args...) \
	({ \
		__kheaders_format_kept char ____fmt[] = format; \
		bpf_trace_printk(____fmt, sizeof(____fmt), ##args); \
	})

/* A helper takes five arguments, two of them for the format: more than three need an array (kernel 5.16). */
#define bpf_printk(fmt, args...) \
	__kheaders_after_13(0, ##args, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, \
			    __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_printk, __bpf_printk, \
			    __bpf_printk, __bpf_printk, )(fmt, ##args)

/* Open-coded iterators (kernel 6.4): a variable that is made, asked for the next element, and destroyed. */
struct bpf_iter_num;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __weak __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __weak __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __weak __ksym;

/*
 * The first clause of such a loop. A for statement can declare only variables, of one base type, so a second one has
 * the call that makes the first as its value. What only the attribute cleanup names, no compiler takes for used (nor
 * writes into BTF), therefore it is named again.
 */
#define __kheaders_iterator(type, make) \
	struct bpf_iter_##type ___it __attribute__((__aligned__(8), __cleanup__(bpf_iter_##type##_destroy))), \
		*___made __attribute__((__unused__)) = (make, (void)bpf_iter_##type##_destroy, (void *)0)

/* for each element "cur" of the iterator "type", which is made with args */
#ifndef bpf_for_each
#define bpf_for_each(type, cur, args...) \
	for (__kheaders_iterator(type, bpf_iter_##type##_new(&___it, ##args)); ((cur) = bpf_iter_##type##_next(&___it));)
#endif

/* for i from start to end - 1; the verifier is shown the bounds */
#ifndef bpf_for
#define bpf_for(i, start, end) \
	for (__kheaders_iterator(num, bpf_iter_num_new(&___it, (start), (end))); ({ \
		     int *___next = bpf_iter_num_next(&___it); \
		     (___next && ((i) = *___next, (i) >= (start) && (i) < (end))); \
	     });)
#endif

/* N times */
#ifndef bpf_repeat
#define bpf_repeat(N) \
	for (__kheaders_iterator(num, bpf_iter_num_new(&___it, 0, (N))); bpf_iter_num_next(&___it);)
#endif

#endif
