/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network and host byte order in a BPF program, which has the byte order of the machine that it runs on.
 *
 * All are constant expressions if their argument is one: as initialisers, case labels and values of enumerators.
 */
#ifndef __BPF_ENDIAN__
#define __BPF_ENDIAN__

/* Byte number "from" of a word, as byte number "to"; the lowest is 0. */
#define __kheaders_byte(x, bits, from, to) \
	((__u##bits)((__u##bits)((__u##bits)(x) << (bits - 8 - 8 * (from))) >> (bits - 8)) << (8 * (to)))

/* Bytes reversed, by arithmetic. */
#define __kheaders_swap16(x) ((__u16)(__kheaders_byte(x, 16, 0, 1) | __kheaders_byte(x, 16, 1, 0)))
#define __kheaders_swap32(x) \
	((__u32)(__kheaders_byte(x, 32, 0, 3) | __kheaders_byte(x, 32, 1, 2) | __kheaders_byte(x, 32, 2, 1) | \
		 __kheaders_byte(x, 32, 3, 0)))
#define __kheaders_swap64(x) \
	((__u64)(__kheaders_byte(x, 64, 0, 7) | __kheaders_byte(x, 64, 1, 6) | __kheaders_byte(x, 64, 2, 5) | \
		 __kheaders_byte(x, 64, 3, 4) | __kheaders_byte(x, 64, 4, 3) | __kheaders_byte(x, 64, 5, 2) | \
		 __kheaders_byte(x, 64, 6, 1) | __kheaders_byte(x, 64, 7, 0)))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define __bpf_htons(x) __builtin_bswap16(x)
#define __bpf_htonl(x) __builtin_bswap32(x)
#define __bpf_cpu_to_be64(x) __builtin_bswap64(x)
#define __bpf_constant_htons(x) __kheaders_swap16(x)
#define __bpf_constant_htonl(x) __kheaders_swap32(x)
#define __bpf_constant_cpu_to_be64(x) __kheaders_swap64(x)
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define __bpf_htons(x) (x)
#define __bpf_htonl(x) (x)
#define __bpf_cpu_to_be64(x) (x)
#define __bpf_constant_htons(x) (x)
#define __bpf_constant_htonl(x) (x)
#define __bpf_constant_cpu_to_be64(x) (x)
#else
#error "the byte order of the target is neither little nor big endian"
#endif

/* To swap is its own inverse. */
#define __bpf_ntohs(x) __bpf_htons(x)
#define __bpf_ntohl(x) __bpf_htonl(x)
#define __bpf_be64_to_cpu(x) __bpf_cpu_to_be64(x)
#define __bpf_constant_ntohs(x) __bpf_constant_htons(x)
#define __bpf_constant_ntohl(x) __bpf_constant_htonl(x)
#define __bpf_constant_be64_to_cpu(x) __bpf_constant_cpu_to_be64(x)

/*
 * What programs use. The builtins would do alone; but arithmetic that may turn out to be constant counts while a
 * compiler judges whether to unroll a loop, so only with it the instructions are those that libbpf's header gives.
 */
#define bpf_htons(x) (__builtin_constant_p(x) ? __bpf_constant_htons(x) : __bpf_htons(x))
#define bpf_ntohs(x) (__builtin_constant_p(x) ? __bpf_constant_ntohs(x) : __bpf_ntohs(x))
#define bpf_htonl(x) (__builtin_constant_p(x) ? __bpf_constant_htonl(x) : __bpf_htonl(x))
#define bpf_ntohl(x) (__builtin_constant_p(x) ? __bpf_constant_ntohl(x) : __bpf_ntohl(x))
#define bpf_cpu_to_be64(x) (__builtin_constant_p(x) ? __bpf_constant_cpu_to_be64(x) : __bpf_cpu_to_be64(x))
#define bpf_be64_to_cpu(x) (__builtin_constant_p(x) ? __bpf_constant_be64_to_cpu(x) : __bpf_be64_to_cpu(x))

#endif
