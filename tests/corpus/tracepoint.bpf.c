// SPDX-License-Identifier: Apache-2.0
/* A tracepoint's arguments and strings. */
#include <linux/types.h>
#include <linux/trace_events.h>
#include <linux/tracepoint-defs.h>
#include <trace/syscall.h>
#include "corpus.h"

struct arguments {
	struct trace_entry ent;
	char comm[16];
	pid_t pid;
	u32 __data_loc_name;
};

static const char wanted[] = "kworker";

SEC("tracepoint/sched/sched_wakeup")
int wakeup(struct arguments *args)
{
	for (int i = 0; i < sizeof(wanted) - 1; i++)
		if (args->comm[i] != wanted[i])
			return args->ent.preempt_count + TRACE_EVENT_FL_TRACEPOINT;
	return args->pid + (args->__data_loc_name & 0xffff);
}
