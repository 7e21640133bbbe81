// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* How long tasks stay on a processor: a histogram of powers of two, apart for real-time and for ordinary tasks.
 *
 * A tracepoint: its record starts with the kernel's struct trace_entry; the rest is as
 * events/sched/sched_switch/format in tracefs tells, which no header declares.
 *
 * From the kernel's headers: struct trace_entry, TASK_COMM_LEN, NSEC_PER_USEC, rt_prio(), min_t(), ARRAY_SIZE().
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/time64.h>
#include <linux/trace_events.h>

#include "bpf_support.h"

struct sched_switch {
	struct trace_entry entry;
	char prev_comm[TASK_COMM_LEN];
	pid_t prev_pid;
	int prev_prio;
	long prev_state;
	char next_comm[TASK_COMM_LEN];
	pid_t next_pid;
	int next_prio;
};

struct histogram {
	u64 slots[24];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct histogram);
} histograms SEC(".maps");

SEC("tracepoint/sched/sched_switch")
int sched_time(struct sched_switch *ctx)
{
	u32 prev = ctx->prev_pid, next = ctx->next_pid, realtime;
	u64 now = bpf_ktime_get_ns(), *since;
	struct histogram *histogram;

	since = bpf_map_lookup_elem(&started, &prev);
	if (since) {
		u64 usecs = (now - *since) / NSEC_PER_USEC;
		u32 slot = 0;

		while (slot < ARRAY_SIZE(histogram->slots) && usecs >> slot)
			slot++;
		slot = min_t(u32, slot, ARRAY_SIZE(histogram->slots) - 1);
		realtime = rt_prio(ctx->prev_prio) ? 1 : 0;
		histogram = bpf_map_lookup_elem(&histograms, &realtime);
		if (histogram)
			__sync_fetch_and_add(&histogram->slots[slot], 1);
		bpf_map_delete_elem(&started, &prev);
	}
	if (next)
		bpf_map_update_elem(&started, &next, &now, BPF_ANY);
	return 0;
}

LICENSE("GPL");
