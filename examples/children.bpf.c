// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* What a process leaves behind when it exits: follows the kernel's linked list of its children.
 *
 * list_first_entry() reads the list head, so it is given a copy on the stack; container_of() only computes.
 *
 * From the kernel's headers: struct list_head, list_first_entry(), container_of(), struct pid.
 */
#include <linux/ptrace.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "bpf_support.h"

#define CHILDREN 16

struct orphans {
	char comm[TASK_COMM_LEN];
	char eldest[TASK_COMM_LEN];
	u32 count;
	u32 eldest_pid;
	u32 level;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct orphans);
} exits SEC(".maps");

SEC("kprobe/do_exit")
int children(struct pt_regs *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct orphans orphans = {};
	struct list_head head = KREAD(task, children);
	struct task_struct *child = list_first_entry(&head, struct task_struct, sibling);
	u32 tgid = KREAD(task, tgid);
	int i;

	if (KREAD(task, exit_signal) < 0 || head.next == &task->children)
		return 0;

	orphans.eldest_pid = KREAD(child, tgid);
	bpf_probe_read_kernel_str(orphans.eldest, sizeof(orphans.eldest), child->comm);
	bpf_probe_read_kernel_str(orphans.comm, sizeof(orphans.comm), task->comm);
	orphans.level = KREAD(KREAD(task, thread_pid), level);

	for (i = 0; i < CHILDREN; i++) {
		struct list_head link = KREAD(child, sibling);

		orphans.count++;
		if (link.next == &task->children)
			break;
		child = container_of(link.next, struct task_struct, sibling);
	}
	bpf_map_update_elem(&exits, &tgid, &orphans, BPF_ANY);
	return 0;
}

LICENSE("GPL");
