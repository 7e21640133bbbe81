// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "seen.h"

SEC("fentry/vfs_mkdir")
int on_fentry(void *ctx)
{
	return note();
}

LICENSE("GPL");
