// SPDX-License-Identifier: Apache-2.0
/* Members, tags and operators that macros of the program stand for. */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/mm_types.h>
#include "corpus.h"

#define for_each_child_of(pos, t) list_for_each_entry(pos, &(t)->children, sibling)
#define FIELD(t, path...) ((t)->path)
#define F_PID pid
#define F_MM mm->task_size
#define CHAIN real_parent->group_leader
#define STRUCT struct
#define TASK task_struct
#define ARROW ->
#define GET(a, b) (a b)

SEC("kprobe/member_macros")
int member_macros(unsigned long long *ctx)
{
	STRUCT TASK *task = (void *)ctx[0], *child;
	int sum = 0;

	for_each_child_of(child, task) {
		sum += child->F_PID;
		if (sum > 9)
			break;
	}
	return sum + FIELD(task, real_parent->pid) + task->F_MM + task->CHAIN->F_PID + task ARROW tgid + GET(task->, prio) +
	       FIELD(task, signal->oom_score_adj);
}
