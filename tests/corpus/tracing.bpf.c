// SPDX-License-Identifier: Apache-2.0
/* Structs of the tracing machinery, and tracepoints themselves. */
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <linux/trace_events.h>
#include <trace/events/sched.h>
#include <trace/events/tcp.h>
#include "corpus.h"

SEC("kprobe/tracing")
int tracing(unsigned long long *ctx)
{
	struct trace_entry *entry = (void *)ctx[0];
	struct trace_event_call *call = (void *)ctx[1];
	struct tracepoint *point = (void *)ctx[2];

	return entry->pid + entry->preempt_count + call->event.type + point->name[0] + TRACE_FLAG_HARDIRQ +
	       (long)&__tracepoint_sched_switch + (long)&__tracepoint_tcp_probe;
}
