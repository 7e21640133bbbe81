// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* How shared address spaces are when their users let go of them: reads the kernel's atomic counters.
 *
 * atomic_read() and refcount_read() are given copies on the stack; the kernel's objects are never written.
 *
 * From the kernel's headers: atomic_t, atomic64_t, refcount_t and their readers; atomic_long_read(), IS_ENABLED(), PAGE_SHIFT.
 */
#include <linux/ptrace.h>
#include <linux/atomic.h>
#include <linux/kconfig.h>
#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <asm/page.h>

#include "bpf_support.h"

struct sharing {
	u64 seen;
	u64 page_tables;
	u64 pinned;
	u32 users;
	u32 references;
	u32 task_references;
	u32 smp;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct sharing);
} sharings SEC(".maps");

SEC("kprobe/mmput")
int refcounts(struct pt_regs *ctx)
{
	struct mm_struct *mm = (struct mm_struct *)regs_get_kernel_argument(ctx, 0);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	atomic_t users = KREAD(mm, mm_users), references = KREAD(mm, mm_count);
	atomic64_t pinned = KREAD(mm, pinned_vm);
	refcount_t usage = KREAD(task, usage);
	struct sharing sharing = {}, *known;
	u32 tgid = KREAD(task, tgid);

	known = bpf_map_lookup_elem(&sharings, &tgid);
	sharing.seen = known ? known->seen + 1 : 1;
	sharing.users = atomic_read(&users);
	sharing.references = atomic_read(&references);
	sharing.task_references = refcount_read(&usage);
	sharing.pinned = (u64)atomic64_read(&pinned) << PAGE_SHIFT;
	sharing.smp = IS_ENABLED(CONFIG_SMP);
	if (IS_ENABLED(CONFIG_MMU)) {
		atomic_long_t bytes = KREAD(mm, pgtables_bytes);

		sharing.page_tables = atomic_long_read(&bytes);
	}
	bpf_map_update_elem(&sharings, &tgid, &sharing, BPF_ANY);
	return 0;
}

LICENSE("GPL");
