// SPDX-License-Identifier: Apache-2.0
/* Macros of a header that the program changes before it includes the next one. */
#include <linux/errno.h>
#undef ENOENT
#define ENOENT 500
#include <linux/sched.h>
#include <linux/mm.h>
#define PF_EXITING 3
#include <linux/err.h>
#undef MAX_ERRNO
#include <linux/err.h>
#include <linux/in.h>
#include "corpus.h"

SEC("kprobe/between_includes")
int between_includes(unsigned long long *ctx)
{
#ifdef MAX_ERRNO
	return MAX_ERRNO;
#else
	return ENOENT + PF_EXITING + PF_KTHREAD;
#endif
}
