// SPDX-License-Identifier: Apache-2.0
/* Typedefs of function types, tables of function pointers, structs of operations. */
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <linux/seq_file.h>
#include <linux/net.h>
#include "corpus.h"

work_func_t works[4];

SEC("kprobe/functions")
int functions(unsigned long long *ctx)
{
	const struct file_operations *fops = ((struct file *)ctx[0])->f_op;
	struct timer_list *timer = (void *)ctx[1];
	struct work_struct *work = (void *)ctx[2];
	irq_handler_t handler = ((struct irqaction *)ctx[3])->handler;
	const struct proto_ops *ops = ((struct socket *)ctx[4])->ops;

	if (fops->read_iter && work->func == works[ctx[5] & 3])
		return timer->expires;
	return (long)timer->function + (long)handler + (long)ops->sendmsg + IRQF_SHARED;
}
