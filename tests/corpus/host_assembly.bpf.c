// SPDX-License-Identifier: Apache-2.0
/* Reaches assembly of the host's processor: both ways must fail. */
#include <linux/irqflags.h>
#include <linux/spinlock.h>
#include "corpus.h"

SEC("kprobe/assembly")
int assembly(unsigned long long *ctx)
{
	unsigned long flags;

	local_irq_save(flags);
	local_irq_restore(flags);
	return flags;
}
