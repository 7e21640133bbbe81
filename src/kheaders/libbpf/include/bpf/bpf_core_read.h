/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CO-RE: reads of the kernel's memory, and questions about its types, that the loader adapts to the kernel that runs.
 *
 * The interface is that of libbpf 1.7's header of this name. The numbers of the builtins' second arguments are in the
 * kernel's Documentation/bpf/llvm_reloc.rst.
 */
#ifndef __BPF_CORE_READ_H__
#define __BPF_CORE_READ_H__

#include "bpf_helpers.h"

enum bpf_field_info_kind {
	BPF_FIELD_BYTE_OFFSET = 0,
	BPF_FIELD_BYTE_SIZE = 1,
	BPF_FIELD_EXISTS = 2,
	BPF_FIELD_SIGNED = 3,
	BPF_FIELD_LSHIFT_U64 = 4,
	BPF_FIELD_RSHIFT_U64 = 5,
};

enum bpf_type_id_kind {
	BPF_TYPE_ID_LOCAL = 0,
	BPF_TYPE_ID_TARGET = 1,
};

enum bpf_type_info_kind {
	BPF_TYPE_EXISTS = 0,
	BPF_TYPE_SIZE = 1,
	BPF_TYPE_MATCHES = 2,
};

enum bpf_enum_value_kind {
	BPF_ENUMVAL_EXISTS = 0,
	BPF_ENUMVAL_VALUE = 1,
};

/* ---- questions about fields, types and enumerators ---- */

/* A null pointer to a type: what the builtins about types look at. */
#define ___bpf_typeof(type) ((__typeof__(type) *)0)

/* A field: as an expression, or as a type and the name of a member. */
#define ___bpf_field_ref1(field) (field)
#define ___bpf_field_ref2(type, field) (___bpf_typeof(type)->field)
#define ___bpf_field_ref(args...) ___bpf_apply(___bpf_field_ref, ___bpf_narg(args))(args)

#define __CORE_RELO(src, field, info) __builtin_preserve_field_info((src)->field, BPF_FIELD_##info)

#define bpf_core_field_exists(field...) __builtin_preserve_field_info(___bpf_field_ref(field), BPF_FIELD_EXISTS)
#define bpf_core_field_size(field...) __builtin_preserve_field_info(___bpf_field_ref(field), BPF_FIELD_BYTE_SIZE)
#define bpf_core_field_offset(field...) __builtin_preserve_field_info(___bpf_field_ref(field), BPF_FIELD_BYTE_OFFSET)

#define bpf_core_type_id_local(type) __builtin_btf_type_id(*___bpf_typeof(type), BPF_TYPE_ID_LOCAL)
#define bpf_core_type_id_kernel(type) __builtin_btf_type_id(*___bpf_typeof(type), BPF_TYPE_ID_TARGET)
#define bpf_core_type_exists(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_EXISTS)
#define bpf_core_type_matches(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_MATCHES)
#define bpf_core_type_size(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_SIZE)

#define ___bpf_enumerator(enum_type, enum_value) (*(__typeof__(enum_type) *)enum_value)
#define bpf_core_enum_value_exists(enum_type, enum_value) \
	__builtin_preserve_enum_value(___bpf_enumerator(enum_type, enum_value), BPF_ENUMVAL_EXISTS)
#define bpf_core_enum_value(enum_type, enum_value) \
	__builtin_preserve_enum_value(___bpf_enumerator(enum_type, enum_value), BPF_ENUMVAL_VALUE)

/* A pointer that the verifier takes for one to the kernel's type, to be read only (kernel 6.2). */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
#define bpf_core_cast(ptr, type) ((__typeof__(type) *)bpf_rdonly_cast((ptr), bpf_core_type_id_kernel(type)))

/* ---- reads ---- */

/* Like the helpers, but the address is relocated. */
#define ___bpf_relocated(src) (const void *)__builtin_preserve_access_index(src)
#define bpf_core_read(dst, sz, src) bpf_probe_read_kernel(dst, sz, ___bpf_relocated(src))
#define bpf_core_read_user(dst, sz, src) bpf_probe_read_user(dst, sz, ___bpf_relocated(src))
#define bpf_core_read_str(dst, sz, src) bpf_probe_read_kernel_str(dst, sz, ___bpf_relocated(src))
#define bpf_core_read_user_str(dst, sz, src) bpf_probe_read_user_str(dst, sz, ___bpf_relocated(src))

/*
 * Macros of this header count and choose under names of their own: the preprocessor expands none within itself, and
 * these are used within arguments and results of bpf_helpers.h's and bpf_tracing.h's.
 */
