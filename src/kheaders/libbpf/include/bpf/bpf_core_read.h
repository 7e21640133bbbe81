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
#define __kheaders_null(type) ((__typeof__(type) *)0)

/* A field: as an expression, or as a type and the name of a member. */
#define __kheaders_field_1(field) (field)
#define __kheaders_field_2(type, field) (__kheaders_null(type)->field)
#define __kheaders_field(args...) __kheaders_glue(__kheaders_field_, __kheaders_count(args))(args)

/* A property of a member of what a pointer points to. */
#define __kheaders_about(pointer, member, property) \
	__builtin_preserve_field_info((pointer)->member, BPF_FIELD_##property)

#define bpf_core_field_exists(field...) __builtin_preserve_field_info(__kheaders_field(field), BPF_FIELD_EXISTS)
#define bpf_core_field_size(field...) __builtin_preserve_field_info(__kheaders_field(field), BPF_FIELD_BYTE_SIZE)
#define bpf_core_field_offset(field...) __builtin_preserve_field_info(__kheaders_field(field), BPF_FIELD_BYTE_OFFSET)

#define bpf_core_type_id_local(type) __builtin_btf_type_id(*__kheaders_null(type), BPF_TYPE_ID_LOCAL)
#define bpf_core_type_id_kernel(type) __builtin_btf_type_id(*__kheaders_null(type), BPF_TYPE_ID_TARGET)
#define bpf_core_type_exists(type) __builtin_preserve_type_info(*__kheaders_null(type), BPF_TYPE_EXISTS)
#define bpf_core_type_matches(type) __builtin_preserve_type_info(*__kheaders_null(type), BPF_TYPE_MATCHES)
#define bpf_core_type_size(type) __builtin_preserve_type_info(*__kheaders_null(type), BPF_TYPE_SIZE)

#define __kheaders_enumerator(type, enumerator) (*(__typeof__(type) *)enumerator)
#define bpf_core_enum_value_exists(type, enumerator) \
	__builtin_preserve_enum_value(__kheaders_enumerator(type, enumerator), BPF_ENUMVAL_EXISTS)
#define bpf_core_enum_value(type, enumerator) \
	__builtin_preserve_enum_value(__kheaders_enumerator(type, enumerator), BPF_ENUMVAL_VALUE)

/* A pointer that the verifier takes for one to the kernel's type, to be read only (kernel 6.2). */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
#define bpf_core_cast(ptr, type) ((__typeof__(type) *)bpf_rdonly_cast((ptr), bpf_core_type_id_kernel(type)))

/* ---- reads ---- */

/* Like the helpers, but the address is relocated. */
#define __kheaders_relocated(src) (const void *)__builtin_preserve_access_index(src)
#define bpf_core_read(dst, sz, src) bpf_probe_read_kernel(dst, sz, __kheaders_relocated(src))
#define bpf_core_read_user(dst, sz, src) bpf_probe_read_user(dst, sz, __kheaders_relocated(src))
#define bpf_core_read_str(dst, sz, src) bpf_probe_read_kernel_str(dst, sz, __kheaders_relocated(src))
#define bpf_core_read_user_str(dst, sz, src) bpf_probe_read_user_str(dst, sz, __kheaders_relocated(src))

/*
 * Macros of this header count and choose under names of their own: the preprocessor expands none within itself, and
 * these are used within arguments and results of bpf_helpers.h's and bpf_tracing.h's.
 */
#define __kheaders_path_paste(left, right) left##right
#define __kheaders_path_glue(left, right) __kheaders_path_paste(left, right)
#define __kheaders_after_11(a, b, c, d, e, f, g, h, i, j, k, found, ...) found
#define __kheaders_path_count(args...) __kheaders_after_11(0, ##args, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, )

/*
 * p->a->b ... of up to ten, and its type without qualifiers where the compiler can take them off. Programs with reads
 * of their own use both, by libbpf's names.
 */
#define __kheaders_path_1(at) at
#define __kheaders_path_2(at, member) at->member
#define __kheaders_path_3(at, member, ...) __kheaders_path_2(at->member, __VA_ARGS__)
#define __kheaders_path_4(at, member, ...) __kheaders_path_3(at->member, __VA_ARGS__)
#define __kheaders_path_5(at, member, ...) __kheaders_path_4(at->member, __VA_ARGS__)
#define __kheaders_path_6(at, member, ...) __kheaders_path_5(at->member, __VA_ARGS__)
#define __kheaders_path_7(at, member, ...) __kheaders_path_6(at->member, __VA_ARGS__)
#define __kheaders_path_8(at, member, ...) __kheaders_path_7(at->member, __VA_ARGS__)
#define __kheaders_path_9(at, member, ...) __kheaders_path_8(at->member, __VA_ARGS__)
#define __kheaders_path_10(at, member, ...) __kheaders_path_9(at->member, __VA_ARGS__)
#define ___arrow(path...) __kheaders_path_glue(__kheaders_path_, __kheaders_path_count(path))(path)
#if (defined(__clang__) && __clang_major__ >= 19) || (!defined(__clang__) && __GNUC__ >= 14)
#define ___type(path...) __typeof_unqual__(___arrow(path))
#else
#define ___type(path...) __typeof__(___arrow(path))
#endif

/*
 * Follows members from pointer to pointer: every read but the last gets the next pointer. "path" is the expression
 * that has the type of the pointer "at", which itself is untyped after the first read.
 */
#define __kheaders_walk_1(last, next, dst, path, at, a) \
	last((void *)(dst), sizeof(*(dst)), &((__typeof__(path))(at))->a);
#define __kheaders_walk_2(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_1(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_walk_3(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_2(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_walk_4(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_3(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_walk_5(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_4(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_walk_6(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_5(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_walk_7(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_6(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_walk_8(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_7(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_walk_9(last, next, dst, path, at, a, ...) \
	__kheaders_step(next, path, at, a) \
	__kheaders_walk_8(last, next, dst, path->a, ___at, __VA_ARGS__)
#define __kheaders_step(next, path, at, a) next((void *)&___at, sizeof(___at), &((__typeof__(path))(at))->a);
#define __kheaders_walk(last, next, dst, src, ...) \
	({ \
		const void *___at __attribute__((__unused__)); \
		__kheaders_path_glue(__kheaders_walk_, __kheaders_path_count(__VA_ARGS__))(last, next, dst, src, src, __VA_ARGS__) \
	})

/*
 * BPF_CORE_READ_INTO(&x, p, a, b) is x = p->a->b; the value is that of the last read: 0 or an error, or the length of
 * a string. _USER_ reads the memory of user space; PROBE is without relocations, for types that are not the kernel's.
 */
#define BPF_CORE_READ_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_core_read, bpf_core_read, dst, (src), a, ##__VA_ARGS__)
#define BPF_CORE_READ_USER_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_core_read_user, bpf_core_read_user, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_probe_read_kernel, bpf_probe_read_kernel, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_USER_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_probe_read_user, bpf_probe_read_user, dst, (src), a, ##__VA_ARGS__)
#define BPF_CORE_READ_STR_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_core_read_str, bpf_core_read, dst, (src), a, ##__VA_ARGS__)
#define BPF_CORE_READ_USER_STR_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_core_read_user_str, bpf_core_read_user, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_STR_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_probe_read_kernel_str, bpf_probe_read_kernel, dst, (src), a, ##__VA_ARGS__)
#define BPF_PROBE_READ_USER_STR_INTO(dst, src, a, ...) \
	__kheaders_walk(bpf_probe_read_user_str, bpf_probe_read_user, dst, (src), a, ##__VA_ARGS__)

/* The same, with what was read as the value. */
#define __kheaders_got(into, src, a, ...) \
	({ \
		___type((src), a, ##__VA_ARGS__) ___value; \
		into(&___value, src, a, ##__VA_ARGS__); \
		___value; \
	})
#define BPF_CORE_READ(src, a, ...) __kheaders_got(BPF_CORE_READ_INTO, src, a, ##__VA_ARGS__)
#define BPF_CORE_READ_USER(src, a, ...) __kheaders_got(BPF_CORE_READ_USER_INTO, src, a, ##__VA_ARGS__)
#define BPF_PROBE_READ(src, a, ...) __kheaders_got(BPF_PROBE_READ_INTO, src, a, ##__VA_ARGS__)
#define BPF_PROBE_READ_USER(src, a, ...) __kheaders_got(BPF_PROBE_READ_USER_INTO, src, a, ##__VA_ARGS__)

/* ---- bit fields ---- */

/*
 * A bit field lies somewhere in a word of 1, 2, 4 or 8 bytes, whose place and size the loader tells. As 64 bits, it is
 * had by a shift to the left, which takes off what lies above it, and one to the right.
 */
#define __kheaders_shifted(record, member, word) \
	({ \
		unsigned long long ___bits = (word) << __kheaders_about(record, member, LSHIFT_U64); \
		__kheaders_about(record, member, SIGNED) \
			? (unsigned long long)((long long)___bits >> __kheaders_about(record, member, RSHIFT_U64)) \
			: ___bits >> __kheaders_about(record, member, RSHIFT_U64); \
	})

/* Where the word lies, and where it begins among the 8 bytes of an integer that has its value. */
#define __kheaders_word_at(record, member) ((void *)(record) + __kheaders_about(record, member, BYTE_OFFSET))
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define __kheaders_low_bytes(integer, size) ((void *)(integer) + (8 - (size)))
#else
#define __kheaders_low_bytes(integer, size) ((void *)(integer))
#endif

/* A field of what is read by a helper. */
#define BPF_CORE_READ_BITFIELD_PROBED(record, member) \
	({ \
		unsigned long long ___word = 0; \
		bpf_probe_read_kernel(__kheaders_low_bytes(&___word, __kheaders_about(record, member, BYTE_SIZE)), \
				      __kheaders_about(record, member, BYTE_SIZE), \
				      __kheaders_word_at(record, member)); \
		__kheaders_shifted(record, member, ___word); \
	})

/* The statement for the word of each size, and what is done for a size that none has. */
#define __kheaders_by_size(size, statement, otherwise) \
	switch (size) { \
	case 1: statement(unsigned char); break; \
	case 2: statement(unsigned short); break; \
	case 4: statement(unsigned int); break; \
	case 8: statement(unsigned long long); break; \
	otherwise \
	}
#define __kheaders_load(type) ___word = *(const type *)___p
#define __kheaders_store_back(type) *(type *)___p = ___word

/* A field of what the program may access itself. */
#define BPF_CORE_READ_BITFIELD(record, member) \
	({ \
		const void *___p = __kheaders_word_at(record, member); \
		unsigned long long ___word; \
		barrier_var(___p); \
		__kheaders_by_size(__kheaders_about(record, member, BYTE_SIZE), __kheaders_load, \
				   default: ___word = 0; break;) \
		__kheaders_shifted(record, member, ___word); \
	})

#define BPF_CORE_WRITE_BITFIELD(record, member, value) \
	({ \
		void *___p = __kheaders_word_at(record, member); \
		unsigned int ___size = __kheaders_about(record, member, BYTE_SIZE); \
		unsigned int ___left = __kheaders_about(record, member, LSHIFT_U64); \
		unsigned int ___right = __kheaders_about(record, member, RSHIFT_U64); \
		unsigned long long ___mask, ___word, ___new = (value); \
		unsigned int ___above = ___right - ___left; \
		barrier_var(___p); \
		__kheaders_by_size(___size, __kheaders_load, ) \
		___mask = (~0ULL << ___right) >> ___left; \
		___word = (___word & ~___mask) | ((___new << ___above) & ___mask); \
		__kheaders_by_size(___size, __kheaders_store_back, ) \
	})

#endif
