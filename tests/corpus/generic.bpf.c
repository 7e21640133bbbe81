// SPDX-License-Identifier: Apache-2.0
/* Types told apart, and names of types made of others. */
#include <linux/types.h>
#include <linux/refcount.h>
#include <linux/atomic.h>
#include <linux/in6.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include "corpus.h"

#define kind(x) \
	_Generic((x), atomic_t *: 1, refcount_t *: 2, struct in6_addr *: 3, u64: 4, pid_t: 5, fmode_t: 6, default: 9)
typedef typeof(((struct file_operations *)0)->read) read_fn;
struct copy {
	typeof(((struct task_struct *)0)->comm) comm;
	char other[sizeof(((struct task_struct *)NULL)->comm)];
	typeof(struct list_head) list;
	read_fn read;
};

SEC("kprobe/generic")
int generic(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	typeof(*task) *next = task + 1;

	return kind(&task->usage) + kind((atomic_t *)ctx) * 10 + kind((struct in6_addr *)ctx) * 100 + kind(ctx[1]) +
	       kind(task->pid) + sizeof(struct copy) + next->pid;
}
