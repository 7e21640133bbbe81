// SPDX-License-Identifier: Apache-2.0
/* Opaque pointers are compared and passed on; no definition is wanted. */
#include <linux/fs.h>
#include <linux/netdevice.h>
#include <linux/module.h>
#include "corpus.h"

struct pair {
	struct module *owner;
	struct net *net;
	struct bio *(*next)(struct request_queue *, struct gendisk *);
};

SEC("kprobe/opaque")
int opaque(struct pt_regs *regs)
{
	struct pair pair = {};
	struct file_system_type *type = (void *)pair.net;

	read_kernel(&pair, sizeof(pair), regs);
	return pair.owner == THIS_MODULE || (void *)type == pair.net;
}