#define ___concat(a, b) a##b
#define ___apply(fn, n) ___concat(fn, n)
#define ___nth(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, found, ...) found
#define ___narg(...) ___nth(_, ##__VA_ARGS__, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)

/* a->b->c ... of up to ten, and its type without qualifiers where the compiler can take them off */
#define ___arrow1(a) a
#define ___arrow2(a, b) a->b
#define ___arrow3(a, b, ...) ___arrow2(a->b, __VA_ARGS__)
#define ___arrow4(a, b, ...) ___arrow3(a->b, __VA_ARGS__)
#define ___arrow5(a, b, ...) ___arrow4(a->b, __VA_ARGS__)
#define ___arrow6(a, b, ...) ___arrow5(a->b, __VA_ARGS__)
#define ___arrow7(a, b, ...) ___arrow6(a->b, __VA_ARGS__)
#define ___arrow8(a, b, ...) ___arrow7(a->b, __VA_ARGS__)
#define ___arrow9(a, b, ...) ___arrow8(a->b, __VA_ARGS__)
#define ___arrow10(a, b, ...) ___arrow9(a->b, __VA_ARGS__)
#define ___arrow(...) ___apply(___arrow, ___narg(__VA_ARGS__))(__VA_ARGS__)
#if (defined(__clang__) && __clang_major__ >= 19) || (!defined(__clang__) && __GNUC__ >= 14)
#define ___type(...) __typeof_unqual__(___arrow(__VA_ARGS__))
#else
#define ___type(...) __typeof__(___arrow(__VA_ARGS__))
#endif

/*
 * Follows members from pointer to pointer: every read but the last gets the next pointer. "path" is the expression
 * that has the type of the pointer "at", which itself is untyped after the first read.
 */
#define ___walk1(last, next, dst, path, at, a) last((void *)(dst), sizeof(*(dst)), &((__typeof__(path))(at))->a);
#define ___walk2(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk1(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___walk3(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk2(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___walk4(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk3(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___walk5(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk4(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___walk6(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk5(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___walk7(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk6(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___walk8(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk7(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___walk9(last, next, dst, path, at, a, ...) \
	___step(next, path, at, a) ___walk8(last, next, dst, path->a, ___at, __VA_ARGS__)
#define ___step(next, path, at, a) next((void *)&___at, sizeof(___at), &((__typeof__(path))(at))->a);
#define ___walk(last, next, dst, src, ...) \
	({ \
		const void *___at __attribute__((__unused__)); \
		___apply(___walk, ___narg(__VA_ARGS__))(last, next, dst, src, src, __VA_ARGS__) \
	})

/*
 * BPF_CORE_READ_INTO(&x, p, a, b) is x = p->a->b; the value is that of the last read: 0 or an error, or the length of
 * a string. _USER_ reads the memory of user space; PROBE is without relocations, for types that are not the kernel's.
 */
