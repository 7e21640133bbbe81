// SPDX-License-Identifier: Apache-2.0
/* atomic_t, refcount_t, kref, percpu counters: reads only, which need no host assembly. */
#include <linux/atomic.h>
#include <linux/refcount.h>
#include <linux/kref.h>
#include <linux/percpu_counter.h>
#include <linux/sched.h>
#include <linux/mm_types.h>
#include "corpus.h"

SEC("kprobe/counters")
int counters(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct kref *kref = (void *)ctx[1];
	atomic64_t big = ATOMIC64_INIT(7);
	atomic_t small = ATOMIC_INIT(3);

	return atomic_read(&task->mm->mm_users) + refcount_read(&task->usage) + kref_read(kref) + atomic64_read(&big) +
	       atomic_read(&small) + atomic_long_read((atomic_long_t *)ctx[2]);
}
