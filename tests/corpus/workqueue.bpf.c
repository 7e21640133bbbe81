// SPDX-License-Identifier: Apache-2.0
/* A member's address back to what holds it, with the type of the member checked by the macro. */
#include <linux/workqueue.h>
#include <linux/rcupdate.h>
#include <linux/device.h>
#include <linux/kobject.h>
#include "corpus.h"

struct job {
	int state;
	struct delayed_work dwork;
	struct rcu_head rcu;
	struct device dev;
};

SEC("tp_btf/workqueue_execute_start")
int execute(unsigned long long *ctx)
{
	struct work_struct *work = (void *)ctx[0];
	struct delayed_work *delayed = to_delayed_work(work);
	struct job *job = container_of(delayed, struct job, dwork);
	struct device *dev = kobj_to_dev((struct kobject *)ctx[1]);

	return job->state + delayed->timer.expires + (long)job->rcu.func + dev->id + dev_name(dev)[0] + WQ_UNBOUND + WORK_BUSY_PENDING;
}
