// SPDX-License-Identifier: Apache-2.0
/* A list of calls that other headers have read before, with other macros. */
#include <linux/bpf.h>
#include "corpus.h"

#define BPF_PROG_TYPE(id, name, program, kernel) [id] = sizeof(#name),
#define BPF_MAP_TYPE(id, ops)
#define BPF_LINK_TYPE(id, name)
static const int sizes[] = {
#include <linux/bpf_types.h>
};

SEC("kprobe/type_list")
int type_list(unsigned long long *ctx)
{
	return sizes[ctx[0] % ARRAY_SIZE(sizes)];
}
