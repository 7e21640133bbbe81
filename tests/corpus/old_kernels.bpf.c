// SPDX-License-Identifier: Apache-2.0
/* Declarations for older kernels, which are not compiled, under names that this kernel has. */
#include "old_kernels.h"
#include <linux/hash.h>
#include <linux/list.h>
#include "corpus.h"

SEC("kprobe/old_kernels")
int old_kernels(unsigned long long *ctx)
{
	struct list_head *list = (void *)ctx[0];
	pid_t pid = ctx[1];

	return hash_32(pid, 3) + list_empty(list) + (GOLDEN_RATIO_32 & 0xff);
}
