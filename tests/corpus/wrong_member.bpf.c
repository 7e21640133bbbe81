// SPDX-License-Identifier: Apache-2.0
/* A mistake of the program's: both ways must fail. */
#include <linux/sched.h>
#include "corpus.h"

SEC("kprobe/wrong")
int wrong(struct task_struct *task)
{
	return task->no_such_member;
}
