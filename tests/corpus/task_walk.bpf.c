// SPDX-License-Identifier: Apache-2.0
/* task_struct, its parents, credentials, namespaces, through pointers to pointers. */
#include <linux/sched.h>
#include <linux/cred.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>
#include <linux/utsname.h>
#include "corpus.h"

struct event {
	pid_t pid, ppid;
	kuid_t uid;
	char comm[TASK_COMM_LEN];
	unsigned int level;
	unsigned int inum;
};
struct event last;

SEC("fentry/wake_up_new_task")
int walk(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[0], *parent;

	parent = task->real_parent;
	last.pid = task->pid;
	last.ppid = parent->tgid;
	last.uid = task->cred->uid;
	__builtin_memcpy(last.comm, task->group_leader->comm, sizeof(last.comm));
	last.level = task->nsproxy->pid_ns_for_children->level;
	last.inum = task->nsproxy->uts_ns->ns.inum;
	return task->flags & PF_KTHREAD ? 0 : task->prio - MAX_RT_PRIO;
}
