// SPDX-License-Identifier: Apache-2.0
/* cgroups of a task. */
#include <linux/sched.h>
#include <linux/cgroup.h>
#include <linux/kernfs.h>
#include "corpus.h"

SEC("tp_btf/cgroup_attach_task")
int cgroups(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct cgroup *cgroup = task->cgroups->dfl_cgrp;

	return cgroup_id(cgroup) + cgroup->level + cgroup->kn->name[0] + task->cgroups->subsys[cpu_cgrp_id]->flags +
	       CGROUP_SUBSYS_COUNT;
}
