// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "seen.h"

SEC("kprobe/vfs_mkdir")
int on_kprobe(struct pt_regs *ctx)
{
	return note();
}

LICENSE("GPL");
