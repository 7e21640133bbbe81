// SPDX-License-Identifier: Apache-2.0
/* Include lines that do not count, of headers that are there and of some that are nowhere. */
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 0, 0)
#include <linux/hash.h>
#else
#include <linux/there_is_no_such.h>
#endif
#if 0
#include <linux/sched.h>
#endif
#if __has_include(<linux/nor_this_one.h>)
#include <linux/nor_this_one.h>
#define FOUND 1
#else
#define FOUND 2
#endif
#if defined(__has_include) && __has_include(<linux/errno.h>)
#include <linux/errno.h>
#endif
#ifndef PF_KTHREAD
#define PF_KTHREAD 77
#endif
#include "corpus.h"

struct task_struct {
	int mine;
};

SEC("kprobe/conditional_includes")
int conditional_includes(struct task_struct *task)
{
	return hash_32(task->mine, 3) + PF_KTHREAD + FOUND + ENOENT;
}
