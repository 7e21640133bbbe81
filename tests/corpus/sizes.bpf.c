// SPDX-License-Identifier: Apache-2.0
/* Only sizes and offsets: structs that nothing touches by a member's name. */
#include <linux/sched.h>
#include <linux/mm_types.h>
#include <linux/fs.h>
#include <linux/netdevice.h>
#include <linux/uio.h>
#include "corpus.h"

unsigned long sizes[] = {
	sizeof(struct task_struct), sizeof(struct mm_struct), sizeof(struct inode),
	sizeof(struct page), __alignof__(struct net_device), offsetof(struct task_struct, comm),
	offsetof(struct inode, i_rdev), sizeof(((struct file *)0)->f_path), sizeof(spinlock_t),
};
struct page_pointer {
	struct page *page;
	struct vm_area_struct **areas;
	struct module *never_defined;
};

SEC("kprobe/sizes")
int size(unsigned long long *ctx)
{
	struct page_pointer *p = (void *)ctx[0];
	struct kiocb by_value = {};

	return sizes[ctx[1] & 7] + (p->page == (void *)p->areas) + sizeof(*p) + by_value.ki_flags;
}
