/* SPDX-License-Identifier: Apache-2.0 */
/* What the examples need besides the kernel's own headers: sections, map definitions and the helper functions.
 *
 * Helper numbers come from enum bpf_func_id of the kernel's <uapi/linux/bpf.h>; prototypes are those that the comments
 * there give. Maps are described by BTF, as libbpf reads them from the section ".maps".
 */
#ifndef EXAMPLES_BPF_SUPPORT_H
#define EXAMPLES_BPF_SUPPORT_H

#include <linux/types.h>
#include <uapi/linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))
#define LICENSE(text) char _license[] SEC("license") = text

#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

#define HELPER(name) (void *)BPF_FUNC_##name

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = HELPER(map_lookup_elem);
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) =
	HELPER(map_update_elem);
static long (*bpf_map_delete_elem)(void *map, const void *key) = HELPER(map_delete_elem);
static long (*bpf_probe_read_kernel)(void *dst, __u32 size, const void *unsafe_ptr) = HELPER(probe_read_kernel);
static long (*bpf_probe_read_kernel_str)(void *dst, __u32 size, const void *unsafe_ptr) =
	HELPER(probe_read_kernel_str);
static __u64 (*bpf_ktime_get_ns)(void) = HELPER(ktime_get_ns);
static __u64 (*bpf_get_current_task)(void) = HELPER(get_current_task);
static long (*bpf_skb_load_bytes_relative)(const void *skb, __u32 offset, void *to, __u32 len, __u32 start_header) =
	HELPER(skb_load_bytes_relative);

/* The value of a member of the kernel object that src points to: KREAD(task, real_parent). */
#define KREAD(src, member)                                                                                             \
	({                                                                                                             \
		typeof((src)->member) __value;                                                                         \
		bpf_probe_read_kernel(&__value, sizeof(__value), &(src)->member);                                      \
		__value;                                                                                               \
	})

#endif
