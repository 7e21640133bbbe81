/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network and host byte order in a BPF program, which has the byte order of the machine that it runs on.
 *
 * All are constant expressions if their argument is one: as initialisers, case labels and values of enumerators.
 */
#ifndef __BPF_ENDIAN__
#define __BPF_ENDIAN__

/* Bytes reversed. The conversion of the argument is written out, so that no warning tells of it. */
#define ___bpf_swab16(x) ((__u16)__builtin_bswap16((unsigned short)(x)))
#define ___bpf_swab32(x) ((__u32)__builtin_bswap32((unsigned int)(x)))
#define ___bpf_swab64(x) ((__u64)__builtin_bswap64((unsigned long long)(x)))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define __bpf_htons(x) ___bpf_swab16(x)
#define __bpf_htonl(x) ___bpf_swab32(x)
#define __bpf_cpu_to_be64(x) ___bpf_swab64(x)
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define __bpf_htons(x) (x)
#define __bpf_htonl(x) (x)
#define __bpf_cpu_to_be64(x) (x)
#else
#error "the byte order of the target is neither little nor big endian"
#endif

/* To swap is its own inverse, and the compiler knows what is constant by itself. */
#define __bpf_ntohs(x) __bpf_htons(x)
#define __bpf_ntohl(x) __bpf_htonl(x)
#define __bpf_be64_to_cpu(x) __bpf_cpu_to_be64(x)
#define __bpf_constant_htons(x) __bpf_htons(x)
#define __bpf_constant_ntohs(x) __bpf_ntohs(x)
#define __bpf_constant_htonl(x) __bpf_htonl(x)
#define __bpf_constant_ntohl(x) __bpf_ntohl(x)
#define __bpf_constant_cpu_to_be64(x) __bpf_cpu_to_be64(x)
#define __bpf_constant_be64_to_cpu(x) __bpf_be64_to_cpu(x)

/*
 * What programs use. The question whether the argument is constant makes no difference to the value, but to what the
 * compiler knows while it unrolls loops; so the code is that of libbpf, which asks it. It also makes 16 bits an int.
 */
#define bpf_htons(x) (__builtin_constant_p(x) ? __bpf_constant_htons(x) : __bpf_htons(x))
#define bpf_ntohs(x) (__builtin_constant_p(x) ? __bpf_constant_ntohs(x) : __bpf_ntohs(x))
#define bpf_htonl(x) (__builtin_constant_p(x) ? __bpf_constant_htonl(x) : __bpf_htonl(x))
#define bpf_ntohl(x) (__builtin_constant_p(x) ? __bpf_constant_ntohl(x) : __bpf_ntohl(x))
#define bpf_cpu_to_be64(x) (__builtin_constant_p(x) ? __bpf_constant_cpu_to_be64(x) : __bpf_cpu_to_be64(x))
#define bpf_be64_to_cpu(x) (__builtin_constant_p(x) ? __bpf_constant_be64_to_cpu(x) : __bpf_be64_to_cpu(x))

#endif
