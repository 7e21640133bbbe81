// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Who starts tasks, and where: walks the ancestors of each new task, and counts by lineage and working directory.
 *
 * From the kernel's headers: struct task_struct, mm_struct, fs_struct and what they lead to; jhash_2words(), TASK_COMM_LEN,
 * PF_KTHREAD, S_ISDIR, MAJOR, MINOR, regs_get_kernel_argument().
 */
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/jhash.h>
#include <linux/kdev_t.h>
#include <linux/mm_types.h>
#include <linux/stat.h>

#include "bpf_support.h"

#define ANCESTORS 8

struct lineage {
	char comm[TASK_COMM_LEN];
	u32 parent;
	u32 depth;
	u32 major;
	u32 minor;
	u64 pages;
	u64 started;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct lineage);
} lineages SEC(".maps");

SEC("kprobe/wake_up_new_task")
int task_walk(struct pt_regs *ctx)
{
	struct task_struct *task = (struct task_struct *)regs_get_kernel_argument(ctx, 0);
	struct lineage seen = {}, *known;
	struct task_struct *at = task;
	struct mm_struct *mm;
	struct dentry *pwd;
	struct inode *inode;
	u32 hash = 0;
	int i;

	if (KREAD(task, flags) & PF_KTHREAD)
		return 0;

	for (i = 0; i < ANCESTORS; i++) {
		struct task_struct *parent = KREAD(at, real_parent);
		pid_t pid;

		if (!parent || parent == at)
			break;
		pid = KREAD(parent, tgid);
		if (!seen.depth)
			seen.parent = pid;
		hash = jhash_2words(hash, pid, JHASH_INITVAL);
		seen.depth++;
		at = parent;
	}

	pwd = KREAD(KREAD(task, fs), pwd.dentry);
	inode = KREAD(pwd, d_inode);
	if (S_ISDIR(KREAD(inode, i_mode))) {
		dev_t dev = KREAD(KREAD(inode, i_sb), s_dev);

		seen.major = MAJOR(dev);
		seen.minor = MINOR(dev);
	}

	mm = KREAD(task, mm);
	if (mm)
		seen.pages = KREAD(mm, total_vm);
	bpf_probe_read_kernel_str(seen.comm, sizeof(seen.comm), task->comm);

	known = bpf_map_lookup_elem(&lineages, &hash);
	if (known) {
		known->started++;
		return 0;
	}
	seen.started = 1;
	bpf_map_update_elem(&lineages, &hash, &seen, BPF_ANY);
	return 0;
}

LICENSE("GPL");
