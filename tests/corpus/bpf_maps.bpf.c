// SPDX-License-Identifier: Apache-2.0
/* Maps described by BTF, with key and value types of the kernel; needs -g to load, not to compile. */
#include <linux/types.h>
#include <linux/in6.h>
#include <linux/sched.h>
#include <linux/bpf.h>
#include "corpus.h"

#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name

struct map_key {
	struct in6_addr address;
	char comm[TASK_COMM_LEN];
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 10);
	__type(key, struct map_key);
	__type(value, struct bpf_prog_aux);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} map SEC(".maps");

SEC("fentry/bpf_prog_load")
int maps(unsigned long long *ctx)
{
	struct map_key key = {.address = IN6ADDR_LOOPBACK_INIT};
	struct bpf_prog_aux *value = lookup(&map, &key);
	struct bpf_map *other = (void *)ctx[0];

	return value ? value->id + other->max_entries + other->map_type : BPF_ANY;
}
