/* SPDX-License-Identifier: Apache-2.0 */
/* What each program of the guests notes when it fires: who did it, read through the layouts of the kernel's headers. */
#include <linux/ptrace.h>
#include <linux/sched.h>

#include "bpf_support.h"

struct seen {
	u64 hits;
	u32 tgid;
	u32 parent;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct seen);
} seen SEC(".maps");

static __always_inline int note(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	u32 zero = 0;
	struct seen *seen_now = bpf_map_lookup_elem(&seen, &zero);

	if (!seen_now)
		return 0;
	seen_now->hits++;
	seen_now->tgid = KREAD(task, tgid);
	seen_now->parent = KREAD(KREAD(task, real_parent), tgid);
	bpf_probe_read_kernel_str(seen_now->comm, sizeof(seen_now->comm), task->comm);
	return 0;
}
