// SPDX-License-Identifier: Apache-2.0
/* list, hlist, container_of; loops of the headers that are macros around macros. */
#include <linux/list.h>
#include <linux/list_nulls.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include "corpus.h"

struct item {
	int value;
	struct list_head list;
	struct hlist_node hash;
};

SEC("tp_btf/sched_switch")
int count(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[1], *child;
	struct item *item, *first = list_first_entry(&task->children, struct item, list);
	int n = 0;

	list_for_each_entry(item, &first->list, list)
		n += item->value;
	hlist_for_each_entry(item, (struct hlist_head *)ctx[2], hash)
		n ^= item->value;
	child = list_first_entry_or_null(&task->children, struct task_struct, sibling);
	if (child && !list_empty(&child->children))
		n += child->pid;
	return n + (list_is_singular(&task->children) ? 1 : container_of(task->sibling.next, struct task_struct, sibling)->tgid);
}
