// SPDX-License-Identifier: Apache-2.0
/* Labels, locals, tags, enumerators and types within functions, named as the kernel's. */
#include <linux/list.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include "corpus.h"

static int inner(int kmalloc, int printk)
{
	int schedule = kmalloc, jiffies = printk;

	{
		int bio = schedule;

		schedule += bio;
	}
	return schedule + jiffies;
}

SEC("kprobe/scopes")
int scopes(struct list_head *head, struct task_struct *task)
{
	__label__ list_del;
	enum { READ_X = 3, I_DIRTY_X } mode = READ_X;
	struct inode { int q; } inode = { I_DIRTY_X };
	int task_pid_nr = inner(mode, 4);

	{
		struct list_head { int z; } list_head = {4};
		typedef int pid_t;
		pid_t pid_ns = 3;

		task_pid_nr += list_head.z + pid_ns;
	}
	if (task->pid)
		goto list_del;
	task_pid_nr += inode.q;
list_del:
	return task_pid_nr + list_empty(head);
}
