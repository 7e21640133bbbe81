#include <linux/errno.h> // é
// SPDX-License-Identifier: Apache-2.0
/* A byte order mark before the first include line, é and ÿþ in a comment, lines that end with CR LF. */
#include <linux/sched.h>
#include "corpus.h"
#define SUM(a, b) \
	((a)->pid + \
	 (b)->tgid)
SEC("kprobe/byte_order_mark")
int byte_order_mark(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	return SUM(task, task) + ENOENT + __LINE__;
}
