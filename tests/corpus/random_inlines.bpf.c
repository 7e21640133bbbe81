// SPDX-License-Identifier: Apache-2.0
/* Inline functions a few calls deep. */
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/kfifo.h>
#include <linux/string.h>
#include <linux/overflow.h>
#include <linux/crc16.h>
#include <linux/siphash.h>
#include "corpus.h"

struct task_struct_array {
	int count;
	long items[];
};

SEC("kprobe/inlines")
int inlines(unsigned long long *ctx)
{
	u32 a = ctx[0], sum;
	bool over = check_add_overflow(a, (u32)ctx[1], &sum);

	return jhash_2words(a, sum, 7) + hash_32(a, 8) + hash_64(ctx[2], 12) + hash_ptr((void *)ctx[3], 4) + over +
	       struct_size((struct task_struct_array *)0, items, 4) + jhash_1word(a, JHASH_INITVAL);
}
