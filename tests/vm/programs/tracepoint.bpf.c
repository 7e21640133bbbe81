// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "seen.h"

SEC("tracepoint/syscalls/sys_enter_mkdir")
int on_tracepoint(void *ctx)
{
	return note();
}

LICENSE("GPL");
