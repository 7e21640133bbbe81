// SPDX-License-Identifier: Apache-2.0
/* Address spaces, areas, pages and their flags. */
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/page-flags.h>
#include <linux/sched/mm.h>
#include <linux/pagemap.h>
#include "corpus.h"

SEC("kprobe/handle_mm_fault")
int memory(unsigned long long *ctx)
{
	struct vm_area_struct *vma = (void *)ctx[0];
	struct page *page = (void *)ctx[1];
	unsigned long flags = vma->vm_flags;

	if (flags & (VM_EXEC | VM_WRITE) && vma->vm_file)
		return vma->vm_pgoff << PAGE_SHIFT;
	return (*(unsigned long *)page & (1UL << PG_uptodate)) + PAGE_ALIGN(ctx[2]) + vma->vm_mm->total_vm + offset_in_page(ctx[3]) +
	       atomic_read(&page->_refcount) + vma_pages(vma) + (page->mapping ? PAGE_SIZE : 0);
}