#define BPF_CORE_READ_INTO(dst, src, a, ...) \
	___walk(bpf_core_read, bpf_core_read, dst, (src), a, ##__VA_ARGS__)
#define BPF_CORE_READ_USER_INTO(dst, src, a, ...) \
	___walk(bpf_core_read_user, bpf_core_read_user, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_INTO(dst, src, a, ...) \
	___walk(bpf_probe_read_kernel, bpf_probe_read_kernel, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_USER_INTO(dst, src, a, ...) \
	___walk(bpf_probe_read_user, bpf_probe_read_user, dst, (src), a, ##__VA_ARGS__)
#define BPF_CORE_READ_STR_INTO(dst, src, a, ...) \
	___walk(bpf_core_read_str, bpf_core_read, dst, (src), a, ##__VA_ARGS__)
#define BPF_CORE_READ_USER_STR_INTO(dst, src, a, ...) \
	___walk(bpf_core_read_user_str, bpf_core_read_user, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_STR_INTO(dst, src, a, ...) \
	___walk(bpf_probe_read_kernel_str, bpf_probe_read_kernel, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_USER_STR_INTO(dst, src, a, ...) \
	___walk(bpf_probe_read_user_str, bpf_probe_read_user, dst, (src), a, ##__VA_ARGS__)

/* The same, with what was read as the value. */
#define ___got(into, src, a, ...) \
	({ \
		___type((src), a, ##__VA_ARGS__) ___value; \
		into(&___value, src, a, ##__VA_ARGS__); \
		___value; \
	})
#define BPF_CORE_READ(src, a, ...) ___got(BPF_CORE_READ_INTO, src, a, ##__VA_ARGS__)
#define BPF_CORE_READ_USER(src, a, ...) ___got(BPF_CORE_READ_USER_INTO, src, a, ##__VA_ARGS__)
#define BPF_PROBE_READ(src, a, ...) ___got(BPF_PROBE_READ_INTO, src, a, ##__VA_ARGS__)
#define BPF_PROBE_READ_USER(src, a, ...) ___got(BPF_PROBE_READ_USER_INTO, src, a, ##__VA_ARGS__)

/* ---- bit fields ---- */

/*
 * A bit field lies somewhere in a word of 1, 2, 4 or 8 bytes, whose place and size the loader tells. As 64 bits, it is
 * had by a shift to the left, which takes off what lies above it, and one to the right.
 */
#define ___bpf_shifted(s, field, word) \
	({ \
		unsigned long long ___bits = (word) << __CORE_RELO(s, field, LSHIFT_U64); \
		if (__CORE_RELO(s, field, SIGNED)) \
			___bits = ((long long)___bits) >> __CORE_RELO(s, field, RSHIFT_U64); \
		else \
			___bits = ___bits >> __CORE_RELO(s, field, RSHIFT_U64); \
		___bits; \
	})

/* Reads the word into the low bytes of 64 bits. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define __CORE_BITFIELD_PROBE_READ(dst, src, fld) \
	bpf_probe_read_kernel((void *)dst, __CORE_RELO(src, fld, BYTE_SIZE), \
			      (const void *)src + __CORE_RELO(src, fld, BYTE_OFFSET))
#else
#define __CORE_BITFIELD_PROBE_READ(dst, src, fld) \
	bpf_probe_read_kernel((void *)dst + (8 - __CORE_RELO(src, fld, BYTE_SIZE)), \
			      __CORE_RELO(src, fld, BYTE_SIZE), \
			      (const void *)src + __CORE_RELO(src, fld, BYTE_OFFSET))
#endif

/* A field of what is read by a helper. */
#define BPF_CORE_READ_BITFIELD_PROBED(s, field) \
	({ \
		unsigned long long ___word = 0; \
		__CORE_BITFIELD_PROBE_READ(&___word, s, field); \
		___bpf_shifted(s, field, ___word); \
	})

/* A field of what the program may access itself. */
#define BPF_CORE_READ_BITFIELD(s, field) \
	({ \
		const void *___p = (const void *)s + __CORE_RELO(s, field, BYTE_OFFSET); \
		unsigned long long ___word; \
		barrier_var(___p); \
		switch (__CORE_RELO(s, field, BYTE_SIZE)) { \
		case 1: \
			___word = *(const unsigned char *)___p; \
			break; \
		case 2: \
			___word = *(const unsigned short *)___p; \
			break; \
		case 4: \
			___word = *(const unsigned int *)___p; \
			break; \
		case 8: \
			___word = *(const unsigned long long *)___p; \
			break; \
		default: \
			___word = 0; \
			break; \
		} \
		___bpf_shifted(s, field, ___word); \
	})

#define BPF_CORE_WRITE_BITFIELD(s, field, new_val) \
	({ \
		void *___p = (void *)s + __CORE_RELO(s, field, BYTE_OFFSET); \
		unsigned int ___size = __CORE_RELO(s, field, BYTE_SIZE); \
		unsigned int ___left = __CORE_RELO(s, field, LSHIFT_U64); \
		unsigned int ___right = __CORE_RELO(s, field, RSHIFT_U64); \
		unsigned long long ___mask, ___word, ___new = (new_val); \
		unsigned int ___above = ___right - ___left; \
		barrier_var(___p); \
		switch (___size) { \
		case 1: \
			___word = *(unsigned char *)___p; \
			break; \
		case 2: \
			___word = *(unsigned short *)___p; \
			break; \
		case 4: \
			___word = *(unsigned int *)___p; \
			break; \
		case 8: \
			___word = *(unsigned long long *)___p; \
			break; \
		} \
		___mask = (~0ULL << ___right) >> ___left; \
		___word = (___word & ~___mask) | ((___new << ___above) & ___mask); \
		switch (___size) { \
		case 1: \
			*(unsigned char *)___p = ___word; \
			break; \
		case 2: \
			*(unsigned short *)___p = ___word; \
			break; \
		case 4: \
			*(unsigned int *)___p = ___word; \
			break; \
		case 8: \
			*(unsigned long long *)___p = ___word; \
			break; \
		} \
	})

#endif
