// SPDX-License-Identifier: Apache-2.0
/* Macros that the program defines before headers that define them, give them a default, or test them. */
#define PATH_MAX 77
#define MAX_ERRNO 3
#define GFP_KERNEL 77
#define list_entry(a, b, c) ((b *)(a))
#define pr_fmt(fmt) "corpus: " fmt
#define MAX_SKB_FRAGS 3
#define DEBUG 1
#include <linux/limits.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/printk.h>
#include <linux/skbuff.h>
#include "corpus.h"

struct node {
	long value;
	struct list_head list;
};
const char prefix[] = pr_fmt("x");

SEC("kprobe/before_include")
int before_include(unsigned long long *ctx)
{
	struct node *node = list_first_entry((struct list_head *)ctx[0], struct node, list);

	return node->value + PATH_MAX + MAX_ERRNO + GFP_KERNEL + MAX_SKB_FRAGS + DEBUG + prefix[ctx[1] & 3];
}
