// SPDX-License-Identifier: Apache-2.0
/* Structs that the program moves, counts and assigns, but whose members it never names. */
#include <linux/skbuff.h>
#include <linux/mm_types.h>
#include "corpus.h"

SEC("kprobe/whole_structs")
int whole_structs(unsigned long long *ctx)
{
	struct page *page = (void *)ctx[0], **pages = (void *)ctx[1];
	struct sk_buff *one = (void *)ctx[2], *other = (void *)ctx[3];

	pages[1]++;
	*one = *other;
	return (long)(page + ctx[4]) + (one - other);
}
